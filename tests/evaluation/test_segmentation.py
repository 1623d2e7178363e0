"""PA, mIoU, mAP and mF1: against the published evaluation written anew, and maps whose numbers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from explorer import InvalidInput
from explorer.core.embedder import Box
from explorer.evaluation.metrics import METRICS
from explorer.evaluation.segmentation import MEAN, POOLED, SegmentationConfig, as_seen, segmented
from tests.oracles import metrics as slow

KEYS = (*POOLED, *MEAN)
OBJECT = np.zeros((12, 10), bool)
OBJECT[3:7, 2:6] = True


def totals(records: list[dict[str, Any]]) -> dict[str, float]:
    return {key: METRICS[key].total(records) for key in KEYS}


@pytest.mark.parametrize("coarse", [False, True])
def test_three_pictures_as_the_published_evaluation_counts_them(coarse: bool) -> None:
    random = np.random.default_rng(3)
    maps = [np.abs(random.normal(size=(12, 10))) + 2 * i * OBJECT for i in range(3)]
    if coarse:
        maps = [np.round(attribution) for attribution in maps]  # many equal values
    objects = [OBJECT, OBJECT.T.repeat(2, 0)[:12].repeat(2, 1)[:, :10], random.random((12, 10)) < 0.3]
    found = totals([segmented(*pair) for pair in zip(maps, objects, strict=True)])
    expected = slow.segmentation(maps, objects)
    assert found == pytest.approx(expected, abs=1e-9)
    assert abs(found["mf1"] - found["mf1-official"]) > 1  # rows without the object count 0


def test_a_perfect_map() -> None:
    found = totals([segmented(OBJECT.astype(float), OBJECT)] * 3)
    assert found == pytest.approx({"pa": 100, "miou": 100, "map": 100, "mf1": 100, "mf1-official": 100 * 4 / 12})


def test_a_map_that_is_all_wrong() -> None:
    found = totals([segmented((~OBJECT).astype(float), OBJECT)])
    assert {key: found[key] for key in ("pa", "miou", "mf1", "mf1-official")} == pytest.approx(
        {"pa": 0, "miou": 0, "mf1": 0, "mf1-official": 0}
    )
    assert found["map"] < 51  # every pixel on the wrong side: no better than chance


def test_what_speaks_against_counts_as_nothing_unless_asked_for() -> None:
    signed = np.where(OBJECT, 1.0, -np.random.default_rng(0).random(OBJECT.shape))
    assert totals([segmented(signed, OBJECT)])["pa"] == 100
    assert segmented(signed, OBJECT)["precision"] == segmented(OBJECT.astype(float), OBJECT)["precision"]
    lifted = SegmentationConfig(positive=False)
    assert segmented(signed, OBJECT, lifted) == segmented(signed - signed.min(), OBJECT)
    assert segmented(signed, OBJECT, lifted) != segmented(signed, OBJECT)


def test_pixels_of_all_pictures_count_alike() -> None:
    """A large picture counts more than a small one for PA and mIoU, and the same for the others."""
    small = segmented((~OBJECT).astype(float), OBJECT)
    large = segmented(OBJECT.repeat(4, 0).astype(float), OBJECT.repeat(4, 0))
    found = totals([small, large])
    assert found["pa"] == pytest.approx(80)
    assert found["mf1"] == pytest.approx(50)
    assert found["miou"] == pytest.approx(100 * ((4 * 16 / (4 * 16 + 120)) + 4 * 104 / (4 * 104 + 120)) / 2)


def test_flat_maps_are_dropped_and_counted() -> None:
    good = segmented(OBJECT.astype(float), OBJECT)
    for flat in (np.zeros(OBJECT.shape), np.ones(OBJECT.shape), -np.arange(120.0).reshape(12, 10)):
        record = segmented(flat, OBJECT)
        assert set(record["dropped"]) == set(KEYS)
        assert totals([good, record]) == totals([good])
        assert all(np.isnan(value) for value in totals([record]).values())
    assert all(np.isnan(value) for value in totals([]).values())


@pytest.mark.parametrize("region", [np.zeros((12, 10), bool), np.ones((12, 10), bool)])
def test_a_picture_without_object_or_without_background(region: np.ndarray) -> None:
    attribution = np.random.default_rng(2).random((12, 10))
    assert all(np.isfinite(value) for value in totals([segmented(attribution, region)]).values())


@pytest.mark.parametrize("region", [OBJECT[:5], OBJECT.astype(int), OBJECT.T])
def test_refusals(region: np.ndarray) -> None:
    with pytest.raises(InvalidInput) as refused:
        segmented(np.ones((12, 10)), region)
    assert refused.value.code == "region_shape"


# A mask as the encoder sees the picture


@pytest.mark.parametrize("size", [(7, 5), (24, 31), (12, 10), (224, 224)])
def test_a_mask_is_resized_to_the_nearest_pixels(size: tuple[int, int]) -> None:
    region = np.random.default_rng(1).random((12, 10)) < 0.4
    expected = Image.fromarray(region.astype(np.uint8)).resize(size[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(as_seen(region, Box(), size), np.asarray(expected).astype(bool))


def test_a_mask_is_cut_and_padded_like_the_picture() -> None:
    np.testing.assert_array_equal(as_seen(OBJECT, Box(0.2, 0.25, 0.6, 0.75), (6, 4)), OBJECT[3:9, 2:6])
    padded = as_seen(OBJECT, Box(-0.5, 0.0, 1.5, 1.0), (12, 20))
    np.testing.assert_array_equal(padded, np.pad(OBJECT, ((0, 0), (5, 5))))
    everything = np.ones((12, 10), bool)
    assert not as_seen(everything, Box(-0.5, 0, 1.5, 1), (12, 20))[:, :5].any()


def test_how_small_a_map_is_does_not_matter() -> None:
    """Maps that are products of gradients are of the order of 1e-13; what varies by rounding alone is flat."""
    values = np.random.default_rng(0).normal(size=OBJECT.shape)
    assert segmented(values * 1e-13, OBJECT) == segmented(values, OBJECT)
    assert "dropped" in segmented(1e9 + values * 1e-3, OBJECT)
    assert "dropped" in segmented(np.where(values > 0, values * 1e-9, values), OBJECT)


@pytest.mark.parametrize("key", list(POOLED))
def test_totals_of_some_are_those_of_their_records(key: str) -> None:
    """To the last bit, though each record is read once, however often it is drawn."""
    random = np.random.default_rng(4)
    records = [segmented(random.normal(size=(12, 10)) + OBJECT, OBJECT) for _ in range(7)]
    records[2] = segmented(np.zeros((12, 10)), OBJECT)
    metric = METRICS[key]
    assert metric.drawn is not None
    total = metric.drawn(records)
    for rows in (np.arange(7), random.integers(0, 7, 7), np.array([2, 2, 3])):
        assert total(rows) == metric.total([records[i] for i in rows])
    assert np.isnan(total(np.array([2, 2])))
