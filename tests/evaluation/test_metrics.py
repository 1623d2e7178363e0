"""Every metric: what it promises whoever runs them all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from explorer import InvalidInput
from explorer.attributions.question import Question
from explorer.core.steps import run
from explorer.evaluation.information import InformationConfig
from explorer.evaluation.metrics import METRICS, NEEDS, Metric, make_metrics, mean_of, why_dropped
from explorer.evaluation.perturbation import PerturbationConfig
from explorer.evaluation.scorers import Scorer, make_scorer
from explorer.evaluation.segmentation import SegmentationConfig
from tests.evaluation.classes import SIDE, Classes, about_class, about_distance, noise_map

SEGMENTATION = {"pa", "miou", "map", "mf1", "mf1-official"}
KEYS = {"neg", "pos", "ins", "del", "adp", "pic", "aic", "sic", "srg", "road", "truth"} | SEGMENTATION
MASK = np.zeros((SIDE, SIDE), bool)
MASK[:8, :8] = True


def by_class(seed: int = 1) -> tuple[Question, Scorer]:
    case = about_class(seed=seed, encoder=Classes(0.3))
    return case, run(make_scorer(case))


def by_similarity(seed: int = 1) -> tuple[Question, Scorer]:
    case = about_distance(seed=seed, other=seed + 1)
    return case, run(make_scorer(case))


def by_retrieval(seed: int = 1) -> tuple[Question, Scorer]:
    case = about_distance(seed=seed, other=seed + 1)
    gallery = np.random.default_rng(0).normal(size=(6, 5))
    gallery[4] = case.target.embedding
    return case, run(make_scorer(case, gallery=gallery, truth=4))


QUESTIONS = {"class": by_class, "similarity": by_similarity, "retrieval": by_retrieval}


def fits(metric: Metric, scorer: Scorer) -> bool:
    return scorer.decides or "decision" not in metric.needs


def test_all_of_the_paper_are_there() -> None:
    assert set(METRICS) == KEYS
    for key, metric in METRICS.items():
        assert metric.key == key
        assert metric.better in ("higher", "lower")
        assert set(metric.needs) <= set(NEEDS)
        assert metric.title
        assert metric.about
        assert "arXiv" in metric.source or "doi" in metric.source
    assert {key for key, metric in METRICS.items() if "segmentation" in metric.needs} == SEGMENTATION
    assert {key for key, metric in METRICS.items() if "decision" in metric.needs} == {"neg", "pos", "aic"}
    assert {key for key, metric in METRICS.items() if metric.better == "lower"} == {"pos", "del", "adp"}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_metric_of_every_question(key: str, question: str) -> None:
    metric = METRICS[key]
    case, scorer = QUESTIONS[question]()
    assert scorer.key == question
    if not fits(metric, scorer):
        record = run(metric.measure(case, noise_map(), scorer, MASK, 0))
        assert np.isnan(metric.value(record))
        return
    case.encoder.rows = 0
    work = metric.measure(case, noise_map(), scorer, MASK, 0)
    told: list[int] = []
    record = run(work, told.append)
    assert (told[-1] if told else 0) == case.encoder.rows == metric.passes(case)
    kept = json.loads(json.dumps(record, allow_nan=False))
    assert kept == record
    again = run(metric.measure(case, noise_map(), scorer, MASK, 0))
    assert again == record
    assert np.isnan(metric.total([]))
    if why_dropped(record, key) is not None:
        assert np.isnan(metric.value(record))
        assert np.isnan(metric.total([record]))
        return
    assert metric.value(kept) == metric.value(record) == pytest.approx(metric.total([record, record]))
    assert np.isfinite(metric.value(record))


@pytest.mark.parametrize("key", sorted(KEYS))
def test_most_pictures_count(key: str) -> None:
    """Else the test above would not have looked at the metric."""
    metric = METRICS[key]
    values = []
    for seed in range(1, 5):
        case, scorer = by_class(seed)
        values.append(metric.value(run(metric.measure(case, noise_map(seed), scorer, MASK, 0))))
    assert np.isfinite(values).sum() >= 2


def test_metrics_of_a_group_measure_the_same() -> None:
    case, scorer = by_class()
    groups: dict[str, list[Metric]] = {}
    for _, metric in METRICS.items():
        groups.setdefault(metric.group, []).append(metric)
    assert {group: [metric.key for metric in metrics] for group, metrics in groups.items()} == {
        "dix-lowest": ["neg", "ins"],
        "dix-highest": ["pos", "del"],
        "soft": ["adp", "pic"],
        "information": ["aic", "sic"],
        "segmentation": ["pa", "miou", "map", "mf1", "mf1-official"],
        "srg": ["srg"],
        "road": ["road"],
        "truth": ["truth"],
    }
    for metrics in groups.values():
        first, *others = [run(metric.measure(case, noise_map(), scorer, MASK, 3)) for metric in metrics]
        assert all(other == first for other in others)
        assert len({metric.passes(case) for metric in metrics}) == 1


@pytest.mark.parametrize("key", sorted(KEYS - {"pic"}))
def test_a_right_map_is_better_than_its_reverse(key: str) -> None:
    """A class that shows in one cell alone; PIC is 0 for both, as nothing beats the whole picture."""
    encoder = Classes()
    encoder.weights[:] = 0
    encoder.weights[:3, 2] = 3.0
    case = about_class(2, encoder=encoder)
    pixels = np.rint(case.pixels * 0.3)
    pixels[1:7, 1:7] = 255
    case = case.with_pixels(pixels.astype(np.float32))
    scorer = run(make_scorer(case))
    right = MASK - 0.5 + 1e-6 * noise_map()
    metric = METRICS[key]
    good, bad = (metric.value(run(metric.measure(case, m, scorer, MASK, 0))) for m in (right, -right))
    assert good > bad if metric.better == "higher" else good < bad


@pytest.mark.parametrize("key", sorted(KEYS))
def test_totals_of_some_records_by_their_numbers(key: str) -> None:
    """As the bootstrap asks for them; some more than once, and some that do not count."""
    metric, records = METRICS[key], []
    for seed in range(1, 5):
        case, scorer = by_class(seed)
        records.append(run(metric.measure(case, noise_map(seed), scorer, MASK, 0)))
    case, scorer = by_class()
    if metric.group in ("soft", "segmentation"):
        records.append(run(metric.measure(case, np.zeros((SIDE, SIDE)), scorer, MASK, 0)))
    drawn = metric.of(records)
    for rows in ([0, 1, 2, 3], [2, 2, 0], [len(records) - 1, 1], [len(records) - 1]):
        expected = metric.total([records[i] for i in rows])
        assert drawn(np.array(rows)) == pytest.approx(expected, nan_ok=True)


def test_equal_pixels_are_drawn_by_the_seed() -> None:
    case, scorer = by_class()
    flat = np.sign(noise_map())
    one, again, other = (run(METRICS["del"].measure(case, flat, scorer, None, seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_mean_leaves_out_what_does_not_count() -> None:
    total = mean_of(lambda record: record["value"])
    assert total([{"value": 1.0}, {"value": float("nan")}, {"value": 4.0}]) == 2.5
    assert np.isnan(total([{"value": float("nan")}]))


def test_why_a_picture_was_dropped() -> None:
    case, scorer = by_class()
    record = run(METRICS["adp"].measure(case, np.zeros((SIDE, SIDE)), scorer, None, 0))
    assert why_dropped(record, "adp") == "the map has no positive part"
    assert why_dropped({"before": 1.0, "after": 0.5}, "adp") is None


def test_segmentation_without_a_mask() -> None:
    case, scorer = by_class()
    with pytest.raises(InvalidInput) as refused:
        run(METRICS["pa"].measure(case, noise_map(), scorer, None, 0))
    assert refused.value.code == "no_segmentation"


# Settings of one's own


def of(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.key: metric for metric in metrics}


def test_rises_protocol_is_another_group_and_has_no_decisions() -> None:
    found = of(make_metrics(PerturbationConfig(protocol="rise")))
    assert set(found) == KEYS - {"neg", "pos"}
    assert {found["ins"].group, found["del"].group}.isdisjoint(metric.group for _, metric in METRICS.items())
    case, scorer = by_class()
    for key in ("ins", "del"):
        assert 0 <= found[key].value(run(found[key].measure(case, noise_map(), scorer, None, 0))) <= 1
        assert found[key].passes(case) == SIDE + 1


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("neg", {"perturbation": PerturbationConfig(shares=(0.5, 1.0))}),
        ("del", {"perturbation": PerturbationConfig(fill="mean")}),
        ("adp", {"perturbation": PerturbationConfig(fill="mean")}),
        ("sic", {"information": InformationConfig(thresholds=(0.2, 0.3))}),
        ("mf1", {"segmentation": SegmentationConfig(positive=False)}),
    ],
)
def test_settings_reach_what_is_measured(key: str, settings: dict[str, Any]) -> None:
    case, scorer = by_class()
    metric = of(make_metrics(**settings))[key]
    record = run(metric.measure(case, noise_map(), scorer, MASK, 0))
    assert record != run(METRICS[key].measure(case, noise_map(), scorer, MASK, 0))
    assert np.isfinite(metric.value(record))
