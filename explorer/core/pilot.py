"""A cheap look at several values of ``p_keep`` before a long run (paper, section 5.2.2).

What decides is whether a map repeats: the masks are dealt into two halves, each half makes its own map, and the two
are correlated. The spread of the distances decides nothing by itself: over 13 pairs and five values of ``p_keep``
(EfficientNet-Lite0 and ConSE, 200 masks) the maps of the quarter with the smallest spreads, 0.0001 to 0.007, agreed
with other masks' at 0.64, those of the quarter with the widest, 0.05 to 0.15, at 0.72.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.core.agreement import by_chance, correlation, expected_agreement, scatter, split_half
from explorer.core.explanation import Explanation
from explorer.core.probe import Probe
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.selections import SelectionSettings

P_KEEPS = (0.1, 0.3, 0.5, 0.7, 0.9)
MASKS_EACH = 200
"""With 100, a third of the trials on real pairs cannot be told from chance; with 200, one in sixteen."""

EVERY_MASK = SelectionSettings(mode="rank_weighted")
"""A tenth of few masks is next to none: maps of 200 masks agree at 0.66 when all count, at 0.54 by ``mirror``."""

ONE_STORY = 0.5
"""Maps that share less than a quarter (0.5 squared) of the variance that repeats in each tell two stories.

By 200 masks, 8 in 10 such pairs of real maps (below 0.4 by 2000 masks) are found, and 3 in 100 of those above 0.7.
"""

SMALL = 0.1
"""A spread below this share of the pilot's widest is called small."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What one ``p_keep`` gave.

    Attributes:
        explanation: The map, its distances and the probe, which ``extend`` can continue.
        half: Correlation of the maps of the two halves of the masks; see ``explorer.core.agreement.split_half``.
    """

    explanation: Explanation
    half: float

    @property
    def p_keep(self) -> float:
        """The share kept."""
        return self.explanation.probe.masking.p_keep

    @property
    def spread(self) -> float:
        """Standard deviation of the distances."""
        return float(self.explanation.distances.std())

    @property
    def band(self) -> tuple[float, float]:
        """The distances between which nine in ten masked copies lie: the 5 and 95 % points."""
        low, high = np.quantile(self.explanation.distances, (0.05, 0.95))
        return float(low), float(high)

    @property
    def expected(self) -> float:
        """The correlation to expect between this map and that of as many other masks."""
        return expected_agreement(self.half)

    @property
    def repeats(self) -> bool:
        """Whether the halves agree more than unrelated maps do by chance."""
        return self.half > by_chance(self.explanation.probe.masking.feature_res)


def trial(probe: Probe, target: Reference, selection: SelectionSettings = EVERY_MASK) -> Trial:
    """What a probe says about its ``p_keep``; nothing is embedded."""
    return Trial(rank_against(probe, target, selection), split_half(probe, target, selection))


def verdict(trials: Sequence[Trial], p_keep: float) -> tuple[str, ...]:
    """What trials say of a run to come, and what they cannot say, a sentence or two each; empty before the first.

    Args:
        trials: In the order of ``P_KEEPS``.
        p_keep: What the run would have.
    """
    if not trials:
        return ()
    return (
        *(_silent(one, trials) for one in trials if not one.repeats),
        *_recommended(trials, p_keep),
        *_stories(trials),
        f"{_count(trials)} are few: a weak pattern may need more, and a map that repeats need not be right.",
    )


def _silent(one: Trial, trials: Sequence[Trial]) -> str:
    """Why nothing can be read from a trial."""
    name = f"p_keep {one.p_keep:g}"
    if one.explanation.no_signal:
        return f"{name}: {one.explanation.no_signal}"
    limit = by_chance(one.explanation.probe.masking.feature_res)
    said = f"{name} shows no pattern: its halves agree at {one.half:.2f}, and unrelated maps reach {limit:.2f}."
    widest = max(trials, key=lambda other: other.spread)
    if one.spread < SMALL * widest.spread:
        return (
            f"{said} The distances hardly differ (spread {one.spread:.2g}, against {widest.spread:.2g} at p_keep "
            f"{widest.p_keep:g}): as far as {_count(trials)} show, ranking them ranks noise."
        )
    return (
        f"{said} The distances do differ (spread {one.spread:.2g}), but {_count(trials)} do not show that it matters "
        "where the picture is kept."
    )


def recommended(trials: Sequence[Trial], usual: float) -> tuple[int, str]:
    """Which trial a run should go on with, and why: the usual p_keep unless another repeats better than chance allows.

    Returns:
        Its number, and a sentence or two.
    """
    nearest = min(range(len(trials)), key=lambda number: abs(trials[number].p_keep - usual))
    sound = [number for number, one in enumerate(trials) if one.repeats]
    if not sound:
        return nearest, f"No p_keep shows a pattern with {_count(trials)}, so it is the usual one."
    best = max(sound, key=lambda number: trials[number].half)
    taken = nearest if nearest in sound and _about_as_good(trials[nearest], trials[best]) else best
    return taken, _recommended(trials, trials[taken].p_keep)[0]


def two_stories(trials: Sequence[Trial], taken: int) -> tuple[int | None, str]:
    """The trial that shows other parts of the picture than the one taken does, and the sentence that says so."""
    for end, middle, said in _told_apart(trials):
        pair = [number for number, one in enumerate(trials) if one is end or one is middle]
        others = [number for number in pair if number != taken]
        other = min(others, key=lambda number: _shared(trials[number], trials[taken])[0])
        return other, said
    return None, ""


def _recommended(trials: Sequence[Trial], p_keep: float) -> list[str]:
    sound = [one for one in trials if one.repeats]
    if not sound:
        return ["No p_keep can be recommended: try more masks, or a smaller feature_res."]
    best = max(sound, key=lambda one: one.half)
    said = (
        f"p_keep {best.p_keep:g} repeats best: the maps of two runs with {_count([best])} would agree at about "
        f"{best.expected:.2f}, or somewhat less if it was also the luckiest."
    )
    tied = [one for one in sound if one is not best and _about_as_good(one, best)]
    if tied:
        said += f" With so few masks, {_listed(tied)} may repeat as well"
        kept = any(math.isclose(one.p_keep, p_keep) for one in tied)
        said += f": no reason yet to leave {p_keep:g}." if kept else "."
    return [said]


def _about_as_good(one: Trial, best: Trial) -> bool:
    """Whether the two halves differ by less than chance makes them differ, on Fisher's scale, where it is even."""
    difference = math.atanh(min(best.half, 1 - 1e-9)) - math.atanh(min(one.half, 1 - 1e-9))
    return difference < math.sqrt(2) * scatter(one.explanation.probe.masking.feature_res)


