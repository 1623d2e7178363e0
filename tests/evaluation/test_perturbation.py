"""NEG, POS, INS, DEL, ADP and PIC: against loops, and what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explorer import InvalidInput
from explorer.core.steps import run
from explorer.core.streams import Stream, generator
from explorer.evaluation.perturbation import (
    ORDERS,
    PerturbationConfig,
    area,
    drop,
    lit,
    perturbation_passes,
    perturbed,
    pixel_ranking,
    rise_blur,
    rose,
    softened,
)
from explorer.evaluation.scorers import ClassScorer, Scorer, make_scorer
from tests.evaluation.classes import SIDE, SPREAD, ZERO, Classes, about_class, about_distance, noise_map, picture
from tests.oracles import metrics as slow

RISE = PerturbationConfig(protocol="rise")


class Constant(ClassScorer):
    """Never moves."""

    def score(self, embeddings: np.ndarray) -> np.ndarray:
        return np.ones(len(embeddings))

    def same(self, embeddings: np.ndarray) -> np.ndarray:
        return np.ones(len(embeddings), bool)


def scorer_of(question: Any, **settings: Any) -> Scorer:
    scorer = run(make_scorer(question, **settings))
    question.encoder.rows = 0
    return scorer


# Against loops


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sharpness", [1.0, 0.05])
def test_the_areas_are_those_of_chefers_loop(order: str, seed: int, sharpness: float) -> None:
    question = about_class(seed=seed, encoder=Classes(sharpness))
    attribution = noise_map(seed)
    record = run(perturbed(question, attribution, scorer_of(question), order))
    label = int(question.target.embedding.argmax())
    expected = slow.chefer(question.pixels, attribution, question.encoder.predict, label, order == "highest")
    assert area(record, "same") == pytest.approx(expected["hits"], abs=1e-12)
    assert area(record, "score") == pytest.approx(expected["probabilities"], abs=1e-12)
    assert record["shares"] == [tenths / 10 for tenths in range(10)]  # though no whole number of pixels is a tenth
    assert question.encoder.rows == perturbation_passes(question) == 10


@pytest.mark.parametrize("insert", [True, False])
@pytest.mark.parametrize("step", [None, 50, 1024])
def test_the_areas_are_those_of_rise(insert: bool, step: int | None) -> None:
    """RISE works in the network's own space, we in pixels: one is the other shifted and scaled."""
    question = about_class(encoder=Classes(0.3))
    config = PerturbationConfig(protocol="rise", step=step)
    attribution = noise_map()
    record = run(perturbed(question, attribution, scorer_of(question), "lowest" if insert else "highest", config))
    normal = ((question.pixels.astype(np.float64) - ZERO) / SPREAD).transpose(2, 0, 1)
    expected = slow.rise(
        normal,
        attribution,
        lambda row: question.encoder.predict(row.transpose(1, 2, 0) * SPREAD + ZERO),
        int(question.target.embedding.argmax()),
        insert,
        step or SIDE,
    )
    assert area(record, "score", config) == pytest.approx(expected, abs=1e-6)
    assert question.encoder.rows == perturbation_passes(question, config)
    shares = [min(n / SIDE**2, 1) for n in range(0, SIDE**2 + (step or SIDE), step or SIDE)]
    assert record["shares"] == pytest.approx([1 - share for share in shares] if insert else shares)


def test_the_blur_is_rises() -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (SIDE, SIDE, 3))
    expected = slow.blur((pixels - ZERO).transpose(2, 0, 1)).transpose(1, 2, 0) + ZERO
    np.testing.assert_allclose(rise_blur(pixels, ZERO), expected, atol=1e-9)


# What is promised


def test_90_is_the_highest() -> None:
    question = about_class()
    record = run(perturbed(question, noise_map(), Constant(0, 0), "highest"))
    assert area(record, "same") == area(record, "score") == pytest.approx(90)
    record = run(perturbed(question, noise_map(), Constant(0, 0), "highest", RISE))
    assert area(record, "score", RISE) == pytest.approx(1)


@pytest.mark.parametrize("question", [about_class(), about_distance()])
def test_a_map_and_its_reverse_change_places(question: Any) -> None:
    """What POS and DEL say of a map, NEG and INS say of its reverse, bit by bit, also where pixels are equal."""
    scorer = scorer_of(question)
    coarse = np.round(noise_map() * 4)
    one, other = (
        run(perturbed(question, coarse, scorer, "highest")),
        run(perturbed(question, -coarse, scorer, "lowest")),
    )
    assert one == other


def test_a_perfect_map() -> None:
    """A class that only the upper left cell speaks for: a map of it holds out longest, and falls first."""
    encoder = Classes()
    encoder.weights[:] = 0
    encoder.weights[:3, 2] = 3.0
    question = about_class(2, encoder=encoder)
    question = question.with_pixels(np.full_like(question.pixels, 200))
    scorer = scorer_of(question)
    perfect = np.zeros((SIDE, SIDE))
    perfect[:8, :8] = 1
    found = {
        (name, order): run(perturbed(question, m, scorer, order))
        for name, m in (("perfect", perfect), ("reversed", -perfect), ("noise", noise_map()))
        for order in ORDERS
    }

    def of(name: str, order: str, watched: str = "score") -> float:
        return area(found[name, order], watched)

    assert of("perfect", "lowest") > of("noise", "lowest") > of("reversed", "lowest")
    assert of("perfect", "highest") < of("noise", "highest") < of("reversed", "highest")
    assert of("perfect", "lowest", "same") == pytest.approx(90)
    assert of("perfect", "highest", "same") < 15


