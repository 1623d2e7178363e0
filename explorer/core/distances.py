"""How far each embedding lies from the reference: (n, d), (d,) -> (n,) float64, small = close."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.registry import Registry

DistanceKey = Literal["cosine", "angular", "euclidean", "dot"]
"""The keys of ``DISTANCES``, for users' type checkers."""
Floats = NDArray[np.floating]
Distances = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """A distance and how to show it.

    Attributes:
        label: The axis label.
        low: Smallest possible value.
        high: Largest possible value, infinity where there is none.
        high_nonnegative: The same for two embeddings without a number below 0 (``Card.nonnegative``).
        measure: Rows (n, d), their lengths (n,), reference (d,) -> (n,) float64.
        needs_length: Whether a zero-length vector has no distance; then the length of neither plays a part.
        closeness: Grows as rows come closer, and can be differentiated: the module ``numpy`` or ``torch``, rows (n, d),
            their lengths (n,), the reference (d,), of length 1 where length plays no part -> (n,).
        at_reference: Whether rows of some closeness lie so near to the reference that their slope is only rounding:
            the module, closeness (n,), the reference's length -> (n,) bool. None where slopes are good everywhere.
        rounding: Distances (n,), the relative rounding error of the numbers in the rows, the longest row's length and
            the reference's -> how far rounding alone can move a distance.
        judged_by: The distance whose values show rounding where this one would magnify it.
        linear: Whether closeness is linear in embeddings of one length.
        of_product: Whether it depends on the embeddings through lengths and the dot product alone, and not on their
            difference, so that relevance can be propagated from it.
    """

    label: str
    low: float
    high: float
    high_nonnegative: float
    measure: Callable[[Distances, Distances, Distances], Distances]
    needs_length: bool
    closeness: Callable[[Any, Any, Any, Any], Any]
    at_reference: Callable[[Any, Any, float], Any] | None
    rounding: Callable[[Distances, float, float, float], float]
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
    vector = np.asarray(reference, dtype=np.float64)
    check_shape(vector, embeddings.shape[1:])
    distance = DISTANCES[key]
    check_reference(key, vector)
    if distance.needs_length:
        vector = fair(vector[None])[0]
    lengths, found = np.empty(len(embeddings)), np.empty(len(embeddings))
    for part, rows in _in_parts(embeddings):
        if distance.needs_length:
            rows = fair(rows)
        lengths[part] = lengths_of(rows)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # both are looked at below
            found[part] = distance.measure(rows, lengths[part], vector)
    _check(lengths, distance.needs_length)
    if not np.isfinite(found).all():
        raise UnusableEmbedding(
            f"The embeddings are so long that no number can hold their {distance.label}; use the cosine distance, or "
            "make them shorter.",
            code="embedding_range",
        )
    return found


def check_shape(reference: Floats, wanted: tuple[int, ...]) -> None:
    """Refuse a reference that is not as long as the embeddings it is to be compared with; raises InvalidInput."""
    if reference.shape != wanted:
        raise InvalidInput(
            f"The reference embedding must have shape ({wanted[0]},) like the picture's, got {reference.shape}.",
            code="reference_shape",
        )


def check_reference(key: str, reference: Floats) -> None:
    """Refuse a reference (d,) that nothing has a distance to.

    Raises:
        UnusableEmbedding: It holds non-finite values, or has no length where the distance needs one.
    """
    vector = np.asarray(reference, dtype=np.float64)[None]
    needs_length = DISTANCES[key].needs_length
    (length,) = lengths_of(fair(vector) if needs_length else vector)
    if not np.isfinite(length):
        raise UnusableEmbedding(
            "The embedding to compare with holds non-finite values; put numbers in their place if it is your own, else "
            "check the encoder's weights, or use precision float32.",
            code="embedding_finite",
        )
    if needs_length and not length:
        raise UnusableEmbedding(
            "The embedding to compare with has zero length: the angle to it is undefined. Give another one, or use the "
            "euclidean distance.",
            code="embedding_zero",
        )


def indistinct(key: str, distances: Distances, embeddings: Floats, reference: Floats, precision: float = 0.0) -> bool:
    """Whether the distances differ by no more than rounding, so that ranking them would rank noise.

    Args:
        key: A key of ``DISTANCES``.
        distances: (n,) from ``measure``.
        embeddings: (n, d).
        reference: (d,).
        precision: Relative rounding error of the embeddings' numbers where it is not that of their type.
    """
    distance = DISTANCES[key]
    if distance.judged_by:
        key = distance.judged_by
        return indistinct(key, measure(key, embeddings, reference), embeddings, reference, precision)
    kind = embeddings.dtype if embeddings.dtype.kind == "f" else np.float64
    precision = max(precision, float(np.finfo(kind).eps))
    longest = max(float(lengths_of(rows).max()) for _, rows in _in_parts(embeddings))
    length = float(lengths_of(np.asarray(reference, dtype=np.float64)[None])[0])
    return bool(np.ptp(distances) <= 8 * distance.rounding(distances, precision, longest, length))


