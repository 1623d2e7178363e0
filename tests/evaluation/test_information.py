"""AIC and SIC: against PAIR's own code, and what they promise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer import InvalidInput
from explorer.attributions.question import Question
from explorer.core.steps import run
from explorer.evaluation.information import (
    InformationConfig,
    curve,
    information,
    information_passes,
    information_total,
    information_value,
    interpolated,
    known_pixels,
)
from explorer.evaluation.scorers import ClassScorer, make_scorer
from tests.evaluation.classes import SIDE, Classes, about_class, about_distance, noise_map, picture

SHORT = InformationConfig(thresholds=(0.1, 0.5), known=0.05, least=0.0)


def measured(
    question: Question, attribution: np.ndarray, config: InformationConfig = SHORT, **settings: Any
) -> dict[str, Any]:
    return run(information(question, attribution, run(make_scorer(question)), config, **settings))


def record(entropies: list[int], scores: list[float], same: list[bool] | None = None) -> dict[str, Any]:
    """What was measured: of the whole picture, the blurred one, and those between."""
    return {"bytes": entropies, "score": scores, "same": same}


# Against PAIR


@pytest.fixture(scope="module")
def pair() -> Any:
    """``saliency.metrics.pic`` from its file, since the package's own import wants TensorFlow."""
    found = importlib.util.find_spec("saliency")
    if found is None or not found.submodule_search_locations:
        pytest.skip("saliency is not installed")
    path = Path(found.submodule_search_locations[0]) / "metrics" / "pic.py"
    spec = importlib.util.spec_from_file_location("pair_pic", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def old_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy 2.4 has no ``trapz`` any more, which PAIR's code calls."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)


@pytest.mark.parametrize("watched", ["same", "score"])
@pytest.mark.parametrize("seed", range(4))
def test_the_areas_are_pairs(pair: Any, watched: str, seed: int) -> None:
    encoder = Classes(0.15)
    question = about_class(seed=seed, encoder=encoder)
    index = int(question.target.embedding.argmax())
    attribution = np.kron(noise_map(seed, 8), np.ones((4, 4)))  # whole cells, so that some pixels are equal
    config = InformationConfig(least=0.2)
    known = known_pixels((SIDE, SIDE), 0.01, seed)

    def predict(batch: np.ndarray) -> np.ndarray:
        rows = np.array([encoder.predict(row) for row in batch])
        return rows[:, index] if watched == "score" else (rows.argmax(axis=1) == index).astype(float)

    found = measured(question, attribution, config, known=known)
    pixels = question.pixels.astype(np.uint8)
    try:
        expected = pair.compute_pic_metric(
            pixels, attribution, known.copy(), predict, list(config.thresholds), min_pred_value=config.least
        )
    except pair.ComputePicMetricError:
        assert "aic" in found["dropped"] if watched == "same" else "sic" in found["dropped"]
        assert curve(found, watched, config) is None
        return
    np.testing.assert_allclose(curve(found, watched, config), expected.curve_y, atol=1e-9)
    assert information_value(found, watched, config) == pytest.approx(100 * expected.auc, abs=1e-6)


def test_some_of_those_count() -> None:
    """Else the comparison would compare nothing."""
    config = InformationConfig(least=0.2)
    found = [measured(about_class(seed=seed, encoder=Classes(0.15)), noise_map(), config) for seed in range(4)]
    assert sum("sic" not in one.get("dropped", {}) for one in found) >= 2
    assert sum("aic" not in one.get("dropped", {}) for one in found) >= 1


@pytest.mark.parametrize("aggregate", ["median", "mean"])
def test_many_pictures_are_put_together_as_pair_does(pair: Any, aggregate: str) -> None:
    random = np.random.default_rng(0)
    records = [
        record([1000, 100, *random.integers(100, 1000, 4).tolist()], [0.9, 0.1, *random.uniform(0, 1, 4).tolist()])
        for _ in range(5)
    ]
    config = InformationConfig(aggregate=aggregate)
    curves = [curve(one, "score", config) for one in records]
    axis = np.append(np.linspace(0, 1, 1000, endpoint=False), 1)
    singles = [pair.PicMetricResult(axis, y, [], [], [], 0.0) for y in curves]
    expected = pair.aggregate_individual_pic_results(singles, method=aggregate)
    assert information_total(records, "score", config) == pytest.approx(100 * expected.auc, abs=1e-9)


def test_the_interpolation_is_pairs(pair: Any) -> None:
    pixels = picture(1).astype(np.uint8)
    for share in (0.0, 0.01, 0.3, 0.99):
        known = known_pixels((SIDE, SIDE), share, 5)
        np.testing.assert_array_equal(interpolated(pixels, known), pair.create_blurred_image(pixels, known))


# What is promised


def test_a_curve_known_in_advance() -> None:
    """Half the information shows the whole score: a ramp to the middle, then 1; then a step back is held up."""
    axis = np.linspace(0, 1, 1001)
    found = curve(record([300, 100, 200], [0.9, 0.1, 0.9]), "score")
    np.testing.assert_allclose(found, np.minimum(2 * axis, 1), atol=1e-12)
    assert information_value(record([300, 100, 200], [0.9, 0.1, 0.9]), "score") == pytest.approx(75)
    held = record([300, 100, 200, 250], [0.9, 0.1, 0.9, 0.2])
    np.testing.assert_allclose(curve(held, "score"), np.minimum(2 * axis, 1), atol=1e-12)
    decided = record([300, 100, 200], [0.9, 0.1, 0.9], [True, False, True])
    assert information_value(decided, "same") == pytest.approx(75)


def test_what_leaves_0_to_1_is_cut_off() -> None:
    found = curve(record([300, 100, 90, 400], [0.9, 0.5, 0.1, 0.99]), "score")
    np.testing.assert_allclose(found, np.linspace(0, 1, 1001), atol=1e-12)


def test_a_right_map_beats_its_reverse() -> None:
    """The class shows in the upper left cell alone."""
    encoder = Classes()
    encoder.weights[:] = 0
    encoder.weights[:3, 2] = 3.0
    question = about_class(2, encoder=encoder)
    pixels = question.pixels * 0.3
    pixels[1:7, 1:7] = 255  # inside its cell, so that nothing around is interpolated from it
    question = question.with_pixels(np.rint(pixels).astype(np.float32))
    right = np.zeros((SIDE, SIDE))
    right[:8, :8] = 1
    config = InformationConfig(known=0.0)
    good, bad = (measured(question, m + 1e-6 * noise_map(), config) for m in (right, -right))
    for watched in ("same", "score"):
        assert information_value(good, watched, config) > information_value(bad, watched, config) + 20


def test_what_is_embedded_is_told_and_small() -> None:
    question = about_class()
    before = question.encoder.rows
    scorer = run(make_scorer(question))
    told = sum(information(question, noise_map(), scorer, SHORT))
    assert told == information_passes(question, SHORT) == 4
    assert question.encoder.rows == before + 5
    assert information_passes(question) == 15


def test_the_same_pixels_are_known_for_every_map() -> None:
    question = about_class()
    one, other = (measured(question, m, seed=3) for m in (noise_map(1), noise_map(2)))
    assert one["bytes"][:2] == other["bytes"][:2]
    assert one["score"][:2] == other["score"][:2]
    assert one["bytes"][2:] != other["bytes"][2:]
    assert measured(question, noise_map(1), seed=4)["bytes"][1] != one["bytes"][1]


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.01, 10), (0.5, 512)])
def test_known_pixels(share: float, count: int) -> None:
    known = known_pixels((SIDE, SIDE), share, 7)
    assert known.sum() == count
    np.testing.assert_array_equal(known, known_pixels((SIDE, SIDE), share, 7))