def test_what_is_hidden_is_black_and_nothing_else_changes() -> None:
    question = about_class()
    shown = []

    def look(pixels: np.ndarray) -> np.ndarray:
        shown.extend(pixels.copy())
        return np.ones((len(pixels), 5))

    question.encoder._forward = look
    attribution = noise_map()
    before = question.pixels.copy()
    run(perturbed(question, attribution, ClassScorer(0, 0), "highest"))
    np.testing.assert_array_equal(question.pixels, before)
    for tenths, copy in enumerate(shown):
        hidden = attribution > np.sort(attribution.ravel())[::-1][int(1024 * tenths / 10)]
        assert (copy[hidden] == 0).all()
        np.testing.assert_array_equal(copy[~hidden], question.pixels[~hidden])


def test_a_similarity_has_scores_and_no_decisions() -> None:
    question = about_distance()
    record = run(perturbed(question, noise_map(), scorer_of(question), "highest"))
    assert record["score"][0] == pytest.approx(1)
    assert record["same"] is None
    assert np.isnan(area(record, "same"))


# Equal pixels


@given(arrays(np.int8, (5, 6), elements=st.integers(0, 3)), st.integers(0, 2**32 - 1))
def test_rankings(values: np.ndarray, seed: int) -> None:
    flat = values.ravel().astype(float)
    for order, sign in (("highest", -1), ("lowest", 1)):
        ranked = pixel_ranking(values.astype(float), order, seed)
        assert sorted(ranked.tolist()) == list(range(30))
        assert (np.diff(sign * flat[ranked]) >= 0).all()
    np.testing.assert_array_equal(pixel_ranking(flat.reshape(5, 6), "highest", seed), ranked_again(values, seed))


def ranked_again(values: np.ndarray, seed: int) -> list[int]:
    lots = generator(seed, Stream.TIES).random(values.size)
    return sorted(range(values.size), key=lambda i: (-int(values.flat[i]), lots[i]))


def test_equal_pixels_go_by_lot() -> None:
    flat = np.zeros((SIDE, SIDE))
    one, again, other = (pixel_ranking(flat, "highest", seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert 0.3 < (one[:512] < 512).mean() < 0.7  # not the upper half first


# ADP and PIC


def test_a_mask_that_keeps_everything_loses_nothing() -> None:
    question = about_class()
    record = run(lit(question, np.ones((SIDE, SIDE)), scorer_of(question)))
    assert record["before"] == record["after"]
    assert drop(record) == rose(record) == 0


def test_the_map_lights_the_picture() -> None:
    question = about_class()
    attribution = noise_map()
    record = run(softened(question, attribution, scorer_of(question)))
    positive = np.maximum(attribution, 0)
    lit_by_hand = question.pixels * (positive / positive.max()).astype(np.float32)[..., None]
    index = int(question.target.embedding.argmax())
    assert record["before"] == pytest.approx(question.encoder.predict(question.pixels)[index])
    assert record["after"] == pytest.approx(question.encoder.predict(lit_by_hand)[index])
    assert question.encoder.rows == 2


@pytest.mark.parametrize(
    ("before", "after", "lost", "risen"),
    [(0.8, 0.6, 25, 0), (0.5, 0.75, 0, 100), (1.0, -0.5, 150, 0), (0.3, 0.3, 0, 0)],
)
def test_drops_known_in_advance(before: float, after: float, lost: float, risen: float) -> None:
    record = {"before": before, "after": after}
    assert drop(record) == pytest.approx(lost)
    assert rose(record) == risen


@pytest.mark.parametrize("attribution", [np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), -np.abs(noise_map()) - 1])
def test_a_map_with_no_positive_part_is_dropped(attribution: np.ndarray) -> None:
    question = about_class()
    record = run(softened(question, attribution, scorer_of(question)))
    assert set(record) == {"dropped"}
    assert "positive" in record["dropped"]["adp"]
    assert np.isnan(drop(record))
    assert np.isnan(rose(record))
    assert question.encoder.rows == 0


def test_a_picture_that_scores_nothing_is_dropped() -> None:
    question = about_class(encoder=Classes(1e6))
    worst = int(question.encoder.of_normal((question.pixels[None] - ZERO) / SPREAD)[0].argmin())
    record = run(softened(question, noise_map(), ClassScorer(worst, worst)))
    assert "nothing" in record["dropped"]["pic"]


# Refusals


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"protocol": "roar"}, "unknown_protocol"),
        ({"shares": ()}, "perturbation_shares"),
        ({"shares": (0.0, 0.5)}, "perturbation_shares"),
        ({"shares": (0.5, 0.5)}, "perturbation_shares"),
        ({"shares": (0.5, 1.1)}, "perturbation_shares"),
        ({"shares": (float("nan"),)}, "perturbation_shares"),
        ({"step": 0}, "perturbation_step"),
    ],
)
def test_refusals_of_settings(settings: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        PerturbationConfig(**settings)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"attribution": np.zeros((3, 4))}, "attribution_size"),
        ({"attribution": np.full((SIDE, SIDE), np.inf)}, "attribution_shape"),
        ({"order": "lodf"}, "unknown_order"),
        ({"order": "lodf", "config": RISE}, "unknown_order"),
        ({"seed": -1}, "seed_range"),
        ({"config": PerturbationConfig(fill="purple")}, "unknown_fill"),
    ],
)
def test_refusals(settings: dict[str, Any], code: str) -> None:
    question = about_class()
    with pytest.raises(InvalidInput) as refused:
        run(
            perturbed(
                question, **{"attribution": noise_map(), "scorer": ClassScorer(0, 0), "order": "highest", **settings}
            )
        )
    assert refused.value.code == code


def test_pictures_differ() -> None:
    """The pictures these tests are about are not all decided alike."""
    assert len({int(Classes().predict(picture(seed)).argmax()) for seed in range(6)}) > 1
