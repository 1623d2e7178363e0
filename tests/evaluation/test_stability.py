"""How alike runs with other masks are: against the paper's table 2, against loops, and as it grows."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer import InvalidInput, MaskSettings, SelectionSettings
from explorer.attributions.question import Question, make_question
from explorer.core.agreement import expected_agreement, split_half
from explorer.core.selections import MODES
from explorer.core.steps import run
from explorer.evaluation.stability import (
    PAPER_SEEDS,
    Stability,
    masks_to_reach,
    mean_agreement,
    pixel_spread,
    stability,
    stability_passes,
)

MIRROR = {"mirror": SelectionSettings()}
MASKING = MaskSettings(feature_res=3)
SIDE = 16


def patches(batch: np.ndarray) -> np.ndarray:
    """(b, h, w, c) -> (b, 3): the brightness of a patch, that of the rest, and a bend of both."""
    h, w = batch.shape[1:3]
    patch = batch[:, h // 4 : h // 2, w // 4 : w // 2].mean(axis=(1, 2, 3), dtype=np.float64)
    rest = batch.mean(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([1 + patch, 1 + rest, np.sin(7 * patch * rest + 1)], axis=1)


def question(side: int = SIDE, batch_size: int = 16) -> Question:
    picture = np.random.default_rng(0).uniform(0.5, 1, (side, side, 1)).astype(np.float32)
    encoder = explorer.from_function(patches, batch_size=batch_size)
    return make_question(picture, embedding=np.array([2.0, 1.0, 0.5]), encoder=encoder)


# The paper's table 2


@pytest.mark.parametrize(("n", "seeds", "paper"), [(100, 20, 0.140), (500, 8, 0.063), (2000, 4, 0.0315)])
def test_table_2(n: int, seeds: int, paper: float) -> None:
    """Meijer & Bos 2025, arXiv:2505.15516: mean standard deviation per pixel, mirror at 10 %, three pairs alike."""
    masking = MaskSettings(scheme="dianna")
    found = run(
        stability(question(224, 100), masking=masking, selections=MIRROR, counts=(n,), seeds=range(seeds))
    ).spread["mirror"]
    print(n, found)
    assert found[0] == pytest.approx(paper, rel=0.1)


@pytest.mark.parametrize("runs", [2, 3, 5, PAPER_SEEDS, 50])
def test_few_runs_show_the_spread_that_twenty_would(runs: int) -> None:
    maps = np.random.default_rng(runs).normal(0, 0.3, (runs, 200, 200))
    twenty = np.random.default_rng(1).normal(0, 0.3, (20, 200, 200))
    assert pixel_spread(list(maps)) == pytest.approx(np.std(twenty, axis=0).mean(), rel=0.02)


def test_the_spread_of_twenty_runs_is_that_of_the_papers_script() -> None:
    maps = np.random.default_rng(0).normal(size=(20, 5, 7)).astype(np.float32)
    assert pixel_spread(list(maps)) == pytest.approx(maps.std(axis=0).mean(), rel=1e-6)


# Against loops


@pytest.mark.parametrize("scheme", ["philox", "orthogonal", "dianna"])
def test_every_mode_against_a_loop(scheme: str) -> None:
    case, seeds, counts = question(), (4, 0, 9), (20, 50)
    selections = {mode: SelectionSettings(mode=mode, threshold=0.2) for mode in MODES}
    masking = replace(MASKING, scheme=scheme)
    found = run(stability(case, masking=masking, selections=selections, counts=counts, seeds=seeds))
    assert found.seeds == seeds
    np.testing.assert_array_equal(found.counts, counts)
    for at, n in enumerate(counts):
        probes = [
            explorer.probe(case.pixels, encoder=case.encoder, masking=replace(masking, n_masks=n, seed=seed))
            for seed in seeds
        ]
        for name, selection in selections.items():
            maps = [
                explorer.rank(probe, embedding=case.target.embedding, selection=selection).relative.astype(float)
                for probe in probes
            ]
            pairs = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.combinations(maps, 2)]
            halves = [expected_agreement(split_half(probe, case.target, selection)) for probe in probes]
            assert found.agreement[name][at] == pytest.approx(np.mean(pairs))
            assert found.expected[name][at] == pytest.approx(np.mean(halves))
            assert found.spread[name][at] == pytest.approx(pixel_spread(maps))


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batches_do_not_matter(batch_size: int) -> None:
    found, other = (
        run(stability(question(batch_size=size), masking=MASKING, selections=MIRROR, counts=(10, 25), seeds=(0, 1)))
        for size in (16, batch_size)
    )
    np.testing.assert_allclose(found.agreement["mirror"], other.agreement["mirror"], rtol=1e-9)


def test_the_cases_distance_takes_the_place_of_the_selections() -> None:
    settings = {"masking": MASKING, "counts": (30,), "seeds": (0, 1)}
    euclidean = {"mirror": SelectionSettings(distance="euclidean")}
    found = run(stability(question(), selections=euclidean, **settings))
    cosine = run(stability(question(), selections=MIRROR, **settings))
    far = run(stability(replace(question(), distance="euclidean"), selections=MIRROR, **settings))
    assert found.agreement["mirror"] == cosine.agreement["mirror"]
    assert far.agreement["mirror"] != cosine.agreement["mirror"]


def test_more_masks_agree_more_and_spread_less() -> None:
    found = run(stability(question(), masking=MASKING, selections=MIRROR, counts=(20, 100, 500), seeds=range(4)))
    assert (np.diff(found.agreement["mirror"]) > 0).all()
    assert (np.diff(found.spread["mirror"]) < 0).all()
    assert found.agreement["mirror"][0] < found.agreement["mirror"][2] - 0.1


# As it grows


@pytest.mark.parametrize("scheme", ["philox", "orthogonal", "dianna"])
def test_the_price_and_the_parts(scheme: str) -> None:
    embedded = 0

    def counting(batch: np.ndarray) -> np.ndarray:
        nonlocal embedded
        embedded += len(batch)
        return patches(batch)

    encoder = explorer.from_function(counting, batch_size=8)
    case = make_question(np.ones((SIDE, SIDE, 1)), embedding=np.array([2.0, 1.0, 0.5]), encoder=encoder)
    masking, counts, seeds = replace(MASKING, scheme=scheme), (10, 30), (0, 1, 2)
    steps = stability(case, masking=masking, selections=MIRROR, counts=counts, seeds=seeds)
    told, parts = 0, []
    for step in steps:
        if isinstance(step, Stability):
            parts.append(step)
        else:
            assert 0 < step <= 8
            told += step
            assert told == embedded
    assert told == stability_passes(counts=counts, seeds=seeds, masking=masking)
    assert told == (3 * 40 if scheme == "dianna" else 3 * 30)
    reached = [np.isfinite(part.agreement["mirror"]).tolist() for part in parts]
    assert reached == [[True, False], [True, False], [True, True], [True, True]]
    assert np.isnan(parts[0].spread["mirror"][1])


def test_a_price_of_the_papers_table() -> None:
    assert stability_passes() == 5 * 2000
    assert stability_passes(seeds=range(20), masking=MaskSettings(scheme="dianna")) == 20 * 2600
    assert stability_passes(counts=(30, 10, 30)) == 5 * 30


def test_counts_come_back_ascending_and_once() -> None:
    found = run(stability(question(), masking=MASKING, selections=MIRROR, counts=(30, 10, 30), seeds=(0, 1)))
    assert found.counts.tolist() == [10, 30]


def test_maps_without_signal_agree_about_nothing() -> None:
    dead = explorer.from_function(lambda batch: np.ones((len(batch), 2)))
    case = make_question(np.ones((SIDE, SIDE, 1)), embedding=np.ones(2), encoder=dead)
    found = run(stability(case, masking=MASKING, selections=MIRROR, counts=(20,), seeds=(0, 1)))
    assert (found.agreement["mirror"][0], found.spread["mirror"][0], found.expected["mirror"][0]) == (0, 0, 0)


def test_mean_agreement_of_flat_maps() -> None:
    slope = np.arange(12.0).reshape(3, 4)
    assert mean_agreement([slope, slope]) == pytest.approx(1)
    assert mean_agreement([slope, -slope]) == pytest.approx(-1)
    assert mean_agreement([slope, slope, np.ones((3, 4))]) == pytest.approx(1 / 3)


# How many masks it would take


def test_masks_to_reach() -> None:
    assert masks_to_reach(0.5, 100, 0.5) == 100
    assert masks_to_reach(0.5, 100, 0.9) == 900
    assert masks_to_reach(0.9, 900, 0.5) == 100
    assert masks_to_reach(0.75, 100, 0.9) == 300
    assert masks_to_reach(1.0, 100, 0.9) == 1
    for agreement, n in ((0.3, 50), (0.6, 333)):  # the formula of the meter, inverted
        reached = masks_to_reach(agreement, n, 0.9)
        k = reached / n
        assert k * agreement / (1 + (k - 1) * agreement) == pytest.approx(0.9, abs=0.002)
        assert k * agreement / (1 + (k - 1) * agreement) >= 0.9 - 1e-12


@pytest.mark.parametrize("agreement", [0.0, -0.2, float("nan")])
def test_runs_that_do_not_agree_foretell_nothing(agreement: float) -> None:
    with pytest.raises(InvalidInput, match="do not agree at all"):
        masks_to_reach(agreement, 100, 0.9)


@pytest.mark.parametrize("target", [0.4, 1.0, "x"])
def test_targets_there_are_not(target: float) -> None:
    with pytest.raises(InvalidInput, match="agreement must be"):
        masks_to_reach(0.5, 100, target)


def test_the_foretold_number_is_about_right() -> None:
    selections = {"ranks": SelectionSettings(mode="rank_weighted")}
    found = run(stability(question(), masking=MASKING, selections=selections, counts=(40, 400), seeds=range(6)))
    low, high = found.agreement["ranks"]
    foretold = masks_to_reach(float(low), 40, float(high))
    print(low, high, foretold)
    assert 200 < foretold < 800


# What cannot be


@pytest.mark.parametrize("seeds", [(), (0,), (0, 0), (0, 1, 1)])
def test_runs_must_be_two_and_differ(seeds: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="at least two seeds"):
        run(stability(question(), masking=MASKING, selections=MIRROR, counts=(10,), seeds=seeds))


def test_numbers_of_masks_out_of_range() -> None:
    with pytest.raises(InvalidInput, match=r"n_masks must be"):
        stability_passes(counts=(5,))
    with pytest.raises(InvalidInput, match="at least one number of masks"):
        stability_passes(counts=())
