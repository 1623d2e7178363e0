"""What the numbers of an evaluation say: every threshold and every verdict; the app and the studies only word them.

A judge takes a result, whole or in part, and gives None where there is nothing to judge yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from explorer.evaluation.deletion import Deletion
from explorer.evaluation.localization import Localization
from explorer.evaluation.randomization import Randomization
from explorer.evaluation.stability import Stability, agreement_with, masks_to_reach

SAME, LARGE = 0.9, 0.7
"""Correlations from which two maps are one map, and from which their large regions are; as on the Explore tab."""

EARLY = 0.2
"""Share deleted up to which there still is a picture. Pixels deleted one by one are a pattern that disturbs a network
by itself, so that a random curve is no neutral ground later on (Samek et al. 2017 end at 0.157)."""

LOW = 0.1
"""A sensitivity below this is low, as the paper calls its 0.06 and 0.04."""

ENOUGH = 0.25
"""How far a number must have come from chance towards 1. Maps of large cells dealt at random stay below it; a patch
has parts that are of no importance, such as the table around a cup, so that no map gets all the way."""


class Likeness(Enum):
    """How alike two maps are."""

    SAME = "same"
    LARGE = "large regions"
    LITTLE = "little"


def likeness(correlation: float) -> Likeness:
    """Of two maps, by their correlation."""
    return Likeness.SAME if correlation >= SAME else Likeness.LARGE if correlation >= LARGE else Likeness.LITTLE


# Deletion


class Effect(Enum):
    """What deleting by the map does, against deleting at random, or red first against blue first."""

    MORE = 1
    CHANCE = 0
    LESS = -1


@dataclass(frozen=True)
class DeletionVerdict:
    """One order against the other, which is what counts, and both against chance.

    Attributes:
        gain: Whether deleting red first raises the distance more than deleting blue first, by more than chance.
        srg: By how much: ``Deletion.srg``.
        red: Whether deleting red first (LoDF) raises the distance more.
        blue: Whether deleting blue first (HiDF) keeps it lower.
        gaps: By order, its area less the mean random area; above 0 for ``lodf`` and below for ``hidf`` if faithful.
        early: The same of the mean distance until EARLY of the pixels is deleted.
        spread: By how much random orders differ: two standard deviations (ddof 1) of their areas. NaN of one order.
        orders: How many random orders are whole.
    """

    gain: Effect
    srg: float
    red: Effect
    blue: Effect
    gaps: Mapping[str, float]
    early: Mapping[str, float]
    spread: float
    orders: int

    @property
    def as_the_paper(self) -> bool:
        """LoDF above random early and HiDF below it throughout (figures 2 and 4): random gets ahead of LoDF later."""
        return self.early["lodf"] > 0 and self.blue is Effect.MORE


def judge_deletion(result: Deletion) -> DeletionVerdict | None:
    """By the random orders that are whole."""
    whole = result.random[np.isfinite(result.random).all(axis=1)]
    if not (len(whole) and np.isfinite([result.lodf, result.hidf]).all()):
        return None
    done = Deletion(result.shares, result.lodf, result.hidf, whole)
    spread = 2 * float(done.random_areas().std(ddof=1)) if len(whole) > 1 else math.nan
    gaps = {order: done.against_random(order) for order in ("lodf", "hidf")}
    early = {order: done.against_random(order, EARLY) / EARLY for order in gaps}
    return DeletionVerdict(
        gain=_effect(done.srg, math.sqrt(2) * spread),  # as two random orders differ
        srg=done.srg,
        red=_effect(gaps["lodf"], spread),
        blue=_effect(-gaps["hidf"], spread),
        gaps=gaps,
        early=early,
        spread=spread,
        orders=len(whole),
    )


@dataclass(frozen=True)
class FillsVerdict:
    """One map's deletion, for each of several things that deleted pixels became.

    Attributes:
        each: By fill, of those that can be judged.
        gain: What each of them says; None where that depends on the fill.
    """

    each: Mapping[str, DeletionVerdict]
    gain: Effect | None

    @property
    def depends(self) -> bool:
        """Whether the verdict hangs on the fill."""
        return self.gain is None


def judge_fills(results: Mapping[str, Deletion]) -> FillsVerdict | None:
    """One map's deletion by fill."""
    each = {fill: verdict for fill, result in results.items() if (verdict := judge_deletion(result)) is not None}
    if not each:
        return None
    gains = {verdict.gain for verdict in each.values()}
    return FillsVerdict(each, next(iter(gains)) if len(gains) == 1 else None)


def _effect(gap: float, spread: float) -> Effect:
    return Effect.CHANCE if math.isnan(spread) or abs(gap) <= spread else Effect.MORE if gap > 0 else Effect.LESS


