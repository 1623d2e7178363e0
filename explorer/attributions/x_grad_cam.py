"""XGrad-CAM (Fu et al. 2020, arXiv:2008.02312)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from explorer.attributions.method import METHODS
from explorer.attributions.one_layer import OneLayer


@METHODS.register("x-grad-cam")
@dataclass(frozen=True)
class XGradCam(OneLayer):
    """sum_c w_c A_c with w_c = sum_ij A_c g_c / sum_ij A_c, without the last relu."""

    title: ClassVar[str] = "XGrad-CAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their gradients where they are active"
    source: ClassVar[str] = "Fu et al. 2020, arXiv:2008.02312"

    def small(self, outputs: Any, slopes: Any) -> Any:
        active = outputs.sum((2, 3), keepdim=True)
        weights = ((outputs * slopes).sum((2, 3), keepdim=True) / active).where(active != 0, 0)
        return (weights * outputs).sum(1)
