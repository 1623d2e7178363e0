"""Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..case import Case, Steps
from ..registry import METHODS
from .scored import Scored


@METHODS.register("grad-cam++")
@dataclass(frozen=True)
class GradCamPlusPlus:
    """The map of the score less that of minus the score, each relu(sum_c w_c A_c).

    w_c = sum_ij alpha relu(g), alpha = g^2 / (2 g^2 + g^3 sum_ij A), with the gradients g of the channel A. The paper
    explains exp(score); like later implementations we take the score itself.

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
        scale: Of the score, which this method is not indifferent to.
    """

    title: ClassVar[str] = "Grad-CAM++"
    about: ClassVar[str] = "the last layer's channels, weighted by their positive gradients"
    source: ClassVar[str] = "Chattopadhay et al. 2018, arXiv:1710.11063"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1
    scale: float = 1.0

    def passes(self, case: Case) -> int:
        """One, and back."""
        return 1

    def __call__(self, case: Case) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w)."""
        scored = Scored(case, scale=self.scale)
        outputs, slopes = yield from scored.layer(scored.stage(self.stage))
        return scored.spread((one_sided(outputs, slopes) - one_sided(outputs, -slopes))[0])


def one_sided(outputs: Any, slopes: Any) -> Any:
    """The map (1, rows, columns), none of it negative, of a layer's outputs and gradients (1, c, rows, columns)."""
    below = 2 * slopes**2 + slopes**3 * outputs.sum((2, 3), keepdim=True)
    alpha = (slopes**2 / below).where(below != 0, 0)
    weights = (alpha * slopes.relu()).sum((2, 3), keepdim=True)
    return (weights * outputs).sum(1).relu()
