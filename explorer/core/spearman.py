"""Spearman's rank correlation, which says how alike two maps are whatever their scales (paper, table 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Correlation of the ranks of two arrays of one size.

    Args:
        a: Finite numbers, of any shape.
        b: As many; equal numbers share the mean of their ranks.

    Returns:
        -1 to 1; 0.0 where either array is constant and so has no order to compare.
    """
    x, y = average_ranks(a), average_ranks(b)
    if x.min() == x.max() or y.min() == y.max():
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def average_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) ranks from 1 to n of an array of any shape; equal numbers share the mean of theirs."""
    _, where, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]
