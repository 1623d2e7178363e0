"""Scenes of cutouts: the same each time, and what is known of them is so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.core.errors import InvalidInput
from explorer.datasets.items import DATASETS
from explorer.datasets.scenes import BACKGROUNDS, COUNT, SIDE, cutouts_in, make_scene

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Discs, each of one colour, the upper half of each a bit wider than high."""
    y, x = np.mgrid[:40, :60]
    disc = (((y - 20) / 19) ** 2 + ((x - 30) / 29) ** 2 <= 1).astype(np.uint8) * 255
    for name, colour in COLOURS.items():
        Image.fromarray(np.dstack([*(np.full_like(disc, c) for c in colour), disc])).save(tmp_path / f"{name}.png")
    return tmp_path


def test_objects_lie_where_they_are_said_to(folder: Path) -> None:
    files = cutouts_in(folder)
    seen = set()
    for number in range(12):
        scene = make_scene(files, number)
        shared, other = scene.key.split(",")[0].split(" ", 1)[1].split(" beside ")
        assert not (scene.shared & scene.other).any()
        for mask, name in ((scene.shared, shared), (scene.other, other)):
            assert 1000 < mask.sum() < SIDE**2 / 4
            inner = mask & np.roll(mask, 3, 0) & np.roll(mask, -3, 0) & np.roll(mask, 3, 1) & np.roll(mask, -3, 1)
            np.testing.assert_allclose(scene.pixels[inner], np.tile(COLOURS[name], (inner.sum(), 1)), atol=15)
        theirs = [(np.abs(scene.reference - np.float64(COLOURS[name])).max(2) <= 15).sum() for name in (shared, other)]
        assert theirs[0] > 1.2 * scene.shared.sum()
        assert theirs[1] < 200
        seen.add(scene.key.split(", ")[1])
    assert seen == set(BACKGROUNDS)


def test_a_scene_is_its_number_and_seed(folder: Path) -> None:
    files = cutouts_in(folder)
    one, again, next_one, other = (make_scene(files, *asked) for asked in ((3,), (3,), (4,), (3, 1)))
    np.testing.assert_array_equal(one.pixels, again.pixels)
    np.testing.assert_array_equal(one.reference, again.reference)
    assert (one.pixels != next_one.pixels).any()
    assert (one.pixels != other.pixels).any()


def test_the_shared_object_is_as_often_on_the_left(folder: Path) -> None:
    """Else a map of one side would do better than chance."""
    files = cutouts_in(folder)
    left = [make_scene(files, number).shared[:, : SIDE // 2].any() for number in range(60)]
    assert 20 <= sum(left) <= 40


def test_scenes_are_a_data_set(folder: Path) -> None:
    items = DATASETS["scenes"].load(folder)
    assert len({item.key for item in items}) == len(items) == COUNT
    scene = make_scene(cutouts_in(folder), 7)
    np.testing.assert_array_equal(items[7].load(), scene.pixels)
    np.testing.assert_array_equal(items[7].load_reference(), scene.reference)
    np.testing.assert_array_equal(items[7].load_mask((SIDE, SIDE)), scene.shared)
    assert items[7].compared
    assert items[7].fingerprint


def test_what_is_no_folder_of_cutouts_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InvalidInput, match="no such folder"):
        cutouts_in(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="there are 0"):
        cutouts_in(tmp_path / "empty")
    for name in COLOURS:
        (folder / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match="cannot be read as a picture"):
        make_scene(cutouts_in(folder), 0)


def test_other_cutouts_are_another_data_set(folder: Path, tmp_path: Path) -> None:
    before = [item.fingerprint for item in DATASETS["scenes"].load(folder)]
    assert [item.fingerprint for item in DATASETS["scenes"].load(folder)] == before
    Image.fromarray(np.full((40, 60, 4), 255, np.uint8)).save(folder / "red.png")
    assert [item.fingerprint for item in DATASETS["scenes"].load(folder)] != before
