"""Numbers as charts and as text, for the browser."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def plain(value: float, digits: int = 3) -> str:
    """A number for people, with a minus that is one; a dash where there is none yet."""
    return f"{round(value, digits) or 0.0:.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def signed(value: float, digits: int = 3) -> str:
    """The same with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−")


def points(xs: Iterable[Any], ys: Iterable[float]) -> list[list[float | None]]:
    """For a chart; null where nothing is known yet."""
    return [[float(x), float(y) if math.isfinite(y) else None] for x, y in zip(xs, ys, strict=True)]


def span(*values: NDArray[Any] | Sequence[float], low: float | None = None) -> tuple[float, float]:
    """An axis that fits all finite values, with a little room."""
    known = np.concatenate([np.ravel(np.asarray(v, dtype=np.float64)) for v in values])
    known = known[np.isfinite(known)]
    if not len(known):
        return (0.0, 1.0) if low is None else (low, low + 1.0)
    bottom, top = float(known.min()) if low is None else low, float(known.max())
    page = 0.06 * (top - bottom) or 0.05 * abs(top) or 0.05
    return (bottom - page if low is None else low), top + page


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}{'es' if what.endswith('s') else 's'}"
