"""One question put to one encoder: what attribution methods answer, and what evaluations judge answers by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import check_kind
from explorer.core.distances import measure
from explorer.core.embedder import Input
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSet, MaskSettings
from explorer.core.probe import Probe, grow, start
from explorer.core.rank import rank_against
from explorer.core.references import Reference, embed_reference
from explorer.core.selections import SelectionSettings
from explorer.core.steps import Steps, run
from explorer.encoders.base import Encoder
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike, resolve


@dataclass(frozen=True, eq=False)
class Question:
    """A picture as an encoder sees it, a reference, and a distance between their embeddings.

    Attributes:
        encoder: Embeds the picture and its copies.
        pixels: (h, w, c) as ``encoder.view`` gives them, 0 to 255.
        refer: Embeds the reference with an encoder; called anew where the encoder is replaced.
        distance: A key of ``explorer.core.distances``.
    """

    encoder: Encoder
    pixels: NDArray[Any]
    refer: Callable[[Encoder], Reference] = field(repr=False)
    distance: str = "cosine"

    @cached_property
    def target(self) -> Reference:
        """The reference, embedded."""
        return self.refer(self.encoder)

    def with_pixels(self, pixels: NDArray[Any]) -> Question:
        """The same question about other pixels (h, w, c), which may leave the range; the reference stays embedded."""
        target = self.target
        return replace(self, pixels=pixels, refer=lambda _: target)

    def with_encoder(self, encoder: Encoder) -> Question:
        """The same question put to another encoder of the same input size, which embeds the reference itself."""
        return replace(self, encoder=encoder)

    def answered_by(self, method: Method, on_progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """The map (h, w) of a method, positive = keeping this region brings the pair closer.

        Args:
            method: Any, with its settings, such as ``Dix3()``.
            on_progress: Called with the number of pictures embedded so far.
        """
        return run(method(self), on_progress)

    def distances(self, copies: Iterable[NDArray[Any]]) -> Steps[NDArray[np.float64]]:
        """Distances (n,) of altered copies to the reference.

        Args:
            copies: Of ``pixels``, each (h, w, c); at most one batch of them is held at once.

        Raises:
            UnusableEmbedding: Non-finite embeddings, or ones of zero length.
        """
        found = []
        for batch in _batches(copies, self.encoder.batch_size):
            rows = self.encoder.embed_pixels(np.stack(batch))
            found.append(measure(self.distance, rows, self.target.embedding))
            yield len(batch)
        return np.concatenate(found) if found else np.empty(0)

    def embeddings(self, copies: Iterable[NDArray[Any]]) -> Steps[NDArray[np.floating]]:
        """Embeddings (n, d) of altered copies of ``pixels``, each (h, w, c), at least one of them."""
        found = []
        for batch in _batches(copies, self.encoder.batch_size):
            found.append(self.encoder.embed_pixels(np.stack(batch)))
            yield len(batch)
        return np.concatenate(found)


def _batches(copies: Iterable[NDArray[Any]], size: int) -> Iterator[list[NDArray[Any]]]:
    """At most ``size`` of them at a time."""
    rest = iter(copies)
    while batch := list(islice(rest, size)):
        yield batch


def make_question(
    image: Any,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: EncoderLike = DEFAULT_ENCODER,
    distance: str = "cosine",
) -> Question:
    """The question ``explain`` answers, for evaluations; arguments and errors are those of ``explain``.

    A picture that the encoder has read already may be given too, as an ``Input``.
    """
    encoder = resolve(encoder)
    pixels = (image if isinstance(image, Input) else encoder.read(image)).pixels

    def refer(by: Encoder) -> Reference:
        return embed_reference(by, reference=reference, caption=caption, embedding=embedding)

    question = Question(encoder, pixels, refer, distance)
    _ = question.target  # so that a reference that cannot be used is refused here
    return question


def make_class_question(
    image: Any, *, class_index: int | None = None, encoder: EncoderLike = DEFAULT_ENCODER
) -> Question:
    """The question a classifier is asked: what speaks for a class?

    The score of a class before the softmax is the dot product of all scores with a vector that is 1 for that class,
    so the class is a reference like any other and "closer" means a higher score.

    Args:
        image: The picture to explain.
        class_index: Which class; the one the encoder finds most likely if none is given.
        encoder: A key, or an encoder that tells classes apart; or a network or function that gives their scores.

    Raises:
        InvalidInput: The encoder has no classes, or no such class.
    """
    return question_of_class(resolve(encoder).classifier(), image, class_index=class_index)


def question_of_class(classes: Encoder, image: Any, *, class_index: int | None = None) -> Question:
    """``make_class_question`` for a classifier that is there already, as making one can take seconds.

    Args:
        classes: Embeds a picture as the scores of its classes, see ``Encoder.classifier``.
        image: As for ``make_class_question``, or as the encoder has read it already.
        class_index: As for ``make_class_question``.

    Raises:
        InvalidInput: No such class.
    """
    if class_index is not None:
        check_kind("class_index", class_index, int | np.integer, "the number of a class, counted from 0")
    pixels = (image if isinstance(image, Input) else classes.read(image)).pixels
    scores = classes.embed_pixels(pixels[None].copy())[0]
    chosen = int(scores.argmax()) if class_index is None else class_index
    if not 0 <= chosen < len(scores):
        raise InvalidInput(f"class_index must be 0 to {len(scores) - 1}, got {chosen}.", code="class_index_range")
    direction = np.zeros(len(scores), np.float32)
    direction[chosen] = 1
    target = Reference(direction, f"class {chosen}")
    return Question(classes, pixels, lambda _: target, "dot")


class Method(Protocol):
    """Something that answers a question with a map."""

    def passes(self, question: Question) -> int:
        """How many pictures one map embeds."""

    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w), positive = keeping this region brings the pair closer."""


@dataclass(frozen=True)
class DistanceExplainer:
    """The paper's method (section 2.3), always with the same masks: the seed in ``masking`` freezes them.

    Attributes:
        masking: How to mask.
        selection: Which masks count; the question's distance takes the place of its own.
        masks: Masks to use in place of those ``masking`` names.
    """

    title: ClassVar[str] = "Distance Explainer"
    about: ClassVar[str] = "keeps the masks whose copies land closest, less those whose copies land farthest"
    source: ClassVar[str] = "Meijer & Bos 2025"
    needs: ClassVar[tuple[str, ...]] = ()

    masking: MaskSettings = field(default_factory=MaskSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    masks: MaskSet | None = None

    def passes(self, question: Question) -> int:
        """One for each mask."""
        return self.masking.n_masks if self.masks is None else len(self.masks)

    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        return (yield from self.explain(question)).attribution

    def explain(self, question: Question) -> Steps[Explanation]:
        """The map with the distances and weights it was made from."""
        done = yield from probe_question(question, self.masking, self.masks)
        return rank_against(done, question.target, self.selection.but(distance=question.distance))


def probe_question(question: Question, masking: MaskSettings, masks: MaskSet | None = None) -> Steps[Probe]:
    """Embed the masked copies of a question's picture (paper, section 2.3, steps 2 and 3).

    Args:
        question: The question.
        masking: How to mask.
        masks: Masks to use in place of those ``masking`` names.
    """
    probe = start(Input(question.pixels), question.encoder, masking, masks)
    grown, done = probe, 0
    for grown in grow(probe):
        yield len(grown) - done
        done = len(grown)
    return grown
