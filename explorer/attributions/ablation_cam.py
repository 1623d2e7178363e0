"""Ablation-CAM (Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, in_torch
from explorer.core.steps import Steps
from explorer.encoders.gradients import Tap
from explorer.encoders.torch_settings import settled

BATCH = 32
"""Channels at once. What comes before the layer is run once for all of them."""


@METHODS.register("ablation-cam")
@dataclass(frozen=True)
class AblationCam:
    """sum_c w_c A_c, w_c how much the score falls when channel c of the layer is set to 0, without the last relu.

    The paper divides the fall by the score. A similarity can be 0 or negative, so we do not.

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
    """

    title: ClassVar[str] = "Ablation-CAM"
    about: ClassVar[str] = "the last layer's channels, weighted by what is lost without each"
    source: ClassVar[str] = "Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1

    @settled(gradients=False)
    def passes(self, question: Question) -> int:
        """One for each channel, and one to see them; runs the network to count the channels."""
        scored = Scored(question)
        with Tap(scored.looked, scored.stage(self.stage)).recording() as tap:
            scored.looked.module(scored.pixels)
        return 1 + int(tap.output.shape[1])

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question)
        path = scored.stage(self.stage)
        outputs, whole = yield from scored.seen(path)
        fallen = yield from scored.scores_from_layer(path, without_each(outputs, BATCH))
        return scored.spread(((whole - fallen).view(-1, 1, 1) * outputs[0]).sum(0))


def without_each(outputs: Any, batch: int) -> Iterator[Any]:
    """Copies of an output (1, c, rows, columns) without each of its channels, ``batch`` at a time."""
    import torch

    for channels in torch.arange(outputs.shape[1], device=outputs.device).split(batch):
        copies = outputs.repeat(len(channels), 1, 1, 1)
        copies[torch.arange(len(channels), device=outputs.device), channels] = 0
        yield copies
