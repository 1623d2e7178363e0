"""Pictures in: real files of every kind people try, made here with PIL or by hand."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from explorer.core.errors import InvalidInput
from explorer.core.rank import is_uniform
from explorer.pictures.formats import NOTES_TOO_LARGE, read_header
from explorer.pictures.images import ANIMATED, GREY, NEARLY_BLACK, SEE_THROUGH, TRANSPARENT, as_picture, resize

INCOMPLETE = "The image file is incomplete. Save it again and retry."
UNREADABLE = "Not an image we can read (JPEG, PNG, WEBP, GIF)."


def drawing(height: int = 48, width: int = 80) -> np.ndarray:
    """A smooth picture (h, w, 3) uint8 without any symmetry."""
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    return (255 * np.stack([x, y, (x * y) ** 2 * 0.8 + 0.1], axis=-1)).round().astype(np.uint8)


MASTER = drawing()


def encoded(image: Image.Image | np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    """A picture as a file's bytes."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, form, **options)
    return file.getvalue()


def png(size: tuple[int, int], depth: int, colour: int, rows: list[bytes], trns: bytes = b"") -> bytes:
    """A PNG written by hand, for what PIL cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"tRNS", trns) if trns else b""]
    parts += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refusal(source: Any) -> str:
    """The message a source is refused with."""
    with pytest.raises(InvalidInput) as caught:
        as_picture(source)
    assert caught.value.code
    assert "<" not in str(caught.value)
    assert "/" not in str(caught.value)
    return str(caught.value)


def distance(pixels: np.ndarray, other: np.ndarray) -> int:
    assert pixels.shape == other.shape
    return int(np.abs(pixels.astype(int) - other).max())


# What goes in comes out


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    file = tmp_path / "picture.dat"
    file.write_bytes(encoded(MASTER))
    sources: list[Any] = [
        file,
        str(file),
        file.read_bytes(),
        Image.open(file),
        Image.fromarray(MASTER),
        MASTER,
        MASTER / 255,
    ]
    pictures = [as_picture(source) for source in sources]
    assert all(np.array_equal(picture.pixels, MASTER) for picture in pictures)
    assert len({picture.sha256 for picture in pictures}) == 1
    assert all(picture.notices == () for picture in pictures)
    assert as_picture(pictures[0]) is pictures[0]


def test_the_hash_tells_shapes_and_pixels_apart() -> None:
    flat = np.zeros((20, 30, 3), np.uint8)
    other = flat.copy()
    other[-1, -1, -1] = 1
    assert len({as_picture(array).sha256 for array in (flat, flat.transpose(1, 0, 2), other)}) == 3


def test_a_picture_never_changes() -> None:
    array = MASTER.copy()
    picture = as_picture(array)
    array[:] = 0
    assert np.array_equal(picture.pixels, MASTER)
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_rounded_to_the_nearest_of_256(dtype: type) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert np.array_equal(as_picture((levels / 255).astype(dtype)).pixels, levels)
    assert np.array_equal(as_picture(np.clip((levels + 0.4) / 255, 0, 1).astype(np.float32)).pixels, levels)


def test_an_array_in_any_memory_order_is_taken() -> None:
    assert np.array_equal(as_picture(MASTER[::-1, ::2]).pixels, MASTER[::-1, ::2])


def deep(values: np.ndarray, colour: int) -> bytes:
    """A PNG of 16 bits; values (h, w, channels), colour type 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""
    height, width = values.shape[:2]
    return png((width, height), 16, colour, [row.tobytes() for row in values.astype(">u2")])


FEW_BITS = np.random.default_rng(3).integers(0, 4096, (24, 32, 4))
"""12 bits, as of a scanner."""
FEW_BITS[0, 0], FEW_BITS[..., 3] = 4095, 65535


