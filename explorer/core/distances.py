"""How far each embedding lies from the reference: (n, d), (d,) -> (n,) float64, small = close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
        needs_length: Whether a zero-length vector has no distance; then the length of neither plays a part.
        closeness: Grows as rows come closer, and can be differentiated: the module ``numpy`` or ``torch``, rows (n, d),
            their lengths (n,), the reference (d,), of length 1 where length plays no part -> (n,).
        at_reference: Whether rows of some closeness lie so near to the reference that their slope is only rounding:
            the module, closeness (n,), the reference's length -> (n,) bool. None where slopes are good everywhere.
        rounding: The longest row's length and the reference's -> by how much a rounding error grows on its way.
        judged_by: The distance whose values show rounding where this one would magnify it.
        linear: Whether closeness is linear in embeddings of one length.
        of_product: Whether it depends on the embeddings through lengths and the dot product alone, and not on their
            difference, so that relevance can be propagated from it.
    """

    label: str
    low: float
    high: float
    measure: Callable[[Distances, Distances, Distances], Distances]
    needs_length: bool
    closeness: Callable[[Any, Any, Any, Any], Any]
    at_reference: Callable[[Any, Any, float], Any] | None
    rounding: Callable[[float, float], float]
    judged_by: str = ""
    linear: bool = False
    of_product: bool = True


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
    rows, vector = embeddings.astype(np.float64), np.asarray(reference, dtype=np.float64)
    distance, lengths = DISTANCES[key], _lengths(rows)
    if distance.judged_by:
        return indistinct(
            distance.judged_by, DISTANCES[distance.judged_by].measure(rows, lengths, vector), embeddings, reference
        )
    precision = np.finfo(embeddings.dtype if embeddings.dtype.kind == "f" else np.float64).eps
    scale = distance.rounding(float(lengths.max()), float(np.linalg.norm(vector)))
    return bool(np.ptp(distances) <= 8 * precision * scale)


def similarity(key: str, embeddings: Floats, reference: Floats) -> Distances:
    """(n,) closeness of embeddings (n, d) to a reference (d,): the cosine, the dot product, else minus the distance.

    Raises:
        InvalidInput: As ``measure``.
        UnusableEmbedding: As ``measure``.
    """
    found = measure(key, embeddings, reference)
    return 1 - 2 * found if key == "cosine" else -found


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


SHORTEST = 1e-12
"""Embeddings no longer than this have no direction: their cosine counts as 0, without a gradient."""
SAME = 1e-6
"""A cosine similarity this near to 1 has no gradient but rounding."""


def _cosine_closeness(xp: Any, rows: Any, lengths: Any, unit: Any) -> Any:
    cosine = rows @ unit / lengths.clip(SHORTEST)
    return xp.where(lengths <= SHORTEST, 0, cosine)  # what is no number stays so


def _angular_closeness(xp: Any, rows: Any, lengths: Any, unit: Any) -> Any:
    inside = 1 - SAME / 10  # the angle's slope is infinite at its ends
    return -xp.arccos(_cosine_closeness(xp, rows, lengths, unit).clip(-inside, inside)) / np.pi


DISTANCES.add(
    "cosine",
    Distance(
        label="cosine distance / 2",
        low=0.0,
        high=1.0,
        measure=_cosine,
        needs_length=True,
        closeness=_cosine_closeness,
        at_reference=lambda xp, closeness, length: closeness > 1 - SAME,
        rounding=lambda longest, length: 1.0,
        linear=True,
    ),
)
DISTANCES.add(
    "angular",
    Distance(
        label="angle / π",
        low=0.0,
        high=1.0,
        measure=_angular,
        needs_length=True,
        closeness=_angular_closeness,
        at_reference=lambda xp, closeness, length: xp.cos(np.pi * closeness) > 1 - SAME,
        rounding=lambda longest, length: 1.0,
        judged_by="cosine",  # arccos is steep at its ends and would magnify rounding
    ),
)
DISTANCES.add(
    "euclidean",
    Distance(
        label="euclidean distance",
        low=0.0,
        high=np.inf,
        measure=_euclidean,
        needs_length=False,
        closeness=lambda xp, rows, lengths, vector: -xp.linalg.norm(rows - vector, None, 1),
        at_reference=lambda xp, closeness, length: closeness**2 < 2 * SAME * length**2,  # as for vectors of one length
        rounding=max,
        of_product=False,
    ),
)
DISTANCES.add(
    "dot",
    Distance(
        label="minus dot product",
        low=-np.inf,
        high=np.inf,
        measure=_dot,
        needs_length=False,
        closeness=lambda xp, rows, lengths, vector: rows @ vector,
        at_reference=None,
        rounding=lambda longest, length: longest * length,
        linear=True,
    ),
)