def test_where_all_is_known_nothing_changes() -> None:
    pixels = picture(3).astype(np.uint8)
    np.testing.assert_array_equal(interpolated(pixels, np.ones((SIDE, SIDE), bool)), pixels)
    known = known_pixels((SIDE, SIDE), 0.2, 0)
    np.testing.assert_array_equal(interpolated(pixels, known)[known], pixels[known])
    assert (interpolated(pixels, known) != pixels).any()


def test_a_similarity_has_scores_and_no_decisions() -> None:
    question = about_distance()
    found = measured(question, noise_map(), InformationConfig(thresholds=(0.1, 0.5), known=0.05))
    assert found["same"] is None
    assert np.isnan(information_value(found, "same"))
    assert found["score"][0] == pytest.approx(1)  # above the least score, whatever the similarity


# Pictures that do not count


@pytest.mark.parametrize(
    ("made", "watched"),
    [
        (record([9, 1, 5], [0.7, 0.1, 0.5]), "score"),
        (record([9, 1, 5], [0.9, 0.9, 0.9]), "score"),
        (record([9, 9, 9], [0.9, 0.1, 0.5]), "score"),
        (record([9, 1, 5], [0.9, 0.1, 0.5], [False, False, True]), "same"),
        (record([9, 1, 5], [0.9, 0.1, 0.5], [True, True, True]), "same"),
    ],
)
def test_pictures_that_do_not_count(made: dict[str, Any], watched: str) -> None:
    assert curve(made, watched) is None
    assert np.isnan(information_value(made, watched))
    good = record([300, 100, 200], [0.9, 0.1, 0.9], [True, False, True])
    assert information_total([good, made], watched) == pytest.approx(75)


def test_why_a_picture_does_not_count() -> None:
    question = about_class(encoder=Classes(0.02))
    found = measured(question, noise_map(), InformationConfig(thresholds=(0.5,)))
    assert "only" in found["dropped"]["sic"]
    scorer = ClassScorer(0, (int(question.encoder.predict(question.pixels).argmax()) + 1) % 5)
    wrong = run(information(question, noise_map(), scorer, InformationConfig(thresholds=(0.5,))))
    assert wrong["dropped"]["aic"] == "the decision is wrong from the start"
    flat = about_class(encoder=Classes(5)).with_pixels(np.full((SIDE, SIDE, 3), 7, np.float32))
    assert "blurred" in measured(flat, noise_map())["dropped"]["sic"]


# Refusals


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"thresholds": ()}, "information_thresholds"),
        ({"thresholds": (0.5, 0.2)}, "information_thresholds"),
        ({"thresholds": (0.0, 0.2)}, "information_thresholds"),
        ({"thresholds": (0.5, 1.0)}, "information_thresholds"),
        ({"known": 1.0}, "known_range"),
        ({"known": -0.1}, "known_range"),
        ({"aggregate": "mode"}, "unknown_aggregate"),
        ({"points": 0}, "points_range"),
    ],
)
def test_refusals_of_settings(settings: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        InformationConfig(**settings)
    assert refused.value.code == code


@pytest.mark.parametrize("factor", [-1, 2])
def test_refusals_of_pictures(factor: int) -> None:
    question = about_class()
    question = question.with_pixels(question.pixels * factor)
    with pytest.raises(InvalidInput) as refused:
        measured(question, noise_map())
    assert refused.value.code == "pixels_range"


def test_refusals_of_maps_and_seeds() -> None:
    question = about_class()
    for settings, code in (({"attribution": noise_map(0, 8)}, "attribution_size"), ({"seed": -1}, "seed_range")):
        with pytest.raises(InvalidInput) as refused:
            measured(question, **{"attribution": noise_map(), **settings})
        assert refused.value.code == code
