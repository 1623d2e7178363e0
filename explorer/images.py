"""A file, bytes, PIL image or array becomes one validated picture: (H, W, 3) uint8, RGB, as a person sees it.

The one rule for colours: 8 bits a channel, red, green, blue. Deeper pixels are scaled so that white stays white;
the EXIF orientation is applied; what is transparent is drawn on mid-grey, so colours hidden under alpha 0 are
gone. An embedded ICC profile is not applied: the networks were trained, and the paper's own Adobe RGB pictures
explained, on the numbers as they stand in the file.

Only the four formats allowed are ever handed to PIL (see ``formats``), a picture's size is read from the header
before a pixel is decoded, and whatever is incomplete is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InvalidInput
from .formats import FORMATS, check_bytes, check_size, read_file, sniff, too_large

if TYPE_CHECKING:
    from PIL import Image

GREY = 127
"""What transparent pixels become: mid-grey, the colour that EfficientNet-Lite reads as zero."""

ANIMATED = "Animated: only the first frame is used."
TRANSPARENT = "Image is fully transparent; it is drawn on grey, so there is nothing to explain."
SEE_THROUGH = "Transparent parts are drawn on mid-grey."

_INCOMPLETE = "The image file is incomplete. Save it again and retry."
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError),
    *(struct.error, zlib.error, UserWarning),
)
"""What PIL's parsers of the four formats raise on damaged files, also where warnings are made errors."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture ready for any encoder.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright, opaque; read-only.
        notices: What the user should know about it.
        sha256: Of shape and pixels: the same picture in another file format has the same one.
    """

    pixels: NDArray[np.uint8]
    notices: tuple[str, ...]
    sha256: str


def as_picture(source: str | os.PathLike[str] | bytes | Image.Image | ArrayLike | Picture) -> Picture:
    """Read, check and normalise a picture.

    Args:
        source: A path, a file's bytes, a PIL image, an array (H, W, 3) of uint8 or of floats in [0, 1]
            (rounded to 8 bits), or a picture already made, which is returned as it is.

    Returns:
        The picture.

    Raises:
        InvalidInput: Anything about it that the caps or the rules above refuse.
    """
    from PIL import Image

    if isinstance(source, Picture):
        return source
    if source is None:
        raise InvalidInput("Add an image first.", code="no_image")
    if isinstance(source, (str, os.PathLike)):
        return _from_file(read_file(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(bytes(source))
    if isinstance(source, Image.Image):
        return _from_pil(source)
    return _picture(_from_array(source))


def resize(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize by antialiased bicubic interpolation, squashing where the shapes differ.

    Args:
        pixels: (H, W, 3) uint8.
        size: (h, w) wanted.

    Returns:
        (h, w, 3) uint8.
    """
    from PIL import Image

    height, width = size
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def is_uniform(pixels: NDArray[Any]) -> bool:
    """Whether every pixel of (h, w, c) is the same, so that no region can matter."""
    return bool((pixels == pixels[:1, :1]).all())


def _picture(pixels: NDArray[np.uint8], notices: tuple[str, ...] = ()) -> Picture:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return Picture(pixels, notices, digest.hexdigest())


# Files


