"""T-Attr, Transformer Attribution (Chefer et al. 2021, arXiv:2012.09838): relevance times gradient in the attention."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.relevance import recorder, share
from explorer.attributions.rollout import evidence, open_taps, read_patches, roll_out, slopes_of
from explorer.attributions.scored import Scored, in_torch
from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.steps import Steps
from explorer.encoders.gradients import Tap
from explorer.encoders.torch_autograd import gradients


@METHODS.register("t-attr")
@dataclass(frozen=True)
class TransformerAttribution:
    """Relevance that reaches each block's attention, times its gradient, from the second block to the last.

    Relevance starts at the embedding, in the shares in which its numbers add to the dot product with the reference, or
    at the score of the class. It has rules for linear layers, attention, additions, activations and normalisations,
    which are the transformers of timm, torchvision, open_clip and Hugging Face; others are refused.

    Attributes:
        scale: Of the score, whose gradient counts.
        signed: Take off the map for minus the score, as the method itself only knows evidence for it.
    """

    title: ClassVar[str] = "T-Attr"
    about: ClassVar[str] = "relevance times gradient in the attention, through all blocks but the first"
    source: ClassVar[str] = "Chefer et al. 2021, arXiv:2012.09838"
    needs: ClassVar[tuple[str, ...]] = ("attention",)

    scale: float = 1.0
    signed: bool = True

    def passes(self, question: Question) -> int:
        """One for the gradients, one for relevance."""
        return 2

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w), computed in float64: float32's rounding grows from block to block.

        Raises:
            InvalidInput: A distance that is no function of the dot product, or a step that has no rule.
        """
        import torch

        if not DISTANCES[question.distance].of_product:
            raise InvalidInput(
                "T-Attr goes with the cosine, the angular distance and the dot product.", code="distance"
            )
        scored = Scored(question, scale=self.scale)
        in_float64(scored)
        taps = open_taps(scored)
        if len(scored.looked.attentions) < 2:
            raise InvalidInput(
                "T-Attr looks at attention from the second block on, and this network has one block; choose gae.",
                code="block_range",
            )
        try:
            with taps.recording():
                scores = scored.run(scored.pixels)
        except InvalidInput as error:
            if error.code != "network_failed":
                raise
            raise InvalidInput(
                "T-Attr computes in float64, but this network gives its numbers another type on the way; take that out "
                "of its forward, or choose GAE.",
                code="float64",
            ) from error
        slopes = slopes_of(scored, taps, scores)[1:]
        yield 1
        weights = torch.from_numpy(np.array(question.target.embedding, np.float64)).to(scored.pixels)
        relevances = relevance_at_attention(scored, weights)
        yield 1
        maps = []
        for sign, relevance in enumerate(relevances):
            products = [slope * part for slope, part in zip(slopes, relevance, strict=True)]
            found = evidence(products)[sign, 0]
            maps.append(read_patches(scored.looked, roll_out(found, normalised=False)))
        return scored.spread(maps[0] - maps[1] if self.signed else maps[0])


def in_float64(scored: Scored) -> None:
    """Let a question's private copy of the network, and its picture, have float64 numbers.

    Relevance is divided by sums that can nearly cancel, block after block.
    """
    scored.looked.module.double()
    scored.pixels = scored.pixels.double()


def relevance_at_attention(scored: Scored, weights: Any) -> list[list[Any]]:
    """Relevance (1, heads, t, t) that reaches the attention of each block but the first.

    Args:
        scored: The question.
        weights: (d,) of the last linear layer, which gives the score.

    Returns:
        For the score, and for minus the score.

    Raises:
        InvalidInput: A step that has no rule.
    """
    looked = scored.looked
    first, *others = (Tap(looked, path) for path in looked.attentions)
    with recorder(), ExitStack() as stack:
        stack.enter_context(first.recording(leaf=True))
        for tap in others:
            stack.enter_context(tap.recording())
        embedding = looked.module(scored.pixels)
    if not embedding.requires_grad:
        raise InvalidInput("Relevance does not reach the embedding of this network.", code="no_rule")
    outputs = [tap.output for tap in others]
    starts = [_start(embedding.detach(), sign * weights) for sign in (1, -1)]
    return [list(gradients(embedding, outputs, start, retain_graph=True)) for start in starts]


LEAST = 1e-6
"""Below this, what divisors have added to them would show."""


def _start(embedding: Any, weights: Any) -> Any:
    """What of the relevance 1 each number of an embedding (1, d) gets; all of it a class' score."""
    import torch

    if int((weights != 0).sum()) == 1:
        return (weights != 0).to(embedding.dtype)[None]
    parts = (embedding * weights).clamp(min=0)
    if parts.sum() < LEAST:  # shares do not depend on how long the two are
        parts = parts / parts.max().clamp(min=torch.finfo(parts.dtype).tiny)
    return share(parts, parts.sum())