@pytest.mark.parametrize(
    "make",
    [
        lambda: deep(FEW_BITS[..., :1], 0),
        lambda: deep(FEW_BITS[..., :3], 2),
        lambda: deep(FEW_BITS[..., 2:], 4),
        lambda: deep(FEW_BITS, 6),
        lambda: deep(FEW_BITS[..., :1] // 32, 0),  # wholly black
        lambda: Image.fromarray(FEW_BITS[..., 0].astype(np.int32)),
        lambda: Image.fromarray(FEW_BITS[..., 0].astype(np.float32)),
        lambda: FEW_BITS[..., :3] / 65535,
    ],
)
def test_few_of_many_bits_are_told(make: Callable[[], Any]) -> None:
    """They were black, or nearly, without a word."""
    assert as_picture(make()).notices == (NEARLY_BLACK,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: deep(FEW_BITS[..., :3] * 16, 2),
        lambda: MASTER // 32,  # of 8 bits: as everybody sees it
        lambda: encoded(MASTER // 32),
        lambda: FEW_BITS[..., :3] / 4095,
        lambda: Image.fromarray((FEW_BITS[..., 0] / 4095).astype(np.float32)),
    ],
)
def test_enough_bits_are_not(make: Callable[[], Any]) -> None:
    assert as_picture(make()).notices == ()


# What a PNG holds beside its pixels


def with_parts(*parts: tuple[bytes, bytes], after: bool = False) -> bytes:
    """MASTER as a PNG with parts added before its pixels, or after them."""
    data = encoded(MASTER)
    place = data.index(b"IEND" if after else b"IDAT") - 4
    made = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts]
    return data[:place] + b"".join(made) + data[place:]


LONG = zlib.compress(b"words " * 350_000)
"""2 MB, in a few kB."""
NOTES = {
    "text": (b"zTXt", b"Comment\0\0" + LONG),
    "international text": (b"iTXt", b"Comment\0\1\0\0\0" + LONG),
    "colours": (b"iCCP", b"a printer\0\0" + LONG),
    "plain text": (b"tEXt", b"Comment\0" + b"words " * 350_000),
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("note", NOTES)
def test_notes_of_2_mb_are_no_damage(note: str, after: bool) -> None:
    data = with_parts(NOTES[note], after=after)
    assert as_picture(data).sha256 == as_picture(encoded(MASTER)).sha256
    assert read_header(io.BytesIO(data)) == "PNG"


def test_notes_that_say_which_side_is_up_are_read() -> None:
    """Exif as ImageMagick writes it, in compressed text, and XMP."""
    exif = Image.Exif()
    exif[0x0112] = 3
    body = b"\nexif\n" + f"{len(exif.tobytes()):8}\n{exif.tobytes().hex()}\n".encode()
    data = with_parts((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(body)))
    assert distance(as_picture(data).pixels, MASTER[::-1, ::-1]) == 0


def test_notes_too_large_to_be_read_are_called_so() -> None:
    data = with_parts((b"zTXt", b"Raw profile type exif\0\0" + LONG))
    assert refusal(data) == NOTES_TOO_LARGE
    with pytest.raises(InvalidInput, match="save it without metadata"):
        read_header(io.BytesIO(data))


def test_a_bomb_in_the_notes_is_not_unpacked() -> None:
    bomb = with_parts(*[(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000))] * 5)
    assert as_picture(bomb).sha256 == as_picture(encoded(MASTER)).sha256


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (MASTER[..., 0], "numpy.stack([array] * 3, axis=-1)"),
        (MASTER.astype(np.uint16) * 257, "divide those of 16 bits by 65535"),
        (MASTER.astype(np.int64), "must be uint8"),
        (MASTER > 100, "must be uint8"),
        (MASTER.transpose(2, 0, 1), "array.transpose(1, 2, 0)"),
        (np.dstack([MASTER, MASTER[..., :1]]), "Drop the fourth channel"),
    ],
    ids=["grey", "16 bits", "integers", "bits", "channels first", "four channels"],
)
def test_arrays_of_other_kinds_say_what_to_do(array: np.ndarray, hint: str) -> None:
    assert hint in refusal(array)


# Orientation

TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera held that way stores the picture: the inverse of what turns it upright."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "tolerance"), [("PNG", 0), ("JPEG", 8)])
def test_eight_orientations_are_one_picture(orientation: int, form: str, tolerance: int) -> None:
    turn = TURNS[orientation]
    stored = Image.fromarray(MASTER) if turn is None else Image.fromarray(MASTER).transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 97, "subsampling": 0} if form == "JPEG" else {}
    assert distance(as_picture(encoded(stored, form, exif=exif, **options)).pixels, MASTER) <= tolerance


