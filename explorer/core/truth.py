"""Whether a map tells the truth: how much of the distances it accounts for, of copies it was not made from.

A map says what each pixel does. If that were all there is, the distance of a masked copy would follow from the sum of
the map over what the copy kept; what does not follow is what pixels do together. A steady map can be steadily wrong.
Where the distance hangs on how much a copy kept, a map whose values add up to something knows that much wherever they
lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import check_kind, described
from explorer.core.arrays import as_numpy
from explorer.core.distances import measure
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.masks import MaskSet
from explorer.core.probe import Probe
from explorer.core.references import Reference, check_embedded_by
from explorer.core.selections import CLOSER, select
from explorer.core.spearman import spearman

FOLDS = 5
FEWEST = 20
"""Masks below which a map's truth is not told: its parts would hold three copies and less."""
LITTLE = 0.3
"""A rank correlation below this is little: three copies in five in their right order."""
ROUNDING = 1e-9
"""Shares of a map, and of the picture, that vary by less than this vary by rounding."""


@dataclass(frozen=True)
class Truth:
    """How well mask times map follows the closeness of the masked copies.

    Attributes:
        spearman: Rank correlation, -1 to 1: 1 where the map puts all copies in their order, 0 where it knows nothing.
        r2: Share of the variance, with the sign of the correlation, -1 to 1.
        n: Masked copies that were looked at.
    """

    spearman: float
    r2: float
    n: int

    @property
    def in_order(self) -> float:
        """About the share of pairs of copies that the map puts in their right order, 0 to 1; a coin has 0.5.

        As of numbers that are jointly normal (Kruskal 1958, doi:10.1080/01621459.1958.10501481, table 1).
        """
        return 0.5 + math.asin(min(1.0, max(-1.0, 2 * math.sin(math.pi * self.spearman / 6)))) / math.pi

    @property
    def verdict(self) -> str:
        """What that is, a key of ``explorer.results.summary.TRUTH``: within 2 / sqrt(n) of nothing it may be chance."""
        chance = 2 / math.sqrt(self.n)
        if abs(self.spearman) <= chance:
            return "nothing"
        return "against" if self.spearman < 0 else "little" if self.spearman < LITTLE else "tells"


