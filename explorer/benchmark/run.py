"""Running a benchmark: picture by picture, method by method, each result written down as soon as it is there.

So a run that was stopped goes on where it was, and no map is held in memory.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.attributions.scored import is_blank
from explorer.benchmark.cells import PICTURES, Cell, append, read_cells
from explorer.benchmark.gallery import rivals_of
from explorer.benchmark.plan import Plan
from explorer.core.errors import InvalidInput, UnusableEmbedding, WeightsMissing
from explorer.core.steps import Steps, Work
from explorer.core.storage import write_whole
from explorer.datasets.items import Item
from explorer.evaluation.scorers import Scorer, make_scorer
from explorer.evaluation.segmentation import as_seen
from explorer.pictures.formats import jpeg
from explorer.reports.drawing import as_seen as as_picture_seen
from explorer.results.plots import colour_limit, paint, shrink

SHOWN = 12
"""How many of the pictures have their maps in the report."""
SIDE = 168
"""Longest side of a map in the report, in pixels."""

BLANK = "the map is blank"
NO_MASK = "no outline of the object"


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
                    append(out, step)


@dataclass(frozen=True, eq=False)
class _Judged:
    """A question and what judges its answers; without a scorer or a region, why there is none."""

    question: Question
    scorer: Scorer | None
    no_scorer: str
    region: NDArray[np.bool_] | None
    no_region: str
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
            _draw(judged.question, attribution, out / cell.picture)
        yield cell


def _judged(plan: Plan, encoder: str, item: Item, gallery: NDArray[np.floating] | None) -> Steps[_Judged]:
    question = plan.question_of(encoder, item)
    label = item.class_index if plan.label == "truth" else None
    rivals = None if gallery is None else (yield from rivals_of(question, gallery))
    scorer, no_scorer = None, ""
    try:
        scorer = yield from make_scorer(question, gallery=rivals, label=label)
    except (InvalidInput, UnusableEmbedding) as error:  # maps and outlines can be had all the same
        no_scorer = str(error)
    region, no_region = None, NO_MASK
    if item.mask is not None:
        try:
            region = _region(question, item)
        except InvalidInput as error:  # what needs no outline can be had all the same
            no_region = f"the outline of the object cannot be used: {error}"
    return _Judged(question, scorer, no_scorer, region, no_region, plan.seed_of(item))


def _region(question: Question, item: Item) -> NDArray[np.bool_] | None:
    """Where the object is in what the encoder sees."""
    picture = item.load()
    mask = item.load_mask(picture.shape[:2])
    h, w = question.pixels.shape[:2]
    return None if mask is None else as_seen(mask, question.encoder.view(picture)[1], (h, w))


def _answered(plan: Plan, cell: Cell, judged: _Judged) -> Steps[tuple[Cell, NDArray[np.float32] | None]]:
    """The cell with everything in it, and its map where there is one that counts."""
    started, passes, dropped = time.perf_counter(), 0, ""
    attribution = None
    try:
        work = Work(plan.methods[cell.method](judged.question))
        for step in work:
            assert isinstance(step, int)
            passes += step
            yield step
        attribution = work.result
    except (InvalidInput, UnusableEmbedding, WeightsMissing) as error:  # the last where a method's package is absent
        dropped = str(error)
    seconds = time.perf_counter() - started
    if attribution is not None:
        dropped = _nothing(attribution)
    if dropped or attribution is None:
        return replace(cell, seconds=round(seconds, 6), passes=passes, dropped=dropped), None
    measured, lacking = yield from _measured(plan, attribution, judged)
    done = replace(cell, seconds=round(seconds, 6), passes=passes, measured=measured, lacking=lacking)
    return done, attribution


def _nothing(attribution: NDArray[np.float32]) -> str:
    """Why a map does not count, or an empty string."""
    if not np.isfinite(attribution).all():
        return "the map is not finite"
    return BLANK if is_blank(attribution) else ""


def _measured(
    plan: Plan, attribution: NDArray[np.float32], judged: _Judged
) -> Steps[tuple[dict[str, dict[str, Any]], dict[str, str]]]:
    """What the metrics say, and why some do not, by group."""
    measured, lacking = {}, {}
    for group, metric in plan.measured.items():
        outlines = "segmentation" in metric.needs
        if outlines and judged.region is None:
            lacking[group] = judged.no_region
            continue
        if metric.scored and judged.scorer is None:
            lacking[group] = judged.no_scorer
            continue
        try:
            measured[group] = yield from metric.measure(
                judged.question, attribution, judged.scorer, judged.region, judged.seed
            )
        except (InvalidInput, UnusableEmbedding, WeightsMissing) as error:
            lacking[group] = str(error)
    return measured, lacking


def _draw(question: Question, attribution: NDArray[np.float32], path: Path) -> None:
    """The map over what the encoder sees, on a scale of its own: maps of two methods have no common unit."""
    picture = shrink(as_picture_seen(question.pixels), SIDE)
    painted = paint(attribution, picture, limit=colour_limit(attribution, rounding=0))

    def write(scratch: Path) -> None:
        (scratch / path.name).write_bytes(jpeg(painted))

    write_whole(path.parent, write)


def _file_name(*parts: str) -> str:
    stem = "--".join("".join(c if c.isalnum() or c in "-._+" else "-" for c in part) for part in parts)
    return f"{stem[:180]}.jpg"