def test_our_turns_are_those_of_pil() -> None:
    exif = Image.Exif()
    exif[0x0112] = 7
    data = encoded(MASTER, exif=exif)
    assert np.array_equal(as_picture(data).pixels, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_counts_as_none(exif: bytes) -> None:
    assert as_picture(encoded(MASTER, "JPEG", exif=exif)).pixels.shape == MASTER.shape
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # then PIL's complaint is an exception
        assert np.array_equal(as_picture(encoded(MASTER, exif=exif)).pixels, MASTER)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert np.array_equal(as_picture(encoded(MASTER, exif=exif)).pixels, MASTER)


# Colours

RGB = Image.fromarray(MASTER)
OPAQUE = Image.fromarray(np.dstack([MASTER, np.full(MASTER.shape[:2], 255, np.uint8)]))


@pytest.mark.parametrize(
    ("make", "tolerance"),
    [
        (lambda: encoded(RGB, "JPEG", quality=97, subsampling=0), 6),
        (lambda: encoded(RGB, "WEBP", lossless=True), 0),
        (lambda: encoded(OPAQUE), 0),
        (lambda: encoded(OPAQUE, "WEBP", lossless=True, exact=True), 0),
        (lambda: encoded(RGB.convert("CMYK"), "JPEG", quality=97, subsampling=0), 12),
        (lambda: RGB.convert("CMYK"), 2),
        (lambda: RGB.convert("YCbCr"), 3),
        (lambda: RGB.convert("RGBX"), 0),
        (lambda: OPAQUE.convert("RGBa"), 0),
        (lambda: png((80, 48), 16, 2, [(row.astype(">u2") * 257).tobytes() for row in MASTER]), 0),
    ],
)
def test_colour_modes_agree_with_the_master(make: Callable[[], Any], tolerance: int) -> None:
    picture = as_picture(make())
    assert distance(picture.pixels, MASTER) <= tolerance
    assert picture.notices == ()


GREYS = np.linspace(0, 255, 48 * 80).round().astype(np.uint8).reshape(48, 80)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(Image.fromarray(GREYS)),
        lambda: encoded(Image.merge("LA", [Image.fromarray(GREYS), Image.new("L", (80, 48), 255)])),
        lambda: encoded(Image.fromarray(GREYS.astype(np.uint16) * 257)),
        lambda: png(
            (80, 48), 16, 4, [np.stack([r, r * 0 + 255], 1).astype(">u2").__mul__(257).tobytes() for r in GREYS]
        ),
        lambda: Image.fromarray(GREYS).convert("I"),
        lambda: Image.fromarray(GREYS.astype(np.int32) * 257),
        lambda: Image.fromarray(GREYS).convert("F"),
        lambda: Image.fromarray(GREYS.astype(np.float32) / 255),
        lambda: Image.frombytes("I;16B", (80, 48), (GREYS.astype(">u2") * 257).tobytes()),
        lambda: encoded(Image.fromarray(GREYS), "GIF"),
    ],
)
def test_greys_of_any_depth_agree(make: Callable[[], Any]) -> None:
    assert distance(as_picture(make()).pixels, GREYS[..., None].repeat(3, 2)) == 0


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    assert as_picture(encoded(np.full((20, 20), 200, np.uint16))).pixels.max() == 1


def test_one_bit_is_black_and_white() -> None:
    bits = GREYS > 100
    assert np.array_equal(as_picture(encoded(Image.fromarray(bits))).pixels[..., 0], bits * np.uint8(255))


@pytest.mark.parametrize("bad", [np.float32(np.nan), np.float32(-1), np.float32(70000)])
def test_deep_greys_beyond_white_are_refused(bad: np.float32) -> None:
    values = np.ones((20, 20), np.float32)
    values[3, 3] = bad
    assert "Grey values" in refusal(Image.fromarray(values))


def test_an_icc_profile_is_not_applied() -> None:
    data = pytest.importorskip("skimage.data")
    file = Path(data.__file__).parent / "rocket.jpg"  # Adobe RGB
    image = Image.open(file)
    assert image.info["icc_profile"]
    assert np.array_equal(as_picture(file).pixels, np.asarray(image.convert("RGB")))


def test_a_mode_without_a_rule_is_named() -> None:
    assert "Colour mode La" in refusal(Image.new("La", (20, 20)))


# Transparency


