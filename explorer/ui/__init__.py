"""The Gradio app; the only room where gradio is imported."""

from .server import build_app, launch

__all__ = ["build_app", "launch"]
