"""How much a map depends on the distance, and on how many dimensions the embeddings have: one probe, no pass.

The paper ranks by cosine distance and says why the Euclidean one differs where embeddings are not of unit length
(section 2.2.1); other distances it leaves open. Which dimensions of an embedding a map needs it does not ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import ROUNDING, correlation
from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.probe import Probe
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.selections import SelectionSettings
from explorer.core.spearman import spearman
from explorer.core.streams import Stream, generator

HOW = ("truncate", "project", "principal")
"""The first coordinates, random directions, or the directions along which the copies' embeddings are longest."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A map made with another distance or fewer dimensions, beside that of the full space and the cosine distance.

    Attributes:
        attribution: (h, w) float32, positive where keeping the region brings the pair closer.
        pearson: Correlation of the two maps over the pixels, -1 to 1; 0.0 where either is constant.
        spearman: The same of the pixels' ranks.
        ranking: Spearman's correlation of the two rankings of the masked copies, which the maps were made from.
    """

    attribution: NDArray[np.float32]
    pearson: float
    spearman: float
    ranking: float


def by_distance(probe: Probe, target: Reference, selection: SelectionSettings) -> dict[str, Seen]:
    """The same copies ranked by every distance; that of the selection does not matter.

    Returns:
        By key of ``explorer.core.distances``; ``cosine``, which the others are compared with, among them.

    Raises:
        InvalidInput: The probe has no mask yet, or the reference another length.
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    full = _full(probe, target, selection)
    return {key: _seen(rank_against(probe, target, selection.but(distance=key)), full) for key in DISTANCES}


def by_dimensions(
    probe: Probe,
    target: Reference,
    selection: SelectionSettings,
    dims: Iterable[int],
    how: str = "truncate",
    seed: int = 0,
) -> dict[int, Seen]:
    """The same copies ranked in spaces of fewer dimensions.

    Args:
        probe: Complete or not.
        target: The reference, embedded.
        selection: Mode, threshold and the distance measured in the smaller space.
        dims: Numbers of dimensions, each 1 to d; ``doublings`` gives a sensible choice.
        how: ``truncate`` keeps the first coordinates, as one does with Matryoshka embeddings (Kusupati et al. 2022,
            arXiv:2205.13147). ``project`` takes random Gaussian directions, which keep cosines to about 1 / sqrt(k)
            (Johnson & Lindenstrauss 1984), so that a ranking of smaller ones is lost. ``principal`` takes the leading
            right singular vectors of the copies' embeddings, without centring, since that would turn the directions
            the cosine distance compares.
        seed: Of the random directions. A smaller space has the first directions of a larger one.

    Returns:
        By number of dimensions, each compared with the full space by cosine distance. Where the distance is that
        too, ``truncate`` and ``principal`` end at the full space's map; ``project`` does not.

    Raises:
        InvalidInput: An unknown way, or a number of dimensions that the embeddings do not have.
        UnusableEmbedding: Nothing is left of an embedding where the distance needs a direction.
    """
    full = _full(probe, target, selection)
    rows, vector = probe.embeddings, np.asarray(target.embedding)
    chosen, length = list(dims), rows.shape[1]
    if any(not 1 <= k <= length for k in chosen):
        raise InvalidInput(
            f"The embeddings have {length} dimensions; take 1 to {length} of them.", code="dimensions_range"
        )
    axes = _axes(how, rows.astype(np.float64), max(chosen, default=1), seed)
    if axes is not None:  # the precision stays that of the embeddings, which says what is rounding
        rows, vector = (rows @ axes).astype(rows.dtype), axes.T @ vector
    seen = {}
    for k in chosen:
        smaller = replace(probe, embeddings=rows[:, :k])
        seen[k] = _seen(rank_against(smaller, replace(target, embedding=vector[:k]), selection), full)
    return seen


def doublings(length: int) -> tuple[int, ...]:
    """1, 2, 4, ... and the length itself: numbers of dimensions to look at."""
    return (*(2**i for i in range(length.bit_length()) if 2**i < length), length)


def _full(probe: Probe, target: Reference, selection: SelectionSettings) -> Explanation:
    return rank_against(probe, target, replace(selection, distance="cosine"))


def _axes(how: str, rows: NDArray[np.float64], most: int, seed: int) -> NDArray[np.float64] | None:
    """(d, k) directions, or None for the coordinates themselves; at least ``most`` unless the rows span fewer."""
    if how == "truncate":
        return None
    if how == "project":
        random = generator(seed, Stream.PROJECTIONS)
        return random.standard_normal((most, rows.shape[1])).T  # row by row, so that fewer are the first of more
    if how == "principal":
        return np.asarray(np.linalg.svd(rows, full_matrices=False)[2][:most].T)
    raise InvalidInput(f"Unknown way to take dimensions; choose one of: {', '.join(HOW)}.", code="unknown_how")


def _seen(found: Explanation, full: Explanation) -> Seen:
    ours, theirs = found.relative, full.relative
    flat = min(float(np.std(ours)), float(np.std(theirs))) <= ROUNDING
    return Seen(
        attribution=ours,
        pearson=correlation(ours, theirs),
        spearman=0.0 if flat else spearman(ours, theirs),
        ranking=spearman(found.distances, full.distances),
    )