def half_hidden(hidden: tuple[int, int, int]) -> Image.Image:
    """Left half transparent over a colour, right half opaque (10, 200, 30)."""
    pixels = np.full((20, 40, 4), (10, 200, 30, 255), np.uint8)
    pixels[:, :20] = (*hidden, 0)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_a_colour_hidden_under_alpha_zero_never_shows(form: str, options: dict[str, bool]) -> None:
    red, blue = (as_picture(encoded(half_hidden(c), form, **options)) for c in ((255, 0, 0), (0, 0, 255)))
    assert red.sha256 == blue.sha256
    assert (red.pixels[:, :20] == GREY).all()
    assert (red.pixels[:, 20:] == (10, 200, 30)).all()
    assert red.notices == (SEE_THROUGH,)


def test_half_transparent_is_half_grey() -> None:
    picture = as_picture(Image.new("RGBA", (20, 20), (255, 0, 0, 128)))
    assert distance(picture.pixels, np.full((20, 20, 3), (191, 63, 63))) <= 1


def keyed(depth: int, colour: int, hidden: bytes, shown: bytes, key: bytes) -> bytes:
    """A 16 x 16 PNG whose left half has the colour that its tRNS chunk says is transparent."""
    return png((16, 16), depth, colour, [hidden + shown] * 16, key)


@pytest.mark.parametrize(
    "data",
    [
        keyed(1, 0, b"\xff", b"\x00", b"\0\1"),
        keyed(2, 0, b"\xaa" * 2, b"\x55" * 2, b"\0\2"),
        keyed(4, 0, b"\xaa" * 4, b"\x55" * 4, b"\0\x0a"),
        keyed(8, 0, b"\xaa" * 8, b"\x55" * 8, b"\0\xaa"),
        keyed(16, 0, b"\xaa\x10" * 8, b"\x55\x20" * 8, b"\xaa\x10"),
        keyed(8, 2, b"\xaa\x10\x20" * 8, b"\x55\x20\x30" * 8, b"\0\xaa\0\x10\0\x20"),
        keyed(16, 2, b"\xaa\x10\x20\x30\x40\x50" * 8, b"\x55\x20\x30\x11\x22\x33" * 8, b"\xaa\x10\x20\x30\x40\x50"),
        encoded(half_hidden((1, 2, 3)).crop((12, 0, 28, 16)).convert("P"), transparency=0),
    ],
    ids=["grey1", "grey2", "grey4", "grey8", "grey16", "rgb8", "rgb16", "palette"],
)
def test_a_transparent_colour_is_hidden_at_every_depth(data: bytes) -> None:
    if data[25] == 3:  # a palette: make the index of the left half the transparent one
        image = Image.open(io.BytesIO(data))
        data = encoded(image, transparency=image.getpixel((0, 0)))
    picture = as_picture(data)
    assert (picture.pixels[:, :8] == GREY).all()
    assert not (picture.pixels[:, 8:] == GREY).all(axis=-1).any()
    assert picture.notices == (SEE_THROUGH,)
    given, loaded = (Image.open(io.BytesIO(data)) for _ in range(2))
    before = dict(given.info)
    loaded.load()
    for image in (given, given, loaded, loaded.copy()):  # it stays as it is, and may have been decoded before
        np.testing.assert_array_equal(as_picture(image).pixels, picture.pixels)
    assert dict(given.info) == before


def test_a_fully_transparent_picture_says_so() -> None:
    picture = as_picture(encoded(Image.new("RGBA", (20, 20), (200, 10, 10, 0))))
    assert picture.notices == (TRANSPARENT,)
    assert is_uniform(picture.pixels)


# Moving pictures


def frames(count: int) -> list[Image.Image]:
    return [Image.fromarray(np.roll(MASTER, i, 1)).convert("P") for i in range(count)]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_used(form: str) -> None:
    first, *others = (frame.convert("RGB") for frame in frames(3))
    options = {"lossless": True} if form == "WEBP" else {}
    picture = as_picture(encoded(first, form, save_all=True, append_images=others, **options))
    assert picture.notices == (ANIMATED,)
    assert distance(picture.pixels, np.asarray(first)) <= 8


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_the_frame_that_is_used_is_named(form: str) -> None:
    first, *others = (frame.convert("RGB") for frame in frames(3))
    options = {"lossless": True} if form == "WEBP" else {}
    image = Image.open(io.BytesIO(encoded(first, form, save_all=True, append_images=others, **options)))
    image.seek(2)
    picture = as_picture(image)
    assert picture.notices == ("Animated: only frame 3, at which the PIL image stands, is used.",)
    assert distance(picture.pixels, np.asarray(others[1])) <= 8
    assert image.tell() == 2
    image.seek(0)
    assert as_picture(image).notices == (ANIMATED,)


