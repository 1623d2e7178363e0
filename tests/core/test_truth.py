"""Whether a map tells the truth: what is known of made-up distances, and of every shipped example."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

import explorer
from explorer.core.masks import MaskSettings
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.truth import FEWEST, Truth, own_truth, truth, truth_of
from explorer.pictures.examples import presets
from explorer.results.wire import load_replay, replay_of, unpack

PRESETS = [preset.key for preset in presets() if replay_of(preset.key)]


def shown(key: str, **selection: object) -> explorer.Explanation:
    probe, target = unpack(load_replay(replay_of(key)))
    return rank_against(probe, target, SelectionSettings(**selection))


@pytest.mark.parametrize("key", PRESETS)
def test_true_above_blurred_above_shuffled_above_inverted(key: str) -> None:
    explained = shown(key)
    probe = explained.probe
    found = explained.relative
    rng = np.random.default_rng(0)
    blurred = ndimage.gaussian_filter(found, 28)
    blocks = found.reshape(8, 28, 8, 28).transpose(0, 2, 1, 3).reshape(64, 28, 28)
    shuffled = blocks[rng.permutation(64)].reshape(8, 8, 28, 28).transpose(0, 2, 1, 3).reshape(224, 224)
    values = [truth(one, probe=probe, reference=explained).spearman for one in (found, blurred, shuffled, -found)]
    assert values == sorted(values, reverse=True), values
    assert values[0] > 0.3
    assert values[-1] == pytest.approx(-values[0])
    own = truth(explained)  # of copies it was not made from: less than of those it was, and not nothing
    assert 0.2 < own.spearman < values[0]
    assert -1 <= own.r2 <= 1
    assert own.n == len(probe)


def additive(values: np.ndarray, n: int = 400) -> explorer.Explanation:
    """A picture of which every pixel counts by itself: the distance is known from the mask."""
    size = values.shape

    def embed(batch: np.ndarray) -> np.ndarray:
        angle = 1.2 + (batch[..., 0] * values).sum((1, 2)) / np.abs(values).sum() / 2
        return np.stack([np.sin(angle), np.cos(angle)], 1)

    encoder = explorer.from_function(embed)
    return explorer.explain(
        np.ones((*size, 1)), embedding=[1.0, 0.0], encoder=encoder, masking=MaskSettings(n_masks=n, feature_res=4),
        selection=SelectionSettings(mode="rank_weighted", distance="angular"),
    )  # fmt: skip


def test_a_sum_is_accounted_for_whole_by_what_each_pixel_does() -> None:
    values = np.random.default_rng(3).normal(size=(16, 16))
    explained = additive(values)
    exact = truth(values, probe=explained.probe, reference=explained)
    assert exact.spearman == pytest.approx(1, abs=1e-6)
    assert exact.r2 == pytest.approx(1, abs=1e-6)
    assert truth(explained).spearman > 0.6


def test_beyond_the_share_kept_a_map_without_a_place_knows_nothing() -> None:
    """The closeness hangs on how much is kept, since what the pixels do adds up to much."""
    rng = np.random.default_rng(3)
    values = 1 + rng.normal(size=(4, 4)).repeat(4, 0).repeat(4, 1)
    known = additive(values)

    def told(one: np.ndarray, beyond: bool) -> float:
        found = truth_of(one, known.probe, "angular", known.reference, beyond_share=beyond)
        return found.spearman

    even = np.ones((16, 16))
    shuffled = rng.permutation(values.ravel()).reshape(16, 16)
    assert told(values, False) == pytest.approx(1, abs=1e-6)
    assert told(values, True) == pytest.approx(1, abs=1e-3)
    assert told(even, False) > 0.5
    assert told(even, True) == 0
    assert abs(told(shuffled, True)) < 0.3 < told(shuffled, False)
    assert told(-values, True) == pytest.approx(-1, abs=1e-3)


def test_chance_accounts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    encoder = explorer.from_function(lambda batch: rng.normal(size=(len(batch), 8)))
    explained = explorer.explain(
        np.random.default_rng(1).random((16, 16, 3)), embedding=np.ones(8), encoder=encoder,
        masking=MaskSettings(n_masks=1000, feature_res=4),
    )  # fmt: skip
    assert abs(truth(explained).spearman) < 0.1


@pytest.mark.parametrize("mode", MODES)
def test_by_the_slow_way(mode: str) -> None:
    """Each fold ranked as a probe of its own, mask by mask, with scipy's correlation."""
    explained = additive(np.random.default_rng(5).normal(size=(16, 16)), n=60)
    masks, distances = explained.probe.masks.render(0, 60), explained.distances
    selection = SelectionSettings(mode=mode, distance="angular")
    own = rank_against(explained.probe, explained.reference, selection)
    expected = []
    for fold in range(3):
        rest = np.arange(60) % 3 != fold
        order = np.argsort(distances[rest], kind="stable")
        low = {"closest": order[:4], "mirror": order[:4]}.get(mode, order[:0])
        high = {"farthest": order[-4:], "mirror": order[-4:]}.get(mode, order[:0])
        if mode == "rank_weighted":
            found = sum((19.5 - place) * masks[rest][i] for place, i in enumerate(order))
        else:
            mean = masks[rest].mean(0)
            found = sum(masks[rest][i] - mean for i in low) - sum(masks[rest][i] - mean for i in high)
        kept = [(masks[i] * found).sum() for i in np.flatnonzero(~rest)]
        expected.append(stats.spearmanr(kept, -distances[~rest]).statistic)
    assert truth(own, folds=3).spearman == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("correlation", [-0.9, -0.3, 0.0, 0.4, 0.8, 1.0])
