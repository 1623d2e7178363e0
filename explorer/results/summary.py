"""A map in words, for those who cannot see it, and for checking what one sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.core.explanation import Explanation, MethodExplanation

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
FAINT = 0.25
"""A region is named only if it has at least this share of the strongest region's strength."""


def describe(explanation: Explanation | MethodExplanation) -> str:
    """Say in one or two sentences which of nine regions bring the pair closer and which push it apart."""
    if explanation.no_signal:
        return explanation.no_signal
    strength = _ninths(explanation.relative)
    strongest = np.abs(strength).max()
    parts = []
    for sign, verb in ((1, "brings the pair closer"), (-1, "pushes it apart")):
        i, j = np.unravel_index(np.argmax(sign * strength), strength.shape)
        if sign * strength[i, j] >= FAINT * strongest:
            parts.append(f"the {_name(int(i), int(j))} {verb} most")
    sentence = ", and ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _ninths(attribution: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean attribution in a grid of 3 x 3 regions."""
    return np.array(
        [
            [part.mean(dtype=np.float64) for part in np.array_split(band, 3, axis=1)]
            for band in np.array_split(attribution, 3, axis=0)
        ]
    )


def _name(row: int, column: int) -> str:
    return "centre" if row == column == 1 else f"{ROWS[row]} {COLUMNS[column]}"
