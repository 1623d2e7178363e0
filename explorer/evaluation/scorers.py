"""What plays the probability of a class when maps are judged: a class itself, or what a distance has in its place.

The metrics of the DIX paper watch the probability of the explained class, and whether it stays the likeliest, while
pixels go. A distance to a reference has neither. Two things can take their place: the similarity to the reference,
set to 1 for the whole picture and to 0 for a blank one; or the probability that the reference is retrieved from a
gallery, which also makes decisions. Only copies of the explained picture change, never the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.arrays import as_numpy
from explorer.core.distances import DISTANCES, measure, similarity
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.fills import make_background
from explorer.core.steps import Steps

TEMPERATURE = 0.01
"""By which similarities are divided before the softmax: the scale that CLIP learns."""

ANCHOR = 0.02
"""Least difference between the whole picture's similarity and a blank one's; below it the score would be noise."""

SAME_REFERENCE = 0.99
"""Cosine above which an embedding of the gallery is that of the reference; less than 1 for encoders in bfloat16."""


class Scorer(Protocol):
    """Scores altered copies of a question's picture by their embeddings.

    Attributes:
        key: ``"class"``, ``"similarity"`` or ``"retrieval"``.
        decides: Whether ``same`` can be asked.
    """

    key: ClassVar[str]
    decides: ClassVar[bool]

    def score(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n,) of embeddings (n, d); 1 is what the whole picture can reach.

        Raises:
            UnusableEmbedding: Non-finite embeddings, or ones of zero length.
        """

    def same(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the decision (n,) is still the one that is asked for.

        Raises:
            InvalidInput: Nothing is decided.
            UnusableEmbedding: As ``score``.
        """


@dataclass(frozen=True)
class ClassScorer:
    """The softmax of scores at one class.

    Attributes:
        index: The explained class, whose probability is the score.
        label: The class that ``same`` asks for.
    """

    key: ClassVar[str] = "class"
    decides: ClassVar[bool] = True

    index: int
    label: int

    def score(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """The probability (n,) of the explained class."""
        return softmax(_finite(embeddings))[:, self.index]

    def same(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the label is the likeliest class."""
        return np.asarray(_finite(embeddings).argmax(axis=1) == self.label)


@dataclass(frozen=True, eq=False)
class RetrievalScorer:
    """The probability that the reference is the one retrieved from a gallery.

    Attributes:
        gallery: (K, d) embeddings of references, the true one among them.
        truth: Row of the true reference, whose probability is the score.
        label: Row that ``same`` asks for.
        distance: A key of ``explorer.core.distances``.
        tau: By which similarities are divided before the softmax.
    """

    key: ClassVar[str] = "retrieval"
    decides: ClassVar[bool] = True

    gallery: NDArray[np.floating]
    truth: int
    label: int
    distance: str = "cosine"
    tau: float = TEMPERATURE

    def score(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """The probability (n,) of the true reference."""
        return softmax(self.similarities(embeddings) / self.tau)[:, self.truth]

    def same(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the label is the nearest reference."""
        return np.asarray(self.similarities(embeddings).argmax(axis=1) == self.label)

    def similarities(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, K) to each reference of the gallery."""
        return np.stack([similarity(self.distance, embeddings, row) for row in self.gallery], axis=1)


@dataclass(frozen=True, eq=False)
class SimilarityScorer:
    """The similarity to the reference, anchored: (s - s(blank)) / (s(whole) - s(blank)).

    The similarity itself hardly moves between a picture and its copies, so that percents of it would all look alike.

    Attributes:
        reference: (d,) embedding.
        whole: Similarity of the whole picture, which scores 1.
        blank: Similarity of a blank one, which scores 0.
        distance: A key of ``explorer.core.distances``.
    """

    key: ClassVar[str] = "similarity"
    decides: ClassVar[bool] = False

    reference: NDArray[np.floating]
    whole: float
    blank: float
    distance: str = "cosine"

    def score(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """The anchored similarity (n,), which may leave 0 to 1."""
        found = similarity(self.distance, embeddings, self.reference)
        return (found - self.blank) / (self.whole - self.blank)

    def same(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Nothing is decided by one similarity alone."""
        raise InvalidInput(
            "A distance to one reference decides nothing; give a gallery of references to retrieve it from.",
            code="no_decision",
        )


def make_scorer(
    question: Question,
    *,
    gallery: NDArray[Any] | None = None,
    truth: int = 0,
    tau: float = TEMPERATURE,
    label: int | None = None,
    fill: str = "black",
) -> Steps[Scorer]:
    """The scorer of a question: its class where it is about one, else by a gallery if there is one, else by similarity.

    Args:
        question: The question the maps answer.
        gallery: (K, d) embeddings of references, at least two.
        truth: Row of the gallery that is the question's own reference.
        tau: By which similarities to the gallery are divided before the softmax.
        label: The class, or the row of the gallery, that decisions are compared with: the ground truth. What the
            encoder decides for the whole picture if None.
        fill: What the blank picture is made of that similarities are anchored to, a key of ``FILLS``; let it
            be what the metric hides pixels with.

    Returns:
        The scorer.

    Raises:
        InvalidInput: A gallery, row, class or temperature that cannot be used.
        UnusableEmbedding: Non-finite embeddings or ones of zero length; with the code ``anchor_small``, a picture
            that is hardly nearer to the reference than a blank one.
    """
    index = class_of(question)
    if index is not None:
        if gallery is not None:
            raise InvalidInput("A question about a class needs no gallery.", code="gallery_class")
        chosen = _row("label", label, len(question.target.embedding))
        return ClassScorer(index, (yield from _decided(question)) if chosen is None else chosen)
    if gallery is not None:
        return (yield from _retrieval(question, as_numpy(gallery), truth, tau, label))
    if label is not None:
        raise InvalidInput("A label goes with classes or with a gallery.", code="label_without_classes")
    return (yield from _anchored(question, fill))


def class_of(question: Question) -> int | None:
    """The class that a question is about (``explorer.attributions.question.class_case``), or None."""
    direction = question.target.embedding
    if question.distance != "dot" or np.count_nonzero(direction) != 1 or direction.max() != 1:
        return None
    return int(direction.argmax())


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities (n, K) of scores (n, K)."""
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _retrieval(
    question: Question, gallery: NDArray[Any], truth: int, tau: float, label: int | None
) -> Steps[RetrievalScorer]:
    reference = question.target.embedding
    if gallery.ndim != 2 or len(gallery) < 2 or gallery.shape[1:] != reference.shape:
        raise InvalidInput(
            f"The gallery must hold at least two embeddings of {len(reference)} numbers, got shape {gallery.shape}.",
            code="gallery_shape",
        )
    if not 0 < tau < np.inf:  # also refuses NaN
        raise InvalidInput("The temperature must be above 0; 0.01 is CLIP's.", code="tau_range")
    own = _row("truth", truth, len(gallery))
    chosen = _row("label", label, len(gallery))
    assert own is not None
    if 1 - 2 * measure("cosine", gallery[own : own + 1], reference)[0] < SAME_REFERENCE:
        raise InvalidInput(
            f"Row {own} of the gallery is not the question's reference; say with truth which row is.",
            code="gallery_truth",
        )
    scorer = RetrievalScorer(gallery, own, own if chosen is None else chosen, question.distance, float(tau))
    if chosen is not None:
        return scorer
    rows = yield from question.embeddings([question.pixels])
    nearest = int(scorer.similarities(rows)[0].argmax())
    return RetrievalScorer(gallery, own, nearest, question.distance, float(tau))


def _anchored(question: Question, fill: str) -> Steps[SimilarityScorer]:
    background = make_background(fill, question.pixels, question.encoder, 0)
    empty = np.broadcast_to(background, question.pixels.shape).astype(question.pixels.dtype)
    rows = yield from question.embeddings([question.pixels, empty])
    reference = question.target.embedding
    whole, blank = (float(value) for value in similarity(question.distance, rows, reference))
    bounded = np.isfinite(DISTANCES[question.distance].high)
    least = ANCHOR * (1.0 if bounded else max(abs(whole), abs(blank)))
    if whole - blank < least or whole <= blank:
        raise UnusableEmbedding(
            f"The picture's similarity to the reference is {whole:.3g} and that of a blank picture {blank:.3g}; "
            "what lies between is too little to judge maps by. Choose a nearer reference, or give a gallery.",
            code="anchor_small",
        )
    return SimilarityScorer(reference, whole, blank, question.distance)


def _decided(question: Question) -> Steps[int]:
    """The class the encoder finds likeliest for the whole picture."""
    rows = yield from question.embeddings([question.pixels])
    return int(_finite(rows)[0].argmax())


def _row(name: str, value: int | None, count: int) -> int | None:
    if value is not None and not 0 <= value < count:
        raise InvalidInput(f"{name} must be 0 to {count - 1}, got {value}.", code=f"{name}_range")
    return None if value is None else int(value)


def _finite(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    if not np.isfinite(scores).all():
        raise UnusableEmbedding(
            "The model returned non-finite scores. Check the encoder's weights, or use precision float32.",
            code="embedding_finite",
        )
    return scores