def test_a_long_animation_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import GifImagePlugin

    first, *others = (frame.resize((20, 16)) for frame in frames(500))
    data = encoded(first, "GIF", save_all=True, append_images=others)
    seen = []
    seek = GifImagePlugin.GifImageFile._seek

    def watched(image: GifImagePlugin.GifImageFile, frame: int, update_image: bool = True) -> None:
        seen.append(frame)
        seek(image, frame, update_image)

    monkeypatch.setattr(GifImagePlugin.GifImageFile, "_seek", watched)
    assert as_picture(data).notices == (ANIMATED,)
    assert seen
    assert max(seen) == 1


def test_a_phones_double_jpeg_is_no_animation() -> None:
    data = encoded(RGB, "MPO", save_all=True, append_images=[RGB.rotate(180)])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert as_picture(data).notices == ()
    assert as_picture(Image.open(io.BytesIO(data))).notices == ()


# Damaged files


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_is_incomplete(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(noise, form)
    as_picture(data)
    assert refusal(data[: int(len(data) * share)]) == INCOMPLETE


def test_a_png_with_a_bad_checksum_is_incomplete() -> None:
    data = bytearray(encoded(MASTER))
    data[data.rindex(b"IEND") - 5] ^= 1  # the last byte of the pixels' checksum: they would decode
    Image.open(io.BytesIO(bytes(data))).load()
    assert refusal(bytes(data)) == INCOMPLETE


def test_a_cut_picture_that_pil_has_not_decoded_yet_is_incomplete() -> None:
    data = encoded(MASTER, "JPEG")
    assert refusal(Image.open(io.BytesIO(data[: len(data) * 2 // 3]))) == INCOMPLETE


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
def test_no_damage_raises_anything_but_our_error() -> None:
    chance = random.Random(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    first, *others = frames(3)
    seeds = [encoded(MASTER[::4, ::4], form, exif=exif) for form in ("JPEG", "PNG", "WEBP")]
    seeds += [encoded(first, form, save_all=True, append_images=others) for form in ("GIF", "PNG", "WEBP")]
    outcomes: set[int | str] = set()
    for _ in range(600):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice([1, 2, 8])):
            data[chance.randrange(min(len(data), 400))] = chance.randrange(256)
        try:
            outcomes.add(as_picture(bytes(data)).pixels.ndim)
        except InvalidInput as error:
            outcomes.add(error.code)
    assert {3, "image_incomplete"} <= outcomes


def test_nobody_asks_pil_for_half_pictures() -> None:
    package = Path(sys.modules["explorer.pictures.images"].__file__ or "").parent
    assert not any("LOAD_TRUNCATED" in file.read_text(encoding="utf-8") for file in package.rglob("*.py"))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


# Other formats, by content


def iso_media(*brands: bytes) -> bytes:
    return struct.pack(">I", 16 + 4 * len(brands)) + b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands) + bytes(200)


SVG = b'<?xml version="1.0"?>\n<!-- a drawing -->\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
ENTITY = b'<!DOCTYPE svg [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]><svg:svg xmlns:svg="s">&x;</svg:svg>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "This file is empty."),
        (b"x", UNREADABLE),
        (b"hello, I am text", UNREADABLE),
        (b"<!doctype html><html><body>Not found</body></html>", UNREADABLE),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", UNREADABLE),
        (encoded(MASTER, "EPS"), UNREADABLE),
        (encoded(MASTER, "PDF"), UNREADABLE),
        (encoded(MASTER, "BMP"), UNREADABLE),
        (encoded(MASTER, "TIFF"), "TIFF is not supported; use JPEG or PNG."),
        (encoded(RGB.convert("CMYK"), "TIFF"), "TIFF is not supported; use JPEG or PNG."),
        (encoded(MASTER, "TIFF", big_tiff=True), "TIFF is not supported; use JPEG or PNG."),
        (b"MM\0*" + bytes(64), "TIFF is not supported; use JPEG or PNG."),
        (iso_media(b"heic", b"mif1"), "HEIC is not supported; choose 'Most compatible' or save as JPEG."),
        (iso_media(b"mif1", b"heic"), "HEIC is not supported; choose 'Most compatible' or save as JPEG."),
        (iso_media(b"mif1", b"avif"), "AVIF is not supported; use JPEG or PNG."),
        (iso_media(b"isom", b"mp42"), UNREADABLE),
        (SVG, "SVG is a drawing, not a photo; export it as PNG."),
        (b"\xef\xbb\xbf \n" + SVG, "SVG is a drawing, not a photo; export it as PNG."),
        (gzip.compress(SVG), "SVG is a drawing, not a photo; export it as PNG."),
        (SVG.decode().encode("utf-16"), "SVG is a drawing, not a photo; export it as PNG."),
        (ENTITY, "SVG is a drawing, not a photo; export it as PNG."),
        (gzip.compress(b"hello", mtime=0), UNREADABLE),
        (b"\x1f\x8bnot gzip", UNREADABLE),
    ],
)
def test_other_formats_are_told_by_their_content_and_never_opened(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("PIL was given the file"))
    file = tmp_path / "photo.png"
    file.write_bytes(data)
    assert refusal(file) == message
    assert refusal(data) == message


def test_only_the_sniffed_format_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    real = Image.open

    def watched(file: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
        tried.append(formats)
        return real(file, formats=formats)

    monkeypatch.setattr(Image, "open", watched)
    as_picture(encoded(MASTER, "WEBP"))
    assert set(tried) == {("WEBP",)}


def test_a_pil_image_of_another_format_is_refused_before_it_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.open(io.BytesIO(encoded(MASTER, "EPS")))
    monkeypatch.setattr(type(image), "load", lambda *a, **k: pytest.fail("Ghostscript would have run"))
    assert refusal(image) == "EPS is not supported; use JPEG or PNG."


# Sizes


def header_only(width: int, height: int) -> bytes:
    return png((width, height), 1, 0, [])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (1, 1, "1x1 pixels; each side needs at least 16."),
        (200, 15, "200x15 pixels; each side needs at least 16."),
        (1, 20000, "1x20000 pixels; each side needs at least 16."),
        (20000, 20, "Too long and thin (1000:1); the limit is 8:1."),
        (20, 161, "Too long and thin (8.1:1); the limit is 8:1."),
        (5001, 5000, "25.1 megapixels; the limit is 25."),
        (12000, 12000, "144 megapixels; the limit is 25."),
        (20000, 20000, "400 megapixels; the limit is 25."),
        (2**31 - 1, 2**31 - 1, "4611686014132.5 megapixels; the limit is 25."),
    ],
)
def test_sizes_beyond_the_caps_are_refused_by_the_header(width: int, height: int, message: str) -> None:
    assert refusal(header_only(width, height)).startswith(message)


def test_a_bomb_is_refused_before_it_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bomb.png"
    Image.new("1", (12000, 12000)).save(file)
    assert file.stat().st_size < 30_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *a, **k: pytest.fail("the bomb was decoded"))
    monkeypatch.setattr(ImageFile.ImageFile, "verify", lambda *a, **k: pytest.fail("the bomb was read"))
    for action in ("ignore", "error"):  # as an app or a command line may set it
        with warnings.catch_warnings():
            warnings.simplefilter(action, Image.DecompressionBombWarning)
            assert refusal(file).startswith("144 megapixels; the limit is 25.")