def _from_file(data: bytes) -> Picture:
    from PIL import Image

    check_bytes(len(data))
    kind = sniff(data)
    with _damage_told():
        image = Image.open(io.BytesIO(data), formats=(kind,))
        check_size(*image.size)
        image.verify()  # the checksums of a PNG, which decoding skips; the image is spent by it
        image = Image.open(io.BytesIO(data), formats=(kind,))
    return _from_pil(image)


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Turn what PIL raises on a damaged or huge file into our words."""
    from PIL import Image

    try:
        yield
    except InvalidInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        found = re.search(r"\((\d+) pixels", str(error))  # PIL's alarm rings before we can look at the size
        raise too_large(int(found[1]) if found else Image.MAX_IMAGE_PIXELS or 0) from error
    except _BROKEN as error:
        raise InvalidInput(_INCOMPLETE, code="image_incomplete") from error


# Colours


def _from_pil(image: Image.Image) -> Picture:
    if image.format not in (None, "MPO", *FORMATS):  # MPO: a phone's JPEG with a second picture inside
        raise InvalidInput(f"{image.format} is not supported; use JPEG or PNG.", code="image_format")
    check_size(*image.size)
    with _damage_told():
        animated = image.format in FORMATS and getattr(image, "is_animated", False)
        _load(image)
        turn = _orientation(image)
    pixels, notice = _flatten(image if turn is None else image.transpose(turn))
    return _picture(pixels, tuple(text for text in (ANIMATED if animated else "", notice) if text))


def _load(image: Image.Image) -> None:
    """Decode the pixels, and bring a PNG's transparent colour, which PIL leaves as the file has it, to their depth."""
    raw = next((tile.args for tile in getattr(image, "tile", ())), None)
    key = image.info.get("transparency")
    if raw in ("L;2", "L;4") and isinstance(key, int):
        image.info["transparency"] = key * (85 if raw == "L;2" else 17)
    elif raw == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    image.load()


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """What turns the picture upright, by its EXIF; damaged EXIF counts as none."""
    from PIL import ExifTags
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except _BROKEN:
        return None
    return turns.get(value) if isinstance(value, int) else None


def _flatten(image: Image.Image) -> tuple[NDArray[np.uint8], str]:
    """Any mode as (H, W, 3) uint8, and what to say about its transparency."""
    from PIL import Image as pil

    if image.mode[0] in "IF":
        image = _eight_bits(image)
    try:
        if not image.has_transparency_data:
            return np.asarray(image.convert("RGB")), ""
        layer = image.convert("RGBA")
    except ValueError as error:
        raise InvalidInput(f"Colour mode {image.mode} is not supported; convert to RGB.", code="image_mode") from error
    alpha = layer.getchannel("A")
    flat = pil.new("RGB", layer.size, (GREY, GREY, GREY))
    flat.paste(layer.convert("RGB"), mask=alpha)
    cover = np.asarray(alpha)
    return np.asarray(flat), TRANSPARENT if cover.max() == 0 else SEE_THROUGH if cover.min() < 255 else ""


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits (modes I;16, I, F) as L, or LA where one grey means transparent.

    White is 65535 in 16 bits. In 32 bits nothing says what white is: it is the first of 1 (floats only),
    255 and 65535 that no value exceeds.
    """
    from PIL import Image as pil

    values = np.asarray(image).astype(np.float32)
    whites = [65535] if image.mode.startswith("I;16") else [255, 65535] if image.mode == "I" else [1, 255, 65535]
    white = next((white for white in whites if values.max() <= white), None)  # NaN fits none
    if white is None or values.min() < 0:
        raise InvalidInput("Grey values must lie in 0 to 65535; convert to 8 bits.", code="image_values")
    grey = pil.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
    key = image.info.get("transparency")
    if key is None:
        return grey
    return pil.merge("LA", (grey, pil.fromarray(np.where(values == key, 0, 255).astype(np.uint8))))


# Arrays


def _from_array(source: ArrayLike) -> NDArray[np.uint8]:
    try:
        array = np.asarray(source)
    except (TypeError, ValueError) as error:  # ragged lists, tensors on a GPU
        raise _not_a_picture("something that is no array") from error
    shape = array.shape
    hint = ""
    if array.ndim == 3 and shape[0] in (1, 3, 4) and shape[2] != 3:
        hint = " Did you mean channels last? array.transpose(1, 2, 0) moves them."
    elif array.ndim == 3 and shape[2] == 4:
        hint = " Drop the fourth channel."
    if array.ndim != 3 or shape[2] != 3 or not array.size or not (array.dtype == np.uint8 or array.dtype.kind == "f"):
        raise _not_a_picture(f"shape {shape}, {array.dtype}", hint)
    check_size(shape[1], shape[0])
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
    pixels = np.asarray(image)
    if pixels.ndim != 3 or not pixels.size or pixels.dtype.kind not in "fiub":
        raise InvalidInput(
            f"Expected numbers of shape height x width x channels, got {pixels.shape}.", code="image_shape"
        )
    bad = int((~np.isfinite(pixels)).sum())
    if bad:
        raise InvalidInput(f"The image contains {bad} non-finite values.", code="image_finite")
    return pixels
