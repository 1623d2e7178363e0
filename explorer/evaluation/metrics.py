"""The metrics of the DIX paper (Barkan et al. 2023, section 4) and three more: what judges a map, and those of many.

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

from explorer.attributions.question import Question, probe_question
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.registry import Registry
from explorer.core.steps import Steps
from explorer.core.truth import truth_of
from explorer.evaluation.bootstrap import Total
from explorer.evaluation.deletion import symmetric_gain, symmetric_passes
from explorer.evaluation.information import (
    InformationConfig,
    information,
    information_drawn,
    information_passes,
    information_total,
    information_value,
)
from explorer.evaluation.maps import as_map
from explorer.evaluation.perturbation import (
    PerturbationConfig,
    area,
    drop,
    perturbation_passes,
    perturbed,
    rose,
    softened,
)
from explorer.evaluation.road import road, road_passes, road_value
from explorer.evaluation.scorers import Scorer
from explorer.evaluation.segmentation import MEAN, POOLED, POOLED_DRAWN, SegmentationConfig, segmented

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
BLUECHER = "Blücher et al. 2024, arXiv:2401.06654"
RONG = "Rong et al. 2022, arXiv:2202.00449"
MEIJER = "the copies of Meijer & Bos 2025, arXiv:2505.15516"
FRESH = 200
"""Masked copies that truth is measured on."""
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
    scored: bool = True
    """Whether ``measure`` asks the scorer."""
    drawn: Callable[[Sequence[Record]], Total] | None = None
    """Records -> the ``total`` of some of them by their numbers, where that is quicker than ``total`` again."""

    def of(self, records: Sequence[Record]) -> Total:
        """The total of any of the records, by their numbers."""
        if self.drawn is not None:
            return self.drawn(records)
        return lambda rows: self.total([records[i] for i in rows])


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
        *_distance(),
    )


def mean_of(value: Callable[[Record], float]) -> Callable[[Sequence[Record]], float]:
    """The total that is the mean over the pictures that count."""

    def total(records: Sequence[Record]) -> float:
        values = np.array([value(record) for record in records], np.float64)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    return total


def means_of(value: Callable[[Record], float]) -> Callable[[Sequence[Record]], Total]:
    """``mean_of`` of any of the records, by their numbers."""

    def drawn(records: Sequence[Record]) -> Total:
        values = np.array([value(record) for record in records], np.float64)
        counts = np.isfinite(values)

        def total(rows: NDArray[np.intp]) -> float:
            own = values[rows][counts[rows]]
            return float(own.mean()) if len(own) else float("nan")

        return total

    return drawn


def _averaged(value: Callable[[Record], float], **facts: Any) -> Metric:
    return Metric(value=value, total=mean_of(value), drawn=means_of(value), **facts)


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
            drawn=partial(information_drawn, watched=watched, config=config),
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
        "scored": False,
        "passes": lambda question: 0,
        "measure": measure,
    }
    totals = POOLED | {key: mean_of(value) for key, value in MEAN.items()}
    drawn = POOLED_DRAWN | {key: means_of(value) for key, value in MEAN.items()}
    return [
        Metric(key=key, title=title, about=about, value=partial(_alone, totals[key]), total=totals[key],
               drawn=drawn[key], **shared)
        for key, (title, about) in texts.items()
    ]  # fmt: skip


def _distance() -> list[Metric]:
    """SRG, ROAD and truth: what becomes of the distance, or the score, whatever stands in for what is hidden."""

    def gained(question: Question, attribution: NDArray[Any], *_: Any) -> Steps[Record]:
        return {"srg": (yield from symmetric_gain(question, attribution))}

    def told(question: Question, attribution: NDArray[Any], scorer: Any, mask: Any, seed: int) -> Steps[Record]:
        probe = yield from probe_question(question, _fresh(question, seed))
        values = as_map(attribution, question.pixels.shape[:2])
        told = truth_of(values, probe, question.distance, question.target, beyond_share=True)
        return {"spearman": told.spearman, "r2": told.r2}

    return [
        _averaged(
            lambda record: 100 * float(record["srg"]),
            key="srg",
            title="SRG",
            better="higher",
            about="100 times the area between the distances while the highest pixels go first and while the lowest do",
            source=BLUECHER,
            needs=(),
            group="srg",
            scored=False,
            passes=symmetric_passes,
            measure=gained,
        ),
        _averaged(
            road_value,
            key="road",
            title="ROAD",
            better="higher",
            about="100 times half of what the score is higher without the lowest than without the highest pixels, "
            "their places filled in",
            source=RONG,
            needs=(),
            group="road",
            passes=road_passes,
            measure=lambda question, attribution, scorer, _, seed: road(question, attribution, scorer, seed=seed),
        ),
        _averaged(
            lambda record: float(record["spearman"]),
            key="truth",
            title="Truth",
            better="higher",
            about=f"rank correlation of the map with the closeness of {FRESH} fresh copies, beyond how much they keep",
            source=MEIJER,
            needs=(),
            group="truth",
            scored=False,
            passes=lambda question: FRESH,
            measure=told,
        ),
    ]


def _fresh(question: Question, seed: int) -> MaskSettings:
    """Other masks than any method has: their seed is that of the picture."""
    return MaskSettings(n_masks=FRESH, feature_res=min(8, *question.pixels.shape[:2]), seed=seed)


def _alone(total: Callable[[Sequence[Record]], float], record: Record) -> float:
    """The total of one picture."""
    return total([record])


for _metric in make_metrics():
    METRICS.add(_metric.key, _metric)
