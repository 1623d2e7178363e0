"""The metrics of the DIX paper (Barkan et al. 2023, section 4): what judges the map of one picture, and of many.

A metric measures one picture as numbers that can be kept as JSON, and makes one number of those of many pictures.
Metrics of one ``group`` have the same ``measure``, so that whoever wants several of them need embed copies only once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.errors import InvalidInput
from explorer.core.registry import Registry
from explorer.core.steps import Steps
from explorer.evaluation.information import (
    InformationConfig,
    information,
    information_passes,
    information_total,
    information_value,
)
from explorer.evaluation.perturbation import (
    PerturbationConfig,
    area,
    drop,
    perturbation_passes,
    perturbed,
    rose,
    softened,
)
from explorer.evaluation.scorers import Scorer
from explorer.evaluation.segmentation import MEAN, POOLED, SegmentationConfig, segmented

Record = dict[str, Any]
"""What one picture was measured as. ``record["dropped"]``, where there is one, maps keys of metrics to the reason why
the picture does not count for them."""

NEEDS = ("decision", "segmentation")
"""A scorer that decides, a mask of what is in the picture."""

Measure = Callable[[Question, NDArray[Any], Any, "NDArray[np.bool_] | None", int], Steps[Record]]

DIX = "Barkan et al. 2023, arXiv:2310.15368"
CHEFER = "Chefer et al. 2021, arXiv:2012.09838"
RISE = "Petsiuk et al. 2018, arXiv:1806.07421"
CHATTOPADHAY = "Chattopadhay et al. 2018, arXiv:1710.11063"
KAPISHNIKOV = "Kapishnikov et al. 2019, arXiv:1906.02825"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        key: What users call it.
        title: What tables call it.
        better: ``"higher"`` or ``"lower"``.
        about: A few words: what it asks.
        source: The paper.
        needs: Of NEEDS, what must be there besides a score.
        group: Metrics of the same group have the same ``measure``.
        passes: How many pictures one ``measure`` embeds.
        measure: A question, its map (h, w), its scorer or None where none is needed, a mask (h, w) of the object or
            None, and the seed that breaks ties -> a Record.
        value: A record -> the one picture's own number; NaN where it does not count.
        total: Records -> the number of a data set, in the unit of the paper's tables; NaN where none counts.
    """

    key: str
    title: str
    better: str
    about: str
    source: str
    needs: tuple[str, ...]
    group: str
    passes: Callable[[Question], int]
    measure: Measure
    value: Callable[[Record], float]
    total: Callable[[Sequence[Record]], float]


METRICS: Registry[Metric] = Registry("metric")


def why_dropped(record: Record, key: str) -> str | None:
    """Why a picture does not count for a metric, in words; None if it does."""
    reason = record.get("dropped", {}).get(key)
    return None if reason is None else str(reason)


def make_metrics(
    perturbation: PerturbationConfig | None = None,
    information: InformationConfig | None = None,
    segmentation: SegmentationConfig | None = None,
) -> tuple[Metric, ...]:
    """All metrics with settings of one's own; those of METRICS have the defaults.

    Args:
        perturbation: Of NEG, POS, INS, DEL, ADP and PIC. RISE's protocol has INS and DEL only, in its own unit.
        information: Of AIC and SIC.
        segmentation: Of PA, mIoU, mAP and mF1.
    """
    hiding = perturbation or PerturbationConfig()
    return (
        *_perturbation(hiding),
        *_softly(hiding),
        *_information(information or InformationConfig()),
        *_segmentation(segmentation or SegmentationConfig()),
    )


def mean_of(value: Callable[[Record], float]) -> Callable[[Sequence[Record]], float]:
    """The total that is the mean over the pictures that count."""

    def total(records: Sequence[Record]) -> float:
        values = np.array([value(record) for record in records], np.float64)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    return total


def _averaged(value: Callable[[Record], float], **facts: Any) -> Metric:
    return Metric(value=value, total=mean_of(value), **facts)


