"""A small encoder that tells classes apart, and questions about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import softmax

from explorer.attributions.question import Question, make_question
from explorer.core.references import Reference
from explorer.encoders.base import Encoder
from explorer.encoders.functions import FunctionEncoder

SIDE, CELLS, COUNT = 32, 4, 5
ZERO = np.array([120, 110, 90], np.float32)
SPREAD = np.array([60, 50, 55], np.float32)


class Classes(Encoder):
    """Scores (b, 5) of pictures (b, 32, 32, 3), made of the brightness of 16 cells in three colours.

    Attributes:
        rows: How many pictures it was shown, without those that fill up a batch.
    """

    card = replace(FunctionEncoder.card, key="classes", title="Five classes", fill="zero")
    batch_size = 4
    input_size = (SIDE, SIDE)
    zero_colour = ZERO
    fingerprint = "classes:1"
    pads = False

    def __init__(self, sharpness: float = 1.0) -> None:
        super().__init__()
        self.rows = 0
        self.weights = sharpness * np.random.default_rng(4).normal(size=(CELLS * CELLS * 3, COUNT))

    def _forward(self, pixels: np.ndarray) -> np.ndarray:
        self.rows += len(pixels)
        return self.of_normal((pixels.astype(np.float64) - ZERO) / SPREAD)

    def of_normal(self, normal: np.ndarray) -> np.ndarray:
        """Scores of pictures (b, h, w, 3) in the space where ZERO is zero."""
        step = SIDE // CELLS
        cells = normal.reshape(len(normal), CELLS, step, CELLS, step, 3).mean(axis=(2, 4))
        return cells.reshape(len(normal), -1) @ self.weights

    def predict(self, picture: np.ndarray) -> np.ndarray:
        """Probabilities (5,) of one picture, as an oracle asks for them."""
        return softmax(self.of_normal((picture.astype(np.float64)[None] - ZERO) / SPREAD)[0])


def picture(seed: int) -> np.ndarray:
    """(32, 32, 3) float32 of whole numbers in 0 to 255: blobs, and a little noise."""
    random = np.random.default_rng(seed)
    blobs = np.kron(random.uniform(40, 215, (4, 4, 3)), np.ones((8, 8, 1)))
    return np.rint(blobs + random.uniform(-30, 30, (SIDE, SIDE, 3))).astype(np.float32)


def about_class(index: int | None = None, *, seed: int = 1, encoder: Classes | None = None) -> Question:
    """What speaks for a class, the likeliest if None?"""
    encoder = encoder or Classes()
    pixels = picture(seed)
    if index is None:
        index = int(encoder.predict(pixels).argmax())
    target = Reference(np.eye(COUNT, dtype=np.float32)[index], f"class {index}")
    return Question(encoder, pixels, lambda _: target, "dot")


def about_distance(*, seed: int = 1, other: int = 2, encoder: Any = None, distance: str = "cosine") -> Question:
    """How near is one picture to another?"""
    encoder = encoder or Classes()
    reference = encoder.embed_pixels((0.9 * picture(seed) + 0.1 * picture(other))[None])[0]
    encoder.rows = 0
    return make_question(picture(seed).astype(np.uint8), embedding=reference, encoder=encoder, distance=distance)


def noise_map(seed: int = 0, side: int = SIDE) -> np.ndarray:
    """(32, 32) of both signs, no two values equal."""
    return np.random.default_rng(seed).permutation(side * side).reshape(side, side) / side**2 - 0.5
