"""The Gradio app; the only room where gradio is imported."""

from explorer.core.errors import CannotWrite
from explorer.ui.memory import temp_folder

try:
    temp_folder.prepare()  # before gradio is imported, which takes its folder from it
except CannotWrite as error:
    raise SystemExit(f"Cannot start: {error}") from error

from explorer.ui.server import build_app, launch, mount

__all__ = ["build_app", "launch", "mount"]
