"""A batch on disk: a line for each row as soon as it is done, and in the end one table of all, in their order."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from explorer.batch.items import Whole, as_line, of_line
from explorer.batch.plan import Plan
from explorer.batch.record import FILES as OF_ROWS
from explorer.batch.tables import import_arrow
from explorer.core.errors import ExplorerError
from explorer.core.journal import Journal
from explorer.core.price import refuse
from explorer.core.printable import encodable
from explorer.core.storage import write_whole
from explorer.encoders.base import Encoder
from explorer.results.folders import versions

RECIPE, ROWS, ITEMS, TABLE, PAGE, FILES = (
    "batch.json", "rows.jsonl", "items.jsonl", "results.parquet", "index.html", "maps",
)  # fmt: skip
SUFFIXES = {"npy": ".npy", "overlay": ".jpg", "second_npy": "-second.npy", "second_overlay": "-second.jpg"}
IN_A_FOLDER = 1000
"""Rows whose files share a folder."""
AT_ONCE = 20_000
"""Rows of the table held at a time."""
COLUMNS = {
    "id": "string", "picture": "string", "reference": "string", "caption": "string", "distance": "float64",
    "no_signal": "string", "agreement": "float64", "peak_row": "int32", "peak_column": "int32", "error": "string",
    "n_masks": "int32", "p_keep": "float64", "second_p_keep": "float64", "map_height": "int32", "map_width": "int32",
    "sign": "string", "notices": "string", "picture_sha256": "string",
    "reference_sha256": "string", "settings_hash": "string", "encoder_fingerprint": "string",
    **dict.fromkeys(OF_ROWS, "string"),
}  # fmt: skip
"""Of the table, by their type; the last are files in the folder."""
TEXTS = ("no_signal", "error", "notices")
"""Columns that are empty, not absent, where there is nothing to say."""


class Folder:
    """Where a batch is kept.

    Args:
        out: The folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._rows, self._items = Journal(out / ROWS, "batch"), Journal(out / ITEMS, "batch")

    def open(self, recipe: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Make it ready for a batch, keeping what an earlier run of the same one left.

        Raises:
            InvalidInput: Results of another batch lie there and nobody asked to replace them.
            CannotWrite: It cannot be written.
        """
        if not overwrite and self.is_of(recipe):
            self._rows.cut()
            self._items.cut()
            return
        if any(os.path.exists(self.out / name) for name in (RECIPE, ROWS, TABLE)):
            if not overwrite:
                refuse(self.out, "a batch of other rows, encoder or settings", "batch_differs")
            with self._rows.writing("replace"):
                for name in (ROWS, ITEMS, TABLE, PAGE):
                    (self.out / name).unlink(missing_ok=True)
                if (self.out / FILES).exists():
                    shutil.rmtree(self.out / FILES)
        facts = json.dumps({"recipe": recipe, "versions": versions()}, indent=2) + "\n"
        write_whole(self.out, lambda scratch: (scratch / RECIPE).write_text(facts, encoding="utf-8"))

    def is_of(self, recipe: Mapping[str, Any]) -> bool:
        """Whether what lies there, if anything, is of a batch."""
        try:
            there = json.loads((self.out / RECIPE).read_text(encoding="utf-8"))["recipe"]
        except (OSError, ValueError, KeyError, TypeError):  # none there, or not ours
            return False
        return bool(there == json.loads(json.dumps(recipe)))

    def done(self) -> dict[int, int]:
        """Rows that are done, and where their lines begin."""
        return {int(facts["row"]): start for start, facts in self._rows.lines()}

    def kept(self, *, retry: bool = False, chosen: bool = False) -> tuple[set[int], set[int]]:
        """Items and rows that are done, less what ``forget_errors`` would forget where ``retry`` is asked for."""
        items = {int(facts["item"]): bool(facts.get("error")) for _, facts in self._items.lines()}
        rows = {int(facts["row"]): bool(facts.get("error")) for _, facts in self._rows.lines()}
        if not retry:
            return set(items), set(rows)
        none = chosen and any(items.values())
        return {n for n, bad in items.items() if not bad}, {n for n, bad in rows.items() if not (bad or none)}

    def forget_errors(self, *, chosen: bool = False) -> None:
        """Let rows and items that failed be tried again.

        Args:
            chosen: Whether the rows follow from the items; then an item that failed and is embedded now may make others
                of them, so that no row is kept.
        """
        none = chosen and any(facts.get("error") for _, facts in self._items.lines())
        for journal, drop in ((self._rows, none), (self._items, False)):  # rows first, should this be stopped between
            write_whole(self.out, partial(_without_errors, journal, drop))

    def items(self) -> dict[int, Whole]:
        """Items that are embedded."""
        return dict(of_line(facts) for _, facts in self._items.lines())

    def keep_items(self, found: Iterable[tuple[int, Whole]]) -> None:
        """Write down embedded items."""
        self._items.append(*(as_line(number, whole) for number, whole in found))

    def keep_error(self, row: int, error: ExplorerError) -> None:
        """Write down why a row has no map."""
        self._rows.append({"row": row, "error": str(error)})

    def keep(self, row: int, line: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Write down a row: its files first, so that a line never names what is not there."""
        named = {}
        for kind, data in files.items():
            path = f"{FILES}/{row // IN_A_FOLDER:05d}/{row:08d}{SUFFIXES[kind]}"
            named[kind] = path
            place = self.out / path
            with self._rows.writing("write the files of"):
                place.parent.mkdir(parents=True, exist_ok=True)
                half = place.with_name(f".{place.name}")
                half.write_bytes(data)
                os.replace(half, place)
        self._rows.append({"row": row, **line, **named})

    def lines(self, plan: Plan, encoder: Encoder) -> Iterator[dict[str, Any]]:
        """All rows of a finished batch in their order, as the table has them."""
        starts = self.done()
        with (self.out / ROWS).open("rb") as file:
            for number, row in enumerate(plan.rows):
                file.seek(starts[number])
                facts = json.loads(file.readline())
                given = {"id": row.id, "picture": row.picture, "reference": row.reference, "caption": row.caption}
                found = dict.fromkeys(COLUMNS) | dict.fromkeys(TEXTS, "") | facts
                found |= {name: None if value is None else str(value) for name, value in given.items()}
                manner = plan.manner_of(row).name
                found |= {"settings_hash": manner, "encoder_fingerprint": encoder.fingerprint}
                yield {name: encodable(value) if isinstance(value := found[name], str) else value for name in COLUMNS}

    def write_table(self, plan: Plan, encoder: Encoder) -> Path:
        """Write the table of a finished batch; returns it.

        Raises:
            CannotWrite: It cannot be written.
        """
        arrow = import_arrow()
        schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()])

        def write(scratch: Path) -> None:
            with arrow.parquet.ParquetWriter(scratch / TABLE, schema) as table:
                for lines in _chunks(self.lines(plan, encoder)):
                    table.write_table(arrow.Table.from_pylist(lines, schema=schema))

        write_whole(self.out, write)
        return self.out / TABLE


def _without_errors(journal: Journal, drop: bool, scratch: Path) -> None:
    with (scratch / journal.path.name).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(facts) + "\n" for _, facts in journal.lines() if not (drop or facts.get("error")))


def _chunks(lines: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
