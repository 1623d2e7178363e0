"""A benchmark's results on disk: one line of JSON for each map, written as soon as it is judged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from explorer.benchmark.plan import Plan
from explorer.core.errors import CannotWrite, InvalidInput
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
            cells, whole = _read(out)
        except InvalidInput:
            if not overwrite:
                raise
        else:
            _cut(out / CELLS, whole)
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
    with _writing("replace"):
        for name in (CELLS, PAGE, MARKDOWN, *TABLES):
            (out / name).unlink(missing_ok=True)
        if (out / PICTURES).exists():
            shutil.rmtree(out / PICTURES)


def read_cells(out: Path) -> list[Cell]:
    """The cells in a folder, each once; a last line that was cut short, or is being written, does not count.

    Raises:
        InvalidInput: A line is damaged, or the file cannot be read.
    """
    return _read(out)[0]


def _read(out: Path) -> tuple[list[Cell], int]:
    """The cells, and the length in bytes of their lines."""
    path, found, whole = out / CELLS, dict[Name, Cell](), 0
    if not os.path.isfile(path):
        return [], 0
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    cell = Cell(**json.loads(line))
                    found[cell.name] = cell  # two runs at a time in one folder would each have written it
                    whole += len(line)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{CELLS} is damaged; begin anew with --overwrite, or name another folder with --out.",
            code="benchmark_damaged",
        ) from error
    except OSError as error:
        raise InvalidInput(
            f"Cannot read {CELLS}: {(error.strerror or 'it failed').lower()}; name another folder with --out.",
            code="benchmark_unreadable",
        ) from error
    return list(found.values()), whole


def _cut(path: Path, whole: int) -> None:
    """Take away a last line that a stop cut short, so that the next is one of its own."""
    with _writing():
        if os.path.isfile(path) and path.stat().st_size > whole:
            os.truncate(path, whole)


def append(out: Path, cell: Cell) -> None:
    """Write a cell down.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    line = (json.dumps(asdict(cell)) + "\n").encode()
    with _writing(), (out / CELLS).open("ab", buffering=len(line) + 1) as file:  # in one piece
        file.write(line)


@contextmanager
def _writing(what: str = "write") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        raise CannotWrite(f"Cannot {what} {CELLS}: {reason}.", code="write") from error