def tells_most(gains: Mapping[str, float]) -> str | None:
    """Whose ``Deletion.srg`` is the largest; None where none is above 0."""
    best = max(gains, key=gains.__getitem__, default=None)
    return best if best is not None and gains[best] > 0 else None


# Stability


@dataclass(frozen=True)
class StabilityVerdict:
    """Whether chance has averaged out, by the longest runs there are.

    Attributes:
        at: Which of the numbers of masks they have.
        n_masks: That number.
        agreement: Of two such runs.
        of_the_map: Of the map on screen and another of as many masks.
        likeness: By ``of_the_map``.
        wanted: Masks that two runs need to be the SAME map; None where no number follows.
    """

    at: int
    n_masks: int
    agreement: float
    of_the_map: float
    likeness: Likeness
    wanted: int | None


def judge_stability(result: Stability, selection: str, n_masks: int) -> StabilityVerdict | None:
    """A map of so many masks by one of the selections."""
    known = np.flatnonzero(np.isfinite(result.agreement[selection]))
    if not len(known):
        return None
    at = int(known[-1])
    n, found = int(result.counts[at]), float(result.agreement[selection][at])
    ours = agreement_with(found, n_masks / n)
    return StabilityVerdict(at, n, found, ours, likeness(ours), masks_wanted(found, n))


def masks_wanted(agreement: float, n_masks: int) -> int | None:
    """Masks that two runs need to be the SAME map, by the agreement of runs of ``n_masks``; None if they have none."""
    return masks_to_reach(agreement, n_masks, SAME) if agreement > 0 else None


# Sensitivity


@dataclass(frozen=True)
class SensitivityVerdict:
    """How far noise moves the map, as a share of its size.

    Attributes:
        mean: Average sensitivity.
        largest: Maximal sensitivity.
        doubt: Two standard errors of the mean; NaN of one picture.
        pictures: Noisy pictures that were explained.
        likeness: Of the maps: two of one size that correlate by r differ by sqrt(2 - 2 r) of it.
        low: Whether the mean is LOW.
    """

    mean: float
    largest: float
    doubt: float
    pictures: int
    likeness: Likeness
    low: bool


def judge_sensitivity(values: NDArray[np.float64]) -> SensitivityVerdict | None:
    """``Sensitivity.values``."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    mean, doubt = float(known.mean()), math.nan
    if len(known) > 1:
        doubt = 2 * float(known.std(ddof=1)) / math.sqrt(len(known))
    return SensitivityVerdict(mean, float(known.max()), doubt, len(known), likeness(1 - mean**2 / 2), mean < LOW)


# Randomization


@dataclass(frozen=True, eq=False)
class RandomizationVerdict:
    """What is left of the map while the network is randomised.

    Attributes:
        blocks: (k,) randomised, but for those whose networks gave no map.
        values: (k,) Spearman to the untouched network's map.
        by_chance: Up to which a value says nothing; None where that is not known.
        lost: How many values are no more than by chance.
        since: Index of the block from which on all are; None where the last is more.
        lowest: Index of the smallest value.
        highest: Index of the largest.
    """

    blocks: tuple[str, ...]
    values: NDArray[np.float64]
    by_chance: float | None
    lost: int
    since: int | None
    lowest: int
    highest: int


def judge_randomization(result: Randomization, chance: float | None) -> RandomizationVerdict | None:
    """By ``by_chance`` of the maps; None where it is not known, as of methods without masks."""
    done = np.flatnonzero(np.isfinite(result.similarity[1:]))
    if not len(done):
        return None
    values = result.similarity[1:][done]
    alike = np.flatnonzero(values > (-math.inf if chance is None else chance))
    since = int(alike[-1]) + 1 if len(alike) else 0
    return RandomizationVerdict(
        tuple(result.layers[i] for i in done),
        values,
        chance,
        len(values) - len(alike),
        since if since < len(values) else None,
        int(np.argmin(values)),
        int(np.argmax(values)),
    )


# Planted patch


class Patch(Enum):
    """Whether a map finds a planted patch."""

    FOUND = "found"
    POINTED = "pointed at"
    MISSED = "missed"


def judge_patch(found: Localization) -> Patch:
    """Found: it points inside, and each number is ENOUGH above chance."""
    pairs = (
        (found.energy, found.chance),
        (found.iou, found.chance_iou),
        (found.average_precision, found.chance),
    )
    enough = all(value > chance + ENOUGH * (1 - chance) for value, chance in pairs)
    return Patch.MISSED if not found.pointing else Patch.FOUND if enough else Patch.POINTED
