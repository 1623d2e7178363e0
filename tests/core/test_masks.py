"""Masks: DIANNA's to the bit of a float32, ours a pure function of their number, sums without rendering.

The orthogonal scheme has a file of its own, ``test_mask_orthogonal.py``; what holds for every scheme is here.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dianna.utils.maskers import generate_interpolated_float_masks_for_image
from hypothesis import given, settings
from hypothesis import strategies as st

import explorer
from explorer import InvalidInput, MaskSettings
from explorer.core import masks as masks_module
from explorer.core.masks import SCHEMES, GridMasks, masks_from_array, sample_masks
from tests.oracles import slow

GOLDEN = "5b9019e05fab2754d089c07265e0c4d56b4a0e021b7c8c93ed943700012d0dc1"
ROOT = Path(__file__).parents[2]
SIZES = [(32, 32), (24, 40), (33, 50), (17, 31), (16, 128)]
GROWING = [scheme for scheme in SCHEMES if SCHEMES[scheme].grows]


def drawing(schemes: Iterable[str], *shares: float) -> list[tuple[str, float]]:
    """Every scheme with every p_keep that it draws masks for."""
    return [(scheme, p_keep) for scheme in schemes for p_keep in shares if SCHEMES[scheme].p_keep in (None, p_keep)]


def dianna_masks(size: tuple[int, int], masking: MaskSettings) -> np.ndarray:
    """What the reference implementation draws, (n, h, w), with the global generator put back afterwards."""
    before = np.random.get_state()
    try:
        np.random.seed(masking.seed)
        masks = generate_interpolated_float_masks_for_image(size, masking.p_keep, masking.n_masks, masking.feature_res)
    finally:
        np.random.set_state(before)
    return masks[..., 0]


def digest(masks: GridMasks) -> str:
    """A hash of bits and shifts: integers, so that no processor's way of rounding can change it."""
    return hashlib.sha256(masks.packed.tobytes() + masks.shifts.astype("<i4").tobytes()).hexdigest()


# The dianna scheme


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_dianna_scheme_is_diannas_for_every_feature_res(size: tuple[int, int]) -> None:
    for feature_res in range(1, min(size) + 1):
        masking = MaskSettings(n_masks=10, feature_res=feature_res, p_keep=0.4, seed=feature_res, scheme="dianna")
        ours = sample_masks(masking, size).render(0, 10)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, dianna_masks(size, masking), rtol=0, atol=2e-7, err_msg=str(feature_res))


def test_dianna_scheme_is_diannas_at_the_default_size() -> None:
    masking = MaskSettings(n_masks=20, seed=3, scheme="dianna")
    ours = sample_masks(masking, (224, 224)).render(0, 20)
    np.testing.assert_allclose(ours, dianna_masks((224, 224), masking), rtol=0, atol=2e-7)


