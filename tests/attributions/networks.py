"""Tiny torch networks with seeded weights, and questions about them. Every encoder here is put to every method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from explorer.attributions.question import Question, make_question
from explorer.encoders.base import Encoder
from explorer.encoders.torch_layers import from_torch
from tests.attributions.vits import vit_encoder

SIDE = 32
CHANNELS = 12
"""Of the second stage."""


def tiny_cnn(*, normalised: bool = False) -> Any:
    """Three stages of 8, 12 and 16 channels on grids of 8, 4 and 2, global average pooling, 5 numbers.

    Args:
        normalised: With a batch normalisation, of statistics that are not 0 and 1, in each stage.
    """
    with torch.random.fork_rng():
        torch.manual_seed(1)
        stages, before = [], 3
        for channels, stride in ((8, 4), (CHANNELS, 2), (16, 2)):
            inner: list[Any] = [torch.nn.Conv2d(before, channels, 3, stride=stride, padding=1)]
            if normalised:
                inner.append(_norm(channels))
            stages.append(torch.nn.Sequential(*inner, torch.nn.ReLU()))
            before = channels
        network = torch.nn.Sequential(
            *stages, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 5)
        )
        for part in network.modules():
            if isinstance(part, (torch.nn.Conv2d, torch.nn.Linear)):  # as torch starts them, biases would say it all
                torch.nn.init.kaiming_normal_(part.weight)
                torch.nn.init.uniform_(part.bias, -0.2, 0.2)
        return network.eval()


def _norm(channels: int) -> Any:
    norm = torch.nn.BatchNorm2d(channels)
    with torch.no_grad():
        for array in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            array.uniform_(0.2, 1)
    return norm


class Exact(torch.nn.Module):
    """A network in float64 behind float32 pixels.

    Args:
        network: (b, 3, h, w) -> (b, d); it is changed.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network.double().eval()

    def forward(self, planes: Any) -> Any:
        return self.network(planes.double())


def cnn(*, exact: bool = False, normalised: bool = False, batch_size: int = 4) -> Encoder:
    """The tiny network as an encoder; its stages are ``2``, ``1`` and ``0`` of the network."""
    network = tiny_cnn(normalised=normalised)
    return from_torch(Exact(network).eval() if exact else network, batch_size=batch_size)


ENCODERS: dict[str, Callable[[], Encoder]] = {"cnn": cnn, "vit": vit_encoder}


def picture(seed: int) -> np.ndarray:
    """(32, 32, 3) float32 in -1..1: smooth blobs, so that regions differ."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (8, 8, 3))
    return np.kron(coarse, np.ones((4, 4, 1))).astype(np.float32)


def question(encoder: Encoder | None = None, distance: str = "cosine") -> Question:
    """How near is one picture to another?"""
    return make_question(picture(1), reference=picture(2), encoder=encoder or cnn(), distance=distance)
