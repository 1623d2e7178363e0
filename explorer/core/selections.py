"""Which masks count: distances (n,) -> signed weights (n,).

Positive weights sum to 1 and negative ones to -1, whatever the mode, so every map has the same
scale: the share by which the kept regions of the close copies and of the far copies differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.registry import MODES
from explorer.core.schema import SelectionSettings, Slice

Distances = NDArray[np.float64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Mode:
    """A way of choosing masks.

    Attributes:
        label: What it is called where a user chooses it.
        about: One sentence for the user.
        weigh: Distances (n,) and threshold -> weights (n,).
        slices: Threshold -> the (closest, farthest) shares it takes, or None when it takes all.
    """

    label: str
    about: str
    weigh: Callable[[Distances, float], Weights]
    slices: Callable[[float], tuple[Slice, Slice]] | None


def select(distances: Distances, selection: SelectionSettings) -> Weights:
    """The weight of each mask in the map, 0 = not selected.

    Args:
        distances: (n,) in mask order.
        selection: Mode and threshold, or slices.

    Returns:
        (n,) float64.
    """
    if selection.free:
        return _weigh_slices(distances, selection.closest or (0, 0), selection.farthest or (0, 0))
    return MODES[selection.mode].weigh(distances, selection.threshold)


def _weigh_slices(distances: Distances, closest: Slice, farthest: Slice) -> Weights:
    """Mean of one slice of the ranking minus mean of another (paper, section 2.1, step 3)."""
    n = len(distances)
    order = np.argsort(distances, kind="stable")
    weights = np.zeros(n)
    for (low, high), sign in ((closest, 1.0), (farthest, -1.0)):
        chosen = order[int(n * low) : int(n * high)]
        if len(chosen):
            weights[chosen] += sign / len(chosen)
    return weights


def _weigh_ranks(distances: Distances, threshold: float) -> Weights:
    """Every mask by its centred rank; equal distances share their mean rank. Ours, no threshold."""
    _, place, counts = np.unique(distances, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts + 1) / 2
    centred = (len(distances) - 1) / 2 - mean_rank[place]
    total = centred[centred > 0].sum()
    return centred / total if total else centred


NOTHING: Slice = (0.0, 0.0)


def _closest_slices(threshold: float) -> tuple[Slice, Slice]:
    return (0.0, threshold), NOTHING


def _farthest_slices(threshold: float) -> tuple[Slice, Slice]:
    return NOTHING, (1 - threshold, 1.0)


def _mirror_slices(threshold: float) -> tuple[Slice, Slice]:
    return (0.0, threshold), (1 - threshold, 1.0)


def _add(key: str, label: str, about: str, slices: Callable[[float], tuple[Slice, Slice]]) -> None:
    MODES.add(key, Mode(label, about, lambda distances, t: _weigh_slices(distances, *slices(t)), slices))


_add("closest", "closest", "Mean of the masks whose copies lie closest.", _closest_slices)
_add("farthest", "farthest", "Minus the mean of the masks whose copies lie farthest.", _farthest_slices)
_add("mirror", "mirror", "Closest minus farthest: the noise of one side cancels that of the other.", _mirror_slices)
MODES.add(
    "rank_weighted",
    Mode(
        "rank weighted",
        "Every mask counts by its rank, no threshold. Nearly as stable as mirror at 10 % with twice the masks.",
        _weigh_ranks,
        None,
    ),
)
