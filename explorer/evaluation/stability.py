"""How far a map depends on which random masks were drawn (paper, section 5.2.1 and table 2)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import DistanceExplainer, Question
from explorer.core.agreement import correlation, expected_agreement, split_half
from explorer.core.errors import InvalidInput
from explorer.core.limits import AGREEMENT, N_MASKS
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.probe import Probe, enlarge, grow
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.core.steps import Parts, Steps

COUNTS = (100, 500, 2000)
"""The numbers of masks in table 2."""

SEEDS = tuple(range(5))

PAPER_SEEDS = 20
"""Table 2 was made from the seeds 0 to 19 (its authors' ``table_n_mask_mean_pixel_std.py``), by ``np.std``, ddof 0."""

Curves = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Stability:
    """How alike the maps of several runs are, which differ in their masks alone.

    In a partial result NaN stands where fewer than two runs have that many masks.

    Attributes:
        counts: (m,) numbers of masks, ascending.
        seeds: One for each run.
        spread: By selection, (m,) mean over the pixels of the standard deviation over the runs, as in table 2:
            the population's (ddof 0) of 20 runs. Other numbers of runs are brought to what 20 would show.
        agreement: By selection, (m,) mean correlation, over the pixels, of two runs.
        expected: By selection, (m,) what single runs lead one to expect of ``agreement``: the mean over the runs of
            ``explorer.core.agreement.expected_agreement``.
    """

    counts: NDArray[np.int64]
    seeds: tuple[int, ...]
    spread: Curves
    agreement: Curves
    expected: Curves


def stability(
    question: Question,
    *,
    masking: MaskSettings | None = None,
    selections: Mapping[str, SelectionSettings],
    counts: Sequence[int] = COUNTS,
    seeds: Sequence[int] = SEEDS,
) -> Parts[Stability]:
    """Make the map several times, each time with other masks.

    All runs reach the first number of masks before any goes on to the next, so that a partial result compares like
    with like. The maps compared are ``Explanation.relative``, which for two-sided selections is the attribution.

    Args:
        question: The question.
        masking: How to mask; its ``n_masks`` and ``seed`` do not matter.
        selections: Named ways to select, all judged on the same runs; the question's distance replaces theirs.
        counts: Numbers of masks.
        seeds: One for each run, at least two, none twice.

    Raises:
        InvalidInput: Fewer than two runs, a seed given twice, or a number of masks outside its range.
    """
    masking = masking or MaskSettings()
    counts = _checked(counts, seeds)
    chosen = {name: selection.but(distance=question.distance) for name, selection in selections.items()}
    nothing = [{name: np.full(len(counts), np.nan) for name in chosen} for _ in range(3)]
    result = Stability(np.array(counts, np.int64), tuple(seeds), *nothing)
    runs: list[Probe | None] = [None] * len(seeds)
    for at, n in enumerate(counts):
        maps: dict[str, list[NDArray[np.float32]]] = {name: [] for name in chosen}
        expected: dict[str, list[float]] = {name: [] for name in chosen}
        for run, seed in enumerate(seeds):
            probe = yield from _reach(question, replace(masking, n_masks=n, seed=seed), runs[run])
            runs[run] = probe if SCHEMES[masking.scheme].grows else None
            for name, selection in chosen.items():
                maps[name].append(rank_against(probe, question.target, selection).relative)
                expected[name].append(expected_agreement(split_half(probe, question.target, selection)))
            if run:
                result = _with(result, at, maps, expected)
                yield result
    return result


def stability_passes(
    *, counts: Sequence[int] = COUNTS, seeds: Sequence[int] = SEEDS, masking: MaskSettings | None = None
) -> int:
    """How many pictures ``stability`` embeds: every run grows, unless its masks depend on how many there are."""
    numbers = _checked(counts, seeds)
    each = numbers[-1] if SCHEMES[(masking or MaskSettings()).scheme].grows else sum(numbers)
    return each * len(seeds)


def masks_to_reach(agreement: float, n_masks: int, target: float) -> int:
    """Masks that two runs are expected to need to agree by ``target``.

    The Spearman-Brown formula solved for the length (see ``expected_agreement``): agreement over
    disagreement, r / (1 - r), grows as the number of masks.

    Args:
        agreement: Correlation of two runs.
        n_masks: How many masks each of them had.
        target: 0.5 to 0.99.

    Raises:
        InvalidInput: ``target`` outside its range, or an agreement of 0 or less, from which no number follows.
    """
    target = AGREEMENT.check(target)
    if not agreement > 0:  # also refuses NaN
        raise InvalidInput(
            "The runs do not agree at all, so no number of masks can be foretold; take more masks first.",
            code="stability_agreement",
        )
    masks = n_masks * target / (1 - target) * (1 - agreement) / agreement
    return max(1, math.ceil(masks - 1e-6))  # rounding asks for no mask


def agreement_with(agreement: float, factor: float) -> float:
    """Correlation to expect of runs so many times as long (Spearman-Brown; see ``expected_agreement``)."""
    return factor * agreement / (1 + (factor - 1) * agreement) if agreement > 0 else agreement


def mean_agreement(maps: Sequence[NDArray[np.floating]]) -> float:
    """Mean correlation over all pairs of maps (h, w); a constant map agrees with none."""
    return float(np.mean([correlation(*pair) for pair in itertools.combinations(maps, 2)]))


def pixel_spread(maps: Sequence[NDArray[np.floating]]) -> float:
    """Mean over the pixels of the standard deviation over the maps (h, w), as ``Stability.spread`` defines it."""
    seen = float(np.std(maps, axis=0, dtype=np.float64).mean())
    return seen * _shown(PAPER_SEEDS) / _shown(len(maps))


def _shown(runs: int) -> float:
    """Expectation of the standard deviation (ddof 0) of so many normal numbers of variance 1."""
    return math.sqrt(2 / runs) * math.exp(math.lgamma(runs / 2) - math.lgamma((runs - 1) / 2))


def _reach(question: Question, masking: MaskSettings, before: Probe | None) -> Steps[Probe]:
    """A run with so many masks, going on where it was."""
    if before is None:
        return (yield from DistanceExplainer(masking).explain(question)).probe
    done = len(before)
    grown = before
    for grown in grow(enlarge(before, masking.n_masks)):
        yield len(grown) - done
        done = len(grown)
    return grown


def _checked(counts: Sequence[int], seeds: Sequence[int]) -> list[int]:
    """The numbers of masks, ascending."""
    if len(set(seeds)) < max(2, len(seeds)):
        raise InvalidInput("Stability compares two runs or more; give at least two seeds, each once.", code="seeds")
    if not counts:
        raise InvalidInput("Give at least one number of masks to compare runs at.", code="counts")
    return sorted({int(N_MASKS.check(n)) for n in counts})


def _with(
    result: Stability, at: int, maps: Mapping[str, list[NDArray[np.float32]]], expected: Mapping[str, list[float]]
) -> Stability:
    """The result with one number of masks judged by the runs that have that many."""

    def put(curves: Curves, values: Mapping[str, float]) -> Curves:
        return {name: np.where(np.arange(len(curve)) == at, values[name], curve) for name, curve in curves.items()}

    return replace(
        result,
        spread=put(result.spread, {name: pixel_spread(runs) for name, runs in maps.items()}),
        agreement=put(result.agreement, {name: mean_agreement(runs) for name, runs in maps.items()}),
        expected=put(result.expected, {name: float(np.mean(runs)) for name, runs in expected.items()}),
    )
