"""Incremental deletion once more, one pixel at a time: Meijer & Bos 2025, arXiv:2505.15516, section 4.1.

Meant to be read and believed; every copy is built anew from the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Embed = Callable[[np.ndarray], Sequence[float]]


def order(attribution: np.ndarray, sign: int) -> list[tuple[int, int]]:
    """Pixels (row, column), the highest attribution first for sign 1, the lowest for -1; equal ones row by row."""
    h, w = attribution.shape
    pixels = [(y, x) for y in range(h) for x in range(w)]
    return sorted(pixels, key=lambda pixel: (-sign * float(attribution[pixel]), pixel))


def points(total: int, steps: int) -> list[int]:
    """How many pixels are gone after each of some equal steps, cut to whole pixels."""
    return [math.floor(total * step / steps) for step in range(steps + 1)]


def points_by(total: int, pixels_per_step: int) -> list[int]:
    """The same, a number of pixels at a time."""
    counts = [0]
    while counts[-1] < total:
        counts.append(min(counts[-1] + pixels_per_step, total))
    return counts


def copy_without(image: np.ndarray, background: Any, pixels: Sequence[tuple[int, int]]) -> np.ndarray:
    """The picture (h, w, c) with some pixels replaced by the background (h, w, c)."""
    copy = np.zeros(image.shape, image.dtype)
    gone = set(pixels)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for channel in range(image.shape[2]):
                copy[y, x, channel] = background[y, x, channel] if (y, x) in gone else image[y, x, channel]
    return copy


def cosine(a: Sequence[int], b: Sequence[int]) -> float:
    """Half the cosine distance of whole numbers, whose products and sums are exact."""
    product = sum(p * q for p, q in zip(a, b, strict=True))
    lengths = math.sqrt(sum(p * p for p in a)) * math.sqrt(sum(q * q for q in b))
    return (1 - max(-1.0, min(1.0, product / lengths))) / 2


def euclidean(a: Sequence[int], b: Sequence[int]) -> float:
    return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))


DISTANCES = {"cosine": cosine, "euclidean": euclidean}


def curve(
    image: np.ndarray,
    background: Any,
    pixels: Sequence[tuple[int, int]],
    counts: Sequence[int],
    distance: Callable[[np.ndarray], float],
) -> list[float]:
    """The distance of each copy, the first so many pixels of an order gone."""
    return [distance(copy_without(image, background, pixels[:count])) for count in counts]


def area(shares: Sequence[float], distances: Sequence[float]) -> float:
    """Under a curve, by trapezoids."""
    sides = zip(shares[:-1], shares[1:], distances[:-1], distances[1:], strict=True)
    return math.fsum((right - left) * (low + high) / 2 for left, right, low, high in sides)


def symmetric_gain(shares: Sequence[float], most_first: Sequence[float], least_first: Sequence[float]) -> float:
    """Blücher et al. 2024, arXiv:2401.06654: least relevant first less most relevant first, of the closeness.

    That is the distance negated; slice by slice.
    """
    gaps = [-least + most for least, most in zip(least_first, most_first, strict=True)]
    return area(shares, gaps)
