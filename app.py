"""Entry point for Hugging Face Spaces and for people: build the app, serve it."""

from explorer.ui import build_app, launch

demo = build_app()

if __name__ == "__main__":
    launch(demo)
