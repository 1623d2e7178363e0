"""How far a number over pictures would move with other pictures: percentile bootstrap (Efron 1979, Ann. Stat. 7, 1).

Pictures, or pairs of them, are drawn anew with replacement; nothing is assumed of how their numbers are spread. Two
methods are compared on the same draws, since they answered about the same pictures: what makes a picture hard for both
drops out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.streams import Stream, generator

DRAWS = 2000
LEVEL = 0.95
ENOUGH = 6
"""Fewer pictures than this can all lie on one side by chance more often than once in twenty times."""
BLOCK = 2_000_000
"""Indices drawn at once."""

Total = Callable[[NDArray[np.intp]], float]
"""Numbers of pictures, some more than once -> the number of a data set made of those."""


@dataclass(frozen=True)
class Interval:
    """A number and the 95 % interval about it.

    Attributes:
        value: Of the pictures as they are; NaN of none.
        low: NaN of fewer than two.
        high: As ``low``.
        n: Pictures.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def sure(self) -> bool:
        """Whether 0 lies outside, and there are ENOUGH pictures to say so."""
        return self.n >= ENOUGH and (self.low > 0 or self.high < 0)

    def shown(self, digits: int = 2) -> str:
        """The number, and in brackets its interval where it has one."""
        if not math.isfinite(self.low):
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def mean_interval(values: Any, seed: int = 0) -> Interval:
    """Of the mean of numbers (n,), one for each picture; NaN does not count."""
    known = np.asarray(values, np.float64).ravel()
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return Interval(float(known.mean()) if len(known) else float("nan"), float("nan"), float("nan"), len(known))
    draws = np.concatenate([known[rows].mean(axis=1) for rows in _draws(len(known), seed)])
    return _between(float(known.mean()), draws, len(known))


def mean_difference(one: Any, other: Any, seed: int = 0) -> Interval:
    """Of the mean of one list less that of another about the same pictures; where either is NaN, neither counts."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return mean_interval(a - b, seed)


def total_interval(total: Total, n: int, seed: int = 0) -> Interval:
    """Of any number that is made of n pictures."""
    whole = total(np.arange(n)) if n else float("nan")
    if n < 2:
        return Interval(whole, float("nan"), float("nan"), n)
    return _between(whole, np.array([total(row) for rows in _draws(n, seed) for row in rows]), n)


def total_difference(one: Total, other: Total, n: int, seed: int = 0) -> Interval:
    """Of one such number less another of the same pictures."""
    return total_interval(lambda rows: one(rows) - other(rows), n, seed)


def _draws(n: int, seed: int) -> Any:
    """Rows (b, n) of numbers below n, DRAWS of them in all, the same for whoever asks."""
    random, done = generator(seed, Stream.BOOTSTRAP), 0
    while done < DRAWS:
        size = min(DRAWS - done, max(1, BLOCK // n))
        yield random.integers(0, n, (size, n))
        done += size


def _between(value: float, draws: NDArray[np.float64], n: int) -> Interval:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Interval(value, float("nan"), float("nan"), n)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), n)
