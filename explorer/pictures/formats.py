"""Which picture files we take: by their content, never their name, and by how large they are.

Other formats are told by their first bytes and never handed to a parser. What is taken from visitors of a server
(``SERVED``) is less than what people read from their own disks (``explorer.pictures.rules.own_rules``).
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from explorer.core.arguments import path_text
from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_ASPECT, MAX_MEGAPIXELS, MIN_SIDE
from explorer.pictures.rules import SERVED, Rules

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JPEG_QUALITY = 88
SNIFFED = 4096
"""Bytes of a file in which its format shows."""
INCOMPLETE = "The image file is incomplete. Save it again and retry."
NOTES_TOO_LARGE = "The PNG holds more text or other data beside its pixels than we read; save it without metadata."
BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError),
    *(struct.error, zlib.error, UserWarning),
)
"""What PIL's parsers of the four formats raise on damaged files, also where warnings are made errors."""
PNG_START = b"\x89PNG\r\n\x1a\n"
STARTS = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "BMP": re.compile(rb"BM"),
    "PPM": re.compile(rb"P[1-6]\s"),
}
"""How the files of a format begin."""
UNUSED = (b"iCCP", b"tEXt", b"zTXt", b"iTXt")
"""Parts of a PNG beside its pixels; PIL refuses a picture for one of more than 1 MB."""
USED = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""How those begin, of them, that may say which side is up."""
START_OF_SCAN = b"\xff\xda"
"""Stands nowhere else in a JPEG, but in the small pictures inside its header."""
LONGEST_PATH = 1000
"""Characters of a path that a message shows."""
MOST_SCANNED = 1_000_000_000
"""Pixels times passes over them: 40 of the largest picture, where cameras and programs make some 10."""


ENDINGS = (*(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm"),
           ".pnm", ".avif")  # fmt: skip
"""How the names of picture files end; nothing but what is in them says what they are."""


def is_picture_name(text: str) -> bool:
    """Whether a text is the name of a picture's file, by its end, and so no caption."""
    return text.lower().endswith(ENDINGS)


def read_file(source: str | os.PathLike[str], rules: Rules = SERVED) -> bytes:
    """A file's bytes, if it is one and not too large.

    Args:
        source: Its path.
        rules: What is taken.

    Raises:
        InvalidInput: A link, a folder, no such file, one that may not be read, or one over the cap.
    """
    text = path_text("the picture's path", source)
    if re.match(r"(https?|ftp|data|file):", text, re.IGNORECASE):
        raise InvalidInput("Image links are not accepted; save the picture and name the file.", code="image_link")
    if not text:
        raise InvalidInput("The path is empty; name a picture's file.", code="no_such_file")
    path = Path(text)
    name = called(text, rules)
    try:
        if path.is_dir():
            raise InvalidInput(f"{name} is a folder; name a file.", code="image_is_folder")
        if not path.is_file():  # a pipe or a device would never end
            raise InvalidInput(f"No such file: {name}{_where(path, rules)}", code="no_such_file")
        check_bytes(path.stat().st_size, rules)
        with path.open("rb") as file:
            return file.read(rules.max_bytes + 1)
    except InvalidInput:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InvalidInput(f"Cannot read {name}; check that it may be read.", code="image_not_readable") from error


def called(path: str, rules: Rules) -> str:
    """What a message calls a file: by its whole path where it is somebody's own, else by the last part of it."""
    if rules.own:
        return "".join(sign if sign.isprintable() else "?" for sign in path)[:LONGEST_PATH]
    return re.sub(r"[^\w .()+-]", "?", Path(path).name or path)[:80]


def _where(path: Path, rules: Rules) -> str:
    """Where a file was looked for that somebody named by less than its whole path."""
    return "" if path.is_absolute() or not rules.own else f" (in {called(os.getcwd(), rules)})"


def check_bytes(count: int, rules: Rules = SERVED) -> None:
    """Refuse a file of ``count`` bytes over the cap.

    Raises:
        InvalidInput: It is too large.
    """
    if count > rules.max_bytes:
        raise InvalidInput(
            f"File is {_rounded_up(count / 1e6)} MB; the limit is {rules.max_bytes / 1e6:g} MB. "
            f"{rules.remedy('megabytes', math.ceil(count / 1e6))}",
            code="image_bytes",
        )


def check_size(width: int, height: int, rules: Rules = SERVED) -> None:
    """Refuse a picture by its size in pixels.

    Raises:
        InvalidInput: Too small, too large, or too long and thin.
    """
    if min(width, height) < MIN_SIDE:
        raise InvalidInput(f"{width}x{height} pixels; each side needs at least {MIN_SIDE}.", code="image_too_small")
    if width * height > rules.max_megapixels * 1e6:
        raise too_large(width * height, rules)
    aspect = max(width, height) / min(width, height)
    if aspect > MAX_ASPECT:
        raise InvalidInput(
            f"Too long and thin ({_rounded_up(aspect)}:1); the limit is {MAX_ASPECT}:1. Crop it.", code="image_aspect"
        )


def too_large(pixels: int, rules: Rules = SERVED) -> InvalidInput:
    """The refusal of a picture with that many pixels."""
    return InvalidInput(
        f"{_rounded_up(pixels / 1e6)} megapixels; the limit is {rules.max_megapixels:g}. "
        f"{rules.remedy('megapixels', math.ceil(pixels / 1e6))}",
        code="image_megapixels",
    )


def _rounded_up(value: float) -> str:
    """A number over a limit, rounded up so that it never reads like the limit."""
    return f"{math.ceil(round(value * 10, 6)) / 10:.1f}".removesuffix(".0")


