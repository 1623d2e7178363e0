"""A benchmark's results on disk: one line of JSON for each map, written as soon as it is judged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from explorer.benchmark.plan import Plan
from explorer.core.errors import InvalidInput
from explorer.core.journal import Journal
from explorer.core.price import refuse
from explorer.core.storage import write_whole
from explorer.results.folders import versions

RECIPE, CELLS, PICTURES = "benchmark.json", "cells.jsonl", "pictures"
PAGE, MARKDOWN = "index.html", "results.md"
TABLES = ("results.csv", *(f"table-{number}.csv" for number in range(1, 6)))

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
    if is_of(plan, out):
        try:
            cells = read_cells(out)
        except InvalidInput:
            if not overwrite:
                raise
        else:
            _journal(out).cut()
            return cells
    if os.path.exists(out / RECIPE) or os.path.exists(out / CELLS):
        if not overwrite:
            refuse(out, "a benchmark of other data, encoders, methods or settings", "benchmark_differs")
        _clear(out)
    facts = json.dumps({"recipe": plan.recipe, "versions": versions()}, indent=2) + "\n"

    def write(scratch: Path) -> None:
        (scratch / RECIPE).write_text(facts, encoding="utf-8")

    write_whole(out, write)
    return []


def is_of(plan: Plan, out: Path) -> bool:
    """Whether the results in a folder, if any, are those of a plan."""
    try:
        recipe = json.loads((out / RECIPE).read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError, TypeError):  # none there, or not ours
        return False
    return bool(recipe == plan.recipe)


def _clear(out: Path) -> None:
    """Take away the results and all that was made of them."""
    with _journal(out).writing("replace"):
        for name in (CELLS, PAGE, MARKDOWN, *TABLES):
            (out / name).unlink(missing_ok=True)
        if (out / PICTURES).exists():
            shutil.rmtree(out / PICTURES)


def read_cells(out: Path) -> list[Cell]:
    """The cells in a folder, each once; a last line that was cut short, or is being written, does not count.

    Raises:
        InvalidInput: A line is damaged, or the file cannot be read.
    """
    found, journal = dict[Name, Cell](), _journal(out)
    for _, facts in journal.lines():
        try:
            cell = Cell(**facts)
        except TypeError as error:
            raise journal.damaged() from error
        found[cell.name] = cell  # two runs at a time in one folder would each have written it
    return list(found.values())


def append(out: Path, cell: Cell) -> None:
    """Write a cell down.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    _journal(out).append(asdict(cell))


def _journal(out: Path) -> Journal:
    return Journal(out / CELLS, "benchmark")
