"""Arrays as pictures: what their shape, type and values must be."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.core.arguments import described
from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput
from explorer.core.limits import MIN_SIDE
from explorer.pictures.formats import check_size
from explorer.pictures.rules import SERVED, Rules


def plain(source: ArrayLike) -> NDArray[Any]:
    """An array of somebody's own as one of the two kinds that ``eight_bits`` takes, where there is no doubt about it.

    Grey ones, (H, W) or (H, W, 1), get three equal channels; a batch of one is its picture; whole numbers of any type
    are those of 8 bits, but those of uint16 that have more are of 16 bits, with white at 65535 as in files.

    Returns:
        (H, W, 3), or (H, W, 4) with what covers it in the last channel; anything else as it was.

    Raises:
        InvalidInput: It is no array, or nobody can tell what its numbers mean.
    """
    try:
        array = as_numpy(source)
    except InvalidInput as error:
        raise _not_a_picture("something that is no array", f" {error}") from error
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 2 and array.dtype.kind in "fiu" and min(array.shape) >= MIN_SIDE:
        array = array[..., None]
    if array.ndim == 3 and array.shape[2] == 1 and array.dtype.kind in "fiu":
        array = np.repeat(array, 3, axis=2)
    if array.dtype.kind in "iu" and array.dtype != np.uint8 and array.ndim == 3 and array.size:
        array = _whole(array)
    return array


def _whole(array: NDArray[np.integer]) -> NDArray[Any]:
    low, high = int(array.min()), int(array.max())
    if array.dtype == np.uint16 and high > 255:
        return np.asarray(array / np.float32(65535))
    if array.dtype == np.uint16:
        raise InvalidInput(
            f"Whole numbers of 16 bits that end at {high}: is white 255 or 65535? Give array.astype(numpy.uint8) or "
            "array / 65535.",
            code="image_values",
        )
    return array.astype(np.uint8) if low >= 0 and high <= 255 else array


def eight_bits(source: ArrayLike, rules: Rules = SERVED) -> NDArray[np.uint8]:
    """A copy of (H, W, 3) uint8, or of floats in [0, 1] rounded to 8 bits.

    Raises:
        InvalidInput: Anything else, or a size outside the caps.
    """
    try:
        array = as_numpy(source)
    except InvalidInput as error:
        raise _not_a_picture("something that is no array", f" {error}") from error
    shape = array.shape
    hint = ""
    if array.ndim == 3 and shape[0] in (1, 3, 4) and shape[2] != 3:
        hint = " Did you mean channels last? array.transpose(1, 2, 0) moves them."
    elif array.ndim == 4:
        hint = " That is a batch: give one picture of it, array[0]."
    elif array.ndim == 3 and shape[2] == 4:
        hint = " Drop the fourth channel."
    elif array.ndim == 2 and array.dtype.kind in "fiub":
        hint = " A grey picture has three channels, too: numpy.stack([array] * 3, axis=-1)."
    elif array.dtype.kind in "iub" and array.dtype != np.uint8 and shape[-1:] == (3,):
        hint = " Whole numbers must be uint8, 0 to 255; divide those of 16 bits by 65535."
    if array.ndim != 3 or shape[2] != 3 or not array.size or not (array.dtype == np.uint8 or array.dtype.kind == "f"):
        raise _not_a_picture(f"shape {shape}, {array.dtype}", hint)
    check_size(shape[1], shape[0], rules)
    return np.array(array, order="C") if array.dtype == np.uint8 else _rounded(array)


def _not_a_picture(got: str, hint: str = "") -> InvalidInput:
    return InvalidInput(f"Expected height x width x 3, uint8 or float in [0, 1], got {got}.{hint}", code="image_shape")


def _rounded(array: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Floats in [0, 1] as 8 bits; 1e-6 outside is rounding of whoever made them."""
    broken = array.size - int(np.isfinite(array).sum())
    if broken:
        raise InvalidInput(
            f"The image contains {broken} non-finite values; replace them by numbers in [0, 1].",
            code="image_not_finite",
        )
    low, high = float(array.min()), float(array.max())
    if low < -1e-6:
        raise InvalidInput(
            f"Values down to {low:.4g} in a float image; undo its normalisation, so that it lies in [0, 1].",
            code="image_values",
        )
    if high > 1 + 1e-6:
        raise InvalidInput(
            f"Values up to {high:.4g} in a float image; divide by 255 or pass uint8.", code="image_values"
        )
    return np.rint(np.clip(array.astype(np.float32, copy=False), 0, 1) * 255).astype(np.uint8)


def as_array(image: Any) -> NDArray[Any]:
    """An array (h, w, c) for a function, whatever its range."""
    pixels = as_numpy(image)
    if pixels.ndim != 3 or not pixels.size or pixels.dtype.kind not in "fiub":
        got = described(pixels if pixels.ndim else image)
        raise InvalidInput(
            f"Expected numbers of shape height x width x channels, got {got}.{_how(image, pixels.ndim)}",
            code="image_shape",
        )
    bad = int((~np.isfinite(pixels)).sum())
    if bad:
        raise InvalidInput(f"The image contains {bad} non-finite values.", code="image_finite")
    return np.array(pixels)  # a copy: what becomes of theirs is theirs


def _how(image: Any, ndim: int) -> str:
    """How a picture of another kind becomes such an array."""
    if isinstance(image, str | os.PathLike | bytes):
        return (
            " A network or function of your own is shown arrays, not files: read it first, with "
            "numpy.asarray(PIL.Image.open(path)); or say how pictures are drawn for it: from_torch(network, size=224, "
            'mean=0.5, std=0.5), size="auto" where the network says it; from_function and from_onnx take the same.'
        )
    if ndim == 4:
        return " That is a batch: give one picture of it, array[0]."
    return " A grey one has a channel, too: array[..., None]." if ndim == 2 else ""
