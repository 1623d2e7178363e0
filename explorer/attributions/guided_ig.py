"""Guided Integrated Gradients (Kapishnikov et al. 2021, arXiv:2106.09788)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, at_least, blank_if_flat, in_torch
from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput
from explorer.core.fills import make_background
from explorer.core.steps import Steps
from explorer.encoders.gradients import as_tensor

Numbers = NDArray[np.float64]

ARRIVED = 1e-9
"""Share of the whole way that is rounding."""


@METHODS.register("guided-ig")
@dataclass(frozen=True)
class GuidedIg:
    """Gradients summed along a path from x0 to the picture that moves the numbers of small gradient first.

    Attributes:
        steps: Of equal length, summed over all numbers.
        fraction: Of the numbers that move first, those of the smallest gradients.
        max_dist: How far a number may be from the straight path, as a share of its own way; 0 is Integrated Gradients.
        fill: What x0 is, a key of ``explorer.core.fills``.
    """

    title: ClassVar[str] = "Guided IG"
    about: ClassVar[str] = "gradients by the pixels, on a way that avoids steep places"
    source: ClassVar[str] = "Kapishnikov et al. 2021, arXiv:2106.09788"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)

    steps: int = 200
    fraction: float = 0.25
    max_dist: float = 0.02
    fill: str = "zero"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        at_least(0, fraction=self.fraction, max_dist=self.max_dist)
        if self.fraction > 1:
            raise InvalidInput(f"fraction must be 0 to 1, got {self.fraction}.", code="fraction_range")

    def passes(self, question: Question) -> int:
        """One for each step, and back, one after another."""
        return self.steps

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question)
        start = make_background(self.fill, question.pixels, question.encoder, 0).astype(np.float64)
        way = question.pixels - start
        done, total = np.zeros(way.shape), np.zeros(way.shape)
        for number in range(1, self.steps + 1):
            found = yield from scored.slopes(as_tensor(scored.looked.module, (start + done * way)[None]))
            slopes = as_numpy(found[0])
            further = advance(done, number / self.steps, slopes, np.abs(way), self.fraction, self.max_dist)
            total += (further - done) * way * slopes
            done = further
        return blank_if_flat(total.sum(2))


def advance(
    done: Numbers, share: float, slopes: NDArray[np.floating], lengths: Numbers, fraction: float, max_dist: float
) -> Numbers:
    """How much of its way each number has gone after the next step (algorithm 1 of the paper).

    Args:
        done: How much it has gone before.
        share: How much of all ways together is to be gone then.
        slopes: The gradient where they are.
        lengths: Of the ways.
        fraction: See ``GuidedIg``.
        max_dist: See ``GuidedIg``.
    """
    low, high = max(share - max_dist, 0.0), min(share + max_dist, 1.0)
    done = np.maximum(done, low)
    while (gap := float((lengths * (share - done)).sum())) > ARRIVED * lengths.sum():
        free = (done < high) & (lengths > 0)
        cost = np.where(free, np.abs(slopes), np.inf)
        first = free & (cost <= np.quantile(cost, fraction, method="lower"))
        room = float((lengths * (high - done))[first].sum())
        part = min(gap / room, 1.0) if room else 1.0
        done = np.where(first, high if part == 1 else done + part * (high - done), done)
        if not first.any():
            break
    return done
