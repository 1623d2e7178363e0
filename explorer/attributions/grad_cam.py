"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from explorer.attributions.method import METHODS
from explorer.attributions.one_layer import OneLayer


@METHODS.register("grad-cam")
@dataclass(frozen=True)
class GradCam(OneLayer):
    """The channels of a layer, each weighted by its mean gradient: sum_c mean_ij(g_c) A_c, without the last relu."""

    title: ClassVar[str] = "Grad-CAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their mean gradients"
    source: ClassVar[str] = "Selvaraju et al. 2017, arXiv:1610.02391"

    def small(self, outputs: Any, slopes: Any) -> Any:
        return (slopes.mean((2, 3), keepdim=True) * outputs).sum(1)
