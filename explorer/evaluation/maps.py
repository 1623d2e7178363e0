"""Maps before they are judged: checked, and scaled where a metric wants that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput

FLAT = 1e-6
"""A positive part that varies by no more than this share of the map's largest value has no order: scaling it would
divide rounding by rounding. A share, since maps that are products of gradients can be as small as 1e-13."""


def as_map(attribution: NDArray[Any], size: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """A map (h, w) as float64.

    Args:
        attribution: Finite numbers.
        size: (h, w) it must have.

    Raises:
        InvalidInput: It is no map, or of another size.
    """
    values = as_numpy(attribution)
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        raise InvalidInput(
            f"Expected a map (h, w) of finite numbers, got shape {values.shape}.", code="attribution_shape"
        )
    if size is not None and values.shape != size:
        (h, w), (rows, columns) = size, values.shape
        raise InvalidInput(
            f"The map is {rows} x {columns}, but what the encoder sees is {h} x {w}; give the map of this question.",
            code="attribution_size",
        )
    return values.astype(np.float64)


def unit_positive(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The positive part of a map scaled to 0..1, lowest to highest; None where it is flat.

    What speaks against the target counts as nothing, as in maps that are never negative.
    """
    positive = values.clip(min=0)
    low, high = positive.min(), positive.max()
    return (positive - low) / (high - low) if high - low > FLAT * np.abs(values).max() else None
