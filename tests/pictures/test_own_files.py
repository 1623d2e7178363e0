"""What people read from their own disks: more formats and larger pictures than a server takes from visitors."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer import Encoder, InvalidInput
from explorer.cli.main import main
from explorer.pictures.formats import read_header
from explorer.pictures.images import as_picture
from explorer.pictures.rules import OWN_FORMATS, VARIABLES, own_rules

RGB = np.random.default_rng(3).integers(0, 256, (48, 80, 3), dtype=np.uint8)
GREY = np.linspace(0, 255, 48 * 80).round().astype(np.uint8).reshape(48, 80)
DEEP = GREY.astype(np.uint16) * 257


@pytest.fixture(autouse=True)
def usual_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of nobody who raised them; what a test raises is put back."""
    for name in VARIABLES.values():
        monkeypatch.setenv(name, "")


def encoded(pixels: Any, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, form, **options)
    return file.getvalue()


def white_is_zero() -> bytes:
    """Of 16 bits, which Pillow neither writes nor reads otherwise than the other way round."""
    return encoded(65535 - DEEP, "TIFF", tiffinfo={262: 0})


def colours_of_16_bits() -> bytes:
    """A TIFF of three channels, written by hand, as Pillow cannot: one strip, little-endian."""
    data = (RGB.astype("<u2") * 257).tobytes()
    tags = [(256, 3, 1, 80), (257, 3, 1, 48), (258, 3, 3, 8 + 2 + 10 * 12 + 4), (259, 3, 1, 1), (262, 3, 1, 2),
            (273, 4, 1, 8 + 2 + 10 * 12 + 4 + 6), (277, 3, 1, 3), (278, 3, 1, 48), (279, 4, 1, len(data)),
            (284, 3, 1, 1)]  # fmt: skip
    words = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    head = b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little")
    return head + words + bytes(4) + (16).to_bytes(2, "little") * 3 + data


PGM = b"P5\n80 48\n65535\n" + DEEP.astype(">u2").tobytes()
FILES = {
    "tiff": (lambda: encoded(RGB, "TIFF"), RGB, 0),
    "tiff lzw": (lambda: encoded(RGB, "TIFF", compression="tiff_lzw"), RGB, 0),
    "tiff deflate": (lambda: encoded(RGB, "TIFF", compression="tiff_adobe_deflate"), RGB, 0),
    "big tiff": (lambda: encoded(RGB, "TIFF", big_tiff=True), RGB, 0),
    "tiff cmyk": (lambda: encoded(Image.fromarray(RGB).convert("CMYK"), "TIFF"), RGB, 2),
    "tiff grey": (lambda: encoded(GREY, "TIFF"), GREY, 0),
    "tiff 16 bits": (lambda: encoded(DEEP, "TIFF"), GREY, 0),
    "tiff 16 bits lzw": (lambda: encoded(DEEP, "TIFF", compression="tiff_lzw"), GREY, 0),
    "tiff white is zero": (white_is_zero, GREY, 0),
    "tiff colours of 16 bits": (colours_of_16_bits, RGB, 0),
    "tiff floats": (lambda: encoded((GREY / 255).astype(np.float32), "TIFF"), GREY, 0),
    "bmp": (lambda: encoded(RGB, "BMP"), RGB, 0),
    "bmp grey": (lambda: encoded(GREY, "BMP"), GREY, 0),
    "ppm": (lambda: encoded(RGB, "PPM"), RGB, 0),
    "pgm": (lambda: encoded(GREY, "PPM"), GREY, 0),
    "pgm 16 bits": (lambda: PGM, GREY, 0),
    "dark pgm of 16 bits": (
        lambda: PGM[:15] + (GREY.astype(">u2")).tobytes(),
        (GREY / 257).round().astype(np.uint8),
        0,
    ),
    "ppm text": (lambda: b"P3\n80 48\n255\n" + " ".join(map(str, RGB.ravel())).encode(), RGB, 0),
    "avif": (lambda: encoded(np.repeat(GREY[..., None], 3, axis=2), "AVIF", quality=100), GREY, 12),
}


