"""What is decided in one place, and that the app and the studies say the same of one case."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.core.agreement import SCATTER, by_chance, scatter
from explorer.core.masks import MaskSet, MaskSettings, sample_masks
from explorer.core.spearman import spearman
from explorer.evaluation.deletion import Deletion, several_fills
from explorer.evaluation.randomization import Randomization
from explorer.evaluation.stability import Stability, masks_to_reach
from explorer.evaluation.verdicts import (
    SAME,
    Effect,
    Likeness,
    judge_deletion,
    judge_fills,
    judge_randomization,
    judge_sensitivity,
    judge_stability,
    likeness,
    masks_wanted,
    tells_most,
)
from explorer.studies.deletion import _said as words_of_deletion
from explorer.studies.randomization import _said as words_of_study
from explorer.ui.tabs.evidence.deletion import deletion_verdict
from explorer.ui.tabs.evidence.randomization import randomization_report

# Alike by chance


def unrelated(masks: MaskSet, random: np.random.Generator, share: float) -> np.ndarray:
    """A map of weights dealt to masks at random."""
    n = len(masks)
    weights, order, end = np.zeros(n), random.permutation(n), max(1, int(share * n))
    weights[order[:end]], weights[order[n - end :]] = 1 / end, -1 / end
    return masks.weighted_sum(weights)


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("cells", "n_masks", "share"), [(4, 200, 0.1), (8, 100, 0.5), (8, 500, 0.1), (16, 200, 0.1)])
def test_unrelated_maps_lie_within_the_band(cells: int, n_masks: int, share: float, same: bool) -> None:
    random, found = np.random.default_rng(1), []
    for seed in range(80):
        settings = [MaskSettings(n_masks=n_masks, feature_res=cells, seed=s) for s in (seed, seed + (not same) * 1000)]
        found.append(spearman(*(unrelated(sample_masks(one, (48, 48)), random, share) for one in settings)))
    shared = n_masks if same else None
    assert 0.87 <= np.mean(np.abs(found) <= by_chance(cells, shared)) <= 1
    assert np.std(found) == pytest.approx(scatter(cells, shared), rel=0.25)


def test_how_large_a_place_is_by_the_covariance_of_pixels() -> None:
    """tr(K^2) / (tr K)^2 along an axis, for cells of length 1 that are interpolated and shifted: 1.08 / cells."""
    step, cells = 0.01, 400
    hat = 1 - np.abs(np.arange(-1, 1 + step / 2, step))
    spline = np.convolve(hat, hat) * step
    lags = np.abs(np.linspace(-2, 2, len(spline)))
    squares = ((cells - lags) * spline**2).sum() * step
    assert cells * squares / (cells * spline.max()) ** 2 == pytest.approx(1.08, abs=0.01)
    assert pytest.approx(1.08, rel=0.02) == SCATTER


@pytest.mark.parametrize("first", [0.26, 0.29, 0.32])
@pytest.mark.parametrize("order", ["top_down", "bottom_up"])
def test_app_and_study_call_the_same_map_lost(first: float, order: str) -> None:
    """300 masks of 8 cells: unrelated maps lie within 0.290; the study had 0.4, and a sample's quantiles beside."""
    limit = by_chance(8, 300)
    similarity = np.array([1.0, first, 0.1])
    maps = np.zeros((3, 2, 2), np.float32)
    found = Randomization(order, "shuffle", ("last", "first"), maps, similarity, similarity, similarity)
    study, compared = words_of_study(found, "lost", limit)
    app = " ".join(randomization_report(found, limit, stopped=False)["verdict"])
    lost = first <= limit
    assert bool(compared.agrees) is lost
    assert ("From part 1 of 2 on" in study[1]) is lost
    assert ("From step 1 (last) on" in app) is lost
    assert f"±{limit:.2f}" in study[1]
    assert f"±{limit:.2f}" in app


def test_app_and_study_count_the_same_blocks() -> None:
    similarity = np.array([1.0, 0.35, 0.2, 0.9, -0.5])
    maps, limit = np.zeros((5, 2, 2), np.float32), by_chance(8, 300)
    found = Randomization("independent", "shuffle", tuple("abcd"), maps, similarity, similarity, similarity)
    assert words_of_study(found, "", limit)[0][0].startswith("2 of 4 parts, shuffled alone, keep more of the map")
    assert randomization_report(found, limit, False)["verdict"][0].startswith("Scrambled one at a time, 2 of 4 blocks")


# Deletion

SHARES = np.linspace(0, 1, 11)
EVEN = np.stack([SHARES, SHARES + 0.02 * np.sin(np.pi * SHARES), SHARES - 0.02 * np.sin(np.pi * SHARES)])


