"""Scenes with known answers: two cutouts over noise, and the same with other photographs of the same kinds, swapped."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TWINS = (
    ("pig_golden", "pig_golden2"),
    ("bee", "hornet"),
    ("hoverfly", "fly"),
    ("caribou", "wapiti"),
    ("bison", "bull"),
    ("marmot", "beaver"),
    ("rooster", "chicken_profile"),
    ("bradley", "bradley_mirror"),
    ("zebra", "horse"),
    ("owl", "vulture"),
    ("otter", "sea_lion"),
    ("fox", "dog"),
)
"""Files of ../shared/cutouts: two photographs of each kind of thing."""
ALIKE = ({1, 2}, {3, 4})
"""Kinds too alike to tell one from the other."""
SIDE = 224


@dataclass(frozen=True, eq=False)
class Scene:
    """A pair of pictures.

    Attributes:
        names: Of the cutouts: left and right in A, and their twins, which are right and left in B.
        a: (224, 224, 3) uint8.
        b: The same.
        in_a: (2, 224, 224) how much of each pixel of A each thing covers.
        in_b: The same of their twins in B, in the same order.
    """

    names: tuple[str, ...]
    a: NDArray[np.uint8]
    b: NDArray[np.uint8]
    in_a: NDArray[np.float64]
    in_b: NDArray[np.float64]


def scenes(folder: Path, count: int, seed: int = 0) -> list[Scene]:
    """The first so many scenes of a seed, from a folder of cutouts."""
    kinds = [pair for pair in combinations(range(len(TWINS)), 2) if set(pair) not in ALIKE]
    np.random.default_rng(seed).shuffle(kinds)
    return [_scene(folder, kinds[i % len(kinds)], np.random.default_rng([seed, i])) for i in range(count)]


def _scene(folder: Path, kinds: tuple[int, int], lots: np.random.Generator) -> Scene:
    (left, left_twin), (right, right_twin) = (lots.permutation(TWINS[kind]).tolist() for kind in kinds)
    a, in_a = _picture(folder, (left, right), (104, 88), lots)
    b, in_b = _picture(folder, (right_twin, left_twin), (100, 84), lots)
    return Scene((left, right, left_twin, right_twin), a, b, in_a, in_b[::-1])


def _picture(
    folder: Path, names: tuple[str, str], sizes: tuple[int, int], lots: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    canvas = Image.fromarray(lots.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    covers = []
    for name, longest, middle in zip(names, sizes, (SIDE // 4, 3 * SIDE // 4), strict=True):
        thing = Image.open(folder / f"{name}.png").convert("RGBA")
        thing = thing.crop(thing.getchannel("A").getbbox())
        scale = longest / max(thing.size)
        thing = thing.resize((round(thing.width * scale), round(thing.height * scale)), Image.Resampling.LANCZOS)
        place = middle - thing.width // 2, SIDE // 2 - thing.height // 2 + int(lots.integers(-40, 41))
        canvas.paste(thing, place, thing)
        cover = Image.new("L", (SIDE, SIDE))
        cover.paste(thing.getchannel("A"), place)
        covers.append(np.asarray(cover) / 255)
    return np.asarray(canvas), np.stack(covers)


def lit_twins(touch: NDArray[np.floating], scene: Scene) -> float:
    """Share of the cells of A's things whose touch lights the thing's twin more than the other thing.

    Args:
        touch: (rows, columns, rows, columns), what touching each cell of A lights in B.
        scene: Whose.
    """
    cells = touch.shape[0]
    in_a, in_b = (_coarse(cover, cells) > 0.5 for cover in (scene.in_a, scene.in_b))
    right = [
        touch[own][:, twin].mean(1) > touch[own][:, other].mean(1)
        for own, twin, other in zip(in_a, in_b, in_b[::-1], strict=True)
    ]
    return float(np.mean([share.mean() for share in right]))


def _coarse(cover: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    size = SIDE // cells
    return cover.reshape(len(cover), cells, size, cells, size).mean((2, 4))
