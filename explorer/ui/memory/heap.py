"""Memory that is free in this process but not yet for others: glibc keeps it, in a heap for each of many threads."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8
"""Of glibc's ``mallopt``: how many heaps threads share. Two or three threads here ever make large arrays at a time."""
HEAPS = 4


def share_heaps() -> None:
    """Let all threads share a few heaps; to be called before they begin. Where there is no glibc, nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, HEAPS)


def give_back() -> None:
    """Give what is free back to the system; takes some milliseconds. Where there is no glibc, nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
