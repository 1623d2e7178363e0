"""Running a benchmark: picture by picture, method by method, each result written down as soon as it is there.

A result is one line of JSON, so that a run that was stopped goes on where it was, and nothing is held in memory.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..attributions.scored import is_blank
from ..case import Case, Steps
from ..datasets.items import Item
from ..errors import CannotWrite, InvalidInput, UnusableEmbedding
from ..evaluation.scorers import Scorer, make_scorer
from ..evaluation.segmentation import as_seen
from ..files import versions, write_whole
from ..formats import jpeg
from ..plots import paint, shrink
from ..studies.drawing import as_seen as as_picture_seen
from .gallery import with_truth
from .plan import Plan

RECIPE, CELLS, PICTURES = "benchmark.json", "cells.jsonl", "pictures"

SHOWN = 12
"""How many of the pictures have their maps in the report."""
SIDE = 168
"""Longest side of a map in the report, in pixels."""

BLANK = "the map is blank"
NO_MASK = "no outline of the object"

Name = tuple[str, str, str]
"""Of an encoder, a method and an item."""


@dataclass(frozen=True)
class Cell:
    """What one method answered about one picture on one encoder, and how that was judged.

    Attributes:
        encoder: Its name.
        method: Its key.
        item: Its key.
        seconds: The map took.
        passes: Pictures embedded for the map.
        dropped: Why the map does not count, or an empty string.
        measured: Records of the metrics, by group.
        lacking: Why groups of metrics have no record.
        picture: The map over its picture, a file in the folder of results, or an empty string.
    """

    encoder: str
    method: str
    item: str
    seconds: float = 0.0
    passes: int = 0
    dropped: str = ""
    measured: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    picture: str = ""

    @property
    def name(self) -> Name:
        """Names it within a benchmark."""
        return self.encoder, self.method, self.item


def open_folder(plan: Plan, out: Path, *, overwrite: bool = False) -> list[Cell]:
    """Make a folder ready for the results of a plan.

    Returns:
        What an earlier run of the same plan left there.

    Raises:
        InvalidInput: Results of another plan lie there and nobody asked to replace them, or they are damaged.
        CannotWrite: The folder cannot be written.
    """
    if (out / RECIPE).exists() or (out / CELLS).exists():
        if _recipe(out) == plan.recipe:
            return read_cells(out)
        if not overwrite:
            raise InvalidInput(
                f"{out.name or out} holds a benchmark of other data, encoders, methods or settings; name another "
                "folder with --out, or replace it with --overwrite.",
                code="benchmark_differs",
            )
        _clear(out)

    def write(scratch: Path) -> None:
        facts = {"recipe": plan.recipe, "versions": versions()}
        (scratch / RECIPE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    write_whole(out, write)
    return []


def _recipe(out: Path) -> Any:
    """What the results in a folder were made from; None where that cannot be read."""
    try:
        return json.loads((out / RECIPE).read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _clear(out: Path) -> None:
    try:
        (out / CELLS).unlink(missing_ok=True)
        shutil.rmtree(out / PICTURES, ignore_errors=True)
    except OSError as error:
        raise CannotWrite(
            f"Cannot replace {CELLS}: {(error.strerror or 'it failed').lower()}.", code="write"
        ) from error


def read_cells(out: Path) -> list[Cell]:
    """The cells in a folder; a last line that was cut short by a stop is taken away.

    Raises:
        InvalidInput: A line is damaged.
    """
    path = out / CELLS
    if not path.is_file():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    try:
        return [Cell(**json.loads(line)) for line in whole.decode().splitlines()]
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{CELLS} is damaged; begin anew with --overwrite, or name another folder with --out.",
            code="benchmark_damaged",
        ) from error


def run_benchmark(plan: Plan, out: Path) -> Steps[None]:
    """Do what is not done; yields the number of pictures embedded since it last yielded.

    Stopped anywhere, it goes on where it was when called again; what is lost is the one map it was at.

    Args:
        plan: The benchmark.
        out: A folder made ready by ``open_folder``.

    Raises:
        InvalidInput: The results in the folder are damaged, or the gallery cannot be read.
        CannotWrite: The folder cannot be written.
    """
    done = {cell.name for cell in read_cells(out)}
    for encoder in plan.asked:
        methods = [key for key in plan.methods if not plan.why_not(encoder, key)]
        waiting = [
            (place, item, left)
            for place, item in enumerate(plan.items)
            if (left := [key for key in methods if (encoder, key, item.key) not in done])
        ]
        if not waiting:
            continue
        gallery = None if plan.gallery is None else (yield from plan.gallery.embed(plan.asked[encoder]))
        for place, item, left in waiting:
            folder = f"{PICTURES}/{place:02d}" if place < SHOWN else ""
            for step in _about(plan, encoder, item, left, gallery, out, folder):
                if isinstance(step, int):
                    yield step
                else:
                    _append(out / CELLS, step)


@dataclass(frozen=True)
class _Unscored:
    """Takes the place of a scorer where there can be none, and says why."""

    key: ClassVar[str] = "none"
    decides: ClassVar[bool] = False

    why: str

    def score(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Nothing is scored."""
        raise UnusableEmbedding(self.why, code="no_score")

    def same(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Nothing is decided."""
        raise UnusableEmbedding(self.why, code="no_score")


@dataclass(frozen=True, eq=False)
class _Judged:
    """A question and what judges its answers."""

    case: Case
    scorer: Scorer
    region: NDArray[np.bool_] | None
    seed: int


def _about(
    plan: Plan,
    encoder: str,
    item: Item,
    methods: list[str],
    gallery: NDArray[np.floating] | None,
    out: Path,
    folder: str,
) -> Generator[int | Cell, None, None]:
    """One picture on one encoder: passes, and a cell for each method; pictures go to a folder if it has a name."""
    try:
        judged = yield from _judged(plan, encoder, item, gallery)
    except (InvalidInput, UnusableEmbedding) as error:
        yield from (Cell(encoder, key, item.key, dropped=str(error)) for key in methods)
        return
    for key in methods:
        cell, attribution = yield from _answered(plan, Cell(encoder, key, item.key), judged)
        if folder and attribution is not None:
            cell = replace(cell, picture=f"{folder}/{_file_name(encoder, key)}")
            _draw(judged.case, attribution, out / cell.picture)
        yield cell


def _judged(plan: Plan, encoder: str, item: Item, gallery: NDArray[np.floating] | None) -> Steps[_Judged]:
    case = plan.case(encoder, item)
    label = item.class_index if plan.label == "truth" else None
    rivals = None if gallery is None else with_truth(gallery, case.target.embedding)
    try:
        scorer: Scorer = yield from make_scorer(case, gallery=rivals, label=label)
    except (InvalidInput, UnusableEmbedding) as error:  # maps and outlines can be had all the same
        scorer = _Unscored(str(error))
    picture = item.load()
    region = item.load_mask(picture.shape[:2])
    if region is not None:
        h, w = case.pixels.shape[:2]
        region = as_seen(region, case.encoder.view(picture)[1], (h, w))
    return _Judged(case, scorer, region, plan.seed_of(item))


def _answered(plan: Plan, cell: Cell, judged: _Judged) -> Steps[tuple[Cell, NDArray[np.float32] | None]]:
    """The cell with everything in it, and its map where there is one that counts."""
    started, passes, dropped = time.perf_counter(), 0, ""
    attribution = None
    try:
        work = plan.methods[cell.method](judged.case)
        while attribution is None:
            try:
                step = next(work)
            except StopIteration as end:
                attribution = end.value
            else:
                passes += step
                yield step
    except (InvalidInput, UnusableEmbedding) as error:
        dropped = str(error)
    seconds = time.perf_counter() - started
    if attribution is not None:
        dropped = _nothing(attribution)
    if dropped or attribution is None:
        return replace(cell, seconds=round(seconds, 6), passes=passes, dropped=dropped), None
    measured, lacking = yield from _measured(plan, cell.encoder, attribution, judged)
    done = replace(cell, seconds=round(seconds, 6), passes=passes, measured=measured, lacking=lacking)
    return done, attribution


def _nothing(attribution: NDArray[np.float32]) -> str:
    """Why a map does not count, or an empty string."""
    if not np.isfinite(attribution).all():
        return "the map is not finite"
    return BLANK if is_blank(attribution) else ""


def _measured(
    plan: Plan, encoder: str, attribution: NDArray[np.float32], judged: _Judged
) -> Steps[tuple[dict[str, dict[str, Any]], dict[str, str]]]:
    """What the metrics say, and why some do not, by group."""
    measured, lacking = {}, {}
    for group, metric in plan.measured(encoder).items():
        outlines = "segmentation" in metric.needs
        if outlines and judged.region is None:
            lacking[group] = NO_MASK
            continue
        if not outlines and isinstance(judged.scorer, _Unscored):
            lacking[group] = judged.scorer.why
            continue
        try:
            measured[group] = yield from metric.measure(
                judged.case, attribution, judged.scorer, judged.region, judged.seed
            )
        except (InvalidInput, UnusableEmbedding) as error:
            lacking[group] = str(error)
    return measured, lacking


def _append(path: Path, cell: Cell) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")
    except OSError as error:
        raise CannotWrite(f"Cannot write {CELLS}: {(error.strerror or 'it failed').lower()}.", code="write") from error


def _draw(case: Case, attribution: NDArray[np.float32], path: Path) -> None:
    """The map over what the encoder sees, on a scale of its own: maps of two methods have no common unit."""
    painted = paint(attribution, shrink(as_picture_seen(case.pixels), SIDE))

    def write(scratch: Path) -> None:
        (scratch / path.name).write_bytes(jpeg(painted))

    write_whole(path.parent, write)


def _file_name(*parts: str) -> str:
    stem = "--".join("".join(c if c.isalnum() or c in "-._+" else "-" for c in part) for part in parts)
    return f"{stem[:180]}.jpg"
