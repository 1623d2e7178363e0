"""Integrated Gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, at_least, blank_if_flat, in_torch
from explorer.core.arrays import as_numpy
from explorer.core.fills import make_background
from explorer.core.steps import Steps
from explorer.encoders.gradients import as_tensor


@METHODS.register("integrated-gradients")
@dataclass(frozen=True)
class IntegratedGradients:
    """(x - x0) . integral_0^1 of the gradient at x0 + t (x - x0) dt, summed over the channels.

    It adds up to the score of the picture less that of x0, which is not 0 for a similarity.

    Attributes:
        steps: Points of Gauss and Legendre's rule.
        fill: What x0 is, a key of ``explorer.core.fills``.
    """

    title: ClassVar[str] = "Integrated Gradients"
    about: ClassVar[str] = "gradients by the pixels on the way from an empty picture"
    source: ClassVar[str] = "Sundararajan et al. 2017, arXiv:1703.01365"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)

    steps: int = 50
    fill: str = "zero"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)

    def passes(self, question: Question) -> int:
        """One for each step, and back."""
        return self.steps

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question)
        start = make_background(self.fill, question.pixels, question.encoder, 0).astype(np.float64)
        way, total = question.pixels - start, np.zeros(question.pixels.shape)
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        shares, weights = (nodes + 1) / 2, weights / 2
        for first in range(0, self.steps, scored.batch):
            part = slice(first, first + scored.batch)
            points = start + shares[part, None, None, None] * way
            slopes = yield from scored.slopes(as_tensor(scored.looked.module, points))
            total += np.tensordot(weights[part], as_numpy(slopes), 1)
        return blank_if_flat((total * way).sum(2))
