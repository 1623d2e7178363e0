"""Methods that need one pass: a layer's output and the gradient of the score by it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, in_torch
from explorer.core.steps import Steps


@dataclass(frozen=True)
class OneLayer(ABC):
    """The map of one layer, drawn at the size of the picture.

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
    """

    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1

    @abstractmethod
    def small(self, outputs: Any, slopes: Any) -> Any:
        """The map (1, rows, columns) of the layer's output and its gradient, each (1, c, rows, columns)."""

    def scored(self, question: Question) -> Scored:
        """The score that is differentiated."""
        return Scored(question)

    def passes(self, question: Question) -> int:
        """One, and back."""
        return 1

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = self.scored(question)
        outputs, slopes = yield from scored.layer(scored.stage(self.stage))
        return scored.spread(self.small(outputs, slopes)[0])
