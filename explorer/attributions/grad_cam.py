"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..case import Case, Steps
from ..registry import METHODS
from .scored import Scored


@METHODS.register("grad-cam")
@dataclass(frozen=True)
class GradCam:
    """The channels of a layer, each weighted by its mean gradient: sum_c mean_ij(g_c) A_c, without the last relu.

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
    """

    title: ClassVar[str] = "Grad-CAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their mean gradients"
    source: ClassVar[str] = "Selvaraju et al. 2017, arXiv:1610.02391"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1

    def passes(self, case: Case) -> int:
        """One, and back."""
        return 1

    def __call__(self, case: Case) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w)."""
        scored = Scored(case)
        outputs, slopes = yield from scored.layer(scored.stage(self.stage))
        weights = slopes.mean((2, 3), keepdim=True)
        return scored.spread((weights * outputs).sum(1)[0])
