"""Smooth and efficient MPRT, against Quantus."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from explorer.attributions.question import DistanceExplainer
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.spearman import spearman
from explorer.core.steps import run
from explorer.encoders.torch_layers import TorchLayers
from explorer.evaluation.mprt_variants import Efficient, Smoothed, discrete_entropy, efficient, efficient_passes
from explorer.evaluation.randomization import pose, randomization
from tests.evaluation.networks import EXPLAINER, SIDE, explain_for_quantus, fresh_as_quantus, plain_cnn, question

FEW = DistanceExplainer(MaskSettings(n_masks=10, feature_res=4))


@pytest.fixture
def quantus_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers start with the numbers Quantus gives them with a seed of 42."""
    monkeypatch.setattr(TorchLayers, "fresh", fresh_as_quantus)


@pytest.mark.filterwarnings("ignore")  # Quantus' own
@pytest.mark.usefixtures("quantus_seeds")
def test_smooth_agrees_with_quantus(monkeypatch: pytest.MonkeyPatch) -> None:
    quantus = pytest.importorskip("quantus")
    n, case = 2, question()  # halves are exact, so that equal values stay equal and share their ranks
    # Quantus leaves the explain_func it is given aside here and calls its own.
    monkeypatch.setattr(quantus, "explain", lambda model, x, y, **_: explain_for_quantus(case)(model, x, y)[:, None])
    random = np.random.RandomState(7)
    drawn = random.randn(200, 3, SIDE, SIDE).transpose(0, 2, 3, 1)

    np.random.seed(7)
    metric = quantus.SmoothMPRT(
        layer_order="bottom_up", seed=42, nr_samples=n, noise_magnitude=0.1, abs=False, normalise=False
    )
    x = case.pixels.transpose(2, 0, 1)[None]
    base = explain_for_quantus(case, Smoothed(EXPLAINER, n, noise=lambda i: drawn[i]))(plain_cnn(), x, None)
    scores = metric(
        model=plain_cnn(),
        x_batch=x,
        y_batch=np.array([0]),
        a_batch=base[:, None],
        explain_func=explain_for_quantus(case),
        channel_first=True,
    )

    # Quantus draws anew for every network; one sample has noise, the last has none.
    made = [(case.encoder, "original")]
    for name in case.encoder.layers():
        done = [name for _, name in made[1:]] + [name]
        made.append((case.encoder.randomised(done, "reinitialise"), name))
    ours = {}
    for k, (encoder, name) in enumerate(made):
        smoothed = Smoothed(EXPLAINER, n, noise=lambda i, k=k: drawn[k + i])
        attribution = run(smoothed(pose(case, encoder)))
        ours[name] = spearman(base, attribution)
    assert {name: values[0] for name, values in scores.items()} == pytest.approx(ours, abs=1e-6)


def test_smoothing_is_the_mean_of_maps() -> None:
    case = question()
    noise = np.random.default_rng(1).normal(size=(2, SIDE, SIDE, 3))
    spread = 0.1 * float(case.pixels.max() - case.pixels.min())
    maps = [run(EXPLAINER(case.with_pixels((case.pixels + spread * n).astype(np.float32)))) for n in noise]
    expected = (maps[0] + maps[1] + run(EXPLAINER(case)).astype(np.float64)) / 3
    smoothed = Smoothed(EXPLAINER, 3, noise=lambda i: noise[i])
    np.testing.assert_allclose(run(smoothed(case)), expected, atol=1e-6)
    np.testing.assert_array_equal(run(Smoothed(EXPLAINER, 1)(case)), run(EXPLAINER(case)))


def test_smoothing_is_a_method_like_any_other() -> None:
    case, smoothed = question(), Smoothed(FEW, 2, seed=4)
    assert sum(smoothed(case)) == smoothed.passes(case) == 20
    np.testing.assert_array_equal(run(smoothed(case)), run(Smoothed(FEW, 2, seed=4)(case)))
    assert (run(smoothed(case)) != run(Smoothed(FEW, 2, seed=5)(case))).any()
    result = run(randomization(case, smoothed, layers=("0",)))
    np.testing.assert_array_equal(result.maps[0], run(smoothed(case)))
    with pytest.raises(InvalidInput, match="at least 1"):
        Smoothed(FEW, 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("quantus_seeds")
def test_efficient_agrees_with_quantus() -> None:
    quantus = pytest.importorskip("quantus")
    case = question()
    metric = quantus.EfficientMPRT(
        layer_order="bottom_up", seed=42, abs=False, normalise=False, complexity_func_kwargs={"n_bins": 30}
    )
    theirs = metric(
        model=copy.deepcopy(plain_cnn()),
        x_batch=case.pixels.transpose(2, 0, 1)[None],
        y_batch=np.array([0]),
        explain_func=explain_for_quantus(case),
        channel_first=True,
        softmax=True,
    )
    ours = run(efficient(case, EXPLAINER, how="reinitialise", bins=30))
    assert ours.rise == pytest.approx(theirs[0], abs=1e-6)
    assert ours.rise != 0


def test_efficient_randomises_everything_at_once() -> None:
    case = question()
    result = run(efficient(case, FEW, seed=3))
    cascade = run(randomization(case, FEW, order="top_down", seed=3))
    np.testing.assert_array_equal(result.maps, cascade.maps[[0, -1]])
    assert sum(step for step in efficient(case, FEW)) == efficient_passes(case, FEW) == 20
    assert np.isnan(Efficient(result.maps, np.array([0.0, 1.0])).rise)


def test_entropy_of_a_histogram() -> None:
    from scipy.stats import entropy

    values = np.random.default_rng(0).normal(size=(20, 20))
    assert discrete_entropy(values, 17) == pytest.approx(entropy(np.histogram(values, bins=17)[0]))
    assert discrete_entropy(np.zeros((4, 4))) == 0
    assert discrete_entropy(np.arange(64.0), 64) == pytest.approx(np.log(64))
