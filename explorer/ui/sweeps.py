"""The Sweeps tab."""

from __future__ import annotations

from .handlers import Handlers
from .instrument import component
from .room import Room


def sweeps_tab(room: Room, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    component("sweep")
