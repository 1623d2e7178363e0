"""Blur Integrated Gradients (Xu et al. 2020, arXiv:2004.03383)."""

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

Numbers = NDArray[np.float64]

REACH = 4
"""Standard deviations after which the Gaussian is cut off."""

STEP = 0.01
"""Of the standard deviation, to see how the picture changes with it."""


@METHODS.register("blur-ig")
@dataclass(frozen=True)
class BlurIg:
    """Gradients summed along a path from the blurred picture to the picture, times how the pixels change on it.

    What lies outside the picture counts as zero for the network.

    Attributes:
        steps: Of equal length in the standard deviation of the blur.
        max_sigma: Standard deviation of the blur where the path begins, in pixels.
    """

    title: ClassVar[str] = "Blur IG"
    about: ClassVar[str] = "gradients by the pixels on the way from a blurred picture"
    source: ClassVar[str] = "Xu et al. 2020, arXiv:2004.03383"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)

    steps: int = 100
    max_sigma: float = 50.0

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        at_least(0, max_sigma=self.max_sigma)

    def passes(self, question: Question) -> int:
        """One for each step, and back."""
        return self.steps

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question)
        zero = make_background("zero", question.pixels, question.encoder, 0)
        picture = question.pixels.astype(np.float64) - zero
        total = np.zeros(picture.shape)
        for start in range(0, self.steps, scored.batch):
            sigmas = self.max_sigma / self.steps * np.arange(start, min(start + scored.batch, self.steps))
            copies = np.stack([blurred(picture, sigma) for sigma in sigmas])
            changes = (np.stack([blurred(picture, sigma + STEP) for sigma in sigmas]) - copies) / STEP
            slopes = yield from scored.slopes(as_tensor(scored.looked.module, copies + zero))
            total -= self.max_sigma / self.steps * (changes * as_numpy(slopes)).sum(0)
        return blank_if_flat(total.sum(2))


def blurred(picture: Numbers, sigma: float) -> Numbers:
    """A picture (h, w, c) under a Gaussian of a standard deviation in pixels, zero outside."""
    rows, columns = (gaussian(side, sigma) for side in picture.shape[:2])
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return np.asarray((rows @ planes @ columns.T).transpose(1, 2, 0))


def gaussian(side: int, sigma: float) -> Numbers:
    """(side, side) what each pixel of a row gets of each; less than 1 in all near the ends."""
    reach = int(REACH * sigma + 0.5)
    if reach == 0:
        return np.eye(side)
    offsets = np.arange(-max(reach, side), max(reach, side) + 1)
    weights = np.where(np.abs(offsets) <= reach, np.exp(-0.5 * (offsets / sigma) ** 2), 0)
    weights /= weights.sum()
    places = np.arange(side)
    return np.asarray(weights[places[:, None] - places + max(reach, side)])
