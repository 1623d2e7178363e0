"""LIFT-CAM (Jung & Oh 2021, arXiv:2102.05228)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, captum, in_torch
from explorer.core.errors import InvalidInput
from explorer.core.steps import Steps
from explorer.encoders.torch_autograd import without_gradient


@METHODS.register("lift-cam")
@dataclass(frozen=True)
class LiftCam:
    """sum_c w_c A_c, w_c what DeepLIFT says channel c contributes against a layer of zeros, without the last relu.

    DeepLIFT is captum's. It knows ReLU, sigmoid, softmax, max-pooling and the like as modules that are each used once;
    through anything else behind the layer it passes the plain gradient, and then the contributions do not add up.

    Attributes:
        stage: 1 for the last stage, 2 for the one before it, and so on.
        target: A key of ``explorer.attributions.scored.TARGETS``; contributions add up only where the score is linear
            in the embedding.
    """

    title: ClassVar[str] = "LIFT-CAM"
    about: ClassVar[str] = "the last layer's channels, weighted by their DeepLIFT contributions"
    source: ClassVar[str] = "Jung & Oh 2021, arXiv:2102.05228"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    stage: int = 1
    target: str = "proj"

    def passes(self, question: Question) -> int:
        """One to see the layer, and two for DeepLIFT: with the layer and with zeros in its place."""
        return 3

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question, target=self.target)
        path = scored.stage(self.stage)
        outputs, _ = yield from scored.seen(path)
        parts, _ = yield from contributions(scored, path, outputs)
        return scored.spread((parts.sum((2, 3), keepdim=True) * outputs).sum(1)[0])


def contributions(scored: Scored, path: str, outputs: Any) -> Steps[tuple[Any, float]]:
    """What each place of a layer's output contributes to the score, against zeros (DeepLIFT, rescale rule).

    Args:
        scored: The question.
        path: Of the layer.
        outputs: (1, c, rows, columns) what it returned.

    Returns:
        Contributions, shaped as the outputs, and what their sum is above the difference of the two scores.

    Raises:
        InvalidInput: An activation behind the layer is used more than once.
    """
    import torch

    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = scored.looked.module

        def forward(self, given: Any) -> Any:
            return scored.rest(path, given)

    scored.rest(path, outputs)  # so that what is tried out once is tried out before captum's hooks are there
    scored.pixels.requires_grad_()  # captum also hooks the modules before the layer, and wants gradients there
    # That it uses hooks, which the private copy is for. What catch_warnings puts back is not safe between threads.
    warnings.filterwarnings("ignore", "Setting forward, backward hooks", UserWarning)
    try:
        leaf = outputs.detach().requires_grad_()
        parts, more = captum().DeepLift(Head().eval()).attribute(leaf, return_convergence_delta=True)
    except RuntimeError as error:
        if "DeepLift" not in str(error):
            raise without_gradient(error) from error
        raise InvalidInput(
            "DeepLIFT needs each activation behind the stage to be a module that is used once, which this network "
            "does not keep to; choose stage=1, behind which there is often none.",
            code="deep_lift_network",
        ) from error
    scored.pixels.requires_grad_(False)
    yield 2
    return parts.detach(), float(more)