@pytest.mark.parametrize(
    ("height", "effect", "app", "study"),
    [
        (0.2, Effect.MORE, "raises the distance more than chance", "LoDF runs above random"),
        (0.03, Effect.CHANCE, "red first is no better than chance", "LoDF is no different from random"),
        (-0.2, Effect.LESS, "red first does less than chance", "LoDF does not run above random"),
    ],
)
def test_app_and_study_judge_a_deletion_alike(height: float, effect: Effect, app: str, study: str) -> None:
    """At 0.03 the area is 1.5 standard deviations: more than the one that the study had, less than two."""
    red, blue = (SHARES + sign * height * np.sin(np.pi * SHARES) for sign in (1, -1))
    found = Deletion(SHARES, red, blue, EVEN)
    verdict = judge_deletion(found)
    assert verdict is not None
    assert (verdict.red, verdict.blue) == (effect, effect)
    assert verdict.spread == pytest.approx(2 * found.random_areas().std(ddof=1))
    assert verdict.srg == found.srg
    assert verdict.gain is (Effect.MORE if height > 0 else Effect.LESS)  # of two sides 1.5 deviations are enough
    assert app in deletion_verdict({"mean": found}, stopped=False)[1]
    said = words_of_deletion(found, verdict)
    assert any(study in line for line in said)
    assert said[0].startswith("Deleted pixels are in the picture's mean colour")
    assert verdict.as_the_paper is (effect is Effect.MORE)


def test_a_verdict_by_several_fills_is_none_where_they_disagree() -> None:
    red, blue = (SHARES + sign * 0.2 * np.sin(np.pi * SHARES) for sign in (1, -1))
    faithful, unsure = Deletion(SHARES, red, blue, EVEN), Deletion(SHARES, blue, red, EVEN)
    nothing = Deletion(SHARES, red, blue, np.full((2, 11), np.nan))
    agreed, split = judge_fills({"black": faithful, "blur": faithful}), judge_fills({"black": faithful, "blur": unsure})
    assert agreed is not None
    assert split is not None
    assert (agreed.gain, agreed.depends) == (Effect.MORE, False)
    assert (split.gain, split.depends) == (None, True)
    assert (split.each["black"].gain, split.each["blur"].gain) == (Effect.MORE, Effect.LESS)
    part = judge_fills({"black": faithful, "blur": nothing})
    assert part is not None
    assert list(part.each) == ["black"]
    assert judge_fills({"black": nothing}) is None
    for own in ("black", "zero", "blur", "noise", "mean"):
        assert several_fills(own)[0] == own
        assert len(set(several_fills(own))) == 3


def test_the_early_part_is_a_mean_distance() -> None:
    found = Deletion(SHARES, SHARES + 0.1 * (SHARES > 0), SHARES, EVEN[:1])
    verdict = judge_deletion(found)
    assert verdict is not None
    assert verdict.early["lodf"] == pytest.approx(0.075)  # trapezoids: half of the first step of two
    assert verdict.red is Effect.CHANCE  # one order says nothing about chance


def test_the_largest_gain_tells_most() -> None:
    assert tells_most({"a": 0.1, "b": 0.3, "c": -1}) == "b"
    assert tells_most({"a": 0.0, "c": -1}) is None
    assert tells_most({}) is None


# How alike two maps are


def test_stability_and_sensitivity_mean_the_same_by_alike() -> None:
    """Maps that correlate by r differ by sqrt(2 - 2 r) of their size."""
    for correlation, said in ((0.95, Likeness.SAME), (0.8, Likeness.LARGE), (0.5, Likeness.LITTLE)):
        assert likeness(correlation) is said
        verdict = judge_sensitivity(np.array([np.sqrt(2 - 2 * correlation), np.nan]))
        assert verdict is not None
        assert verdict.likeness is said
        assert verdict.pictures == 1
        curve = {"one": np.array([correlation, np.nan])}
        stability = judge_stability(Stability(np.array([100, 300]), (0, 1), curve, curve, curve), "one", 100)
        assert stability is not None
        assert (stability.likeness, stability.n_masks) == (said, 100)
        assert stability.wanted == masks_wanted(correlation, 100) == masks_to_reach(correlation, 100, SAME)
    assert masks_wanted(-0.1, 100) is None


def test_nothing_is_judged_before_there_is_something() -> None:
    nothing = np.full(3, np.nan)
    maps = np.zeros((3, 2, 2), np.float32)
    assert judge_deletion(Deletion(SHARES, SHARES, SHARES, np.full((2, 11), np.nan))) is None
    assert judge_sensitivity(nothing) is None
    assert judge_randomization(Randomization("top_down", "", ("a", "b"), maps, nothing, nothing, nothing), 0.2) is None
    curve = {"one": nothing}
    assert judge_stability(Stability(np.array([1, 2, 3]), (0, 1), curve, curve, curve), "one", 100) is None
