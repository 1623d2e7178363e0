"""The Share tab: links, files, and what a link brings back."""

from __future__ import annotations

import gradio as gr

from .handlers import Handlers
from .room import Room


def share_tab(room: Room, handlers: Handlers, demo: gr.Blocks) -> None:
    """Lay the tab out and wire it."""
