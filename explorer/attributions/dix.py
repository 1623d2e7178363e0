"""Deep Integrated Explanations (Barkan et al. 2023, DIX): gradients and activations integrated inside the network.

On convolutional networks this is equations 3 to 6 of the paper; on transformers see ``dix_attention``. Where the paper
and its published code disagree we follow the paper; ``dix_official`` computes what the code does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.dix_attention import integrate_attention
from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, at_least, blank_if_flat, in_torch, steps_between
from explorer.core.steps import Steps

RESIZE = "bicubic"
"""The paper does not say; this is what its code uses for convolutional networks. It can overshoot near zero."""


@dataclass(frozen=True)
class Dix:
    """DIX over the last ``depth`` layers.

    Attributes:
        depth: How many layers, 1 to 3: DIX1, DIX2, DIX3.
        steps: Of the integral.
        product: Multiply the layers' maps in place of their mean (DIX2-MUL): their positive parts, less the product of
            their negative parts.
        gradients: Integrate the gradient alone: Integrated Gradients of each layer (DIX3-GRADS).
        target: A key of ``explorer.attributions.scored.TARGETS``.
        scale: Of the score; only on transformers does it matter.
        rollout: How the blocks of a transformer are joined, a key of ``explorer.attributions.dix_attention.ROLLOUTS``.
    """

    about: ClassVar[str] = "gradients and activations integrated from a layer's minimum to its output"
    source: ClassVar[str] = "Barkan et al. 2023, arXiv:2310.15368"
    needs: ClassVar[tuple[str, ...]] = ("layers", "attention")

    depth: int = 3
    steps: int = 10
    product: bool = False
    gradients: bool = False
    target: str = "cos"
    scale: float = 1.0
    rollout: str = "product"

    def __post_init__(self) -> None:
        at_least(1, depth=self.depth, steps=self.steps)

    def passes(self, question: Question) -> int:
        """One for each step and layer, and one to see each layer's output."""
        return self.depth * (self.steps + 1)

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question, target=self.target, scale=self.scale)
        if scored.looked.attentions:
            return (yield from self._of_attention(scored))
        maps = []
        for number in range(1, self.depth + 1):
            found = yield from integrate(scored, scored.stage(number), self.steps, gradients=self.gradients)
            maps.append(scored.spread(found.mean(0), RESIZE))
        return combine(maps, product=self.product)

    def _of_attention(self, scored: Scored) -> Steps[NDArray[np.float32]]:
        """On a transformer."""
        maps = []
        for number in range(1, self.depth + 1):
            found = yield from integrate_attention(
                scored, number, self.steps, gradients=self.gradients, rollout=self.rollout
            )
            maps.append(scored.spread(found))
        return combine(maps, product=self.product)


@METHODS.register("dix1")
@dataclass(frozen=True)
class Dix1(Dix):
    """DIX of the last layer."""

    title: ClassVar[str] = "DIX1"
    about: ClassVar[str] = "the last layer's gradients and outputs, integrated from each channel's minimum"

    depth: int = 1


@METHODS.register("dix2")
@dataclass(frozen=True)
class Dix2(Dix):
    """DIX of the last two layers."""

    title: ClassVar[str] = "DIX2"
    about: ClassVar[str] = "as DIX1, mean of the last two layers"

    depth: int = 2


@METHODS.register("dix3")
@dataclass(frozen=True)
class Dix3(Dix):
    """DIX of the last three layers."""

    title: ClassVar[str] = "DIX3"
    about: ClassVar[str] = "as DIX1, mean of the last three layers"


@METHODS.register("dix2-mul")
@dataclass(frozen=True)
class Dix2Mul(Dix):
    """The product of two layers' maps in place of their mean."""

    title: ClassVar[str] = "DIX2-MUL"
    about: ClassVar[str] = "as DIX1, product of the last two layers"

    depth: int = 2
    product: bool = True


@METHODS.register("dix3-grads")
@dataclass(frozen=True)
class Dix3Grads(Dix):
    """The gradient integrated alone."""

    title: ClassVar[str] = "DIX3-GRADS"
    about: ClassVar[str] = "the gradients of the last three layers, integrated alone"

    gradients: bool = True


def combine(maps: list[NDArray[np.float32]], *, product: bool) -> NDArray[np.float32]:
    """The mean of the layers' maps (equation 6), or the product of their positive parts less that of the others."""
    if product:
        sides = [np.prod([np.maximum(sign * found, 0) for found in maps], axis=0) for sign in (1, -1)]
        return blank_if_flat(sides[0] - sides[1])
    return blank_if_flat(np.mean(maps, axis=0))


def integrate(scored: Scored, path: str, steps: int, *, gradients: bool) -> Steps[Any]:
    """One layer's M (c, rows, columns) (equations 3 to 5): D . mean_n phi(r_n, g_n), phi the product or the gradient.

    The integral runs from z, each channel's smallest value, to the layer's output; D is the difference.
    """
    outputs, _ = yield from scored.seen(path)
    base = outputs.amin((2, 3), keepdim=True).expand_as(outputs)
    points = steps_between(base[0], outputs[0], steps)
    _, slopes = yield from scored.from_layer(path, points)
    integrand = slopes if gradients else points * slopes
    return (outputs - base)[0] * integrand.mean(0)