@pytest.mark.parametrize("size", [(16, 16), (16, 128), (128, 16)])
def test_sizes_at_the_caps_are_taken(size: tuple[int, int]) -> None:
    assert as_picture(encoded(Image.new("RGB", size))).pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("kind", [np.asarray, lambda a: a / 255, Image.fromarray])
def test_the_caps_hold_for_arrays_and_pil_images(kind: Callable[[np.ndarray], Any]) -> None:
    assert refusal(kind(drawing(15, 40))) == "40x15 pixels; each side needs at least 16."
    assert "8:1" in refusal(kind(drawing(16, 129)))


def test_a_file_over_ten_megabytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large.jpg"
    with file.open("wb") as handle:
        handle.truncate(10_100_000)
    assert refusal(bytes(10_000_001)).startswith("File is 10.1 MB; the limit is 10 MB.")
    monkeypatch.setattr(Path, "open", lambda *a, **k: pytest.fail("it was read"))
    assert refusal(file).startswith("File is 10.1 MB; the limit is 10 MB.")


def test_ten_megabytes_are_read(tmp_path: Path) -> None:
    file = tmp_path / "padded.png"
    data = encoded(MASTER)
    file.write_bytes(data + bytes(10_000_000 - len(data)))
    assert np.array_equal(as_picture(file).pixels, MASTER)