def truth(explained: Any, *, probe: Probe | None = None, reference: Any = None, folds: int = FOLDS) -> Truth:
    """How much of the order of the masked copies a map accounts for; embeds nothing.

    Args:
        explained: An ``Explanation``: its masks are dealt into ``folds`` parts by their numbers, and a map of all parts
            but one, selected as this one is, answers for the copies of that part. Or any map (h, w), or the result of
            another method, which must not have been made from the copies of ``probe``.
        probe: Masked copies of the picture, for a map that is no ``Explanation``.
        reference: What the map is about: an ``Explanation``, a ``Reference`` or an embedding (d,).
        folds: 2 to half the number of masks.

    Returns:
        The mean over the folds.

    Raises:
        InvalidInput: Too few masks, another size of map, or something missing.
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    if isinstance(explained, Explanation) and probe is None:
        return _of_own_masks(explained, folds)
    if probe is None or reference is None:
        raise InvalidInput("For any map give probe= and reference= too; an Explanation has its own.", code="truth_of")
    check_kind("probe", probe, Probe, "a probe, as explorer.probe makes them")
    found = explained.relative if isinstance(explained, Explanation | MethodExplanation) else as_numpy(explained)
    if found.shape != probe.masks.size or found.dtype.kind not in "fiub" or not np.isfinite(found).all():
        h, w = probe.masks.size
        raise InvalidInput(f"The map must be finite numbers ({h}, {w}), got {described(found)}.", code="truth_map")
    distance, target = _of_reference(reference)
    return truth_of(found, probe, distance, check_embedded_by(probe.encoder, target))


def truth_of(
    values: NDArray[Any], probe: Probe, distance: str, reference: Reference, *, beyond_share: bool = False
) -> Truth:
    """``truth`` of a map (h, w) that was checked already.

    Args:
        values: The map.
        probe: Masked copies that it was not made from.
        distance: A key of ``DISTANCES``.
        reference: What the map is about.
        beyond_share: Take off both what follows from how much of the picture a copy keeps, so that a map which knows
            no more than that scores 0; one that knows all scores 1 all the same.
    """
    closeness = -measure(distance, probe.embeddings, reference.embedding)
    maps = np.stack([values, np.full(values.shape, 1 / values.size)]).astype(np.float64)
    kept, share = probe.masks.first(len(closeness)).sums_kept(maps)
    if beyond_share and share.std() > ROUNDING:
        share = share - share.mean()
        kept, closeness = (one - one.mean() - share * (share @ one) / (share @ share) for one in (kept, closeness))
        if kept.std() <= ROUNDING * np.abs(values).sum():
            kept = np.zeros_like(kept)
    return _agreement([kept], [closeness])


def own_truth(explanation: Explanation) -> Truth | None:
    """``truth`` of a map by its own copies; None where it does not say what brings closer, or has too few masks."""
    silent = explanation.no_signal or explanation.meaning != CLOSER or len(explanation.distances) < FEWEST
    return None if silent else truth(explanation)


def _of_own_masks(explanation: Explanation, folds: int) -> Truth:
    n, distances = len(explanation.distances), explanation.distances
    if not isinstance(folds, int | np.integer) or not 2 <= folds <= n // 2:
        raise InvalidInput(f"folds must be 2 to half the masks ({n // 2}), got {folds}.", code="folds")
    if explanation.no_signal:
        return Truth(0.0, 0.0, n)
    return folded(explanation.probe.masks, distances, lambda rest: select(rest, explanation.selection), int(folds))


def folded(
    masks: MaskSet,
    distances: NDArray[np.float64],
    weigh: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    folds: int = FOLDS,
) -> Truth:
    """How true maps are that weigh masks by their distances: each part of the copies by a map of the other parts.

    Args:
        masks: At least as many as there are distances.
        distances: (n,) of the masked copies.
        weigh: Distances of some copies -> the weights of their masks in a map.
        folds: 2 to n.
    """
    n = len(distances)
    part = np.arange(n) % folds
    maps = []
    for fold in range(folds):
        rest = part != fold
        weights = np.zeros(n)
        weights[rest] = weigh(distances[rest])
        weights[rest] -= weights[rest].mean()  # a map of one side has the mean mask in it
        maps.append(masks.weighted_sum(weights))
    kept = masks.first(n).sums_kept(np.stack(maps).astype(np.float64))
    held_out = [np.flatnonzero(part == fold) for fold in range(folds)]
    return _agreement(
        [row[own] for row, own in zip(kept, held_out, strict=True)], [-distances[own] for own in held_out]
    )


def _agreement(kept: list[NDArray[np.float64]], closeness: list[NDArray[np.float64]]) -> Truth:
    pairs = list(zip(kept, closeness, strict=True))
    ranks = [_or_nothing(spearman, own, its) for own, its in pairs]
    linear = [_or_nothing(lambda a, b: float(np.corrcoef(a, b)[0, 1]), own, its) for own, its in pairs]
    return Truth(float(np.mean(ranks)), float(np.mean([r * abs(r) for r in linear])), sum(map(len, kept)))


def _or_nothing(how: Any, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """A correlation; 0 where either is the same for all copies, so that the map accounts for nothing."""
    scale = np.abs(one).max(initial=0)
    flat = one.std() <= 1e-12 * scale or other.std() == 0 or not scale
    return 0.0 if flat else float(how(one, other))


def _of_reference(reference: Any) -> tuple[str, Reference]:
    if isinstance(reference, Explanation):
        return reference.selection.distance, reference.reference
    if isinstance(reference, Reference):
        return "cosine", reference
    embedding = as_numpy(reference)
    if embedding.ndim != 1 or embedding.dtype.kind not in "fiub":
        raise InvalidInput(
            f"The reference must be a vector of numbers (d,), got {described(embedding)}.", code="truth_reference"
        )
    return "cosine", Reference(embedding, "an embedding")
