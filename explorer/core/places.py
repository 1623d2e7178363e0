"""What parts of a picture are called."""

from __future__ import annotations

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")


def place_name(row: int, column: int) -> str:
    """The name of one of nine regions, by the third of the height and of the width, 0 to 2, that it lies in."""
    return "centre" if row == column == 1 else f"{ROWS[row]} {COLUMNS[column]}"
