"""XGrad-CAM (Fu et al. 2020, arXiv:2008.02312)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..case import Case, Steps
from ..registry import METHODS
from .scored import Scored


@METHODS.register("x-grad-cam")
@dataclass(frozen=True)
class XGradCam:
    """sum_c w_c A_c with w_c = sum_ij A_c g_c / sum_ij A_c, without the last relu.

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
    """

    title: ClassVar[str] = "XGrad-CAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their gradients where they are active"
    source: ClassVar[str] = "Fu et al. 2020, arXiv:2008.02312"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1

    def passes(self, case: Case) -> int:
        """One, and back."""
        return 1

    def __call__(self, case: Case) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w)."""
        scored = Scored(case)
        outputs, slopes = yield from scored.layer(scored.stage(self.stage))
        active = outputs.sum((2, 3), keepdim=True)
        weights = ((outputs * slopes).sum((2, 3), keepdim=True) / active).where(active != 0, 0)
        return scored.spread((weights * outputs).sum(1)[0])
