"""A tiny network as the app's encoders are: it takes pictures and resizes them, and shows its layers and gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explorer.encoders.base import Encoder
from explorer.registry import CARDS
from tests.attributions.networks import cnn


class Pictured(Encoder):
    """Wraps the tests' tiny convolutional network."""

    card = replace(CARDS["efficientnet-lite0"], title="Tiny")
    input_size = (32, 32)
    zero_colour = np.zeros(3, np.float32)
    fingerprint = "tiny"

    def __init__(self, inner: Encoder | None = None) -> None:
        super().__init__()
        self._inner = cnn(batch_size=8) if inner is None else inner

    def _forward(self, pixels):
        return self._inner.embed_pixels(pixels)

    def differentiable(self, pixels):
        return self._inner.differentiable(pixels)

    def layers(self):
        return self._inner.layers()

    def randomised(self, names, how="shuffle", seed=0):
        return Pictured(self._inner.randomised(names, how, seed))

    def blocks(self):
        return self._inner.blocks()
