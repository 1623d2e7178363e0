"""Small torch networks with seeded weights, and questions about them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import torchvision  # noqa: F401  # ahead of TensorFlow, which Quantus imports: after it, it would end the process

from explorer.attributions.question import DistanceExplainer, Question, make_question
from explorer.core.masks import MaskSettings
from explorer.encoders.base import Encoder
from explorer.encoders.torch_layers import TorchLayers, from_torch

SIDE = 16
EXPLAINER = DistanceExplainer(MaskSettings(n_masks=40, feature_res=4, seed=3))


def plain_cnn() -> Any:
    """A plain network like VGG16, without residual connections: three convolutions, two dense layers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(8, 12, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(12, 12, 3),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(48, 20),
            torch.nn.ReLU(),
            torch.nn.Linear(20, 10),
        ).eval()


def picture(seed: int) -> np.ndarray:
    """(16, 16, 3) float32 in -1..1: smooth blobs, so that regions differ."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (4, 4, 3))
    return np.kron(coarse, np.ones((4, 4, 1))).astype(np.float32)


def question(encoder: Encoder | None = None) -> Question:
    """How near is one picture to another?"""
    return make_question(picture(1), reference=picture(2), encoder=encoder or from_torch(plain_cnn(), batch_size=8))


def explain_for_quantus(case: Question, method: Any = EXPLAINER) -> Any:
    """An ``explain_func`` as Quantus calls it: (b, c, h, w) -> (b, h, w), with the reference kept as it is."""
    from explorer.core.steps import run
    from explorer.evaluation.randomization import pose

    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
        encoder = from_torch(model, batch_size=8)
        return np.stack(
            [run(method(pose(case.with_pixels(x.transpose(1, 2, 0)), encoder))) for x in np.asarray(inputs, np.float32)]
        )

    return explain


def fresh_as_quantus(self: TorchLayers, layer: str, random: Any) -> dict[str, np.ndarray]:
    """In place of ``TorchLayers.fresh``: every layer seeded alike, with 42 + 1, as Quantus does."""
    twin = copy.deepcopy(self)
    with torch.random.fork_rng():
        torch.manual_seed(43)
        twin._owners[layer].reset_parameters()
    return twin.arrays(layer)
