"""A file, bytes, PIL image or array becomes one validated picture: (H, W, 3) uint8, RGB, as a person sees it.

The one rule for colours: 8 bits a channel, red, green, blue. Deeper pixels are scaled so that white stays white;
the EXIF orientation is applied; what is transparent is drawn on mid-grey, so colours hidden under alpha 0 are
gone. An embedded ICC profile is not applied: the networks were trained, and the paper's own Adobe RGB pictures
explained, on the numbers as they stand in the file.

Only the formats allowed are ever handed to PIL (see ``formats``), a picture's size is read from the header
before a pixel is decoded, and whatever is incomplete is refused.
"""

from __future__ import annotations

import hashlib
import io
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.core.embedder import Box
from explorer.core.errors import InvalidInput
from explorer.pictures.arrays import eight_bits, plain
from explorer.pictures.formats import (
    BROKEN,
    called,
    check_bytes,
    check_scans,
    check_size,
    damage_told,
    no_alarm,
    read_file,
    sniff,
    without_notes,
)
from explorer.pictures.rules import SERVED, Rules

if TYPE_CHECKING:
    from PIL import Image

SCREEN_SIDE = 1024
"""Longer side of the picture that a result keeps for people; the encoder is shown the whole one."""
PHOTOMETRIC = 262
"""The tag of a TIFF that says whether 0 is white."""
GREY = 127
"""What transparent pixels become: mid-grey, the colour that EfficientNet-Lite reads as zero."""

ANIMATED = "Animated: only the first frame is used."
PAGES = "Several pages: only the first one is used."
RUNS_PROGRAMS = ("EPS", "WMF")
"""Formats of drawings, which Pillow hands to other programs."""
ANOTHER_FRAME = "Animated: only frame {}, at which the PIL image stands, is used."
TRANSPARENT = "Image is fully transparent; it is drawn on grey, so there is nothing to explain."
DARK = 17
"""A picture of more than 8 bits most likely uses a few of them alone where no pixel is as bright as this, of 255."""
NEARLY_BLACK = (
    "Its pixels have more than 8 bits but use only the lowest of them, so it is nearly black here; if it should not "
    "be, scale its values so that white is the largest, and save it again."
)
SEE_THROUGH = "Transparent parts are drawn on mid-grey."


class Picture:
    """A picture ready for any encoder.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright, opaque; read-only.
        notices: What the user should know about it.
        sha256: Of shape and pixels: the same picture in another file format has the same one.
    """

    def __init__(self, pixels: NDArray[np.uint8], notices: tuple[str, ...], sha256: str) -> None:
        self._pixels, self.notices, self.sha256 = pixels, notices, sha256

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) all of them; 75 MB for a picture of 25 megapixels, so results keep ``screen`` instead."""
        return self._pixels

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self._pixels.shape[0], self._pixels.shape[1]

    @cached_property
    def screen(self) -> NDArray[np.uint8]:
        """(h, w, 3) the picture for people to look at, its longer side at most ``SCREEN_SIDE``; read-only."""
        return self._pixels if max(self.size) <= SCREEN_SIDE else read_only(shrink(self._pixels, SCREEN_SIDE))

    def view(self, encoder: Any) -> tuple[NDArray[Any], Box]:
        """What an encoder sees of the whole picture, as ``Encoder.view``."""
        seen: tuple[NDArray[Any], Box] = encoder.view(self._pixels)
        return seen


def as_picture(
    source: str | os.PathLike[str] | bytes | Image.Image | ArrayLike | Picture, rules: Rules = SERVED
) -> Picture:
    """Read, check and normalise a picture.

    Args:
        source: A path, a file's bytes, a PIL image, an array (H, W, 3) of uint8 or of floats in [0, 1]
            (rounded to 8 bits), or a picture already made, which is returned as it is.
        rules: What is taken; nothing but what a server takes, unless said otherwise.

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
        data = read_file(source, rules)
        try:
            return _from_file(data, rules)
        except InvalidInput as error:
            if not rules.own:
                raise
            raise InvalidInput(f"{called(os.fsdecode(source), rules)}: {error}", code=error.code) from error
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(bytes(source), rules)
    if isinstance(source, Image.Image):
        return _from_pil(source, rules)
    array = plain(source) if rules.own else source
    deep = "float" in str(getattr(array, "dtype", ""))
    if rules.own and getattr(array, "ndim", 0) == 3 and array.shape[2] == 4:  # type: ignore[union-attr]
        colours, cover = eight_bits(array[..., :3], rules), eight_bits(array[..., [3, 3, 3]], rules)  # type: ignore[index]
        return _from_pil(Image.fromarray(np.dstack([colours, cover[..., :1]]), "RGBA"), rules)
    return _picture(eight_bits(array, rules), deep=deep)


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


