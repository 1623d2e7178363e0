"""Who waits for the network, so that a visitor can be told how many runs come first and how long they take."""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

STALE_SECONDS = 600
"""A run that has not been heard of for so long belonged to a page that was closed."""


class Waiting:
    """Runs by whoever asked for them, the first to ask first. Safe to share between threads."""

    def __init__(self) -> None:
        self._runs: WeakKeyDictionary[object, tuple[float, float]] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def expect(self, asker: object, seconds: float) -> None:
        """Note that a run will take so long yet; the asker keeps its place."""
        with self._guard:
            self._runs[asker] = (seconds, time.monotonic())

    def done(self, asker: object) -> bool:
        """Forget a run that ended, or never began; returns whether there was one."""
        with self._guard:
            return self._runs.pop(asker, None) is not None

    def before(self, asker: object) -> tuple[int, float]:
        """How many runs come before the asker's, and how many seconds they take."""
        with self._guard:
            now, found = time.monotonic(), []
            for other, (seconds, heard) in self._runs.items():
                if other is asker:
                    break
                if now - heard < STALE_SECONDS:
                    found.append(seconds)
            return len(found), sum(found)