def similarity(key: str, embeddings: Floats, reference: Floats) -> Distances:
    """(n,) closeness of embeddings (n, d) to a reference (d,): the cosine, the dot product, else minus the distance.

    Raises:
        InvalidInput: As ``measure``.
        UnusableEmbedding: As ``measure``.
    """
    found = measure(key, embeddings, reference)
    return 1 - 2 * found if key == "cosine" else -found


FAIR = (1e-140, 1e140)
"""Lengths whose squares float64 holds."""


PART = 1024
"""Rows that are float64 at once."""


def _in_parts(embeddings: Floats) -> Iterator[tuple[slice, Distances]]:
    """Some rows after the other in float64, so that a long probe is not in memory twice and three times over."""
    for start in range(0, len(embeddings), PART):
        part = slice(start, start + PART)
        yield part, embeddings[part].astype(np.float64)


def lengths_of(rows: Distances) -> Distances:
    """(n,) lengths of rows (n, d); non-finite where a row holds anything non-finite."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        lengths = np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))
        if len(odd := _odd(lengths)):
            powers = _powers(rows[odd])
            scaled = np.ldexp(rows[odd], -powers[:, None])
            lengths[odd] = np.ldexp(np.sqrt(np.einsum("ij,ij->i", scaled, scaled)), powers)
        return lengths


def fair(rows: Distances) -> Distances:
    """Rows of fair lengths: others are scaled by powers of two, which keeps their directions to the last bit."""
    odd = _odd(lengths_of(rows))
    if len(odd):
        rows = rows.copy()
        rows[odd] = np.ldexp(rows[odd], -_powers(rows[odd])[:, None])
    return rows


def _odd(lengths: Distances) -> NDArray[np.intp]:
    return np.flatnonzero(~((lengths > FAIR[0]) & (lengths < FAIR[1])))


def _powers(rows: Distances) -> NDArray[np.intc]:
    """(n,) powers of two of about the rows' largest numbers."""
    largest = np.abs(rows).max(axis=1, initial=0)
    return np.frexp(np.where(np.isfinite(largest), largest, 1.0))[1]


def _check(lengths: Distances, needs_length: bool) -> None:
    bad = int((~np.isfinite(lengths)).sum())
    if bad:
        raise UnusableEmbedding(
            f"The model returned non-finite values for {bad} of {len(lengths)} masked copies. "
            "Check the encoder's weights, or use precision float32.",
            code="embedding_finite",
        )
    zero = int((lengths == 0).sum())
    if needs_length and zero:
        raise UnusableEmbedding(
            f"The model returned a zero-length embedding for {zero} of {len(lengths)} masked copies: "
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
    return lengths_of(rows - vector)


def _dot(rows: Distances, lengths: Distances, vector: Distances) -> Distances:
    """Minus the dot product: what a retrieval index that does not normalise ranks by."""
    return -(rows @ vector)


EPS = float(np.finfo(np.float64).eps)
"""Of float64, in which distances are computed."""


def _cosine_rounding(distances: Distances, precision: float, longest: float, length: float) -> float:
    """Rounding turns an embedding by e, which moves d = (1 - cos a) / 2 by (sin a) e / 2 = e sqrt(d (1 - d))."""
    return precision * float(np.sqrt((distances * (1 - distances)).max())) + EPS


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
        high_nonnegative=0.5,
        measure=_cosine,
        needs_length=True,
        closeness=_cosine_closeness,
        at_reference=lambda xp, closeness, length: closeness > 1 - SAME,
        rounding=_cosine_rounding,
        linear=True,
    ),
)
DISTANCES.add(
    "angular",
    Distance(
        label="angle / π",
        low=0.0,
        high=1.0,
        high_nonnegative=0.5,
        measure=_angular,
        needs_length=True,
        closeness=_angular_closeness,
        at_reference=lambda xp, closeness, length: xp.cos(np.pi * closeness) > 1 - SAME,
        rounding=_cosine_rounding,
        judged_by="cosine",  # arccos is steep at its ends and would magnify rounding
    ),
)
DISTANCES.add(
    "euclidean",
    Distance(
        label="euclidean distance",
        low=0.0,
        high=np.inf,
        high_nonnegative=np.inf,
        measure=_euclidean,
        needs_length=False,
        closeness=lambda xp, rows, lengths, vector: -xp.linalg.norm(rows - vector, None, 1),
        at_reference=lambda xp, closeness, length: closeness > -((2 * SAME) ** 0.5) * length,  # as for one length
        rounding=lambda distances, precision, longest, length: precision * longest + EPS * length,
        of_product=False,
    ),
)
DISTANCES.add(
    "dot",
    Distance(
        label="minus dot product",
        low=-np.inf,
        high=np.inf,
        high_nonnegative=0.0,
        measure=_dot,
        needs_length=False,
        closeness=lambda xp, rows, lengths, vector: rows @ vector,
        at_reference=None,
        rounding=lambda distances, precision, longest, length: precision * longest * length,
        linear=True,
    ),
)
