"""How far an interrupted piece of work came: the embeddings it has had, on disk, so that it has them for nothing."""

from __future__ import annotations

import zipfile
from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.embedder import RECALL, Rows
from explorer.core.steps import Steps, T, Work
from explorer.core.storage import write_whole

PREFIX = "reached-"
"""Of files named by the passes that were done when they were written, each with what came since the one before."""


class Reached:
    """The embeddings of a piece of work that is not finished.

    Doing it again from the start, it asks for the same ones in the same order; those that are here cost nothing.

    Args:
        folder: Of the piece of work.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        for path in sorted(folder.glob(f"{PREFIX}*.npz")):
            if not zipfile.is_zipfile(path):  # damaged, and what follows is of no use without it
                break
            self._files.append(path)
        self.passes = int(self._files[-1].stem.removeprefix(PREFIX)) if self._files else 0
        self._kept = self.passes
        self._new: dict[str, Rows] = {}
        self._old: dict[str, Any] = {}

    def going_on(self, steps: Steps[T]) -> Steps[T]:
        """Do the work; yields what was not done before."""
        for path in self._files:
            with np.load(path, allow_pickle=False) as stored:
                self._old |= {name: stored[name] for name in stored.files}
        context = copy_context()  # the memory is this work's alone, whoever asks for its next step
        context.run(RECALL.set, self)
        work, done, before = Work(steps), 0, self.passes
        pieces = iter(work)
        for step in iter(lambda: context.run(next, pieces, None), None):
            assert isinstance(step, int)
            done += step
            self.passes = max(before, done)
            if done > before:
                yield min(step, done - before)
        return work.result

    def save(self) -> None:
        """Keep what is new; each file has passes of its own, so that none takes the place of another."""
        if self.passes == self._kept:
            return
        name, rows = f"{PREFIX}{self.passes:09d}.npz", self._new
        write_whole(self._folder, lambda scratch: np.savez(scratch / name, **rows))  # type: ignore[arg-type]
        self._kept, self._new = self.passes, {}

    def forget(self) -> None:
        """Take away what the finished work no longer needs."""
        for path in self._folder.glob(f"{PREFIX}*.npz"):
            path.unlink()

    def get(self, name: str) -> Rows | None:
        """Embeddings that are here; what failed may succeed another time."""
        rows: Rows | None = self._old.get(name)
        return None if rows is None or not np.isfinite(rows).all() else rows.copy()

    def keep(self, name: str, rows: Rows) -> None:
        """Keep embeddings for ``save``."""
        self._new[name] = rows.copy()
