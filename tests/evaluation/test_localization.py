"""Localization: each number against its definition, and the planted patch that every encoder must find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import explorer
from explorer import Encoder, Explanation, InvalidInput, MaskSettings
from explorer.attributions.question import DistanceExplainer
from explorer.core.embedder import Box
from explorer.core.steps import run
from explorer.encoders.cards import CARDS
from explorer.evaluation.localization import (
    PLANTED_SIZE,
    QUARTER,
    Localization,
    Planted,
    average_precision,
    box_region,
    energy_inside,
    iou,
    localize,
    plant,
    pointing_game,
)
from explorer.evaluation.verdicts import Patch, judge_patch
from explorer.pictures.examples import asset_path
from explorer.pictures.images import as_picture, resize

REGION = box_region((4, 6), (0.0, 0.0, 0.5, 0.5))
"""Six of 24 pixels."""


def random_map(seed: int, values: int = 1000) -> np.ndarray:
    """(4, 6) with so many different values that there are ties, or hardly any."""
    return np.random.default_rng(seed).integers(-values, values + 1, (4, 6)) / values


# Known answers


def test_a_perfect_map() -> None:
    found = localize(np.where(REGION, 1.0, -1.0), REGION)
    assert found == Localization(True, 1.0, 1.0, 1.0, 0.25)
    assert judge_patch(found) is Patch.FOUND


def test_the_opposite_map() -> None:
    found = localize(np.where(REGION, -1.0, 1.0), REGION)
    assert (found.pointing, found.energy, found.iou) == (False, 0.0, 0.0)
    assert found.average_precision == 0.25  # every pixel has to be taken
    assert judge_patch(found) is not Patch.FOUND


def test_a_flat_map_finds_nothing() -> None:
    found = localize(np.zeros((4, 6)), REGION)
    assert (found.pointing, found.energy, found.average_precision) == (False, 0.0, 0.25)
    assert judge_patch(found) is not Patch.FOUND


def test_numbers_by_hand() -> None:
    region = np.array([[True, True, False, False, False]])
    attribution = np.array([[0.5, -0.2, 0.3, 0.2, -0.1]])
    found = localize(attribution, region)
    assert found.pointing
    assert found.energy == pytest.approx(0.5 / 1.0)
    assert found.iou == pytest.approx(1 / 3)  # of the two highest one is inside
    assert found.average_precision == pytest.approx((1 / 1 + 2 / 5) / 2)
    assert found.chance == pytest.approx(0.4)
    assert found.chance_iou == pytest.approx(0.25)


@pytest.mark.parametrize("number", ["energy", "iou", "average_precision", "pointing"])
def test_every_number_counts(number: str) -> None:
    """A map is only found when it is in each respect."""
    good = {"pointing": True, "energy": 0.7, "iou": 0.7, "average_precision": 0.7, "chance": 0.3}
    assert judge_patch(Localization(**good)) is Patch.FOUND
    assert judge_patch(Localization(**{**good, number: 0.35 if number != "pointing" else False})) is not Patch.FOUND


def test_pointing_is_unsure_where_the_highest_are_in_and_out() -> None:
    attribution = np.zeros((4, 6))
    attribution[0, 0] = attribution[1, 1] = 1
    assert pointing_game(attribution, REGION)
    attribution[3, 5] = 1
    assert not pointing_game(attribution, REGION)


def test_energy_leaves_the_negative_part_out() -> None:
    attribution = random_map(0)
    changed = np.where(attribution < 0, attribution * 100, attribution)
    assert energy_inside(changed, REGION) == energy_inside(attribution, REGION)
    assert energy_inside(attribution, REGION) + energy_inside(attribution, ~REGION) == pytest.approx(1)


@pytest.mark.parametrize(("share", "expected"), [(1.0, 0.25), (3 / 24, 0.5), (12 / 24, 0.5), (1e-9, 1 / 6)])
def test_iou_of_another_share(share: float, expected: float) -> None:
    """The region is six pixels, all above the rest."""
    assert iou(np.where(REGION, 1.0, 0.0), REGION, share) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_iou_is_relevance_rank_accuracy_in_another_scale(seed: int) -> None:
    attribution = random_map(seed)
    highest = set(sorted(np.ndindex(4, 6), key=lambda pixel: (-attribution[pixel], pixel))[:6])
    accuracy = sum(bool(REGION[pixel]) for pixel in highest) / 6
    assert iou(attribution, REGION) == pytest.approx(accuracy / (2 - accuracy))


@pytest.mark.parametrize("values", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(10))
def test_average_precision_is_sklearns(seed: int, values: int) -> None:
    attribution = random_map(seed, values)
    region = np.random.default_rng(seed + 100).random((4, 6)) < 0.4
    expected = average_precision_score(region.ravel(), attribution.ravel())
    assert average_precision(attribution, region) == pytest.approx(expected, abs=1e-12)


def test_only_the_sign_and_the_order_matter() -> None:
    attribution = random_map(3).astype(np.float32)
    assert localize(attribution * 8, REGION) == localize(attribution, REGION)


def test_a_map_that_knows_nothing_is_at_chance() -> None:
    """Each number's mean over many maps lies where the result says that chance is."""
    region = box_region((16, 16), QUARTER)
    generator = np.random.default_rng(0)
    found = [localize(generator.normal(size=(16, 16)), region) for _ in range(400)]
    assert np.mean([one.pointing for one in found]) == pytest.approx(0.25, abs=0.07)
    assert np.mean([one.energy for one in found]) == pytest.approx(0.25, abs=0.01)
    assert np.mean([one.iou for one in found]) == pytest.approx(found[0].chance_iou, abs=0.01)
    assert np.mean([one.average_precision for one in found]) == pytest.approx(0.25, abs=0.02)
    assert all(judge_patch(one) is not Patch.FOUND for one in found)


