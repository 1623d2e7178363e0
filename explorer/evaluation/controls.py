"""Maps that are wrong on purpose: whatever judges maps must see it, and what they score is what chance scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.streams import Stream, generator
from explorer.evaluation.maps import as_map

BLOCKS = 8
"""Blocks a side that a map is shuffled by: single pixels would be noise, which is easy to tell from a map."""
BLUR = 0.125
"""Standard deviation of the blur, as a share of the shorter side: a cell of the usual masks."""


def inverted(attribution: NDArray[Any], pixels: NDArray[Any], seed: int = 0) -> NDArray[np.float64]:
    """The opposite."""
    return -as_map(attribution, pixels.shape[:2])


def shuffled(attribution: NDArray[Any], pixels: NDArray[Any], seed: int = 0) -> NDArray[np.float64]:
    """Its blocks in another order; what does not fill a whole block stays."""
    values = as_map(attribution, pixels.shape[:2]).copy()
    blocks = min(BLOCKS, *values.shape)
    h, w = (side // blocks for side in values.shape)
    whole = values[: h * blocks, : w * blocks]
    parts = whole.reshape(blocks, h, blocks, w).transpose(0, 2, 1, 3).reshape(-1, h, w)
    parts = parts[generator(seed, Stream.SHUFFLED_MAP).permutation(len(parts))]
    whole[:] = parts.reshape(blocks, blocks, h, w).transpose(0, 2, 1, 3).reshape(whole.shape)
    return values


def blurred(attribution: NDArray[Any], pixels: NDArray[Any], seed: int = 0) -> NDArray[np.float64]:
    """Itself without what is smaller than a cell: not wrong, but vague."""
    values = as_map(attribution, pixels.shape[:2])
    sigma = BLUR * min(values.shape)
    reach = int(3 * sigma) + 1
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    for axis in (0, 1):
        padded = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="symmetric")
        values = np.apply_along_axis(np.convolve, axis, padded, bell / bell.sum(), mode="valid")
    return values


def edges(attribution: NDArray[Any], pixels: NDArray[Any], seed: int = 0) -> NDArray[np.float64]:
    """How steep the picture is, whatever the map says (Adebayo et al. 2018, arXiv:1810.03292, section 5)."""
    grey = pixels.astype(np.float64).mean(axis=2)
    return np.asarray(np.hypot(*np.gradient(grey)))


CONTROLS = {"inverted": inverted, "shuffled": shuffled, "blurred": blurred, "edges": edges}
"""By name: a map (h, w), its picture (h, w, c) and a seed -> the wrong map (h, w)."""
