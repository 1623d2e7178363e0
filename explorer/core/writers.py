"""What saves each kind of result: the room of results, which lies above, adds how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from explorer.core.registry import Registry

Writer = Callable[..., Path]
"""A result, where to, whether what is there is replaced, and for maps whether the probe is kept -> where it is."""
WRITERS: Registry[Writer] = Registry("kind of result", "explorer.results.folders")
