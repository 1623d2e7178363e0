"""Average and maximal sensitivity, against Quantus and against a plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explorer.attributions.question import DistanceExplainer, make_question
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.steps import run
from explorer.evaluation.sensitivity import Sensitivity, sensitivity, sensitivity_passes
from tests.evaluation.networks import EXPLAINER, SIDE, explain_for_quantus, picture, plain_cnn, question

SPREAD = 0.2  # a tenth of the range of these pictures


@pytest.mark.filterwarnings("ignore")  # Quantus' own
@pytest.mark.parametrize("metric", ["AvgSensitivity", "MaxSensitivity"])
def test_agrees_with_quantus(metric: str) -> None:
    quantus = pytest.importorskip("quantus")
    n, case = 6, question()
    random = np.random.RandomState(4)
    drawn = random.normal(scale=SPREAD, size=(n, 3, SIDE, SIDE)).transpose(0, 2, 3, 1)
    ours = run(sensitivity(case, EXPLAINER, n_samples=n, noise=lambda i: drawn[i]))

    np.random.seed(4)  # Quantus draws from the global generator
    theirs = getattr(quantus, metric)(
        nr_samples=n,
        perturb_func=quantus.perturb_func.batch_gaussian_noise,
        perturb_func_kwargs={"perturb_std": SPREAD},
        disable_warnings=True,
    )(
        model=plain_cnn(),
        x_batch=case.pixels.transpose(2, 0, 1)[None],
        y_batch=np.array([0]),
        explain_func=explain_for_quantus(case),
        channel_first=True,
    )
    assert ours.max > ours.mean > 0.05  # so that the comparison means something
    value = ours.mean if metric == "AvgSensitivity" else ours.max
    assert value == pytest.approx(theirs[0], abs=1e-6)


def plainly(noisy: np.ndarray, base: np.ndarray) -> float:
    return float(np.sqrt(((noisy.astype(np.float64) - base) ** 2).sum() / (base.astype(np.float64) ** 2).sum()))


def test_is_the_relative_change_of_the_map() -> None:
    case = question()
    base = run(EXPLAINER(case))
    noise = np.random.default_rng(0).normal(0, SPREAD, (3, SIDE, SIDE, 3))
    result = run(sensitivity(case, EXPLAINER, n_samples=3, noise=lambda i: noise[i]))
    maps = [run(EXPLAINER(case.with_pixels((case.pixels + n).astype(np.float32)))) for n in noise]
    np.testing.assert_array_equal(result.attribution, base)
    np.testing.assert_allclose(result.values, [plainly(m, base) for m in maps], rtol=1e-9)
    assert result.mean == pytest.approx(np.mean(result.values))
    assert result.max == max(result.values)


def test_no_noise_changes_nothing() -> None:
    result = run(sensitivity(question(), EXPLAINER, n_samples=2, noise=lambda i: np.zeros((SIDE, SIDE, 3))))
    np.testing.assert_array_equal(result.values, [0, 0])


def noisy_pictures(**choices: Any) -> list[np.ndarray]:
    """The pictures a method is shown, without the first, which has no noise."""
    seen: list[np.ndarray] = []

    class Watcher:
        def passes(self, case: Any) -> int:
            return 1

        def __call__(self, case: Any) -> Any:
            seen.append(case.pixels)
            yield 1
            return case.pixels[..., 0].astype(np.float32)

    pixels = np.full((64, 64, 3), 128, np.float32)
    case = make_question(pixels, embedding=np.ones(10), encoder=question().encoder)
    run(sensitivity(case, Watcher(), **choices))
    np.testing.assert_array_equal(seen[0], pixels)
    return seen[1:]


def test_the_noise_is_as_large_as_asked() -> None:
    (one,) = noisy_pictures(n_samples=1)
    assert one.dtype == np.float32
    assert (one - 128).std() == pytest.approx(25.5, rel=0.02)
    assert (one - 128).mean() == pytest.approx(0, abs=1)
    (one,) = noisy_pictures(n_samples=1, law="uniform", spread=0.2)
    assert np.abs(one - 128).max() == pytest.approx(0.2, rel=0.01)
    assert (one - 128).std() == pytest.approx(0.2 / np.sqrt(3), rel=0.02)


def test_the_noise_depends_on_seed_and_number_alone() -> None:
    two, three = noisy_pictures(n_samples=2), noisy_pictures(n_samples=3)
    np.testing.assert_array_equal(two, three[:2])
    assert (three[0] != three[1]).mean() > 0.99
    assert (noisy_pictures(n_samples=1, seed=1)[0] != two[0]).mean() > 0.99


def test_clipping_is_a_choice() -> None:
    (free,) = noisy_pictures(n_samples=1, spread=100)
    (cut,) = noisy_pictures(n_samples=1, spread=100, clip=True)
    (own,) = noisy_pictures(n_samples=1, spread=100, clip=(100, 150))
    assert free.min() < 0 < 255 < free.max()
    np.testing.assert_array_equal(cut, np.clip(free, 0, 255))
    np.testing.assert_array_equal(own, np.clip(free, 100, 150))


@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_same_whatever_the_batch_size(batch_size: int) -> None:
    from explorer.encoders.functions import from_function
    from tests.conftest import quarters

    results = [
        run(
            sensitivity(
                make_question(
                    picture(1) + 2, reference=picture(2) + 2, encoder=from_function(quarters, batch_size=size)
                ),
                EXPLAINER,
                n_samples=2,
                spread=SPREAD,
            )
        )
        for size in (batch_size, 40)
    ]
    np.testing.assert_array_equal(results[0].values, results[1].values)


def test_the_price_is_what_is_embedded_and_parts_are_whole() -> None:
    case, explainer = question(), DistanceExplainer(MaskSettings(n_masks=10))
    steps = list(sensitivity(case, explainer, n_samples=3, spread=SPREAD))
    assert sum(step for step in steps if isinstance(step, int)) == sensitivity_passes(case, explainer, 3) == 40
    parts = [step for step in steps if isinstance(step, Sensitivity)]
    assert [part.done for part in parts] == [1, 2, 3]
    assert np.isfinite(parts[0].mean)
    np.testing.assert_array_equal(parts[0].values[:1], parts[-1].values[:1])
    assert np.isnan(Sensitivity(np.full(2, np.nan), parts[0].attribution).mean)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"n_samples": 0}, "at least 1"),
        ({"spread": 0.0}, "above 0"),
        ({"spread": float("nan")}, "above 0"),
        ({"law": "salt"}, "gaussian, uniform"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_embedded(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        next(sensitivity(question(), EXPLAINER, **choices))


def test_a_map_of_zeros_has_no_relative_change() -> None:
    blank = make_question(np.zeros((16, 16, 3), np.float32), reference=picture(2), encoder=question().encoder)
    with pytest.raises(InvalidInput, match="all zero"):
        run(sensitivity(blank, EXPLAINER, n_samples=1))
