"""Scenes with known answers: two cutouts on a background, the reference another picture of one of them.

Which pixel belongs to what is known exactly, and so is which of the two objects a map must point at: the one that the
reference shows as well, mirrored, at another size, on another background. A map of the edges, or of anything else that
does not look at the reference, has an even chance of the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.core.storage import file_hash
from explorer.core.streams import Stream, generator
from explorer.datasets.items import DATASETS, DataSet, Item, wrong_layout

TITLE = "Scenes of cutouts"
LAYOUT = "at least four PNG files whose transparent pixels are around a thing, cut out of its picture"
SIDE = 224
COUNT = 60
"""Scenes made of a folder."""
SIZES = (0.4, 0.5)
"""Longest side of an object, as a share of the scene's."""
LARGE = (0.55, 0.85)
"""The same in the reference."""
BITS = 3
"""Small pieces of other things that lie about in a cluttered scene."""
BACKGROUNDS = ("plain", "slope", "noise", "clutter")
SOLID = 0.5
"""Opacity from which a pixel is the object's."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Two objects, of which the reference has one.

    Attributes:
        key: The number, what it shares with the reference, what it does not, and the background.
        pixels: (224, 224, 3) uint8.
        reference: (224, 224, 3) uint8.
        shared: (224, 224) bool, the object that the reference has as well.
        other: (224, 224) bool, the one that it has not.
    """

    key: str
    pixels: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    shared: NDArray[np.bool_]
    other: NDArray[np.bool_]


def make_scene(cutouts: list[Path], number: int, seed: int = 0) -> Scene:
    """The scene of a number: its objects, their sides, places and sizes, and both backgrounds follow from it.

    Args:
        cutouts: Files, as ``cutouts_in`` finds them.
        number: From 0.
        seed: 0 to 2**32 - 1.

    Raises:
        InvalidInput: A file that cannot be read.
    """
    random = generator(seed, Stream.SCENES, counter=[0, number, 0, 0])
    shared, other, *bits = (cutouts[i] for i in random.permutation(len(cutouts))[: 2 + BITS])
    kind, theirs = random.permutation(BACKGROUNDS)[:2]
    canvas = _background(random, kind, bits)
    left = random.random() < 0.5
    places = [_half(left), _half(not left)]
    masks = [
        _paste(canvas, _cutout(file, random.uniform(*SIZES)), place, random)
        for file, place in zip((shared, other), places, strict=True)
    ]
    reference = _background(random, theirs if theirs != "clutter" else "noise", [])
    turned = _cutout(shared, random.uniform(*LARGE))[:, ::-1]
    _paste(reference, turned, (0.0, 0.0, 1.0, 1.0), random)
    key = f"{number:03d} {shared.stem} beside {other.stem}, {kind}"
    return Scene(key, _eight_bits(canvas), _eight_bits(reference), masks[0], masks[1])


def cutouts_in(folder: Path) -> list[Path]:
    """The cutouts of a folder, by name.

    Raises:
        InvalidInput: There are fewer than four.
    """
    files = sorted(folder.glob("*.png")) if folder.is_dir() else []
    if len(files) < 4:
        raise wrong_layout(TITLE, LAYOUT, f"there are {len(files)}" if folder.is_dir() else "there is no such folder")
    return files


def load(path: Path) -> list[Item]:
    """COUNT scenes of the cutouts in a folder, each made when it is asked for.

    Raises:
        InvalidInput: Too few cutouts.
    """
    files = cutouts_in(path)
    named = hashlib.sha256("\n".join(f"{file.name!r} {_hash(file)}" for file in files).encode()).hexdigest()[:12]
    return [
        Item(
            key=f"scene {number:03d} of {len(files)} cutouts {named}",  # which they are is what the scene follows from
            picture=_part(files, number, "pixels"),
            reference=_part(files, number, "reference"),
            mask=_part(files, number, "shared"),
        )
        for number in range(COUNT)
    ]


def _hash(file: Path) -> str:
    try:
        return file_hash(file)
    except OSError as error:
        raise InvalidInput(f"{file.name[:80]} cannot be read as a picture.", code="scene_cutout") from error


def _part(files: list[Path], number: int, name: str) -> Callable[[], NDArray[Any]]:
    return partial(_made, files, number, name)


def _made(files: list[Path], number: int, name: str) -> NDArray[Any]:
    found: NDArray[Any] = getattr(make_scene(files, number), name)
    return found


def _half(left: bool) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a half of the scene."""
    return (0.0, 0.0, 0.5, 1.0) if left else (0.5, 0.0, 1.0, 1.0)


def _cutout(file: Path, share: float) -> NDArray[np.float64]:
    """(h, w, 4) of a cutout, its longest side a share of the scene's; colours 0 to 255, opacity 0 to 1."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGBA")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file.name[:80]} cannot be read as a picture.", code="scene_cutout") from error
    factor = share * SIDE / max(picture.size)
    w, h = (max(1, round(side * factor)) for side in picture.size)
    found = np.asarray(picture.resize((w, h), Image.Resampling.LANCZOS), np.float64)
    found[..., 3] /= 255
    return found


def _paste(
    canvas: NDArray[np.float64], cutout: NDArray[np.float64], place: tuple[float, float, float, float],
    random: np.random.Generator,
) -> NDArray[np.bool_]:  # fmt: skip
    """Put a cutout somewhere in a part of the canvas; where it is solid, (224, 224) bool."""
    h, w = cutout.shape[:2]
    left, top, right, bottom = (round(SIDE * edge) for edge in place)
    y = int(random.integers(top, max(top, bottom - h) + 1))
    x = int(random.integers(left, max(left, right - w) + 1))
    part = canvas[y : y + h, x : x + w]
    cutout = cutout[: part.shape[0], : part.shape[1]]
    alpha = cutout[..., 3:]
    part[:] = (1 - alpha) * part + alpha * cutout[..., :3]
    solid = np.zeros((SIDE, SIDE), bool)
    solid[y : y + h, x : x + w] = alpha[..., 0] >= SOLID
    return solid


def _background(random: np.random.Generator, kind: str, bits: list[Path]) -> NDArray[np.float64]:
    """(224, 224, 3) in 0 to 255."""
    one, other = random.uniform(60, 200, (2, 3))
    canvas = np.tile(one, (SIDE, SIDE, 1))
    if kind == "slope":
        canvas += np.linspace(0, 1, SIDE)[:, None, None] * (other - one)
    if kind in ("noise", "clutter"):
        coarse = random.normal(0, 22, (28, 28, 3))
        canvas += np.kron(coarse, np.ones((8, 8, 1))) + random.normal(0, 8, (SIDE, SIDE, 3))
    if kind == "clutter":
        for file in bits:
            _paste(canvas, _cutout(file, random.uniform(0.08, 0.13)), (0.0, 0.0, 1.0, 1.0), random)
    return canvas


def _eight_bits(canvas: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(canvas).clip(0, 255).astype(np.uint8))


DATASETS.add("scenes", DataSet(TITLE, LAYOUT, "", "distance", load))