def sniff(data: bytes, rules: Rules = SERVED) -> str:
    """The format, one of those the rules take, by a file's first bytes.

    Raises:
        InvalidInput: Another format; the ones people really try are named.
    """
    if not data:
        raise InvalidInput("This file is empty.", code="image_empty")
    for kind, start in STARTS.items():
        if start.match(data) and (kind in rules.formats or kind == "TIFF"):
            return _taken(kind, rules)
    if data[4:8] == b"ftyp":
        return _other_media(data[8:64], rules)
    if _is_svg(data):
        raise InvalidInput("SVG is a drawing, not a photo; export it as PNG.", code="image_svg")
    raise _unreadable(rules)


def _taken(kind: str, rules: Rules) -> str:
    if kind in rules.formats:
        return kind
    raise InvalidInput(f"{kind} is not supported; use JPEG or PNG.", code="image_format")


def _unreadable(rules: Rules) -> InvalidInput:
    return InvalidInput(f"Not an image we can read ({', '.join(rules.formats)}).", code="image_format")


@contextlib.contextmanager
def damage_told(rules: Rules = SERVED) -> Iterator[None]:
    """Turn what PIL raises on a damaged or huge file into our words."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except InvalidInput:
        raise
    except UnidentifiedImageError as error:
        if rules.own:
            raise InvalidInput(
                "The image file is damaged, or of a kind that we cannot read; save it as grey or RGB, 8 or 16 bits.",
                code="image_incomplete",
            ) from error
        raise InvalidInput(INCOMPLETE, code="image_incomplete") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        found = re.search(r"\((\d+) pixels", str(error))  # PIL's alarm rings before we can look at the size
        raise too_large(int(found[1]) if found else Image.MAX_IMAGE_PIXELS or 0, rules) from error
    except BROKEN as error:
        if "MAX_TEXT" in str(error):  # compressed text whose size only its unpacking shows
            raise InvalidInput(NOTES_TOO_LARGE, code="image_notes") from error
        if "closed" in str(error):
            raise InvalidInput(
                "The PIL image is closed; open it again, and let it be open.", code="image_closed"
            ) from error
        raise InvalidInput(INCOMPLETE, code="image_incomplete") from error


def without_notes(data: bytes) -> bytes:
    """A file without what we have no use for; the same bytes where it is no PNG, or has none such."""
    if not data.startswith(PNG_START):
        return data
    kept, start = [PNG_START], len(PNG_START)
    while start < len(data):
        kind, body = data[start + 4 : start + 8], data[start + 8 : start + 40]
        end = start + 12 + int.from_bytes(data[start : start + 4])
        if kind not in UNUSED or body.startswith(USED):
            kept.append(data[start:end])
        start = end
    return b"".join(kept)


def read_header(file: BinaryIO) -> str:
    """Check a file by its first bytes and its picture's size, without decoding a pixel.

    Returns:
        Its format, one of those that a server takes.

    Raises:
        InvalidInput: No picture that we take, as far as its header tells.
    """
    from PIL import Image

    kind = sniff(file.read(SNIFFED))
    file.seek(0)
    with damage_told():
        size = Image.open(io.BytesIO(without_notes(file.read())) if kind == "PNG" else file, formats=(kind,)).size
        file.seek(0)
    check_size(*size)
    check_scans(file, kind, *size)
    return kind


def check_scans(file: BinaryIO, kind: str, width: int, height: int, rules: Rules = SERVED) -> None:
    """Refuse a JPEG that goes over its pixels again and again: 42 bytes a pass keep a decoder busy for hours.

    Raises:
        InvalidInput: It does.
    """
    if kind != "JPEG":
        return
    file.seek(0)
    scans, before = 0, b""
    while piece := file.read(SNIFFED * 16):
        scans += (before + piece).count(START_OF_SCAN)
        before = piece[-1:]
    file.seek(0)
    if scans * width * height > MOST_SCANNED * max(1, rules.max_megapixels / MAX_MEGAPIXELS):
        raise InvalidInput(
            "The JPEG describes its pixels too many times over; open it and save it again.", code="image_scans"
        )


def _other_media(brands: bytes, rules: Rules) -> str:
    """HEIC, AVIF and films share one container; the brands tell them apart."""
    if b"avif" in brands or b"avis" in brands:
        return _taken("AVIF", rules)
    if any(brand in brands for brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")):
        raise InvalidInput("HEIC is not supported; choose 'Most compatible' or save as JPEG.", code="image_format")
    raise _unreadable(rules)


def _is_svg(data: bytes) -> bool:
    head = data[:SNIFFED]
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(31).decompress(head, SNIFFED)
        except zlib.error:
            return False
    head = head.replace(b"\0", b"").lower()  # UTF-16 becomes readable
    is_markup = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")
    return is_markup and re.search(rb"<(\w+:)?svg[\s>/]", head) is not None


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) uint8 as a JPEG file, for showing."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) uint8 as a PNG file, for keeping."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def lossless_size(pixels: NDArray[np.uint8]) -> int:
    """Bytes of a picture (H, W, 3) uint8 as a lossless WebP file: how much information is in it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=100)
    return len(file.getvalue())


_alarm = threading.Lock()


@contextlib.contextmanager
def no_alarm(rules: Rules) -> Iterator[None]:
    """Let Pillow open larger pictures than it warns of, where somebody has raised our own limit above its."""
    from PIL import Image

    if not rules.own or rules.max_megapixels * 1e6 <= (Image.MAX_IMAGE_PIXELS or math.inf):
        yield
        return
    with _alarm:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def refuse_bombs() -> None:
    """Let Pillow's warning of a decompression bomb be an error, in this whole process; for entry points.

    Our own cap lies far below Pillow's; this keeps its warning off the terminal and guards other readers. So are those
    of damaged EXIF, which counts as none.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("error", message="Image size .* could be decompression bomb")