# Boxes


@pytest.mark.parametrize("box", [(0.5, 0.25, 1, 0.75), Box(0.5, 0.25, 1.0, 0.75)])
def test_box(box: Any) -> None:
    region = box_region((4, 6), box)
    assert region.dtype == np.bool_
    expected = np.zeros((4, 6), bool)
    expected[1:3, 3:] = True
    np.testing.assert_array_equal(region, expected)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 1), (0, 0, 1, 1.01), (-0.1, 0, 1, 1), (0, 0, float("nan"), 1), (0.5, 0, 0.5, 1), (0.8, 0, 0.2, 1)],
)
def test_boxes_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        box_region((4, 6), box)
    assert refused.value.code == "box"


@pytest.mark.parametrize("measure", [pointing_game, energy_inside, iou, average_precision, localize])
@pytest.mark.parametrize(
    ("attribution", "region", "code"),
    [
        (np.zeros((4, 6, 1)), REGION, "attribution_shape"),
        (np.full((4, 6), np.inf), REGION, "attribution_shape"),
        (np.zeros((6, 4)), REGION, "region_shape"),
        (np.zeros((4, 6)), REGION.astype(int), "region_shape"),
        (np.zeros((4, 6)), np.zeros((4, 6), bool), "region_extent"),
        (np.zeros((4, 6)), np.ones((4, 6), bool), "region_extent"),
    ],
)
def test_refusals(measure: Callable[..., Any], attribution: np.ndarray, region: np.ndarray, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        measure(attribution, region)
    assert refused.value.code == code


@pytest.mark.parametrize("share", [0, -0.5, 1.5, float("nan")])
def test_shares_refused(share: float) -> None:
    with pytest.raises(InvalidInput, match="above 0"):
        iou(random_map(0), REGION, share)


# The planted patch


def mean_colour(batch: np.ndarray) -> np.ndarray:
    """The simplest encoder there is: (b, h, w, 3) -> (b, 3), and 1, so that black has a direction."""
    colours = batch.mean(axis=(1, 2), dtype=np.float64)
    return np.concatenate([colours, np.ones((len(batch), 1))], axis=1)


def the_encoder(key: str) -> str | Encoder:
    """An encoder by its key; skipped where its weights are not here."""
    if key == "mean colour":
        return explorer.from_function(mean_colour)
    if missing := CARDS[key].missing:
        pytest.skip(f"{key}: {missing}")
    return key


@pytest.fixture(scope="module", params=["mean colour", *CARDS])
def answered(request: pytest.FixtureRequest) -> tuple[Planted, Explanation]:
    """The planted patch and the map of few masks, for every encoder there is."""
    planted = plant(the_encoder(request.param))
    return planted, run(DistanceExplainer(MaskSettings(n_masks=300)).explain(planted.question))


def test_every_encoder_finds_the_planted_patch(answered: tuple[Planted, Explanation]) -> None:
    planted, explanation = answered
    found = localize(explanation.attribution, planted.region)
    assert judge_patch(found) is Patch.FOUND, found


@pytest.mark.parametrize("cell", [1, 28])
def test_a_shuffled_map_does_not(answered: tuple[Planted, Explanation], cell: int) -> None:
    """The same values elsewhere: pixel by pixel, and by cells as large as those of the masks."""
    planted, explanation = answered
    for seed in range(20):
        shuffled = shuffle(explanation.attribution, cell, np.random.default_rng(seed))
        found = localize(shuffled, planted.region)
        assert judge_patch(found) is not Patch.FOUND, (seed, found)
        assert found.average_precision < localize(explanation.attribution, planted.region).average_precision


def test_the_answer_to_another_question_does_not(answered: tuple[Planted, Explanation]) -> None:
    """Compared with what the patch was planted in, the map turns round."""
    planted, explanation = answered
    rocket = resize(as_picture(asset_path("rocket.jpg")).pixels, planted.region.shape)
    other = explorer.rank(explanation.probe, reference=rocket)
    assert judge_patch(localize(other.attribution, planted.region)) is not Patch.FOUND


def shuffle(attribution: np.ndarray, cell: int, generator: np.random.Generator) -> np.ndarray:
    """The map's square cells in another order."""
    n = len(attribution) // cell
    cells = attribution.reshape(n, cell, n, cell).transpose(0, 2, 1, 3).reshape(n * n, cell, cell)
    mixed = cells[generator.permutation(n * n)]
    return mixed.reshape(n, n, cell, cell).transpose(0, 2, 1, 3).reshape(attribution.shape)


def test_what_is_planted() -> None:
    """The patch lies in the region, the rest is the background's, and the reference is the patch alone."""
    black, white = (np.full((40, 50, 3), value, np.uint8) for value in (0, 255))
    encoder = explorer.from_function(mean_colour)
    planted = plant(encoder, patch=white, background=black, box=(0.25, 0.5, 0.75, 1.0))
    assert planted.question.pixels.shape == (*PLANTED_SIZE, 3)
    np.testing.assert_array_equal(planted.question.pixels[..., 0] == 255, planted.region)
    assert planted.region.mean() == 0.25
    np.testing.assert_array_equal(planted.question.target.embedding, [255, 255, 255, 1])
    assert plant(encoder, distance="euclidean").question.distance == "euclidean"


def test_the_region_is_what_the_encoder_sees(picture_encoder: Encoder) -> None:
    """Encoders look at pictures in their own size."""
    planted = plant(picture_encoder, patch=np.full((40, 50, 3), 255, np.uint8), box=(0.0, 0.0, 0.5, 0.5))
    assert planted.region.shape == planted.question.pixels.shape[:2] == (32, 32)
    assert planted.question.pixels[planted.region].mean() > 250
