"""Distance Explorer's method once more, written as the papers say it: loops, one number at a time, no tricks.

RISE masks: Petsiuk et al. 2018, arXiv:1806.07421, section 3.2. Ranking and selection: Meijer & Bos 2025,
arXiv:2505.15516, sections 2.1 to 2.3. Meant to be read and believed; far too slow for a real picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def rise_mask(grid: Any, shift: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Upsample a grid bilinearly to (f + 1) cells a side and crop it at the shift."""
    f = len(grid)
    h, w = size
    up_h, up_w = (f + 1) * math.ceil(h / f), (f + 1) * math.ceil(w / f)
    mask = np.zeros(size)
    for y in range(h):
        for x in range(w):
            mask[y, x] = bilinear(grid, place(y + shift[0], f, up_h), place(x + shift[1], f, up_w))
    return mask


def place(pixel: int, cells: int, pixels: int) -> float:
    """Where the centre of a pixel lies among the centres of the cells, mirrored at the first and the last."""
    at = (pixel + 0.5) * cells / pixels - 0.5
    if at < 0:
        at = -at
    if at > cells - 1:
        at = 2 * (cells - 1) - at
    return max(at, 0.0)  # one cell: everything lies on it


def bilinear(grid: Any, y: float, x: float) -> float:
    """The value of a grid between its cells."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            weight = (1 - abs(y - row)) * (1 - abs(x - column))
            if weight > 0:
                total += weight * float(grid[row][column])
    return total


def masked(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture (h, w, c), each pixel times its mask, in the picture's own dtype."""
    copy = np.zeros(image.shape)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for channel in range(image.shape[2]):
                copy[y, x, channel] = image[y, x, channel] * mask[y, x]
    return copy.astype(image.dtype)


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(float(p) * float(q) for p, q in zip(a, b, strict=True))


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    similarity = dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))
    return (1 - max(-1.0, min(1.0, similarity))) / 2


def angular(a: Sequence[float], b: Sequence[float]) -> float:
    return math.acos(1 - 2 * cosine(a, b)) / math.pi


def euclidean(a: Sequence[float], b: Sequence[float]) -> float:
    return math.sqrt(math.fsum((float(p) - float(q)) ** 2 for p, q in zip(a, b, strict=True)))


def minus_dot(a: Sequence[float], b: Sequence[float]) -> float:
    return -dot(a, b)


DISTANCES = {"cosine": cosine, "angular": angular, "euclidean": euclidean, "dot": minus_dot}


def slice_weights(
    distances: Sequence[float], closest: tuple[float, float], farthest: tuple[float, float]
) -> list[float]:
    """Plus one over their number for the masks of one slice of the ranking, minus for those of the other."""
    n = len(distances)
    ranking = sorted(range(n), key=lambda i: distances[i])
    weights = [0.0] * n
    for (low, high), sign in ((closest, 1.0), (farthest, -1.0)):
        chosen = [ranking[k] for k in range(n) if int(n * low) <= k < int(n * high)]
        for i in chosen:
            weights[i] += sign / len(chosen)
    return weights


def rank_weights(distances: Sequence[float]) -> list[float]:
    """How many copies lie farther minus how many lie closer, scaled so that the positive weights sum to 1."""
    centred = [sum(other > own for other in distances) - sum(other < own for other in distances) for own in distances]
    total = sum(c for c in centred if c > 0)
    return [c / total if total else 0.0 for c in centred]


def weighted_sum(weights: Sequence[float], masks: Sequence[np.ndarray]) -> np.ndarray:
    """The attribution map: the sum of weight times mask."""
    total = np.zeros(masks[0].shape)
    for weight, mask in zip(weights, masks, strict=True):
        total += weight * mask
    return total
