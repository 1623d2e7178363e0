"""How far each embedding lies from the reference: (n, d), (d,) -> (n,) float64, small = close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.registry import Registry

Floats = NDArray[np.floating]
Distances = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """A distance and how to show it.

    Attributes:
        label: The axis label.
        low: Smallest possible value.
        high: Largest possible value, infinity where there is none.
        measure: Rows (n, d), their lengths (n,), reference (d,) -> (n,) float64.
        needs_length: Whether a zero-length vector has no distance.
    """

    label: str
    low: float
    high: float
    measure: Callable[[Distances, Distances, Distances], Distances]
    needs_length: bool


DISTANCES: Registry[Distance] = Registry("distance")


def measure(key: str, embeddings: Floats, reference: Floats) -> Distances:
    """Distances of embeddings to a reference.

    Args:
        key: A key of ``DISTANCES``.
        embeddings: (n, d).
        reference: (d,).

    Returns:
        (n,) float64, inside the distance's range.

    Raises:
        InvalidInput: The reference has another length than the embeddings, or is no vector.
        UnusableEmbedding: Non-finite values, or zero-length vectors where the distance needs a direction.
    """
    rows, vector = embeddings.astype(np.float64), np.asarray(reference, dtype=np.float64)
    if vector.shape != rows.shape[1:]:
        raise InvalidInput(
            f"The reference embedding must have shape ({rows.shape[1]},) like the picture's, got {vector.shape}.",
            code="reference_shape",
        )
    distance = DISTANCES[key]
    _check("references", _lengths(vector[None]), distance.needs_length)
    lengths = _lengths(rows)
    _check("masked copies", lengths, distance.needs_length)
    return distance.measure(rows, lengths, vector)


def indistinct(key: str, distances: Distances, embeddings: Floats, reference: Floats) -> bool:
    """Whether the distances differ by no more than rounding, so that ranking them would rank noise."""
    precision = np.finfo(embeddings.dtype if embeddings.dtype.kind == "f" else np.float64).eps
    if key == "cosine":
        return bool(np.ptp(distances) <= 8 * precision)
    rows, vector = embeddings.astype(np.float64), np.asarray(reference, dtype=np.float64)
    if key == "angular":  # arccos is steep at its ends and would magnify rounding
        return indistinct("cosine", _cosine(rows, _lengths(rows), vector), embeddings, reference)
    longest, length = _lengths(rows).max(), np.linalg.norm(vector)
    scale = max(longest, length) if key == "euclidean" else longest * length
    return bool(np.ptp(distances) <= 8 * precision * scale)


def _lengths(rows: Distances) -> Distances:
    """(n,) lengths; non-finite where a row holds anything non-finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))


def _check(what: str, lengths: Distances, needs_length: bool) -> None:
    bad = int((~np.isfinite(lengths)).sum())
    if bad:
        raise UnusableEmbedding(
            f"The model returned non-finite values for {bad} of {len(lengths)} {what}. "
            "Check the encoder's weights, or use precision float32.",
            code="embedding_finite",
        )
    zero = int((lengths == 0).sum())
    if needs_length and zero:
        raise UnusableEmbedding(
            f"The model returned a zero-length embedding for {zero} of {len(lengths)} {what}: "
            "the angle to it is undefined. Use another fill, or the euclidean distance.",
            code="embedding_zero",
        )


def _cosine_similarity(rows: Distances, lengths: Distances, vector: Distances) -> Distances:
    return (rows @ vector / (lengths * np.linalg.norm(vector))).clip(-1, 1)


def _cosine(rows: Distances, lengths: Distances, vector: Distances) -> Distances:
    """Half the cosine distance, in [0, 1] (paper, section 2.2.1; halved as in the reference implementation)."""
    return (1 - _cosine_similarity(rows, lengths, vector)) / 2


def _angular(rows: Distances, lengths: Distances, vector: Distances) -> Distances:
    """The angle between two embeddings over pi, in [0, 1]; unlike the cosine distance, a metric."""
    return np.arccos(_cosine_similarity(rows, lengths, vector)) / np.pi


def _euclidean(rows: Distances, lengths: Distances, vector: Distances) -> Distances:
    """The length of the difference; it also sees how long the embeddings are (paper, section 2.2.1)."""
    return _lengths(rows - vector)


def _dot(rows: Distances, lengths: Distances, vector: Distances) -> Distances:
    """Minus the dot product: what a retrieval index that does not normalise ranks by."""
    return -(rows @ vector)


DISTANCES.add("cosine", Distance("cosine distance / 2", 0.0, 1.0, _cosine, True))
DISTANCES.add("angular", Distance("angle / π", 0.0, 1.0, _angular, True))
DISTANCES.add("euclidean", Distance("euclidean distance", 0.0, np.inf, _euclidean, False))
DISTANCES.add("dot", Distance("minus dot product", -np.inf, np.inf, _dot, False))
