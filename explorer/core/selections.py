"""Which masks count: distances (n,) -> signed weights (n,).

Positive weights sum to 1 and negative ones to -1, whatever the mode, so every map has the same
scale: the share by which the kept regions of the close copies and of the far copies differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import DISTANCES, DistanceKey
from explorer.core.errors import InvalidInput
from explorer.core.limits import THRESHOLD
from explorer.core.registry import Registry
from explorer.core.settings import Settings

ModeKey = Literal["closest", "farthest", "mirror", "rank_weighted"]
"""The keys of ``MODES``, for users' type checkers."""
Slice = tuple[float, float]
NOTHING: Slice = (0.0, 0.0)
Distances = NDArray[np.float64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Mode:
    """A way of choosing masks.

    Attributes:
        label: What it is called where a user chooses it.
        about: One sentence for the user.
        sides: The ends of the ranking of which it takes the threshold's share, ``"closest"`` and ``"farthest"``; none
            where every mask counts by its rank.
    """

    label: str
    about: str
    sides: tuple[str, ...] = ()

    @property
    def has_threshold(self) -> bool:
        """Whether a threshold changes what it selects."""
        return bool(self.sides)

    def slices(self, threshold: float) -> tuple[Slice, Slice]:
        """The (closest, farthest) shares of the ranking that it takes."""
        closest, farthest = (0.0, threshold), (1 - threshold, 1.0)
        return closest if "closest" in self.sides else NOTHING, farthest if "farthest" in self.sides else NOTHING

    def weigh(self, distances: Distances, threshold: float) -> Weights:
        """The weights (n,) of masks at distances (n,)."""
        return _weigh_slices(distances, *self.slices(threshold)) if self.sides else _weigh_ranks(distances)


MODES: Registry[Mode] = Registry("mode")


@dataclass(frozen=True)
class SelectionSettings(Settings):
    """Which masks count, and how the distance between embeddings is measured.

    Attributes:
        mode: ``closest``, ``farthest``, ``mirror`` (paper, section 2.1) or ``rank_weighted``.
        threshold: Share of the masks taken at each chosen end, 0.01 to 0.5.
        distance: A key of ``explorer.core.distances``.
        closest: A slice (low, high) of the ranking, as shares in [0, 1], whose masks count
            positively. Giving either slice overrides mode and threshold.
        farthest: The same for the masks that count negatively.
    """

    mode: ModeKey = "mirror"
    threshold: float = THRESHOLD.default
    distance: DistanceKey = "cosine"
    closest: Slice | None = None
    farthest: Slice | None = None

    def __post_init__(self) -> None:
        MODES.check(self.mode)
        DISTANCES.check(self.distance)
        object.__setattr__(self, "threshold", THRESHOLD.check(self.threshold))
        for name in ("closest", "farthest"):
            object.__setattr__(self, name, _check_slice(name, getattr(self, name)))

    @property
    def free(self) -> bool:
        """Whether slices are given, so that mode and threshold do not apply."""
        return self.closest is not None or self.farthest is not None

    @property
    def slices(self) -> tuple[Slice, Slice]:
        """The (closest, farthest) shares of the ranking that count; two empty ones where all do, by rank."""
        return (
            (self.closest or NOTHING, self.farthest or NOTHING)
            if self.free
            else MODES[self.mode].slices(self.threshold)
        )

    def empty_side(self, n: int) -> str:
        """The side, ``"closest"`` or ``"farthest"``, that was asked for and has not one of n masks, or empty."""
        names = ("closest", "farthest")
        return next(
            (
                name
                for name, (low, high) in zip(names, self.slices, strict=True)
                if low < high and int(n * low) == int(n * high)
            ),
            "",
        )


def _check_slice(name: str, value: Any) -> Slice | None:
    if value is None:
        return None
    wrong = InvalidInput(
        f"{name} must be two shares (low, high) with 0 <= low <= high <= 1, e.g. (0.2, 0.5).", code="slice"
    )
    if isinstance(value, (str, bytes, Mapping)):
        raise wrong
    try:
        shares = tuple(value)
        if any(isinstance(v, (str, bytes, bool)) for v in shares):
            raise wrong
        low, high = (float(v) for v in shares)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong from error
    if not 0 <= low <= high <= 1:  # also refuses NaN
        raise wrong
    return low, high


def select(distances: Distances, selection: SelectionSettings) -> Weights:
    """The weight of each mask in the map, 0 = not selected.

    Args:
        distances: (n,) in mask order.
        selection: Mode and threshold, or slices.

    Returns:
        (n,) float64.
    """
    if selection.free:
        return _weigh_slices(distances, *selection.slices)
    return MODES[selection.mode].weigh(distances, selection.threshold)


@dataclass(frozen=True)
class Meaning:
    """What the two signs of a map say, in words: first of the positive one, then of the negative one.

    Attributes:
        ends: What stands at that end of the colour bar.
        most: Said of the region where it is strongest, in place of ``{}``.
        groups: What the masks of that sign are called after their number; empty where there are none.
        sign: What a file says, of a region or a word in place of ``{}``.
    """

    ends: tuple[str, str]
    most: tuple[str, str]
    groups: tuple[str, str]
    sign: str


CLOSER, MATTERS = "closer", "matters"
MEANINGS = {
    CLOSER: Meaning(
        ("brings closer", "pushes apart"),
        ("the {} brings the pair closer most", "the {} pushes it apart most"),
        ("count as close", "count as far"),
        "positive = keeping this {} brings the pair closer",
    ),
    "kept": Meaning(
        ("kept more", "kept less"),
        ("this slice kept the {} most", "this slice hid the {} most"),
        ("in this slice", ""),
        "positive = the slice kept this {} more often than all copies",
    ),
    "hidden": Meaning(
        ("kept less", "kept more"),
        ("this slice hid the {} most", "this slice kept the {} most"),
        ("", "in this slice"),
        "positive = the slice kept this {} less often than all copies",
    ),
    "between": Meaning(
        ("first kept more", "second kept more"),
        ("the first slice kept the {} most", "the second slice kept the {} most"),
        ("in the first slice", "in the second slice"),
        "positive = the closest slice kept this {} more often than the farthest slice",
    ),
    MATTERS: Meaning(("matters", ""), ("the {} matters most", ""), ("", ""), "none"),
}
"""A map says what brings closer only where the copies that count positively lie nearer than those that count
negatively, or, where there are none of those, in the nearer half or before all others; else it says no more than what
the slices kept. Some methods tell no signs apart."""


def meaning(weights: Weights, distances: Distances) -> str:
    """What the signs of the map of these masks say, a key of ``MEANINGS``.

    Args:
        weights: (n,) signed, in mask order.
        distances: (n,)
    """
    signs = np.sign(weights[np.argsort(distances, kind="stable")])
    near, far = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    if len(near) and len(far):
        return CLOSER if near[-1] < far[0] else "between"
    if len(near):
        return CLOSER if _at_one_end(near, len(signs)) else "kept"
    return CLOSER if _at_one_end(len(signs) - 1 - far[::-1], len(signs)) else "hidden"


def _at_one_end(places: NDArray[np.intp], n: int) -> bool:
    """Whether rising places of n lie in the first half, or are the first of all, so that the others all lie behind."""
    k = len(places)
    return not k or bool(places[-1] <= (n - 1) / 2 or places[-1] == k - 1 < n - 1)


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


def _weigh_ranks(distances: Distances) -> Weights:
    """Every mask by its centred rank; equal distances share their mean rank. Ours, no threshold."""
    _, place, counts = np.unique(distances, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts + 1) / 2
    centred = (len(distances) - 1) / 2 - mean_rank[place]
    total = centred[centred > 0].sum()
    return centred / total if total else centred


MODES.add("closest", Mode("closest", "Mean of the masks whose copies lie closest.", ("closest",)))
MODES.add("farthest", Mode("farthest", "Minus the mean of the masks whose copies lie farthest.", ("farthest",)))
MODES.add(
    "mirror",
    Mode(
        "mirror",
        "Closest minus farthest: the noise of one side cancels that of the other.",
        ("closest", "farthest"),
    ),
)
MODES.add(
    "rank_weighted",
    Mode(
        "rank weighted",
        "Every mask counts by its rank, no threshold. Nearly as stable as mirror at 10 % with twice the masks.",
    ),
)
