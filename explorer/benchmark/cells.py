"""A benchmark's results on disk: one line of JSON for each map, written as soon as it is judged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CannotWrite, InvalidInput
from ..files import versions, write_whole
from .plan import Plan

RECIPE, CELLS, PICTURES = "benchmark.json", "cells.jsonl", "pictures"

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
            return read_cells(out)
        except InvalidInput:
            if not overwrite:
                raise
    if (out / RECIPE).exists() or (out / CELLS).exists():
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


def is_of(plan: Plan, out: Path) -> bool:
    """Whether the results in a folder, if any, are those of a plan."""
    try:
        recipe = json.loads((out / RECIPE).read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError, TypeError):  # none there, or not ours
        return False
    return bool(recipe == plan.recipe)


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


def append(out: Path, cell: Cell) -> None:
    """Write a cell down.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    try:
        with (out / CELLS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")
    except OSError as error:
        raise CannotWrite(f"Cannot write {CELLS}: {(error.strerror or 'it failed').lower()}.", code="write") from error