@settings(max_examples=40)
@given(
    h=st.integers(16, 90),
    w=st.integers(16, 90),
    share=st.floats(0, 1),
    p_keep=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_and_resolution(h: int, w: int, share: float, p_keep: float, seed: int) -> None:
    feature_res = 1 + round(share * (min(h, w) - 1))
    masking = MaskSettings(n_masks=10, feature_res=feature_res, p_keep=p_keep, seed=seed, scheme="dianna")
    theirs = dianna_masks((h, w), masking)
    np.testing.assert_allclose(sample_masks(masking, (h, w)).render(0, 10), theirs, rtol=0, atol=2e-7)

    ours = sample_masks(MaskSettings(n_masks=10, feature_res=feature_res, p_keep=p_keep, seed=seed), (h, w))
    rendered = ours.render(0, 10)
    assert rendered.shape == (10, h, w)
    assert rendered.min() >= 0
    assert rendered.max() <= 1 + 2e-7
    cell_h, cell_w = -(-h // feature_res), -(-w // feature_res)
    assert (ours.shifts >= 0).all()
    assert (ours.shifts < (cell_h, cell_w)).all()
    weights = np.random.default_rng(seed).normal(size=10)
    np.testing.assert_allclose(
        ours.weighted_sum(weights), slow.weighted_sum(weights, rendered.astype(float)), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    ("size", "feature_res"), [((16, 16), 4), ((16, 23), 3), ((19, 17), 1), ((18, 16), 16)], ids=str
)
def test_rendered_masks_are_the_papers(size: tuple[int, int], feature_res: int) -> None:
    masks = sample_masks(MaskSettings(n_masks=10, feature_res=feature_res, seed=1), size)
    by_hand = [slow.rise_mask(grid, shift, size) for grid, shift in zip(masks.grids(), masks.shifts, strict=True)]
    np.testing.assert_allclose(masks.render(0, 10), by_hand, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("size", "feature_res"), [((32, 32), 4), ((24, 40), 8), ((18, 16), 1), ((35, 21), 7)], ids=str)
def test_masks_of_whole_patches_are_their_grids(size: tuple[int, int], feature_res: int, scheme: str) -> None:
    """Sharp edges, no shifts; and the cells are those that other fills of the seed have."""
    masking = MaskSettings(n_masks=30, feature_res=feature_res, scheme=scheme, seed=3, fill="drop")
    masks, (h, w) = sample_masks(masking, size), size
    cells = masks.grids().repeat(h // feature_res, axis=1).repeat(w // feature_res, axis=2)
    np.testing.assert_array_equal(masks.render(0, 30), cells)
    weights = np.random.default_rng(0).normal(size=30)
    np.testing.assert_allclose(masks.weighted_sum(weights), slow.weighted_sum(weights, cells.astype(float)), atol=1e-6)
    np.testing.assert_array_equal(masks.first(7).render(0, 7), cells[:7])
    np.testing.assert_array_equal(masks.packed, sample_masks(replace(masking, fill="auto"), size).packed)


# Weighted sums


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_weighted_sum_is_the_sum_of_rendered_masks(size: tuple[int, int], scheme: str) -> None:
    masks = sample_masks(MaskSettings(n_masks=60, feature_res=5, scheme=scheme), size)
    weights = np.random.default_rng(0).normal(size=60)
    weights[::3] = 0
    found = masks.weighted_sum(weights)
    assert found.shape == size
    assert found.dtype == np.float32
    by_hand = slow.weighted_sum(weights, masks.render(0, 60).astype(float))
    np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("size", "fill"), [((24, 40), "auto"), ((33, 50), "auto"), ((35, 21), "drop")])
def test_what_masks_keep_of_maps(size: tuple[int, int], fill: str, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = sample_masks(MaskSettings(n_masks=60, feature_res=5, seed=3, fill=fill), size)
    maps = np.random.default_rng(2).normal(size=(3, *size))
    rendered = masks.render(0, 60).astype(float)
    by_hand = [[(mask * values).sum() for mask in rendered] for values in maps]
    np.testing.assert_allclose(masks.sums_kept(maps), by_hand, rtol=0, atol=1e-4)
    monkeypatch.setattr("explorer.core.masks.CHUNK_CELLS", 25 * 7)
    np.testing.assert_allclose(masks.sums_kept(maps), by_hand, rtol=0, atol=1e-4)
    np.testing.assert_allclose(masks_from_array(rendered).sums_kept(maps), by_hand, rtol=0, atol=1e-4)


def test_weighted_sum_takes_the_first_masks_and_any_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = sample_masks(MaskSettings(n_masks=60), (40, 56))
    weights = np.random.default_rng(1).normal(size=35)
    whole = masks.weighted_sum(weights)
    np.testing.assert_array_equal(masks.first(35).weighted_sum(weights), whole)
    monkeypatch.setattr(masks_module, "CHUNK_CELLS", 100)
    np.testing.assert_array_equal(masks.weighted_sum(weights), whole)
    assert not masks.weighted_sum(np.zeros(60)).any()


# Schemes whose masks do not depend on how many there are


@pytest.mark.parametrize("feature_res", [3, 8, 10])
@pytest.mark.parametrize(("scheme", "p_keep"), drawing(GROWING, 0.5, 0.3))
def test_the_first_masks_do_not_depend_on_how_many_there_are(scheme: str, feature_res: int, p_keep: float) -> None:
    masking = MaskSettings(n_masks=700, feature_res=feature_res, p_keep=p_keep, seed=9, scheme=scheme)
    many = sample_masks(masking, (224, 224))
    for n in (10, 100, 128, 129, 256, 333):
        few = sample_masks(replace(masking, n_masks=n), (224, 224))
        np.testing.assert_array_equal(few.packed, many.packed[:n])
        np.testing.assert_array_equal(few.shifts, many.shifts[:n])
        np.testing.assert_array_equal(few.packed, many.first(n).packed)


def test_which_schemes_grow() -> None:
    assert GROWING == ["philox", "orthogonal"]


@pytest.mark.parametrize("cells", [1, 66, 1000])
@pytest.mark.parametrize("scheme", GROWING)
def test_masks_do_not_depend_on_the_chunk(scheme: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    masking = MaskSettings(n_masks=100, scheme=scheme)
    before = digest(sample_masks(masking, (224, 224)))
    monkeypatch.setattr(masks_module, "CHUNK_CELLS", cells)
    assert digest(sample_masks(masking, (224, 224))) == before


@pytest.mark.parametrize("feature_res", [1, 8, 33])
def test_masks_do_not_depend_on_the_order_of_rendering(feature_res: int) -> None:
    masks = sample_masks(MaskSettings(n_masks=30, feature_res=feature_res), (100, 37))
    whole = masks.render(0, 30)
    np.testing.assert_array_equal(np.concatenate([masks.render(i, i + 7) for i in range(0, 30, 7)]), whole)
    for i in reversed(range(30)):
        np.testing.assert_array_equal(masks.render(i, i + 1)[0], whole[i])


@pytest.mark.parametrize("scheme", GROWING)
def test_masks_do_not_depend_on_other_threads(scheme: str) -> None:
    seeds = [0, 1, 2, 3] * 6

    def draw(seed: int) -> tuple[str, bytes]:
        masking = MaskSettings(n_masks=200, feature_res=5, seed=seed, scheme=scheme)
        masks = sample_masks(masking, (64, 48))
        return digest(masks), masks.render(0, 200).tobytes()

    alone = {seed: draw(seed) for seed in set(seeds)}
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, seeds))
    assert together == [alone[seed] for seed in seeds]
    assert len({value[0] for value in alone.values()}) == 4


# The philox scheme


def test_golden_masks() -> None:
    """Masks 0 to 99 of the default settings: a change here changes every published map."""
    assert digest(sample_masks(MaskSettings(), (224, 224)).first(100)) == GOLDEN


def test_golden_masks_in_a_fresh_process() -> None:
    code = (
        "import hashlib; from explorer import MaskSettings; from explorer.core.masks import sample_masks;"
        "m = sample_masks(MaskSettings(n_masks=100), (224, 224));"
        "print(hashlib.sha256(m.packed.tobytes() + m.shifts.astype('<i4').tobytes()).hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == GOLDEN


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_global_generator_is_left_alone(scheme: str) -> None:
    np.random.seed(123)
    before = np.random.get_state()
    masks = sample_masks(MaskSettings(n_masks=20, scheme=scheme), (32, 32))
    first = masks.render(0, 20)
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    np.random.seed(321)  # and it is not read either
    np.testing.assert_array_equal(sample_masks(MaskSettings(n_masks=20, scheme=scheme), (32, 32)).render(0, 20), first)


@pytest.mark.parametrize(("scheme", "p_keep"), drawing(SCHEMES, 0.01, 0.3, 0.5, 0.99))
def test_share_of_kept_cells(p_keep: float, scheme: str) -> None:
    masks = sample_masks(MaskSettings(n_masks=2000, p_keep=p_keep, scheme=scheme), (64, 64))
    kept = masks.grids()
    standard_error = np.sqrt(p_keep * (1 - p_keep) / kept.size)
    assert abs(kept.mean() - p_keep) < 5 * standard_error
    # No cell is favoured: the whole grid is used, its first and last bit included.
    of_each_cell = np.sqrt(p_keep * (1 - p_keep) / len(masks))
    assert (abs(kept.mean(axis=0) - p_keep) < 5 * of_each_cell).all()


def test_every_shift_occurs_about_equally_often() -> None:
    shifts = sample_masks(MaskSettings(n_masks=4000, feature_res=8), (64, 120)).shifts
    for axis, cell in ((0, 8), (1, 15)):
        counts = np.bincount(shifts[:, axis], minlength=cell)
        assert len(counts) == cell
        assert (abs(counts - 4000 / cell) < 5 * np.sqrt(4000 / cell)).all()


def test_seeds_and_schemes_give_other_masks() -> None:
    settings = [MaskSettings(n_masks=10, seed=seed, scheme=s) for seed in (0, 1, 2**32 - 1) for s in SCHEMES]
    assert len({digest(sample_masks(masking, (32, 32))) for masking in settings}) == len(settings) == 9


def test_neighbouring_masks_share_nothing() -> None:
    """Blocks of the stream do not overlap, whatever the number of words a mask takes."""
    for feature_res in range(1, 17):
        grids = sample_masks(MaskSettings(n_masks=400, feature_res=feature_res), (64, 64)).grids()
        centred = grids.reshape(400, -1) - 0.5
        agreement = (centred[1:] * centred[:-1]).mean() * 4  # -1 to 1, 0 when independent
        assert abs(agreement) < 5 / np.sqrt(399 * feature_res**2)


def test_feature_res_above_the_shorter_side() -> None:
    with pytest.raises(InvalidInput, match="33 cells on 32 pixels; use at most 32") as caught:
        sample_masks(MaskSettings(feature_res=33), (32, 64))
    assert caught.value.code == "feature_res_side"


# Masks of the caller's own


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(12, 16, 20), (12, 16, 20, 1)], ids=str)
def test_masks_from_array(shape: tuple[int, ...], dtype: type) -> None:
    given_array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    kept = given_array.copy()
    masks = masks_from_array(given_array)
    given_array[:] = 0  # what the caller does with the array later must not matter
    assert len(masks) == 12
    assert masks.size == (16, 20)
    rendered = masks.render(3, 7)
    assert rendered.dtype == np.float32
    np.testing.assert_array_equal(rendered, kept.reshape(12, 16, 20)[3:7])
    weights = np.random.default_rng(1).normal(size=9)
    by_hand = slow.weighted_sum(weights, kept.reshape(12, 16, 20)[:9].astype(float))
    np.testing.assert_allclose(masks.weighted_sum(weights), by_hand, atol=1e-5)
    assert len(masks.first(5)) == 5


def some_masks(n: int = 12, size: tuple[int, int] = (24, 40)) -> np.ndarray:
    return np.random.default_rng(0).random((n, *size))


@pytest.mark.parametrize(
    ("array", "code", "message"),
    [
        (some_masks()[0], "masks_shape", r"\(24, 40\)"),
        (some_masks()[:, None, None], "masks_shape", r"\(12, 1, 1, 24, 40\)"),
        (np.repeat(some_masks()[..., None], 3, axis=3), "masks_shape", r"\(12, 24, 40, 3\)"),
        (np.zeros((0, 24, 40)), "masks_shape", r"\(0, 24, 40\)"),
        (np.full((12, 24, 40), "x"), "masks_shape", "must be numbers"),
        (some_masks().astype(object), "masks_shape", "must be numbers"),
        (some_masks() * 2, "masks_range", r"lie in 0\.\.1"),
        (some_masks() - 0.5, "masks_range", r"lie in 0\.\.1"),
        (np.where(some_masks() > 0.99, np.nan, 0.5), "masks_range", r"lie in 0\.\.1"),
        (some_masks(1).repeat(12, axis=0), "masks_same", "carry no information"),
        (np.ones((12, 24, 40)), "masks_same", "carry no information"),
    ],
    ids=[
        "2-d",
        "5-d",
        "three channels",
        "none",
        "text",
        "objects",
        "above 1",
        "below 0",
        "NaN",
        "one mask",
        "all kept",
    ],
)
def test_unusable_masks(array: np.ndarray, code: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        masks_from_array(array)
    assert caught.value.code == code


def test_as_many_masks_as_asked_for(picture: np.ndarray, encoder: explorer.Encoder) -> None:
    with pytest.raises(InvalidInput, match="n_masks is 50, but 12 masks were given"):
        explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=50), masks=masks_from_array(some_masks()))


