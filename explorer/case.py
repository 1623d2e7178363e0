"""One question put to one encoder: what attribution methods answer, and what evaluations judge answers by."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .distances import measure
from .encoders.base import DEFAULT_ENCODER, Encoder, FunctionEncoder, resolve
from .fills import make_background
from .images import as_array, as_picture
from .masks import sample_masks
from .probe import grow
from .rank import rank_against
from .references import embed_reference
from .schema import Explanation, MaskSet, MaskSettings, Probe, Reference, SelectionSettings

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
        distance: A key of ``explorer.distances``.
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
        found: list[NDArray[np.float64]] = []
        batch: list[NDArray[Any]] = []
        for copy in copies:
            batch.append(copy)
            if len(batch) == self.encoder.batch_size:
                found.append(self._measure(batch))
                yield len(batch)
                batch = []
        if batch:
            found.append(self._measure(batch))
            yield len(batch)
        return np.concatenate(found) if found else np.empty(0)

    def _measure(self, batch: list[NDArray[Any]]) -> NDArray[np.float64]:
        return measure(self.distance, self.encoder.embed_pixels(np.stack(batch)), self.target.embedding)


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
    pixels = as_array(image) if isinstance(encoder, FunctionEncoder) else encoder.view(as_picture(image).pixels)[0]

    def refer(by: Encoder) -> Reference:
        return embed_reference(by, reference=reference, caption=caption, embedding=embedding)

    case = Case(encoder, pixels, refer, distance)
    _ = case.target  # so that a reference that cannot be used is refused here
    return case


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
        encoder, pixels = case.encoder, case.pixels
        h, w = pixels.shape[:2]
        masks = sample_masks(self.masking, (h, w)) if self.masks is None else self.masks
        probe = Probe(
            encoder=encoder,
            masking=self.masking,
            masks=masks,
            embeddings=np.empty((0, 0), np.float32),
            pixels=pixels,
            background=make_background(self.masking.fill, pixels, encoder, self.masking.seed),
            unmasked=lambda: encoder.embed_pixels(pixels[None].copy())[0],
        )
        grown, done = probe, 0
        for grown in grow(probe):
            yield len(grown) - done
            done = len(grown)
        return rank_against(grown, case.target, replace(self.selection, distance=case.distance))