def _stories(trials: Sequence[Trial]) -> list[str]:
    """Whether little kept, or nearly all, shows other parts of the picture than half kept (paper, figure 11b)."""
    return [f"{said} Look at both." for _, _, said in _told_apart(trials)]


def _told_apart(trials: Sequence[Trial]) -> list[tuple[Trial, Trial, str]]:
    """The trials of an end and of the middle that tell two stories, and what there is to say."""
    middle = min(trials, key=lambda one: abs(one.p_keep - 0.5))
    ends = (min(trials, key=lambda one: one.p_keep), max(trials, key=lambda one: one.p_keep))
    found = []
    for end in ends:
        if end is middle or not (end.repeats and middle.repeats):
            continue
        alike, one_story = _shared(end, middle)
        if alike < ONE_STORY * one_story:
            said = (
                f"p_keep {end.p_keep:g} and {middle.p_keep:g} seem to tell two stories: each map repeats, but the two "
                f"correlate at {alike:.2f}, where one story would give about {one_story:.2f}."
            )
            found.append((end, middle, said))
    return found


def _shared(one: Trial, other: Trial) -> tuple[float, float]:
    """The correlation of two maps, and what it would be if only chance set them apart.

    The second is the geometric mean of their reliabilities (C. Spearman 1904, American Journal of Psychology 15).
    """
    return correlation(one.explanation.relative, other.explanation.relative), math.sqrt(one.expected * other.expected)


def _count(trials: Sequence[Trial]) -> str:
    return f"{len(trials[0].explanation.probe)} masks"


def _listed(trials: Sequence[Trial]) -> str:
    values = [f"{one.p_keep:g}" for one in trials]
    return " and ".join(part for part in (", ".join(values[:-1]), values[-1]) if part)
