"""ROAD (Rong et al. 2022, arXiv:2202.00449): remove and debias.

A pixel that goes is replaced by a mean of its neighbours, with a little noise, so that neither its colour nor the shape
of what is gone says anything to the network: the shape of a hole in one colour can be read by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.steps import Steps
from explorer.core.streams import Stream, generator
from explorer.evaluation.maps import as_map
from explorer.evaluation.perturbation import pixel_ranking
from explorer.evaluation.scorers import Scorer

NEIGHBOURS = {(dy, dx): 1 / 12 if dy and dx else 1 / 6 for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx}
"""By offset, how much a neighbour counts (the paper, section 4.3)."""
NOISE = 0.01
"""Standard deviation of the noise, in those of the picture's values, as the paper's code has them normalised."""


@dataclass(frozen=True)
class RoadConfig:
    """How much is removed: shares of the pixels, each above 0 and below 1."""

    shares: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)


def road(
    question: Question, attribution: NDArray[Any], scorer: Scorer, config: RoadConfig | None = None, seed: int = 0
) -> Steps[dict[str, Any]]:
    """Remove shares of the pixels, the highest of the map first and then the lowest.

    Returns:
        ``most`` and ``least``: the scores after either.

    Raises:
        InvalidInput: A map of another size.
        UnusableEmbedding: Non-finite embeddings, or ones of zero length.
    """
    config = config or RoadConfig()
    values = as_map(attribution, question.pixels.shape[:2])
    scores = {}
    for name, order in (("most", "highest"), ("least", "lowest")):
        ranked = pixel_ranking(values, order, seed)
        gone = (ranked[: int(values.size * share)] for share in config.shares)
        rows = yield from question.embeddings(_removed(question.pixels, gone, seed))
        scores[name] = scorer.score(rows).tolist()
    return scores


def road_passes(question: Question, config: RoadConfig | None = None) -> int:
    """How many pictures ``road`` embeds."""
    return 2 * len((config or RoadConfig()).shares)


def road_value(record: dict[str, Any]) -> float:
    """100 times half of what the score is higher without the least than without the most important pixels."""
    return 50 * float(np.mean(np.subtract(record["least"], record["most"])))


def imputed(pixels: NDArray[Any], gone: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A picture (h, w, c) in which each pixel that is gone (h, w) is the weighted mean of its neighbours.

    Those may be gone as well, so that it is a system of equations; beyond the edge there are none. Without any pixel
    left there is nothing to take a mean of: the picture's mean.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    found = pixels.astype(np.float64)
    if gone.all():
        found[:] = found.mean(axis=(0, 1))
        return found
    h, w = gone.shape
    rows, columns = np.nonzero(gone)
    number = np.full(gone.shape, -1)
    number[rows, columns] = np.arange(len(rows))
    diagonal, known = np.zeros(len(rows)), np.zeros((len(rows), pixels.shape[2]))
    entries: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for (dy, dx), weight in NEIGHBOURS.items():
        y, x = rows + dy, columns + dx
        inside = np.flatnonzero((y >= 0) & (y < h) & (x >= 0) & (x < w))
        y, x = y[inside], x[inside]
        diagonal[inside] += weight
        free = gone[y, x]
        known[inside[~free]] += weight * found[y[~free], x[~free]]
        entries.append((inside[free], number[y[free], x[free]], np.full(int(free.sum()), -weight)))
    entries.append((np.arange(len(rows)), np.arange(len(rows)), diagonal))
    i, j, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    system = coo_matrix((weights, (i, j)), shape=(len(rows), len(rows))).tocsc()
    solved = spsolve(system, known, permc_spec="MMD_AT_PLUS_A")
    found[rows, columns] = solved.reshape(len(rows), -1)
    return found


def _removed(pixels: NDArray[Any], gone: Iterator[NDArray[np.int64]], seed: int) -> Iterator[NDArray[Any]]:
    random, spread = generator(seed, Stream.ROAD_NOISE), NOISE * float(pixels.std())
    for indices in gone:
        mask = np.zeros(pixels.shape[:2], bool)
        mask.ravel()[indices] = True
        copy = imputed(pixels, mask)
        copy[mask] += random.normal(0, spread, copy[mask].shape)
        yield copy.clip(0, 255).astype(pixels.dtype) if pixels.dtype == np.uint8 else copy.astype(pixels.dtype)
