"""LayerCAM (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..case import Case, Steps
from ..registry import METHODS
from .scored import Scored


@METHODS.register("layer-cam")
@dataclass(frozen=True)
class LayerCam:
    """The map of the score less that of minus the score, each relu(sum_c relu(g_c) A_c).

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
    """

    title: ClassVar[str] = "LayerCAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their positive gradients place by place"
    source: ClassVar[str] = "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1

    def passes(self, case: Case) -> int:
        """One, and back."""
        return 1

    def __call__(self, case: Case) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w)."""
        scored = Scored(case)
        outputs, slopes = yield from scored.layer(scored.stage(self.stage))
        return scored.spread((one_sided(outputs, slopes) - one_sided(outputs, -slopes))[0])


def one_sided(outputs: Any, slopes: Any) -> Any:
    """The map (1, rows, columns), none of it negative, of a layer's outputs and gradients (1, c, rows, columns)."""
    return (slopes.relu() * outputs).sum(1).relu()
