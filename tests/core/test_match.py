"""The match of two things: the regression on all pairs, honest about what it accounts for, and read by hand."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer import Encoder, InvalidInput, MaskSettings, Probe, UnusableEmbedding
from explorer.core.cells import MaskCells, areas
from explorer.core.masks import ArrayMasks, sample_masks
from explorer.core.probe import prepare
from explorer.encoders.cards import find_card
from tests.oracles.fixlip import interactions
from tests.scenes import lit_twins, scenes

SIDE = 12
LOTS = np.random.default_rng(5)
MIXING, BEFORE = LOTS.normal(size=(SIDE * SIDE, 6)), LOTS.normal(size=6)
A, B = LOTS.random((2, SIDE, SIDE, 1))


def curved(batch: NDArray[Any]) -> NDArray[Any]:
    return np.tanh(batch.reshape(len(batch), -1) @ MIXING / 4) + BEFORE


def every_mask(cells: int, side: int = SIDE) -> NDArray[np.float64]:
    """All ways of keeping cells x cells blocks, (2 ** cells ** 2, side, side)."""
    bits = np.array(list(product((0.0, 1.0), repeat=cells**2))).reshape(-1, cells, cells)
    return np.kron(bits, np.ones((side // cells,) * 2))


def whole_probe(image: NDArray[Any], cells: int) -> Probe:
    return explorer.probe(image, encoder=explorer.from_function(curved), masks=every_mask(cells))


def units(probe: Probe) -> NDArray[np.float64]:
    rows = probe.embeddings.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def flat_masks(probe: Probe, cells: int) -> NDArray[np.float64]:
    return MaskCells(probe.masks, (cells, cells))(0, len(probe))


def other_embeddings(probe: Probe, embeddings: NDArray[Any]) -> Probe:
    return replace(probe, embeddings=embeddings)


@pytest.mark.parametrize("grids", [(2, 2), (2, 3), (3, 2)])
def test_weights_are_the_regression_on_the_product_design(grids: tuple[int, int]) -> None:
    a, b = (whole_probe(image, cells) for image, cells in zip((A, B), grids, strict=True))
    found = explorer.match(a, b, r=grids)
    assert found.weights.shape == (grids[0], grids[0], grids[1], grids[1])
    assert found.weights.dtype == np.float32
    one, other = (np.c_[np.ones(len(p)), flat_masks(p, g)] for p, g in zip((a, b), grids, strict=True))
    design = np.einsum("ip,jq->ijpq", one, other).reshape(len(a) * len(b), -1)
    terms = np.linalg.lstsq(design, (units(a) @ units(b).T).ravel(), rcond=None)[0]
    exact = terms.reshape(one.shape[1], other.shape[1])[1:, 1:]
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(found.weights.reshape(exact.shape), exact, atol=1e-6)


def test_weights_are_the_regression_where_cells_are_sixteen() -> None:
    """All 65536 ways: the design of all pairs is the product of two, and so is its inverse."""
    a, b = whole_probe(A, 4), whole_probe(B, 2)
    inverses = [np.linalg.pinv(np.c_[np.ones(len(p)), flat_masks(p, g)]) for p, g in ((a, 4), (b, 2))]
    exact = (inverses[0] @ units(a) @ (inverses[1] @ units(b)).T)[1:, 1:]
    np.testing.assert_allclose(explorer.match(a, b, r=(4, 2)).weights.reshape(16, 4), exact, atol=1e-6)


def test_finer_cells_than_the_masks_have_share_a_value() -> None:
    a, b = whole_probe(A, 2), whole_probe(B, 2)
    coarse, fine = explorer.match(a, b, r=2).weights, explorer.match(a, b).weights
    assert fine.shape == (16, 16, 16, 16)
    np.testing.assert_allclose(fine[::8, ::8, ::8, ::8], coarse, atol=1e-7)


def test_all_interactions_of_fixlip_are_the_same_where_every_way_is_tried() -> None:
    a, b = whole_probe(A, 2), whole_probe(B, 2)
    values = units(a) @ units(b).T
    _, cross = interactions(flat_masks(a, 2), flat_masks(b, 2), values)
    np.testing.assert_allclose(explorer.match(a, b, r=2).weights.reshape(4, 4), cross, atol=1e-6)


def test_r2_says_all_where_all_is_bilinear_and_nothing_where_nothing_is_shared() -> None:
    lots = np.random.default_rng(0)
    masks = lots.integers(0, 2, (200, 4, 4)).astype(float)
    flat = masks.reshape(200, -1)

    def probe(*columns: Any, level: int) -> Probe:
        """Columns, and in one of two places what makes each row as long as the others."""
        rows = np.column_stack(columns)
        rest = np.zeros((200, 2))
        rest[:, level] = np.sqrt(1 - np.square(rows).sum(1))
        start = prepare(A[:4, :4], encoder=explorer.from_function(curved), masks=masks)
        return other_embeddings(start, np.c_[rows, rest])

    moved, none, still = flat @ lots.normal(size=(16, 3)) / 20, np.zeros((200, 3)), np.full(200, 0.1)
    same = explorer.match(probe(moved, level=0), probe(moved, level=1), r=4)
    assert same.r2 == pytest.approx(1)
    assert same.r2 - same.r2_first > 0.3
    assert same.no_signal == ""
    apart = explorer.match(probe(moved, none, moved[:, 0], level=0), probe(none, moved, still, level=1), r=4)
    assert apart.r2_first == pytest.approx(1)
    assert apart.r2 == pytest.approx(1)
    assert "nothing in common" in apart.no_signal
    assert apart.says == apart.no_signal
    dealt = probe(moved[lots.permutation(200)], level=1)
    shuffled = explorer.match(probe(moved, level=0), dealt, r=4)
    assert "no more than shuffled pairs do" in shuffled.says


def test_a_thing_that_no_mask_changes_goes_with_nothing() -> None:
    still = explorer.probe(A, encoder=explorer.from_function(lambda b: np.ones((len(b), 6))), masks=every_mask(2))
    found = explorer.match(still, still, r=2)
    assert np.abs(found.weights).max() < 1e-12
    assert (found.r2_first, found.r2) == (0, 0)
    assert found.says.startswith("The two have nothing in common:")


@pytest.fixture
def two(encoder: Encoder, picture: np.ndarray) -> tuple[Probe, Probe]:
    masking = MaskSettings(n_masks=60)
    return (
        explorer.probe(picture, encoder=encoder, masking=masking),
        explorer.probe(picture[::-1, :20], encoder=encoder, masking=replace(masking, n_masks=40, feature_res=5)),
    )


def test_drawn_masks_are_read_as_their_cells_without_rendering() -> None:
    masks = sample_masks(MaskSettings(n_masks=20), (30, 50))
    rendered = np.einsum("rh,nhw,cw->nrc", areas(16, 30), masks.render(0, 20), areas(16, 50))
    np.testing.assert_allclose(MaskCells(masks, (16, 16))(0, 20), rendered.reshape(20, -1), atol=1e-6)
    np.testing.assert_allclose(
        MaskCells(ArrayMasks(masks.render(0, 20)), (16, 16))(3, 9), rendered.reshape(20, -1)[3:9]
    )
    assert np.allclose(areas(16, 5).sum(1), 1)


def test_sizes_masks_and_cells_may_differ_and_a_probe_may_be_unfinished(two: tuple[Probe, Probe]) -> None:
    a, b = two
    found = explorer.match(a, replace(b, embeddings=b.embeddings[:25]), r=(4, 7))
    assert found.weights.shape == (4, 4, 7, 7)
    assert np.isfinite(found.weights).all()
    assert found.touch((0, 3)).shape == (7, 7)
    assert found.back((6, 6)).shape == (4, 4)


def test_the_weights_do_not_depend_on_how_much_is_looked_at_in_one_go(
    two: tuple[Probe, Probe], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = explorer.match(*two)
    monkeypatch.setattr("explorer.core.bilinear.COLUMNS", 5)
    parts = explorer.match(*two)
    np.testing.assert_allclose(parts.weights, whole.weights, atol=1e-7)
    assert parts.r2 == pytest.approx(whole.r2, abs=1e-9)


def test_touch_reads_the_weights_of_given_masks_as_they_are() -> None:
    found = explorer.match(whole_probe(A, 2), whole_probe(B, 3), r=(2, 3))
    np.testing.assert_array_equal(found.touch((0, 1)), found.weights[0, 1])
    np.testing.assert_array_equal(found.back((2, 1)), found.weights[:, :, 2, 1])
    whole = found.touch(np.ones((2, 2), bool))
    np.testing.assert_allclose(whole, found.weights.sum((0, 1)), atol=1e-6)
    np.testing.assert_array_equal(found.touch((0, 0, 2, 2)), whole)
    np.testing.assert_array_equal(found.touch((0, 1, 2, 2)), found.touch(np.array([[False, True]] * 2)))


def test_touch_takes_off_what_every_touch_lights(two: tuple[Probe, Probe]) -> None:
    found = explorer.match(*two)
    counterparts = found.counterparts.astype(float)
    assert np.abs(counterparts.sum((0, 1))).max() < 1e-4 < np.abs(counterparts).max()
    assert np.abs(counterparts.sum((2, 3))).max() < 1e-4
    assert found.counterparts.shape == found.weights.shape


def test_pairs_are_the_strongest_first() -> None:
    found = explorer.match(whole_probe(A, 2), whole_probe(B, 2), r=2)
    pairs = found.pairs(3)
    assert [pair.weight for pair in pairs] == sorted(found.weights.ravel().tolist(), reverse=True)[:3]
    assert found.weights[(*pairs[0].a, *pairs[0].b)] == pairs[0].weight
    assert len(found.pairs(99)) == 16
    for wrong in (0, -1, 1.5, True, "three", None):
        with pytest.raises(InvalidInput, match="at least 1"):
            found.pairs(wrong)


@pytest.mark.parametrize(
    "region",
    [(2, 0), (-1, 0), (0,), (0, 1, 2), (0, 0, 0, 1), (0, 0, 1, 3), (0.0, 1.0), "ab", None, 1, np.zeros((2, 2), bool),
     np.ones((3, 2), bool), np.ones(4), [[True]], (True, False)],
)  # fmt: skip
def test_regions_that_are_none_are_refused(region: Any) -> None:
    found = explorer.match(whole_probe(A, 2), whole_probe(B, 2), r=2)
    for look in (found.touch, found.back):
        with pytest.raises(InvalidInput, match=r"region|array"):
            look(region)


@pytest.mark.parametrize("r", [0, 33, 2.5, True, (4,), (4, 5, 6), "16", None, (4, 0)])
def test_numbers_of_cells_that_are_none_are_refused(r: Any, two: tuple[Probe, Probe]) -> None:
    with pytest.raises(InvalidInput, match="r must be"):
        explorer.match(*two, r=r)


def test_probes_that_cannot_be_compared_are_refused(two: tuple[Probe, Probe], picture: np.ndarray) -> None:
    a, b = two
    cases = [
        (replace(b, embeddings=b.embeddings[:0]), "no masks"),
        (replace(b, embeddings=b.embeddings[:1]), "1 mask yet"),
        (other_embeddings(b, b.embeddings[:, :-1]), "numbers, so they"),
        (whole_probe(B, 2), "different encoders"),
    ]
    for other, words in cases:
        for pair in ((a, other), (other, a)):
            with pytest.raises(InvalidInput, match=words):
                explorer.match(*pair)
    for other in (picture, None, 3):
        with pytest.raises(InvalidInput, match="probe_b must be a probe"):
            explorer.match(a, other)
    with pytest.raises(InvalidInput, match="no encoder"):
        explorer.match("a bee", "a fly")
    with pytest.raises(InvalidInput, match="cannot read sentences"):
        explorer.match(a, "a bee")


@pytest.mark.parametrize(("bad", "words"), [(0.0, "zero length"), (np.nan, "non-finite"), (np.inf, "non-finite")])
def test_embeddings_that_point_nowhere_are_told(bad: float, words: str, two: tuple[Probe, Probe]) -> None:
    a, b = two
    rows = b.embeddings.copy()
    rows[3] = bad
    for pair in ((a, other_embeddings(b, rows)), (other_embeddings(b, rows), a)):
        with pytest.raises(UnusableEmbedding, match=f"1 of 40 embeddings of [AB] have {words}"):
            explorer.match(*pair)


def test_huge_lengths_change_nothing(two: tuple[Probe, Probe]) -> None:
    a, b = two
    usual = explorer.match(a, b)
    for scale in (1e-200, 1e200):
        found = explorer.match(a, other_embeddings(b, b.embeddings.astype(np.float64) * scale))
        np.testing.assert_allclose(found.weights, usual.weights, atol=1e-7)


def test_a_huge_probe_stays_within_memory(two: tuple[Probe, Probe]) -> None:
    a, _ = two
    masking = MaskSettings(n_masks=20_000, feature_res=8)
    masks = sample_masks(masking, a.masks.size)
    rows = np.random.default_rng(0).normal(size=(20_000, 600)).astype(np.float32)
    huge = replace(a, masking=masking, masks=masks, embeddings=rows)
    tracemalloc.start()
    found = explorer.match(huge, huge)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < rows.nbytes * 1.5
    assert "nothing in common" in found.says


def test_words_go_with_regions_and_with_words() -> None:
    if not find_card("conse-lite0").here:
        pytest.skip("conse-lite0 is not here")
    encoder = explorer.load_encoder("conse-lite0")
    lots = np.random.default_rng(0)
    a = explorer.probe(lots.random((64, 64, 3)), encoder=encoder, masking=MaskSettings(n_masks=24))
    found = explorer.match(a, "a bee on a flower")
    assert found.weights.shape == (16, 16, 1, 5)
    assert found.touch((3, 3)).shape == (1, 5)
    assert found.back(1).shape == (16, 16)
    np.testing.assert_array_equal(found.back(1), found.back((0, 1)))
    np.testing.assert_array_equal(found.back(np.arange(5) == 1), found.back(1))
    words = explorer.explain_words("two words", caption="a bee", encoder=encoder)
    both = explorer.match(words, "a bee on a flower")
    assert both.weights.shape == (1, 2, 1, 5)
    assert explorer.match("a bee on a flower", words).weights.shape == (1, 5, 1, 2)
    assert explorer.match(explorer.rank(a, caption="a bee"), words).weights.shape == (16, 16, 1, 2)
    assert explorer.match("bee", words).weights.shape == (1, 1, 1, 2)


def test_class_probabilities_say_that_they_hide_matches(two: tuple[Probe, Probe]) -> None:
    a, b = two
    assert explorer.match(a, b).notices == (*a.notices, *b.notices)
    for probe in (a, b):
        probe.encoder.card = replace(probe.encoder.card, embedding="1000 ImageNet class probabilities")
    assert explorer.match(a, b).notices[0].startswith("Class probabilities hide")


@pytest.mark.parametrize("scheme", ["philox", "orthogonal"])
def test_touching_a_thing_lights_its_twin(scheme: str, shared: Path) -> None:
    """More scenes in tests/benchmarks/bench_match.py."""
    if not (folder := shared / "cutouts").is_dir():
        pytest.skip("no ../shared/cutouts")
    encoder, masking = explorer.load_encoder("efficientnet-lite0-features"), MaskSettings(n_masks=400, scheme=scheme)
    right, shuffled = [], []
    for scene in scenes(folder, 2):
        a, b = (explorer.probe(picture, encoder=encoder, masking=masking) for picture in (scene.a, scene.b))
        found = explorer.match(a, b)
        assert found.no_signal == ""
        assert found.r2 > found.r2_first + 0.01
        right.append(lit_twins(found.counterparts, scene))
        dealt = np.random.default_rng(1).permutation(400)
        wrong = explorer.match(a, other_embeddings(b, b.embeddings[dealt]))
        shuffled.append(lit_twins(wrong.counterparts, scene))
        assert "nothing in common" in wrong.says
    assert np.mean(right) >= 0.9
    assert np.mean(shuffled) < 0.8
