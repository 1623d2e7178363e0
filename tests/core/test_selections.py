"""Which masks count, and how much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from explorer import SelectionSettings
from explorer.core.selections import MODES, meaning, select
from tests.oracles import slow


def some_distances(n: int = 100, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(n)


many_distances = st.lists(st.integers(0, 8).map(lambda k: k / 8), min_size=10, max_size=60).map(np.array)
"""With many ties."""
thresholds = st.integers(1, 50).map(lambda percent: percent / 100)


@given(distances=many_distances, threshold=thresholds, mode=st.sampled_from(["closest", "farthest", "mirror"]))
def test_modes_against_loops(distances: np.ndarray, threshold: float, mode: str) -> None:
    near = (0.0, threshold) if mode != "farthest" else (0.0, 0.0)
    far = (1 - threshold, 1.0) if mode != "closest" else (0.0, 0.0)
    found = select(distances, SelectionSettings(mode=mode, threshold=threshold))
    np.testing.assert_allclose(found, slow.slice_weights(distances, near, far), rtol=1e-12)


@given(distances=many_distances)
def test_rank_weighted_against_loops_and_scipy(distances: np.ndarray) -> None:
    found = select(distances, SelectionSettings(mode="rank_weighted"))
    np.testing.assert_allclose(found, slow.rank_weights(distances), atol=1e-12)
    centred = (len(distances) + 1) / 2 - rankdata(distances)
    total = centred[centred > 0].sum()
    np.testing.assert_allclose(found, centred / total if total else 0, atol=1e-12)


@given(distances=many_distances, threshold=thresholds, mode=st.sampled_from(list(MODES)))
def test_scale_and_order(distances: np.ndarray, threshold: float, mode: str) -> None:
    weights = select(distances, SelectionSettings(mode=mode, threshold=threshold))
    assert weights.shape == distances.shape
    assert weights.dtype == np.float64
    for part, sign in ((weights[weights > 0], 1), (weights[weights < 0], -1)):
        if len(part):
            assert part.sum() == pytest.approx(sign)
    # No mask counts more than one that lies closer.
    assert all(weights[i] >= weights[j] for i in range(10) for j in range(10) if distances[i] < distances[j])


@pytest.mark.parametrize(("mode", "positive", "negative"), [("closest", 1, 0), ("farthest", 0, -1), ("mirror", 1, -1)])
def test_the_sides_of_the_modes(mode: str, positive: float, negative: float) -> None:
    distances = some_distances()
    weights = select(distances, SelectionSettings(mode=mode, threshold=0.2))
    assert weights[weights > 0].sum() == pytest.approx(positive)
    assert weights[weights < 0].sum() == pytest.approx(negative)
    order = np.argsort(distances)
    assert (weights[order[:20]] > 0).all() == (positive == 1)
    assert (weights[order[80:]] < 0).all() == (negative == -1)
    assert not weights[order[20:80]].any()


@pytest.mark.parametrize("n", [10, 57, 99, 100, 1000])
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.1), (0.2, 0.5), (0.29, 0.58), (0.07, 0.57), (0.9, 1.0), (0.5, 0.5)])
def test_slices_are_cut_as_the_reference_implementation_does(n: int, low: float, high: float) -> None:
    """int(n * low) to int(n * high), floating point and all: 100 * 0.29 is 28.999..., so 28."""
    distances = some_distances(n)
    weights = select(distances, SelectionSettings(closest=(low, high)))
    chosen = np.argsort(distances)[int(n * low) : int(n * high)]
    assert set(np.flatnonzero(weights)) == set(chosen)
    assert (weights[chosen] == 1 / max(len(chosen), 1)).all()


def test_slices_override_mode_and_threshold() -> None:
    distances = some_distances()
    free = {"closest": (0.2, 0.5), "farthest": (0.5, 0.8)}
    for mode in MODES:
        weights = select(distances, SelectionSettings(mode=mode, threshold=0.01, **free))
        np.testing.assert_array_equal(weights, select(distances, SelectionSettings(**free)))
        assert (weights > 0).sum() == (weights < 0).sum() == 30
    only_far = select(distances, SelectionSettings(farthest=(0.5, 0.8)))
    assert (only_far <= 0).all()
    assert (only_far < 0).sum() == 30


def test_overlapping_slices_cancel() -> None:
    both = select(some_distances(), SelectionSettings(closest=(0.0, 1.0), farthest=(0.0, 1.0)))
    assert not both.any()


def test_ties_go_to_the_earlier_mask() -> None:
    """Enough of them that an unstable sort would mix them up."""
    distances = np.tile([0.5, 0.2], 500)
    weights = select(distances, SelectionSettings(threshold=0.1))
    np.testing.assert_array_equal(np.flatnonzero(weights > 0), np.arange(1, 200, 2))
    np.testing.assert_array_equal(np.flatnonzero(weights < 0), np.arange(800, 1000, 2))


def test_rank_weighted_ties_share_their_weight() -> None:
    weights = select(
        np.array([0.3, 0.1, 0.3, 0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.6]), SelectionSettings(mode="rank_weighted")
    )
    assert weights[0] == weights[2] == weights[5]
    assert weights[1] == weights[3]
    assert weights[1] > weights[4] > weights[0] > 0 > weights[9] > weights[6]


def test_rank_weighted_leaves_the_middle_out() -> None:
    weights = select(np.arange(11) / 10, SelectionSettings(mode="rank_weighted"))
    assert weights[5] == 0
    np.testing.assert_allclose(weights, np.arange(5, -6, -1) / 15)


@pytest.mark.parametrize("mode", MODES)
def test_equal_distances_under_rank_weighted_select_nothing(mode: str) -> None:
    weights = select(np.full(50, 0.4), SelectionSettings(mode=mode))
    assert weights.any() == (mode != "rank_weighted")  # slices take the first and last; `rank` flags it as no signal


@pytest.mark.parametrize("mode", MODES)
def test_scaling_distances_changes_nothing(mode: str) -> None:
    distances = some_distances()
    selection = SelectionSettings(mode=mode)
    np.testing.assert_array_equal(select(distances, selection), select(distances**3 * 1e-6, selection))


@pytest.mark.parametrize("n", [10, 57, 99, 1000])
@pytest.mark.parametrize(
    ("closest", "farthest", "says"),
    [
        ((0.0, 0.1), None, "closer"),
        ((0.2, 0.5), None, "closer"),
        ((0.0, 0.8), None, "closer"),  # all others lie farther
        (None, (0.2, 1.0), "closer"),
        (None, (0.5, 0.8), "closer"),
        ((0.9, 1.0), None, "kept"),
        ((0.5, 0.8), None, "kept"),
        ((0.3, 0.7), None, "kept"),
        ((0.0, 1.0), None, "kept"),
        (None, (0.0, 0.1), "hidden"),
        (None, (0.3, 0.7), "hidden"),
        ((0.2, 0.5), (0.5, 0.8), "closer"),
        ((0.0, 0.6), (0.3, 1.0), "closer"),  # what both hold nearly cancels
        ((0.6, 0.8), (0.8, 1.0), "closer"),
        ((0.9, 1.0), (0.0, 0.1), "between"),
        ((0.0, 0.9), (0.3, 0.5), "between"),
        ((0.0, 0.1), (0.5, 0.5), "closer"),  # a slice of no width is none
        ((0.9, 1.0), (0.2, 0.2), "kept"),
        ((0.5, 0.5), None, "closer"),  # nothing is said at all
    ],
)
def test_what_the_signs_of_a_map_say(n: int, closest: tuple | None, farthest: tuple | None, says: str) -> None:
    distances = some_distances(n)
    weights = select(distances, SelectionSettings(closest=closest, farthest=farthest))
    assert meaning(weights, distances) == says


@given(distances=many_distances, threshold=thresholds, mode=st.sampled_from(list(MODES)))
def test_every_mode_says_what_brings_closer(distances: np.ndarray, threshold: float, mode: str) -> None:
    weights = select(distances, SelectionSettings(mode=mode, threshold=threshold))
    assert meaning(weights, distances) == "closer"