def _perturbation(config: PerturbationConfig) -> list[Metric]:
    """NEG, POS, INS and DEL."""
    rise = config.protocol == "rise"

    def metric(key: str, order: str, better: str, watched: str, about: str) -> Metric:
        return _averaged(
            partial(area, watched=watched, config=config),
            key=key,
            title=key.upper(),
            better=better,
            about=about,
            source=RISE if rise else CHEFER if watched == "same" else DIX,
            needs=("decision",) if watched == "same" else (),
            group=f"{config.protocol}-{order}",
            passes=partial(perturbation_passes, config=config),
            measure=lambda question, attribution, scorer, _, seed: perturbed(
                question, attribution, scorer, order, config, seed
            ),
        )

    decisions = [
        metric("neg", "lowest", "higher", "same", "how long the decision stays while the lowest pixels go first"),
        metric("pos", "highest", "lower", "same", "how long the decision stays while the highest pixels go first"),
    ]
    scores = [
        metric("ins", "lowest", "higher", "score", "how high the score stays while the lowest pixels go first"),
        metric("del", "highest", "lower", "score", "how high the score stays while the highest pixels go first"),
    ]
    return scores if rise else decisions + scores


def _softly(config: PerturbationConfig) -> list[Metric]:
    """ADP and PIC."""

    def metric(key: str, better: str, value: Callable[[Record], float], about: str) -> Metric:
        return _averaged(
            value,
            key=key,
            title=key.upper(),
            better=better,
            about=about,
            source=CHATTOPADHAY,
            needs=(),
            group="soft",
            passes=lambda question: 2,
            measure=lambda question, attribution, scorer, *_: softened(question, attribution, scorer, config),
        )

    return [
        metric("adp", "lower", drop, "percent of the score lost where the map alone lights the picture"),
        metric("pic", "higher", rose, "percent of pictures whose score rises where the map alone lights them"),
    ]


def _information(config: InformationConfig) -> list[Metric]:
    """AIC and SIC."""

    def metric(key: str, watched: str, about: str) -> Metric:
        return Metric(
            key=key,
            title=key.upper(),
            better="higher",
            about=about,
            source=KAPISHNIKOV,
            needs=("decision",) if watched == "same" else (),
            group="information",
            passes=partial(information_passes, config=config),
            measure=lambda question, attribution, scorer, _, seed: information(
                question, attribution, scorer, config, seed
            ),
            value=partial(information_value, watched=watched, config=config),
            total=partial(information_total, watched=watched, config=config),
        )

    return [
        metric("aic", "same", "how soon the decision is right while a blurred picture is sharpened"),
        metric("sic", "score", "how soon the score is there while a blurred picture is sharpened"),
    ]


def _segmentation(config: SegmentationConfig) -> list[Metric]:
    """PA, mIoU, mAP and mF1, true and as published."""

    def measure(
        question: Question, attribution: NDArray[Any], scorer: Scorer | None, mask: NDArray[np.bool_] | None, seed: int
    ) -> Steps[Record]:
        if mask is None:
            raise InvalidInput("Segmentation needs a mask of the object.", code="no_segmentation")
        yield from ()  # embeds nothing
        return segmented(attribution, mask, config)

    texts = {
        "pa": ("PA", "share of the pixels on the right side of the map's mean"),
        "miou": ("mIoU", "overlap of the pixels above the map's mean with the object, and of the rest with the rest"),
        "map": ("mAP", "precision of the map as a ranking of object and background pixels"),
        "mf1": ("mF1", "F1 of the pixels above the map's mean, by picture"),
        "mf1-official": ("mF1 (as published)", "F1 of the pixels above the map's mean, by row of pixels"),
    }
    shared: dict[str, Any] = {
        "better": "higher",
        "source": CHEFER,
        "needs": ("segmentation",),
        "group": "segmentation",
        "passes": lambda question: 0,
        "measure": measure,
    }
    totals = POOLED | {key: mean_of(value) for key, value in MEAN.items()}
    return [
        Metric(key=key, title=title, about=about, value=partial(_alone, totals[key]), total=totals[key], **shared)
        for key, (title, about) in texts.items()
    ]


def _alone(total: Callable[[Sequence[Record]], float], record: Record) -> float:
    """The total of one picture."""
    return total([record])


for _metric in make_metrics():
    METRICS.add(_metric.key, _metric)