def test_masks_of_another_size(picture: np.ndarray, encoder: explorer.Encoder) -> None:
    with pytest.raises(InvalidInput, match="masks are 40 x 24, but what the encoder sees is 24 x 40"):
        explorer.probe(picture, encoder=encoder, masks=masks_from_array(some_masks(size=(40, 24))))


@pytest.mark.parametrize("given", [False, True])
def test_places_and_weights_that_are_none(given: bool) -> None:
    masks: Any = sample_masks(MaskSettings(n_masks=20, feature_res=4), (16, 16))
    masks = masks_from_array(masks.render(0, 20)) if given else masks
    assert masks.render(20, 20).shape == (0, 16, 16)
    assert masks.render(16, 24).shape == (4, 16, 16)
    np.testing.assert_array_equal(masks.weighted_sum([1, 2]), masks.weighted_sum(np.array([1, 2])))
    for start, stop in ((21, 22), (5, 2), (-1, 3), (0, -1), (0.0, 2), (None, 2)):
        with pytest.raises(InvalidInput, match="0 <= start <= stop, of 20 masks"):
            masks.render(start, stop)
    for weights in (np.ones(50), np.ones((2, 2)), "x", None, [np.nan], [1j]):
        with pytest.raises(InvalidInput, match=r"weights must be finite numbers.* there are 20"):
            masks.weighted_sum(weights)