def shrink(picture: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """The picture with its longer side at most ``long_side``, its shape kept."""
    h, w = picture.shape[:2]
    factor = min(1.0, long_side / max(h, w))
    return resize(picture, (max(1, round(h * factor)), max(1, round(w * factor))))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, which can no longer be written in."""
    array.setflags(write=False)
    return array


def _picture(pixels: NDArray[np.uint8], notices: tuple[str, ...] = (), *, deep: bool) -> Picture:
    """A picture, and what to say about it; ``deep`` where the pixels had more than 8 bits."""
    pixels = read_only(np.ascontiguousarray(pixels))
    notices += (NEARLY_BLACK,) if deep and pixels.max() < DARK else ()
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return Picture(pixels, tuple(filter(None, notices)), digest.hexdigest())


# Files


def _from_file(data: bytes, rules: Rules) -> Picture:
    from PIL import Image

    check_bytes(len(data), rules)
    kind, data = sniff(data, rules), without_notes(data)
    with damage_told(rules), no_alarm(rules):
        image = Image.open(io.BytesIO(data), formats=(kind,))
        check_size(*image.size, rules)
        check_scans(io.BytesIO(data), kind, *image.size, rules)
        image.verify()  # the checksums of a PNG, which decoding skips; the image is spent by it
        image = Image.open(io.BytesIO(data), formats=(kind,))
    return _from_pil(image, rules)


# Colours


def _from_pil(image: Image.Image, rules: Rules) -> Picture:
    known = (None, "MPO", *rules.formats)  # MPO: a phone's JPEG with a second picture inside
    if image.format in RUNS_PROGRAMS or (image.format not in known and not rules.own):
        raise InvalidInput(f"{image.format} is not supported; use JPEG or PNG.", code="image_format")
    check_size(*image.size, rules)
    with damage_told(rules):
        animated = image.format in rules.formats and getattr(image, "is_animated", False)
        frame = image.tell() + 1
        raw = next((tile.args for tile in getattr(image, "tile", ())), None)
        image.load()
    deep = image.mode[0] in "IF" or ";16" in str(raw)
    pixels, notice = _flatten(_upright(_keyed(image, raw)))
    first = PAGES if image.format == "TIFF" else ANIMATED
    moving = "" if not animated else first if frame == 1 else ANOTHER_FRAME.format(frame)
    return _picture(pixels, (moving, notice), deep=deep)


STEPS = {"L;2": (85,), "L;4": (17,), None: (85, 17)}
"""Between the greys of a PNG of 2 and of 4 bits; a picture that was decoded before does not say which it was."""


def _keyed(image: Image.Image, raw: Any) -> Image.Image:
    """With a PNG's transparent colour, which PIL leaves as the file has it, at the depth of the decoded pixels.

    Args:
        image: Decoded; it is another's, and so stays as it is.
        raw: How PIL calls the pixels in the file; None where it no longer says so.
    """
    key = image.info.get("transparency")
    right = key
    if image.format not in ("PNG", None):
        return image
    if image.mode == "L" and isinstance(key, int) and raw in STEPS:
        greys = np.unique(np.asarray(image))
        right = key * next((step for step in STEPS[raw] if key * step <= 255 and not (greys % step).any()), 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and (raw == "RGB;16B" or max(key) > 255):
        right = tuple(value >> 8 for value in key)
    if right != key:
        image = image.copy()
        image.info["transparency"] = right
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The picture as its EXIF says it is held; damaged EXIF counts as none. A copy only where it is turned."""
    from PIL import ExifTags, ImageOps

    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except BROKEN:
        return image


def _flatten(image: Image.Image) -> tuple[NDArray[np.uint8], str]:
    """Any mode as (H, W, 3) uint8, and what to say about its transparency."""
    from PIL import Image as pil

    if image.mode[0] in "IF":
        image = _eight_bits(image)
    try:
        if not image.has_transparency_data:
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), ""  # no copy of 100 MB for RGB
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
    sixteen = image.mode.startswith("I;16") or image.format == "PPM"  # which Pillow scales
    whites = [65535] if sixteen else [255, 65535] if image.mode == "I" else [1, 255, 65535]
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0 and sixteen:
        values = 65535 - values  # white is zero, which Pillow sees to for 8 bits only
    white = next((white for white in whites if values.max() <= white), None)  # NaN fits none
    if white is None or values.min() < 0:
        raise InvalidInput("Grey values must lie in 0 to 65535; convert to 8 bits.", code="image_values")
    grey = pil.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
    key = image.info.get("transparency")
    if key is None:
        return grey
    return pil.merge("LA", (grey, pil.fromarray(np.where(values == key, 0, 255).astype(np.uint8))))
