"""What a painted map says by its colours alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.results.plots import FULL_AT, paint

ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def strongest_regions(attribution: NDArray[np.float32], hatched: float = 0.0) -> tuple[set[str], set[str]]:
    """For red and for blue, the ninths that hold its strongest colour, within rounding; empty where none is to be seen.

    Args:
        attribution: (h, w), over the whole picture.
        hatched: Values nearer zero do not count.
    """
    most = float(np.abs(attribution).max()) or 1.0
    grey = np.full((*attribution.shape, 3), 128, np.uint8)
    painted = paint(attribution, grey, limit=most / FULL_AT, opacity=1.0).astype(int)
    painted[np.abs(attribution) < hatched] = 128
    red = painted[..., 0] - painted[..., 2]
    found = []
    for colour in (red, -red):
        rows, columns = np.nonzero(colour >= colour.max() - 1) if colour.max() > 2 else ((), ())
        h, w = red.shape
        found.append(
            {name_of(int(3 * (y + 0.5) / h), int(3 * (x + 0.5) / w)) for y, x in zip(rows, columns, strict=True)}
        )
    return found[0], found[1]


def name_of(row: int, column: int) -> str:
    return "centre" if row == column == 1 else f"{ROWS[row]} {COLUMNS[column]}"
