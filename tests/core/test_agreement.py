"""What two numbers promise about other masks, held against other masks."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer import Explanation, MaskSettings, Probe, SelectionSettings
from explorer.core.agreement import expected_agreement, split_half, wobble
from explorer.core.masks import sample_masks
from explorer.core.probe import prepare
from explorer.core.references import Reference
from explorer.core.selections import MODES
from explorer.encoders.base import Encoder
from tests.oracles import slow

AHEAD = Reference(np.array([1.0, 0.0]), "an embedding")


def unrelated(masking: MaskSettings, size: tuple[int, int], seed: int) -> Probe:
    """A probe whose embeddings know nothing of its masks."""
    encoder = explorer.from_function(lambda batch: np.ones((len(batch), 2)))
    start = prepare(np.ones((*size, 1)), encoder=encoder, masking=masking)
    angles = np.random.default_rng(seed).uniform(0, np.pi, masking.n_masks)
    return replace(start, embeddings=np.stack([np.cos(angles), np.sin(angles)], axis=1))


def planted(masking: MaskSettings, noise: float = 0.1, size: tuple[int, int] = (40, 56)) -> Probe:
    """A probe whose embeddings turn to (1, 0) as one patch is kept, but for some noise."""
    probe = unrelated(masking, size, masking.seed)
    kept = probe.masks.render(0, masking.n_masks)[:, 12:22, 30:42].mean(axis=(1, 2))
    angle = 1 - kept + np.random.default_rng(masking.seed).normal(0, noise, masking.n_masks)
    return replace(probe, embeddings=np.stack([np.cos(angle), np.sin(angle)], axis=1))


def ranked(probe: Probe, **selection: object) -> Explanation:
    return explorer.rank(probe, embedding=AHEAD.embedding, selection=SelectionSettings(**selection))


# The agreement of two halves


@pytest.mark.parametrize("n", [2, 31, 60])
@pytest.mark.parametrize("mode", MODES)
def test_split_half_against_loops(mode: str, n: int) -> None:
    probe = planted(MaskSettings(n_masks=60, feature_res=4))
    part = replace(probe, embeddings=probe.embeddings[:n])  # as when it is still growing
    masks = probe.masks.render(0, 60).astype(float)
    maps = []
    for start in (0, 1):
        distances = [slow.cosine(row, AHEAD.embedding) for row in part.embeddings[start::2]]
        near = (0.0, 0.5) if mode in ("closest", "mirror") else (0.0, 0.0)
        far = (0.5, 1.0) if mode in ("farthest", "mirror") else (0.0, 0.0)
        weights = slow.rank_weights(distances) if mode == "rank_weighted" else slow.slice_weights(distances, near, far)
        centred = [weight - sum(weights) / len(weights) for weight in weights]
        maps.append(slow.weighted_sum(centred, masks[start:n:2]))
    expected = 0.0 if n == 2 else np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1]
    found = split_half(part, AHEAD, SelectionSettings(mode=mode, threshold=0.5))
    assert found == pytest.approx(expected, abs=1e-5)
    assert isinstance(found, float)


def test_masks_given_as_an_array_agree_as_grids_do() -> None:
    grids = planted(MaskSettings(n_masks=60, feature_res=4))
    arrays = replace(grids, masks=explorer.masks_from_array(grids.masks.render(0, 60)))
    selection = SelectionSettings(threshold=0.3)
    assert split_half(arrays, AHEAD, selection) == pytest.approx(split_half(grids, AHEAD, selection), abs=1e-6)


def test_a_pattern_agrees_and_chance_does_not() -> None:
    masking = MaskSettings(n_masks=1000, feature_res=4)
    for mode in MODES:
        selection = SelectionSettings(mode=mode)
        assert split_half(planted(masking), AHEAD, selection) > 0.75
        chance = [split_half(unrelated(masking, (40, 56), seed), AHEAD, selection) for seed in range(8)]
        assert abs(np.mean(chance)) < 0.3
        assert max(chance) < 0.75


def test_where_there_is_no_map_nothing_agrees() -> None:
    probe = planted(MaskSettings(n_masks=40))
    assert split_half(replace(probe, embeddings=probe.embeddings[:1]), AHEAD, SelectionSettings()) == 0
    assert split_half(probe, AHEAD, SelectionSettings(closest=(0.5, 0.5))) == 0
    dead = replace(probe, embeddings=np.ones((40, 2)))
    assert split_half(dead, AHEAD, SelectionSettings()) == 0
    one_cell = planted(MaskSettings(n_masks=40, feature_res=1))  # every map is one colour, but for rounding
    assert split_half(one_cell, AHEAD, SelectionSettings(mode="closest", threshold=0.3)) == 0


def test_expected_agreement() -> None:
    assert [expected_agreement(half) for half in (0.0, 1 / 3, 0.5, 1.0)] == pytest.approx([0, 0.5, 2 / 3, 1])
    assert [expected_agreement(half) for half in (-1.0, -0.2)] == [0, 0]


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("mode", ["mirror", "rank_weighted"])
def test_expected_agreement_is_that_of_other_seeds(mode: str, n: int) -> None:
    probes = [planted(MaskSettings(n_masks=n, feature_res=6, seed=seed), noise=0.3) for seed in range(12)]
    selection = SelectionSettings(mode=mode)
    maps = [ranked(probe, mode=mode).relative.ravel() for probe in probes]
    seen = np.mean([np.corrcoef(a, b)[0, 1] for a, b in itertools.combinations(maps, 2)])
    halves = [split_half(probe, AHEAD, selection) for probe in probes]
    assert np.mean([expected_agreement(half) for half in halves]) == pytest.approx(seen, abs=0.05)
    assert np.mean(halves) < seen - 0.05  # the correction does something


# What chance moves a pixel by


@pytest.mark.parametrize(("n", "paper"), [(100, 0.14), (500, 0.063), (2000, 0.031)])
def test_wobble_is_the_papers_table_2(n: int, paper: float) -> None:
    """Meijer & Bos 2025, arXiv:2505.15516: mean standard deviation of a pixel over seeds, mirror at 10 %."""
    found = wobble(ranked(unrelated(MaskSettings(n_masks=n), (224, 224), 0)))
    assert found == pytest.approx(paper, rel=0.1)


@pytest.mark.parametrize(
    ("size", "feature_res"), [((32, 32), 1), ((40, 56), 2), ((33, 50), 3), ((33, 50), 8), ((40, 56), 16)]
)
@pytest.mark.parametrize(("mode", "p_keep"), [("mirror", 0.5), ("rank_weighted", 0.2), ("closest", 0.9)])
def test_wobble_is_seen_over_seeds(mode: str, p_keep: float, size: tuple[int, int], feature_res: int) -> None:
    seeds = range(800 if feature_res == 1 else 150)  # one cell: each run tells one number
    runs = [ranked(unrelated(MaskSettings(200, feature_res, p_keep, seed), size, seed), mode=mode) for seed in seeds]
    seen = np.sqrt(np.square([run.relative for run in runs]).mean())
    assert wobble(runs[0]) == pytest.approx(seen, rel=0.12)


def test_wobble_of_whole_patches_is_seen_over_seeds() -> None:
    """Sharp edges: no pixel lies between two cells, so each is hidden or kept wholly."""
    size, runs = (40, 56), []
    for seed in range(150):
        masking = MaskSettings(200, 4, 0.3, seed)
        masks = sample_masks(replace(masking, fill="drop"), size)
        runs.append(ranked(replace(unrelated(masking, size, seed), masks=masks)))
    seen = np.sqrt(np.square([run.relative for run in runs]).mean())
    assert wobble(runs[0]) == pytest.approx(seen, rel=0.12)


def test_wobble_of_masks_given_is_measured() -> None:
    random = np.random.default_rng(0)
    grids = unrelated(MaskSettings(n_masks=400, feature_res=4), (40, 56), 0)
    arrays = replace(grids, masks=explorer.masks_from_array(grids.masks.render(0, 400)))
    assert wobble(ranked(arrays)) == pytest.approx(wobble(ranked(grids)), rel=0.1)
    dots = replace(grids, masks=explorer.masks_from_array(random.random((400, 40, 56)) < 0.2))
    assert wobble(ranked(dots)) == pytest.approx(np.sqrt(0.2 * 0.8 * 2 / 40), rel=0.01)  # 40 masks at each end
    part = replace(dots, embeddings=dots.embeddings[:100])
    assert wobble(ranked(part)) == pytest.approx(2 * wobble(ranked(dots)), rel=0.01)


def test_nothing_wobbles_where_there_is_no_signal(picture: np.ndarray) -> None:
    dead: Encoder = explorer.from_function(lambda batch: np.ones((len(batch), 2)))
    flat = explorer.explain(picture, embedding=AHEAD.embedding, encoder=dead, masking=MaskSettings(n_masks=20))
    assert flat.no_signal
    assert wobble(flat) == 0