# Names


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert refusal("cat.jpg") == "No such file: cat.jpg"
    assert refusal(tmp_path / "cat.jpg") == "No such file: cat.jpg"  # the folder is not shown
    assert refusal("photos/") == "photos is a folder; name a file."
    assert refusal(Path(".")) == ". is a folder; name a file."
    assert refusal("") == "The path is empty; name a picture's file."
    assert refusal("<b>cat.jpg") == "No such file: ?b?cat.jpg"
    assert refusal("cat\0.jpg").startswith(("No such file", "Cannot read"))
    assert refusal("x" * 5000).startswith(("No such file", "Cannot read"))
    assert refusal("/dev/zero") == "No such file: zero"


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/cat.jpg", "HTTPS://x/cat.jpg", "data:image/png;base64,AAAA"])
def test_links_are_not_followed(link: str) -> None:
    assert refusal(link).startswith("Image links are not accepted")


def test_nothing_is_no_picture() -> None:
    assert refusal(None) == "Add an image first."


# Arrays


@pytest.mark.parametrize(
    ("array", "parts"),
    [
        (np.zeros((3, 224, 224), np.float32), ["(3, 224, 224)", "Did you mean channels last?"]),
        (np.zeros((1, 224, 224)), ["Did you mean channels last?"]),
        (np.zeros((224, 224), np.uint8), ["(224, 224)", "uint8"]),
        (np.zeros((2, 224, 224, 3), np.uint8), ["(2, 224, 224, 3)"]),
        (np.zeros((224, 224, 4), np.uint8), ["(224, 224, 4)", "Drop the fourth channel"]),
        (np.zeros((0, 224, 3), np.uint8), ["(0, 224, 3)"]),
        (np.zeros((224, 224, 3), object), ["object"]),
        (np.zeros((224, 224, 3), np.int64), ["int64"]),
        (np.zeros((224, 224, 3), bool), ["bool"]),
        (np.zeros((224, 224, 3), complex), ["complex128"]),
        (np.zeros(()), ["()"]),
        ([[1, 2], [3]], ["no array"]),
        (7, ["()"]),
    ],
)
def test_arrays_that_are_no_pictures(array: Any, parts: list[str]) -> None:
    message = refusal(array)
    assert message.startswith("Expected height x width x 3, uint8 or float in [0, 1], got ")
    assert all(part in message for part in parts)


def test_non_finite_values_are_counted() -> None:
    array = MASTER / 255
    array.reshape(-1)[:12] = [np.nan, np.inf, -np.inf] * 4
    assert "12 non-finite values" in refusal(array)


def test_floats_beyond_one_are_refused() -> None:
    assert refusal(MASTER.astype(float)) == "Values up to 252 in a float image; divide by 255 or pass uint8."
    assert "Values up to 1.01" in refusal(MASTER / MASTER.max() * 1.01)
    assert "Values down to -1" in refusal(MASTER / 127.5 - 1)
    assert as_picture(MASTER / MASTER.max() * (1 + 5e-7)).pixels.max() == 255


# The rest


def test_resize_squashes_and_averages() -> None:
    assert resize(MASTER, (20, 30)).shape == (20, 30, 3)
    assert resize(MASTER, (20, 30)).dtype == np.uint8
    assert np.array_equal(resize(MASTER, MASTER.shape[:2]), MASTER)
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    assert distance(resize(board, (16, 16))[2:-2, 2:-2], np.full((12, 12, 3), 127)) <= 2
    expected = Image.fromarray(MASTER).resize((30, 20), Image.Resampling.BICUBIC)
    assert np.array_equal(resize(as_picture(MASTER).pixels, (20, 30)), np.asarray(expected))


def test_uniform_pictures_are_told() -> None:
    flat = np.full((20, 30, 3), (5, 6, 7), np.uint8)
    assert is_uniform(flat)
    assert is_uniform(flat.astype(np.float32))
    flat[-1, -1, 2] += 1
    assert not is_uniform(flat)
    assert not is_uniform(MASTER[:1].repeat(20, 0))
    assert not is_uniform(MASTER[:, :1].repeat(20, 1))


def test_importing_images_does_not_load_pil() -> None:
    code = "import sys, explorer.pictures.images; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