def test_pairs_in_order(correlation: float) -> None:
    """Of normal numbers, counted."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 20_000))
    other = correlation * one + np.sqrt(1 - correlation**2) * other
    found = Truth(float(stats.spearmanr(one, other).statistic), 0.0, 100)
    counted = ((one[::2] < one[1::2]) == (other[::2] < other[1::2])).mean()
    assert found.in_order == pytest.approx(counted, abs=0.015)


@pytest.mark.parametrize(
    ("spearman", "n", "verdict"),
    [(0.6, 1000, "tells"), (0.2, 1000, "little"), (0.05, 1000, "nothing"), (-0.05, 1000, "nothing"),
     (-0.6, 1000, "against"), (0.4, 20, "nothing")],
)  # fmt: skip
def test_what_it_says(spearman: float, n: int, verdict: str) -> None:
    assert Truth(spearman, 0.0, n).verdict == verdict


def test_silent_maps_have_none() -> None:
    """A uniform picture; slices in no order; too few masks."""
    values = np.random.default_rng(3).normal(size=(16, 16))
    known = additive(values, n=100)
    assert own_truth(known) == truth(known)
    slices = SelectionSettings(closest=(0.3, 0.5), farthest=(0.1, 0.2), distance="angular")
    assert own_truth(rank_against(known.probe, known.reference, slices)) is None
    assert own_truth(additive(values, n=FEWEST - 1)) is None
    constant = explorer.from_function(lambda batch: np.ones((len(batch), 3)))
    flat = explorer.explain(
        np.ones((16, 16, 1)), embedding=np.ones(3), encoder=constant,
        masking=MaskSettings(n_masks=40, feature_res=4),
    )  # fmt: skip
    assert flat.no_signal
    assert own_truth(flat) is None
    assert truth(flat) == Truth(0.0, 0.0, 40)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"explained": np.ones((16, 16))}, "probe= and reference="),
        ({"explained": np.ones((4, 4)), "probe": "its", "reference": "its"}, r"finite numbers \(16, 16\)"),
        ({"explained": np.full((16, 16), np.nan), "probe": "its", "reference": "its"}, "finite numbers"),
        ({"explained": np.ones((16, 16)), "probe": "its", "reference": np.ones((2, 2))}, "a vector"),
        ({"folds": 1}, "folds must be 2 to half the masks"),
        ({"folds": 500}, "folds must be 2 to half the masks"),
    ],
)
def test_what_cannot_be_judged_is_refused(given: dict[str, object], words: str) -> None:
    explained = additive(np.ones((16, 16)), n=40)
    real = {"probe": explained.probe, "reference": explained}
    given = {name: real[name] if isinstance(value, str) else value for name, value in given.items()}
    with pytest.raises(explorer.InvalidInput, match=words):
        truth(given.pop("explained", explained), **given)


def test_a_reference_of_another_encoder_is_refused() -> None:
    explained = additive(np.eye(8), 60)
    foreign = Reference(explained.reference.embedding, "a picture", encoder="another")
    with pytest.raises(explorer.InvalidInput, match="embedded by another"):
        truth(explained.relative, probe=explained.probe, reference=foreign)


@pytest.mark.parametrize(
    ("given", "said"), [({"probe": "p"}, "probe must be a probe"), ({"reference": ["a"] * 8}, "a vector of numbers")]
)
def test_what_is_no_probe_and_no_reference_is_told(given: dict[str, object], said: str) -> None:
    explained = additive(np.eye(8), 60)
    with pytest.raises(explorer.InvalidInput, match=said):
        truth(explained.relative, **({"probe": explained.probe, "reference": explained} | given))
