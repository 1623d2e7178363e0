"""What is embedded while studies run, on disk: shared between studies, and found again after an interruption."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.errors import InvalidInput
from explorer.core.probe import Probe, first, grow, prepare
from explorer.core.steps import Steps, T, Work
from explorer.core.storage import write_whole
from explorer.encoders.base import Encoder
from explorer.results.folders import PROBE_FILE, load_probe, save_probe
from explorer.studies.needs import Arrays, Need, ProbeNeed, WorkNeed, slug
from explorer.studies.reached import Reached

SAVE_EVERY = 30.0
"""Seconds of work that a power cut can cost."""

ARRAYS_FILE = "arrays.npz"


class Store:
    """A folder of probes and arrays, named by everything they depend on.

    Args:
        folder: Where; made when first needed.
        encoder: The encoder of a role.
        picture: The path of a picture by its file name.
        identity: Plain values that name encoders and pictures; part of every name in the folder.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Callable[[str], Encoder],
        picture: Callable[[str], Path],
        identity: dict[str, Any],
    ) -> None:
        self._folder, self._encoder, self._picture, self._identity = folder, encoder, picture, identity
        self._last: tuple[str, Probe] | None = None

    def lacking(self, need: Need) -> int:
        """How many pictures are still to be embedded for a need."""
        folder = self._folder / self._name(need)
        if isinstance(need, ProbeNeed):
            return max(0, need.passes - _rows(folder / PROBE_FILE))
        return 0 if _whole(folder) else max(0, need.passes - Reached(folder).passes)

    def fill(self, need: Need, setup: Any) -> Steps[None]:
        """Do what a need lacks and keep it; what is reached is kept now and then, and when stopped in the middle.

        Args:
            need: The need.
            setup: Given to a piece of work.
        """
        folder = self._folder / self._name(need)
        if isinstance(need, ProbeNeed):
            if self.lacking(need):
                yield from self._grow(need)
            return
        if _whole(folder):
            return
        reached = Reached(folder)
        done = yield from _saved(reached.going_on(need.work(setup)), reached.save)
        arrays: dict[str, Any] = {name: np.asarray(array) for name, array in done.items()}
        write_whole(folder, lambda scratch: np.savez(scratch / ARRAYS_FILE, **arrays))
        reached.forget()

    def _grow(self, need: ProbeNeed) -> Steps[None]:
        probe = self._taken_up(need)
        done = saved = len(probe)

        def embedded() -> Steps[None]:
            nonlocal probe, done
            for grown in grow(probe):
                step, probe = len(grown) - done, grown
                done += step
                yield step

        def save() -> None:
            nonlocal saved
            if len(probe) > saved:
                save_probe(probe, self._folder / self._name(need))
                saved = len(probe)

        yield from _saved(embedded(), save)
        save()
        self._last = self._name(need), probe

    def probe(self, need: ProbeNeed) -> Probe:
        """The probe of a need that was filled, cut to its number of masks."""
        name = self._name(need)
        if self._last is None or self._last[0] != name or len(self._last[1]) < need.passes:
            self._last = name, self._taken_up(need)
        probe = self._last[1]
        if len(probe) < need.passes:
            raise RuntimeError(f"a study did not say that it needs {need}")
        return probe if len(probe) == probe.wanted == need.passes else first(probe, need.passes)

    def arrays(self, need: WorkNeed) -> Arrays:
        """The result of a piece of work that was done."""
        path = self._folder / self._name(need) / ARRAYS_FILE
        if not path.is_file():
            raise RuntimeError(f"a study did not say that it needs {need}")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def drop(self, needs: Iterable[Need]) -> None:
        """Forget what no study to come needs."""
        for need in needs:
            shutil.rmtree(self._folder / self._name(need), ignore_errors=True)
        self._last = None
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _name(self, need: Need) -> str:
        return slug({"identity": self._identity, **need.facts})

    def _taken_up(self, need: ProbeNeed) -> Probe:
        """The probe as far as it is on disk."""
        encoder, picture = self._encoder(need.role), self._picture(need.image)
        path = self._folder / self._name(need) / PROBE_FILE
        if path.is_file():
            try:
                return load_probe(path, image=picture, encoder=encoder, masking=need.masking)
            except InvalidInput as error:
                if error.code != "resume_damaged":  # a damaged one is embedded anew
                    raise
        return prepare(picture, encoder=encoder, masking=need.masking)


def _saved(steps: Steps[T], save: Callable[[], None]) -> Steps[T]:
    """Costly work that is saved now and then, and when it is stopped before its end."""
    work, kept, ended = Work(steps), time.monotonic(), False
    try:
        for step in work:
            yield step  # type: ignore[misc]
            if time.monotonic() - kept > SAVE_EVERY:
                save()
                kept = time.monotonic()
        ended = True
    finally:  # Ctrl-C arrives wherever the loop is
        if not ended:
            save()
    return work.result


def _whole(folder: Path) -> bool:
    """Whether the result of a piece of work is there."""
    return zipfile.is_zipfile(folder / ARRAYS_FILE)


def _rows(path: Path) -> int:
    """How many masks a probe on disk has, without reading it; 0 where it is absent or cut short."""
    try:
        with zipfile.ZipFile(path) as stored, stored.open("embeddings.npy") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return 0
    return int(shape[0])
