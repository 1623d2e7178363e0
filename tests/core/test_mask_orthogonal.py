"""The orthogonal scheme: exactly balanced blocks, unbiased masks, and maps that need fewer of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer import MaskSettings, Probe, SelectionSettings
from explorer.core.agreement import expected_agreement, split_half
from explorer.core.mask_orthogonal import block_length, nearly_orthogonal
from explorer.core.masks import GridMasks, sample_masks
from explorer.core.references import Reference
from explorer.evaluation.stability import mean_agreement
from tests.core.test_masks import digest

ORTHOGONAL = MaskSettings(scheme="orthogonal")
AHEAD = np.array([1.0, 0.2])
GOLDEN = {
    0.5: "ef5bd802e8d7002d5b93bfd54631f0a3414d0c351bd48ad55b98fdfa0402b4e5",
    0.3: "81827a307bdbe6bf65cf74aff4160ffa43c4a718074e5d6589c6a6a08c632f5c",
}


def drawn(n: int, feature_res: int = 8, p_keep: float = 0.5, seed: int = 0, size: int = 64) -> GridMasks:
    masking = MaskSettings(max(10, n), feature_res, p_keep, seed, scheme="orthogonal")
    return sample_masks(masking, (size, size)).first(n)


def columns(masks: GridMasks) -> np.ndarray:
    """(n, cells) +1 for kept and -1 for hidden."""
    return masks.grids().reshape(len(masks), -1) * 2 - 1


def blocks(masks: GridMasks, length: int) -> np.ndarray:
    """(blocks, length, cells) +1 and -1: even-numbered masks are of one block, odd-numbered ones of the next."""
    pairs = columns(masks).reshape(-1, length, 2, masks.feature_res**2)
    return pairs.transpose(0, 2, 1, 3).reshape(-1, length, masks.feature_res**2)


# Half of the cells kept


@pytest.mark.parametrize("feature_res", [1, 2, 3, 4, 5, 7, 8, 9])
def test_in_a_block_every_three_cells_are_balanced(feature_res: int) -> None:
    """All eight ways to keep or hide three cells occur equally often: an orthogonal array of strength 3."""
    length = block_length(feature_res, 0.5)
    for block in blocks(drawn(2 * length, feature_res, seed=3), length):
        n, cells = block.shape
        assert not block.sum(axis=0).any()
        np.testing.assert_array_equal(block.T @ block, n * np.eye(cells, dtype=int))
        for first, second in list(itertools.combinations(range(cells), 2))[:300]:
            assert not (block[:, first] * block[:, second] @ block).any()


@pytest.mark.parametrize("feature_res", [3, 8])
def test_in_half_a_block_every_two_cells_are_balanced(feature_res: int) -> None:
    half = block_length(feature_res, 0.5) // 2
    for block in blocks(drawn(4 * half, feature_res, seed=1), 2 * half):
        rows, opposites = block[:half], block[half:]
        np.testing.assert_array_equal(rows.T @ rows, half * np.eye(feature_res**2, dtype=int))
        assert {tuple(row) for row in -opposites} == {tuple(row) for row in rows}


@pytest.mark.parametrize("feature_res", [2, 8])
def test_a_mask_by_itself_is_what_rise_draws(feature_res: int) -> None:
    """Over seeds, every cell of mask 5 is kept half of the time, whatever its neighbours are."""
    grids = np.concatenate([columns(drawn(6, feature_res, seed=seed))[5:] for seed in range(1000)])
    chance = 5 / np.sqrt(len(grids))
    assert (abs(grids.mean(axis=0)) < chance).all()
    together = grids.T @ grids / len(grids)
    assert (abs(together - np.eye(grids.shape[1])) < chance).all()
    assert abs((grids.sum(axis=1) ** 2).mean() / feature_res**2 - 1) < 0.2  # the number kept varies as by chance


def test_blocks_are_different_and_unrelated() -> None:
    first, second = blocks(drawn(256), 128)
    assert abs((first * second).mean()) < 5 / np.sqrt(first.size)
    rows = {tuple(row) for row in np.concatenate([first, second])}
    assert len(rows) == 256


# Any share of the cells kept


@pytest.mark.parametrize("p_keep", [0.01, 0.37, 0.5, 0.9])
@pytest.mark.parametrize("feature_res", [1, 3, 9])
def test_every_cell_is_kept_with_the_probability_asked_for(feature_res: int, p_keep: float) -> None:
    """Each seed gives one independent answer for mask 7; cells of one mask, and masks of one block, are not."""
    kept = np.array([drawn(8, feature_res, p_keep, seed).grids()[7].ravel() for seed in range(500)])
    se = np.sqrt(p_keep * (1 - p_keep) / len(kept))
    assert (abs(kept.mean(axis=0) - p_keep) < 5 * se).all()
    pooled = kept.mean(axis=1).std() / np.sqrt(len(kept)) + 1e-9
    assert abs(kept.mean() - p_keep) < 5 * pooled


@pytest.mark.parametrize("p_keep", [0.01, 0.3, 0.515, 0.99])
@pytest.mark.parametrize("feature_res", [2, 8, 11])
def test_in_a_block_cells_are_kept_equally_often(feature_res: int, p_keep: float) -> None:
    length = block_length(feature_res, p_keep)
    kept = (blocks(drawn(40 * length, feature_res, p_keep), length) > 0).sum(axis=1)
    assert (kept == kept[:, :1]).all()
    assert set(kept.ravel()) <= {int(p_keep * length), int(p_keep * length) + 1}
    assert abs(kept.mean() / length - p_keep) < 5 * 0.5 / length / np.sqrt(40)


@pytest.mark.parametrize("feature_res", [4, 8])
@pytest.mark.parametrize("p_keep", [0.2, 0.6])
def test_in_a_block_pairs_of_cells_are_nearly_balanced(feature_res: int, p_keep: float) -> None:
    length = block_length(feature_res, p_keep)
    grids = blocks(drawn(2 * length, feature_res, p_keep), length)[1] > 0
    centred = grids - grids.mean(axis=0)
    correlation = centred.T @ centred / length / (p_keep * (1 - p_keep))
    np.fill_diagonal(correlation, 0)
    cells = feature_res**2
    independent = cells * (cells - 1) / length  # what independent cells would have
    assert (correlation**2).sum() < 0.25 * independent


def test_the_exchange_ends_where_no_swap_helps() -> None:
    design = nearly_orthogonal(20, 6, 7).astype(int)
    assert (design.sum(axis=0) == 7).all()

    def unevenness(bits: np.ndarray) -> int:
        together = 20 * bits.T @ bits - 49
        return int((together**2).sum() - (np.diag(together) ** 2).sum())

    best = unevenness(design)
    for column in range(6):
        for kept, hidden in itertools.product(*(np.flatnonzero(design[:, column] == bit) for bit in (1, 0))):
            swapped = design.copy()
            swapped[[kept, hidden], column] = 0, 1
            assert unevenness(swapped) >= best
    random = np.random.default_rng(0)
    shuffled = np.mean([unevenness(random.permuted(design, axis=0)) for _ in range(50)])
    assert best < 0.3 * shuffled


@pytest.mark.parametrize("kept", [0, 1, 31, 32])
def test_columns_that_keep_hardly_anything_or_nearly_all(kept: int) -> None:
    design = nearly_orthogonal(32, 16, kept)
    assert (design.sum(axis=0) == kept).all()


# Everywhere


@pytest.mark.parametrize("p_keep", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("feature_res", [1, 2, 7, 8, 9, 33, 128])
def test_every_resolution_and_share(feature_res: int, p_keep: float) -> None:
    masks = drawn(150, feature_res, p_keep, size=130)
    assert masks.grids().shape == (150, feature_res, feature_res)
    cell = -(-130 // feature_res)
    assert (masks.shifts >= 0).all()
    assert (masks.shifts < cell).all()
    rendered = masks.render(140, 150)
    assert rendered.shape == (10, 130, 130)
    if feature_res > 2:
        assert abs(masks.grids().mean() - p_keep) < 0.05


@pytest.mark.parametrize("p_keep", GOLDEN)
def test_golden_masks(p_keep: float) -> None:
    """Masks 0 to 299: a change here changes published maps."""
    masking = replace(ORTHOGONAL, n_masks=300, p_keep=p_keep)
    assert digest(sample_masks(masking, (224, 224))) == GOLDEN[p_keep]


def test_blocks_have_one_shift_and_their_shifts_fill_the_cell_evenly() -> None:
    length = block_length(3, 0.5)
    shifts = drawn(64 * length, 3, size=240).shifts  # cells of 80 x 80 pixels
    shifts = shifts.reshape(32, length, 2, 2).transpose(0, 2, 1, 3).reshape(64, length, 2)
    assert (shifts == shifts[:, :1]).all()
    counts = np.histogram2d(*shifts[:, 0].T, bins=4, range=[[0, 80], [0, 80]])[0]
    assert counts.min() >= 2  # 4 on average
    assert counts.max() <= 6
    other = drawn(length, 3, seed=1, size=240).shifts
    assert (other[0] != shifts[0, 0]).any()


# What it is for


def alike(batch: np.ndarray) -> np.ndarray:
    """(b, 32, 32, 1) -> (b, 2): an angle that depends on cells of 4 x 4 pixels, on some pairs, and on their mean."""
    cells = batch.reshape(len(batch), 8, 4, 8, 4).mean(axis=(2, 4)).reshape(len(batch), 64)
    random = np.random.default_rng(8)
    each, pairs = random.normal(size=64), np.triu(random.normal(size=(64, 64)) * 0.2, 1)
    angle = np.tanh(0.1 * (cells @ each + np.einsum("bi,ij,bj->b", cells, pairs, cells))) + 0.8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def runs(scheme: str, p_keep: float = 0.5) -> list[Probe]:
    encoder = explorer.from_function(alike, batch_size=64)
    settings = [MaskSettings(256, p_keep=p_keep, seed=seed, scheme=scheme) for seed in range(6)]
    return [explorer.probe(np.ones((32, 32, 1)), encoder=encoder, masking=masking) for masking in settings]


def agreement(probes: list[Probe], selection: SelectionSettings) -> float:
    return mean_agreement([explorer.rank(p, embedding=AHEAD, selection=selection).attribution for p in probes])


@pytest.mark.parametrize("p_keep", [0.5, 0.3])
def test_runs_agree_more_than_those_of_independent_masks(p_keep: float) -> None:
    """Agreement over disagreement grows as the number of masks does."""
    independent, orthogonal = runs("philox", p_keep), runs("orthogonal", p_keep)
    for mode, gain in (("mirror", 1.3), ("rank_weighted", 2.0)):  # seen: 1.8 and 3.5
        before, after = (agreement(probes, SelectionSettings(mode=mode)) for probes in (independent, orthogonal))
        assert after / (1 - after) > gain * before / (1 - before)


@pytest.mark.parametrize("mode", ["mirror", "rank_weighted"])
def test_the_halves_of_a_run_foretell_how_runs_agree(mode: str) -> None:
    probes, selection = runs("orthogonal"), SelectionSettings(mode=mode)
    foretold = [expected_agreement(split_half(probe, Reference(AHEAD, "ahead"), selection)) for probe in probes]
    print(np.mean(foretold), agreement(probes, selection))
    assert np.mean(foretold) == pytest.approx(agreement(probes, selection), abs=0.1)
