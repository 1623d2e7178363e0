"""LayerCAM (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from explorer.attributions.method import METHODS
from explorer.attributions.one_layer import OneLayer


@METHODS.register("layer-cam")
@dataclass(frozen=True)
class LayerCam(OneLayer):
    """The map of the score less that of minus the score, each relu(sum_c relu(g_c) A_c)."""

    title: ClassVar[str] = "LayerCAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their positive gradients place by place"
    source: ClassVar[str] = "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943"

    def small(self, outputs: Any, slopes: Any) -> Any:
        sides = [(side.relu() * outputs).sum(1).relu() for side in (slopes, -slopes)]
        return sides[0] - sides[1]
