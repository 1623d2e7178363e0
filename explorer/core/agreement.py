"""How much of a map would be there whichever masks were drawn: two numbers, neither of which needs another run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.explanation import Explanation
from explorer.core.masks import ArrayMasks, GridMasks, MaskSet
from explorer.core.probe import Probe
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.selections import SelectionSettings

SCATTER = 1.1
"""Side, in cells, of a place that varies by itself in a map made of masks; see ``scatter``."""
ROUNDING = 1e-6
"""A map that varies less than this, on a scale of 1, varies by rounding."""


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Of two maps (h, w) over their pixels, -1 to 1; 0.0 where either varies by rounding alone."""
    a, b = (np.asarray(values, np.float64).ravel() for values in (one, other))
    return 0.0 if min(a.std(), b.std()) <= ROUNDING else float(np.corrcoef(a, b)[0, 1])


def split_half(probe: Probe, target: Reference, selection: SelectionSettings) -> float:
    """Correlation, over the pixels, of the maps of the even- and of the odd-numbered masks.

    Each half is ranked by itself, so the two maps share nothing but the picture and the reference.

    Args:
        probe: Complete or not.
        target: The reference, embedded.
        selection: Mode, threshold and distance.

    Returns:
        -1 to 1; 0.0 when either map is constant, as it is where there is no signal.

    Raises:
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    if len(probe) < 2:
        return 0.0
    even, odd = (rank_against(_every_other(probe, first), target, selection).relative for first in (0, 1))
    return correlation(even, odd)


def expected_agreement(half: float) -> float:
    """Correlation to expect between the map of all the masks and that of as many others.

    Spearman-Brown formula for a test of double length: 2 r / (1 + r) (C. Spearman 1910 and W. Brown 1910,
    British Journal of Psychology 3, 271-295 and 296-322). It takes the noise of a map to be independent of its
    pattern and to halve in variance when the masks double.

    Args:
        half: From ``split_half``.

    Returns:
        0 to 1; below 0 the halves share nothing, so it is clipped there.
    """
    half = max(half, 0.0)
    return 2 * half / (1 + half)


def wobble(explanation: Explanation) -> float:
    """How far a pixel of ``relative`` is expected to lie from 0 when the ranking carries no information.

    The weights are then dealt to the masks at random, so the variance of a pixel is that of one mask, v p (1 - p),
    times the sum of (w - mean w)^2. Bilinear interpolation makes v = 4/9, the mean square of two linear weights
    (2/3) along each axis, over all pixels and shifts; with a single cell, or cells with sharp edges, nothing is
    interpolated and v = 1. Within a tenth of what many seeds show, and of the paper's table 2.

    Args:
        explanation: Of any selection.

    Returns:
        The standard deviation, in units of the map; 0.0 when there is no signal.
    """
    weights = explanation.weights
    squares = float(np.square(weights - weights.mean()).sum())
    return math.sqrt(_mask_variance(explanation.probe) * squares)


def scatter(feature_res: int, same_masks: int | None = None) -> float:
    """How far the correlation of two unrelated maps lies from 0: its standard deviation, on Fisher's scale (atanh).

    Unrelated maps correlate as if over ``places`` independent numbers, which is (tr K)^2 / tr(K^2) for a covariance K
    of the pixels (Clifford, Richardson & Hémon 1989, Biometrics 45, 123-134). Cells that are interpolated and shifted
    at random covary as a cubic B-spline, which makes it 1.08 / feature_res; 1.1 with the picture's edges. Maps of the
    same masks have their sample's covariance in common, which adds one over their number. Within a fifth of what
    weights dealt to masks at random give for 2 to 16 cells a side, whatever the selection.

    Args:
        feature_res: Cells a side.
        same_masks: How many masks both maps are made of; None where each has its own.
    """
    return math.sqrt((SCATTER / feature_res) ** 2 + (1 / same_masks if same_masks else 0.0))


def by_chance(feature_res: int, same_masks: int | None = None) -> float:
    """The correlation within which unrelated maps lie, on either side of 0, about 19 times in 20.

    The one meaning of "alike by chance": in the randomisation test, of the halves of a pilot, in the app and in the
    studies. By formula, so that it is known before a map is, and the same wherever it is asked.
    """
    return math.tanh(2 * scatter(feature_res, same_masks))


def _mask_variance(probe: Probe) -> float:
    """Variance of a pixel over the masks, mean over the pixels: by formula, or measured on masks given."""
    masks = probe.masks
    if isinstance(masks, GridMasks):
        p = probe.masking.p_keep
        return (1.0 if masks.blocks or masks.feature_res == 1 else 4 / 9) * p * (1 - p)
    rows = (masks.render(0, len(probe))[:, y] for y in range(masks.size[0]))  # a copy of one row, not of all masks
    return float(np.mean([row.var(axis=0, dtype=np.float64).mean() for row in rows]))


def _every_other(probe: Probe, start: int) -> Probe:
    return replace(probe, masks=_halved(probe.masks, start), embeddings=probe.embeddings[start::2])


def _halved(masks: MaskSet, start: int) -> MaskSet:
    if isinstance(masks, GridMasks):
        return replace(masks, packed=masks.packed[start::2], shifts=masks.shifts[start::2])
    return ArrayMasks(masks.render(0, len(masks))[start::2])
