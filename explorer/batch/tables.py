"""Tables of pairs as files: CSV of any usual kind, and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.batch.rows import COLUMNS, Manner, Row, make_row
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.extras import how_to_install, not_importable
from explorer.core.storage import read_text

PARQUET = (".parquet", ".pq")
SEPARATORS = (",", ";", "\t", "|")
EXPECTED = f"a column picture, and reference or caption; id and settings are optional ({', '.join(COLUMNS[4:])})"


@dataclass(frozen=True)
class Table:
    """Rows of a file.

    Attributes:
        rows: In the file's order.
        unused: Its columns that say nothing here.
    """

    rows: list[Row]
    unused: tuple[str, ...] = ()


def read_table(path: Path, manner: Manner) -> Table:
    """Read a table of pairs; a row that cannot be used is one with an error.

    Args:
        path: ``.parquet`` is one, everything else is read as CSV.
        manner: That of all rows.

    Raises:
        InvalidInput: It cannot be read, has no column picture or nothing to compare with, or no row.
        WeightsMissing: What reads Parquet is not installed.
    """
    if path.suffix.lower() in PARQUET:
        header, records = _parquet(path)
    else:
        header, records = _csv(path)
    known = {name: name.strip().lower() for name in header}
    twice = [name for name in COLUMNS if list(known.values()).count(name) > 1]
    if "picture" not in known.values() or not {"reference", "caption"} & set(known.values()) or twice:
        found = ", ".join(name or "a column without a name" for name in header)[:200] or "nothing"
        raise InvalidInput(
            f"{path.name} must have {EXPECTED}; " + (f"{twice[0]} is there twice." if twice else f"it has: {found}."),
            code="table_columns",
        )
    rows = [
        make_row(place, {known[name]: value for name, value in values.items() if name in known}, manner, error)
        for place, (values, error) in enumerate(records)
    ]
    if not rows:
        raise InvalidInput(f"{path.name} has no rows below its header.", code="table_empty")
    return Table(rows, tuple(name for name, meant in known.items() if meant not in COLUMNS and meant))


Records = Iterator[tuple[dict[str, Any], InvalidInput | None]]


def _csv(path: Path) -> tuple[list[str], Records]:
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=lambda one: (_has_picture(first, one), first.count(one)))
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = next((line for line in lines if any(map(str.strip, line))), [])
    except csv.Error as error:
        raise _no_table(path, lines.line_num, error) from error
    return header, _csv_records(path, lines, header)


def _has_picture(line: str, separator: str) -> bool:
    return "picture" in (name.strip(' "').lower() for name in line.split(separator))


def _csv_records(path: Path, lines: Any, header: list[str]) -> Records:
    try:
        for line in lines:
            if not any(map(str.strip, line)):  # an empty line, and one of separators alone, as spreadsheets end with
                continue
            error = None
            if any(map(str.strip, line[len(header) :])):
                error = InvalidInput(
                    f"Line {lines.line_num} has {len(line)} fields, the header {len(header)}; put what has a "
                    "separator in it in quotes.",
                    code="row_fields",
                )
            yield dict(zip(header, line, strict=False)), error
    except csv.Error as error:
        raise _no_table(path, lines.line_num, error) from error


def _no_table(path: Path, line: int, error: Exception) -> InvalidInput:
    return InvalidInput(f"{path.name} is no table that can be read, at line {line}: {error}.", code="table_csv")


def import_arrow() -> Any:
    """Pyarrow with its Parquet.

    Raises:
        WeightsMissing: It is not installed.
    """
    if not_importable(("pyarrow",)):
        raise WeightsMissing(
            f"Tables of many pictures are written with pyarrow, which is not installed: {how_to_install('batch')}.",
            code="packages_missing",
        )
    import pyarrow
    import pyarrow.parquet

    return pyarrow


def _parquet(path: Path) -> tuple[list[str], Records]:
    arrow = import_arrow()
    try:
        stored = arrow.parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise InvalidInput(f"Cannot read {path.name}: no such file or directory.", code="text_unreadable") from error
    except (OSError, arrow.ArrowException) as error:
        raise InvalidInput(f"{path.name} is damaged or no Parquet file.", code="table_parquet") from error
    header = list(stored.schema_arrow.names)
    wanted = [name for name in header if name.strip().lower() in COLUMNS]

    def records() -> Records:
        for batch in stored.iter_batches(columns=wanted):
            for values in batch.to_pylist():
                wrong = [name for name, value in values.items() if isinstance(value, bytes | dict | list)]
                yield values, _no_text(wrong[0]) if wrong else None

    return header, records()


def _no_text(column: str) -> InvalidInput:
    return InvalidInput(f"{column} must be text, such as the path of a picture.", code="row_type")