@pytest.mark.parametrize("name", FILES)
def test_a_researchers_files(name: str, tmp_path: Path, picture_encoder: Encoder) -> None:
    make, expected, tolerance = FILES[name]
    data = make()
    expected = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, axis=2)
    picture = as_picture(data, own_rules())
    assert np.abs(picture.pixels.astype(int) - expected).max() <= tolerance
    file = tmp_path / "no-ending"
    file.write_bytes(data)
    seen = picture_encoder.read(file)
    assert (seen.sha256, seen.origin.name) == (picture.sha256, "no-ending")
    with pytest.raises(InvalidInput, match=r"not supported|Not an image we can read"):  # from a visitor
        read_header(io.BytesIO(data))
    with pytest.raises(InvalidInput, match=r"not supported|Not an image we can read"):
        as_picture(data)


@pytest.mark.parametrize("form", ["TIFF", "BMP", "AVIF"])
def test_the_command_line_reads_them(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"picture.{form.lower()}"
    Image.fromarray(RGB).save(file, form)
    asked = ["--n-masks", "10", "--quiet", "--out", str(tmp_path / "out")]
    assert not main(["explain", str(file), "--reference", str(file), *asked])


def test_the_first_page_is_used_and_said() -> None:
    pages = encoded(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    picture = as_picture(pages, own_rules())
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.notices == ("Several pages: only the first one is used.",)


def test_a_tiff_of_few_bits_is_said_to_be_dark() -> None:
    assert "nearly black" in as_picture(encoded((DEEP >> 5).astype(np.uint16), "TIFF"), own_rules()).notices[0]


@pytest.mark.parametrize("form", ["TIFF", "BMP", "PPM", "AVIF"])
def test_damaged_files_are_told_by_their_whole_path(form: str, tmp_path: Path, picture_encoder: Encoder) -> None:
    file, data = tmp_path / "deep" / "cut", encoded(RGB, form)
    file.parent.mkdir()
    for cut in (20, len(data) // 2, len(data) - 40):
        file.write_bytes(data[:cut])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InvalidInput) as refused:
                picture_encoder.read(file)
        assert str(refused.value).startswith(f"{file}: The image file is ")


def test_what_is_not_there_is_told_by_its_whole_path(
    tmp_path: Path, picture_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, said in (
        (tmp_path / "gone.png", f"No such file: {tmp_path}/gone.png"),
        ("some/gone.png", f"No such file: some/gone.png (in {tmp_path})"),
        (tmp_path, f"{tmp_path} is a folder; name a file."),
        ("a\nb.png", f"No such file: a?b.png (in {tmp_path})"),
    ):
        with pytest.raises(InvalidInput) as refused:
            picture_encoder.read(given)
        assert str(refused.value) == said
    with pytest.raises(InvalidInput, match=r"^No such file: gone\.png$"):  # what a server says shows no folder
        as_picture(tmp_path / "gone.png")


# Larger ones


def test_larger_pictures_by_a_setting(tmp_path: Path, picture_encoder: Encoder) -> None:
    wide = np.zeros((4000, 7000, 3), np.uint8)  # 28 megapixels
    file = tmp_path / "wide.png"
    Image.fromarray(wide).save(file, compress_level=1)
    for image in (file, wide):
        with pytest.raises(InvalidInput, match=r"28 megapixels; the limit is 25\. .*allow_pictures\(megapixels=28\)"):
            picture_encoder.read(image)
    explorer.allow_pictures(megapixels=28)
    for image in (file, wide):
        assert picture_encoder.read(image).origin.size == (4000, 7000)
    with pytest.raises(InvalidInput, match=r"^28 megapixels; the limit is 25\. Save it smaller\.$"):  # a server's
        read_header(io.BytesIO(file.read_bytes()))
    with pytest.raises(InvalidInput, match=r"^28 megapixels; the limit is 25\. Save it smaller\.$"):
        as_picture(file)


def test_larger_files_by_a_setting(tmp_path: Path, picture_encoder: Encoder) -> None:
    file = tmp_path / "long.png"
    file.write_bytes((data := encoded(RGB, "PNG")) + bytes(11_000_000 - len(data)))
    with pytest.raises(InvalidInput, match=r"11 MB; the limit is 10 MB\. .*EXPLORER_MAX_MB=11 in the environment"):
        picture_encoder.read(file)
    explorer.allow_pictures(megabytes=12)
    assert picture_encoder.read(file).sha256 == as_picture(RGB).sha256
    with pytest.raises(InvalidInput, match="the limit is 10 MB"):  # a server's
        as_picture(file)


def test_pictures_beyond_pillows_own_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # of 3840 here
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidInput, match="megapixels"):
            as_picture(encoded(RGB, "PNG"))
        assert as_picture(encoded(RGB, "PNG"), own_rules()).size == (48, 80)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_the_command_line_takes_larger_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "long.png"
    file.write_bytes((data := encoded(RGB, "PNG")) + bytes(11_000_000 - len(data)))
    asked = [
        "explain",
        str(file),
        "--reference",
        str(file),
        "--n-masks",
        "10",
        "--quiet",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(asked) == 2
    assert "--max-mb 11" in capsys.readouterr().err
    assert not main([*asked, "--max-mb", "12"])


@pytest.mark.parametrize("wrong", ["much", "-1", "0", "nan"])
def test_limits_that_are_none_are_told(wrong: str, picture_encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_MAX_MB", wrong)
    with pytest.raises(InvalidInput, match="EXPLORER_MAX_MB must be a number above 0"):
        picture_encoder.read(RGB)
    with pytest.raises(InvalidInput, match="megapixels must be a number above 0"):
        explorer.allow_pictures(megapixels=wrong)  # type: ignore[arg-type]


# Arrays


@pytest.mark.parametrize(
    ("array", "same"),
    [
        (GREY, np.repeat(GREY[..., None], 3, axis=2)),
        (GREY[..., None], np.repeat(GREY[..., None], 3, axis=2)),
        (GREY / 255, np.repeat(GREY[..., None], 3, axis=2)),
        (RGB[None], RGB),
        (RGB.astype(np.int64), RGB),
        (RGB.astype(np.int32)[None], RGB),
        (RGB.astype(np.uint16) * 257, RGB),
        (DEEP, np.repeat(GREY[..., None], 3, axis=2)),
        (np.dstack([RGB, np.full((48, 80), 255, np.uint8)]), RGB),
        (np.dstack([RGB, np.full((48, 80), 255, np.uint8)]) / 255, RGB),
        (np.dstack([RGB, np.zeros((48, 80), np.uint8)]), np.full_like(RGB, 127)),
        (RGB.tolist(), RGB),
    ],
)  # fmt: skip
def test_arrays_of_any_kind_that_leaves_no_doubt(array: Any, same: np.ndarray, picture_encoder: Encoder) -> None:
    assert picture_encoder.read(array).sha256 == as_picture(same).sha256


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.stack([RGB, RGB]), "give one picture of it, array[0]"),
        (RGB.astype(np.int64) + 1, "divide those of 16 bits by 65535"),
        (RGB.astype(np.int16) - 1, "divide those of 16 bits by 65535"),
        (RGB.astype(np.uint16), "is white 255 or 65535?"),
        (RGB.transpose(2, 0, 1), "array.transpose(1, 2, 0)"),
        (RGB > 100, "must be uint8"),
    ],
)
def test_arrays_that_leave_doubt_say_what_to_do(array: np.ndarray, hint: str, picture_encoder: Encoder) -> None:
    with pytest.raises(InvalidInput) as refused:
        picture_encoder.read(array)
    assert hint in str(refused.value)


def test_functions_say_what_a_batch_is(encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match=r"give one picture of it, array\[0\]"):
        explorer.probe(RGB[None] / 255, encoder=encoder)


def test_the_list_of_formats_is_what_is_read() -> None:
    assert set(OWN_FORMATS) - {"JPEG", "PNG", "WEBP", "GIF"} == {"TIFF", "BMP", "PPM", "AVIF"}
