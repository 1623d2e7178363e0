"""What a hidden pixel becomes: each fill makes the background a mask reveals.

A masked copy is ``background + mask * (pixels - background)``. Most fills need no
picture-sized array; they return something that broadcasts to (h, w, c).
``drop`` fills nothing: see ``explorer.core.patches``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.core.registry import Registry
from explorer.core.streams import Stream, generator

FillKey = Literal["auto", "zero", "black", "mean", "blur", "noise", "drop"]
"""The keys of ``FILLS``, for users' type checkers."""
BLUR_SHARE = 0.06
"""Standard deviation of the blur as a share of the longer side: hides shapes, keeps colours."""


class Background(Protocol):
    """(h, w, c) pixels, the colour that is zero for the network, a seed -> the background."""

    def __call__(self, pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
        """Make the background; it broadcasts to (h, w, c)."""


@dataclass(frozen=True)
class Fill:
    """A fill.

    Attributes:
        label: What it is called where a user chooses it.
        background: Makes the background.
        looks: What hidden pixels are then, for "deleted pixels ...".
        drops: Whether hidden patches leave what the network reads, so that nothing takes the place of pixels; the
            background is what people are shown there.
    """

    label: str
    background: Background
    looks: str = ""
    drops: bool = False


FILLS: Registry[Fill] = Registry("fill")


class OwnFill(Protocol):
    """The card of an encoder, as fills see it."""

    @property
    def fill(self) -> str:
        """What ``auto`` stands for."""


class Filled(Protocol):
    """An encoder, as fills see it."""

    @property
    def card(self) -> OwnFill:
        """The facts about it."""

    @property
    def zero_colour(self) -> NDArray[Any]:
        """(3,) the pixel values that are zero in its network's input space."""


def make_background(fill: str, pixels: NDArray[Any], encoder: Filled, seed: int) -> NDArray[Any]:
    """The background of a fill for one picture and one encoder.

    Args:
        fill: A key of ``FILLS``; ``auto`` is what the encoder's card names, following the paper.
        pixels: (h, w, c) what the encoder sees.
        encoder: Says which colour is zero in its input space.
        seed: Of the noise.

    Returns:
        An array that broadcasts to (h, w, c).

    Raises:
        InvalidInput: No such fill, or one that puts nothing in the place of pixels.
    """
    chosen = FILLS[own_fill(fill, encoder)]
    if chosen.drops:
        raise InvalidInput(
            f"The fill {fill} leaves whole patches out and so says nothing of single pixels; choose one of: "
            f"{', '.join(key for key, fill in FILLS.items() if not fill.drops)}.",
            code="fill_drops",
        )
    return chosen.background(pixels, encoder.zero_colour, seed)


def own_fill(fill: str, encoder: Filled) -> str:
    """A fill, that of the encoder's card in place of ``auto``."""
    return encoder.card.fill if fill == "auto" else fill


def pixel_fill(fill: str, encoder: Filled) -> str:
    """What single pixels become beside masks of a fill: the same, or as in the paper where that leaves patches out."""
    own = own_fill(fill, encoder)
    return own_fill("auto", encoder) if FILLS[own].drops else own


def apply_masks(pixels: NDArray[Any], background: NDArray[Any], masks: NDArray[np.float32]) -> NDArray[Any]:
    """Masked copies (b, h, w, c), in the dtype of ``pixels``.

    Args:
        pixels: (h, w, c).
        background: What hidden pixels become; broadcasts to (h, w, c).
        masks: (b, h, w) in [0, 1], 1 = kept.
    """
    if not background.any():  # the product alone: exactly what the reference implementation shows a function
        return np.asarray((pixels * masks[..., None]).astype(pixels.dtype, copy=False))
    copies = masks[..., None] * (pixels - background)
    copies += background
    return np.asarray(copies.astype(pixels.dtype, copy=False))


def _auto(pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
    raise AssertionError("auto is resolved by make_background")


def _zero(pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
    """Zero in the network's input space: the mean colour of its training data (paper, section 3)."""
    return np.asarray(zero_colour)


def _black(pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
    """Zero in pixels, before preprocessing (Petsiuk et al. 2018)."""
    return np.zeros((), np.float32)


def _mean(pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
    """The picture's own mean colour."""
    return np.asarray(pixels.mean(axis=(0, 1), keepdims=True, dtype=np.float64).astype(np.float32))


def _blur(pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
    """The picture blurred by a Gaussian (Fong & Vedaldi 2017, arXiv:1704.03296)."""
    sigma = BLUR_SHARE * max(pixels.shape[:2])
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = pixels.astype(np.float64)
    for axis in (0, 1):
        side = pixels.shape[axis]
        padded = np.pad(blurred, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="edge")
        blurred = sum(k * padded.take(range(i, i + side), axis=axis) for i, k in enumerate(kernel))
    return blurred.astype(np.float32)


def _noise(pixels: NDArray[Any], zero_colour: NDArray[Any], seed: int) -> NDArray[Any]:
    """Normal noise with the mean and spread of each channel, within the picture's own range."""
    random = generator(seed, Stream.NOISE_FILL)
    mean, spread = (getattr(pixels, name)(axis=(0, 1), dtype=np.float64) for name in ("mean", "std"))
    noise = random.normal(mean, spread, pixels.shape)
    return noise.clip(pixels.min(), pixels.max()).astype(np.float32)


FILLS.add("auto", Fill("as in the paper", _auto))
FILLS.add("zero", Fill("zero for the network", _zero, "in the network's neutral colour"))
FILLS.add("black", Fill("black", _black, "black"))
FILLS.add("mean", Fill("mean colour", _mean, "in the picture's mean colour"))
FILLS.add("blur", Fill("blurred picture", _blur, "blurred"))
FILLS.add("noise", Fill("noise", _noise, "turned to noise"))
FILLS.add("drop", Fill("nothing: left out (vision transformers)", _zero, "left out", drops=True))
