"""One question put to one encoder: what attribution methods answer, and what evaluations judge answers by."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import measure
from explorer.core.errors import InvalidInput
from explorer.core.fills import make_background
from explorer.core.masks import sample_masks
from explorer.core.probe import grow
from explorer.core.rank import rank_against
from explorer.core.references import embed_reference
from explorer.core.schema import Explanation, MaskSet, MaskSettings, Probe, Reference, SelectionSettings
from explorer.encoders.base import DEFAULT_ENCODER, Encoder, resolve
from explorer.encoders.functions import FunctionEncoder
from explorer.pictures.images import as_array, as_picture

T = TypeVar("T")
Steps = Generator[int, None, T]
"""Costly work in pieces: yields how many pictures were embedded since it last yielded, and returns its result.
Whoever iterates can show progress, or stop."""
Parts = Generator[int | T, None, T]
"""The same, also yielding what there is of the result so far."""


@dataclass(frozen=True, eq=False)
class Case:
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

    def with_pixels(self, pixels: NDArray[Any]) -> Case:
        """The same question about other pixels (h, w, c), which may leave the range; the reference stays embedded."""
        target = self.target
        return replace(self, pixels=pixels, refer=lambda _: target)

    def with_encoder(self, encoder: Encoder) -> Case:
        """The same question put to another encoder of the same input size, which embeds the reference itself."""
        return replace(self, encoder=encoder)

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


def make_case(
    image: Any,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: str | Encoder = DEFAULT_ENCODER,
    distance: str = "cosine",
) -> Case:
    """The question ``explain`` answers, for evaluations; arguments and errors are those of ``explain``."""
    encoder = resolve(encoder)
    pixels = as_array(image) if isinstance(encoder, FunctionEncoder) else as_picture(image).view(encoder)[0]

    def refer(by: Encoder) -> Reference:
        return embed_reference(by, reference=reference, caption=caption, embedding=embedding)

    case = Case(encoder, pixels, refer, distance)
    _ = case.target  # so that a reference that cannot be used is refused here
    return case


def class_case(image: Any, *, class_index: int | None = None, encoder: str | Encoder = DEFAULT_ENCODER) -> Case:
    """The question a classifier is asked: what speaks for a class?

    The score of a class before the softmax is the dot product of all scores with a vector that is 1 for that class,
    so the class is a reference like any other and "closer" means a higher score.

    Args:
        image: The picture to explain.
        class_index: Which class; the one the encoder finds most likely if none is given.
        encoder: A key, or an encoder that tells classes apart.

    Raises:
        InvalidInput: The encoder has no classes, or no such class.
    """
    return case_of_class(resolve(encoder).classifier(), image, class_index=class_index)


def case_of_class(classes: Encoder, image: Any, *, class_index: int | None = None) -> Case:
    """``class_case`` for a classifier that is there already, as making one can take seconds.

    Args:
        classes: Embeds a picture as the scores of its classes, see ``Encoder.classifier``.
        image: As for ``class_case``.
        class_index: As for ``class_case``.

    Raises:
        InvalidInput: No such class.
    """
    pixels = as_array(image) if isinstance(classes, FunctionEncoder) else as_picture(image).view(classes)[0]
    scores = classes.embed_pixels(pixels[None].copy())[0]
    chosen = int(scores.argmax()) if class_index is None else class_index
    if not 0 <= chosen < len(scores):
        raise InvalidInput(f"class_index must be 0 to {len(scores) - 1}, got {chosen}.", code="class_index_range")
    direction = np.zeros(len(scores), np.float32)
    direction[chosen] = 1
    target = Reference(direction, f"class {chosen}")
    return Case(classes, pixels, lambda _: target, "dot")


def run(steps: Steps[T] | Parts[T], on_progress: Callable[[int], None] | None = None) -> T:
    """Do costly work to its end.

    Args:
        steps: From a method or an evaluation.
        on_progress: Called with the number of pictures embedded so far.
    """
    done = 0
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(step, int):
            done += step
            if on_progress is not None:
                on_progress(done)


class Method(Protocol):
    """Something that answers a case with a map."""

    def passes(self, case: Case) -> int:
        """How many pictures one map embeds."""

    def __call__(self, case: Case) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w), positive = keeping this region brings the pair closer."""


@dataclass(frozen=True)
class DistanceExplainer:
    """The paper's method (section 2.3), always with the same masks: the seed in ``masking`` freezes them.

    Attributes:
        masking: How to mask.
        selection: Which masks count; the case's distance takes the place of its own.
        masks: Masks to use in place of those ``masking`` names.
    """

    title: ClassVar[str] = "Distance Explainer"
    about: ClassVar[str] = "keeps the masks whose copies land closest, less those whose copies land farthest"
    source: ClassVar[str] = "Meijer & Bos 2025"
    needs: ClassVar[tuple[str, ...]] = ()

    masking: MaskSettings = field(default_factory=MaskSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    masks: MaskSet | None = None

    def passes(self, case: Case) -> int:
        """One for each mask."""
        return self.masking.n_masks if self.masks is None else len(self.masks)

    def __call__(self, case: Case) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w)."""
        return (yield from self.explain(case)).attribution

    def explain(self, case: Case) -> Steps[Explanation]:
        """The map with the distances and weights it was made from."""
        done = yield from probe_case(case, self.masking, self.masks)
        return rank_against(done, case.target, replace(self.selection, distance=case.distance))


def probe_case(case: Case, masking: MaskSettings, masks: MaskSet | None = None) -> Steps[Probe]:
    """Embed the masked copies of a case's picture (paper, section 2.3, steps 2 and 3).

    Args:
        case: The question.
        masking: How to mask.
        masks: Masks to use in place of those ``masking`` names.
    """
    encoder, pixels = case.encoder, case.pixels
    h, w = pixels.shape[:2]
    probe = Probe(
        encoder=encoder,
        masking=masking,
        masks=sample_masks(masking, (h, w)) if masks is None else masks,
        embeddings=np.empty((0, 0), np.float32),
        pixels=pixels,
        background=make_background(masking.fill, pixels, encoder, masking.seed),
        unmasked=lambda: encoder.embed_pixels(pixels[None].copy())[0],
    )
    grown, done = probe, 0
    for grown in grow(probe):
        yield len(grown) - done
        done = len(grown)
    return grown
