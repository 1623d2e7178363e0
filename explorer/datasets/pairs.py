"""A plain folder of pictures, each compared with another or with a caption."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from explorer.core.storage import read_text
from explorer.datasets.items import DATASETS, DataSet, Item, pictures_in, refuse_twins, wrong_layout

TITLE = "Pairs of pictures"
LIST = "pairs.csv"
DIGITS = 9
"""Of a class; Python refuses to read numbers of thousands."""
COLUMNS = ("picture", "reference", "caption", "mask", "class")
LAYOUT = (
    f"pictures, and if {LIST} is among them what to compare: a column picture, and any of reference (a picture), "
    "caption, mask (a picture, black where the object is not) and class (a number); without it each picture is "
    "compared with the next by name, the last with the first"
)


def load(path: Path) -> list[Item]:
    """The items of a folder, as listed or by name.

    Raises:
        InvalidInput: There are no pictures, or the list is wrong.
    """
    if not path.is_dir():
        raise wrong_layout(TITLE, LAYOUT, "there is no such folder")
    return _listed(path) if (path / LIST).is_file() else _by_name(path)


def _by_name(folder: Path) -> list[Item]:
    pictures = pictures_in(folder)
    if not pictures:
        raise wrong_layout(TITLE, LAYOUT, "there is no picture")
    if len(pictures) == 1:
        return [Item(pictures[0].name, pictures[0])]
    following = (*pictures[1:], pictures[0])
    return [Item(f"{one.name}, {other.name}", one, reference=other)
            for one, other in zip(pictures, following, strict=True)]  # fmt: skip


def _listed(folder: Path) -> list[Item]:
    rows = csv.DictReader(io.StringIO(read_text(folder / LIST), newline=""))
    try:
        header = tuple(rows.fieldnames or ())
        if "picture" not in header or not set(header) <= set(COLUMNS) or len(set(header)) < len(header):
            raise wrong_layout(TITLE, LAYOUT, f"the columns of {LIST} must be some of {', '.join(COLUMNS)}")
        items = [_item(folder, row, rows.line_num) for row in rows]
    except csv.Error as error:
        raise wrong_layout(TITLE, LAYOUT, f"{LIST} is no table of commas ({error})") from error
    if not items:
        raise wrong_layout(TITLE, LAYOUT, f"{LIST} names no picture")
    refuse_twins(TITLE, LAYOUT, items)
    return items


def _item(folder: Path, row: dict[str, str | None], line: int) -> Item:
    if None in row:
        raise wrong_layout(TITLE, LAYOUT, f"line {line} of {LIST} has too many fields")
    values = {name: (value or "").strip() for name, value in row.items()}
    files = {name: _file(folder, values.get(name, ""), line) for name in ("picture", "reference", "mask")}
    picture, reference, mask = files["picture"], files["reference"], files["mask"]
    caption, number = values.get("caption") or None, values.get("class", "")
    if picture is None or (reference is not None and caption is not None):
        raise wrong_layout(
            TITLE, LAYOUT, f"line {line} of {LIST} must name a picture, and not both a reference and a caption"
        )
    if number and not (number.isdecimal() and len(number) <= DIGITS):
        raise wrong_layout(TITLE, LAYOUT, f"the class in line {line} of {LIST} is not a number from 0")
    name, against = values["picture"], values.get("reference") or caption
    return Item(
        key=name if against is None else f"{name}, {against}",
        picture=picture,
        class_index=int(number) if number else None,
        reference=reference,
        caption=caption,
        mask=mask,
    )


def _file(folder: Path, name: str, line: int) -> Path | None:
    if not name:
        return None
    path = folder / name
    if not path.is_file():
        raise wrong_layout(TITLE, LAYOUT, f"line {line} of {LIST} names {name[:80]}, which is not there")
    return path


DATASETS.add("pairs", DataSet(TITLE, LAYOUT, "", "distance", load))
