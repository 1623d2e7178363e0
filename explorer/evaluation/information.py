"""AIC and SIC: how much of a picture's information must be shown, where the map is high, until the network sees it.

Kapishnikov et al. 2019 (arXiv:1906.02825), as in PAIR's ``saliency.metrics.pic``, whose numbers these are. A hundredth
of the pixels is known; what lies between is interpolated, so that the picture looks blurred. More and more pixels
become known in the order of the map. The information of each such picture is the length of its lossless WebP file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.errors import InvalidInput
from explorer.core.limits import SEED
from explorer.core.steps import Steps
from explorer.core.streams import Stream, generator
from explorer.evaluation.maps import as_map
from explorer.evaluation.scorers import Scorer
from explorer.pictures.formats import lossless_size

AGGREGATES: dict[str, Callable[..., Any]] = {"median": np.median, "mean": np.mean}
"""How the curves of many pictures become one."""


@dataclass(frozen=True)
class InformationConfig:
    """How the picture is sharpened, and which pictures count.

    The DIX paper names none of these numbers. They are those of PAIR, whose notebook has 0.5 in place of 0.8.

    Attributes:
        thresholds: Shares of the pixels that become known, the highest of the map; ascending, above 0 and below 1.
        known: Share of the pixels known from the start, drawn by lot; the four corners always are.
        least: Pictures that score less do not count. An anchored similarity is always 1 for the whole picture.
        aggregate: A key of AGGREGATES.
        points: Of the curve, besides its end.
    """

    thresholds: tuple[float, ...] = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
    known: float = 0.01
    least: float = 0.8
    aggregate: str = "median"
    points: int = 1000

    def __post_init__(self) -> None:
        points = (0.0, *self.thresholds, 1.0)
        if len(points) < 3 or not all(low < high for low, high in pairwise(points)):
            raise InvalidInput("Thresholds must ascend and lie between 0 and 1.", code="information_thresholds")
        if not 0 <= self.known < 1:
            raise InvalidInput("The share known from the start must be 0 or more and below 1.", code="known_range")
        if self.aggregate not in AGGREGATES:
            raise InvalidInput(f"Unknown aggregate; choose one of: {', '.join(AGGREGATES)}.", code="unknown_aggregate")
        if self.points < 1:
            raise InvalidInput("points must be at least 1.", code="points_range")


def information(
    question: Question,
    attribution: NDArray[Any],
    scorer: Scorer,
    config: InformationConfig | None = None,
    seed: int = 0,
    *,
    known: NDArray[np.bool_] | None = None,
) -> Steps[dict[str, Any]]:
    """Sharpen a blurred picture in the order of a map.

    Args:
        question: Its picture is sharpened; red, green and blue in 0 to 255, rounded to whole numbers.
        attribution: (h, w) the map.
        scorer: Watches.
        config: How; the defaults if None.
        seed: Of the pixels known from the start, the same for every map of a picture; 0 to 2**32 - 1.
        known: (h, w) bool, those pixels, in place of the seed.

    Returns:
        ``bytes`` of the whole picture, the blurred one and each sharpened one, their ``score``, and whether the
        decision is the ``same``, which is None where the scorer decides nothing. ``dropped`` names the metrics that
        the picture does not count for.

    Raises:
        InvalidInput: A map of another size, a picture that is none, or no such seed.
        UnusableEmbedding: Non-finite embeddings, or ones of zero length.
    """
    config = config or InformationConfig()
    values = as_map(attribution, question.pixels.shape[:2])
    pixels = _eight_bits(question.pixels)
    start = known_pixels(values.shape, config.known, seed) if known is None else known
    lengths: list[int] = []

    def shown() -> Iterator[NDArray[Any]]:
        for copy in _sharpened(pixels, values, start, config.thresholds):
            lengths.append(lossless_size(copy))
            yield copy.astype(question.pixels.dtype)

    rows = yield from question.embeddings(shown())
    record = {
        "bytes": lengths,
        "score": scorer.score(rows).tolist(),
        "same": scorer.same(rows).tolist() if scorer.decides else None,
    }
    reasons = {key: _why_not(record, watched, config) for key, watched in (("aic", "same"), ("sic", "score"))}
    dropped = {key: reason for key, reason in reasons.items() if reason}
    return {**record, "dropped": dropped} if dropped else record


def information_passes(question: Question, config: InformationConfig | None = None) -> int:
    """How many pictures ``information`` embeds."""
    return 2 + len((config or InformationConfig()).thresholds)


def curve(record: dict[str, Any], watched: str, config: InformationConfig | None = None) -> NDArray[np.float64] | None:
    """What is watched as a function of the information shown, both from 0 (blurred) to 1 (whole).

    Args:
        record: From ``information``.
        watched: ``"score"`` (SIC) or ``"same"`` (AIC).
        config: The one it was made with.

    Returns:
        (points + 1,) never falling, at equal steps of the information; None where the picture does not count.
    """
    config = config or InformationConfig()
    if record[watched] is None or _why_not(record, watched, config):
        return None
    (whole, blurred), shown = record["bytes"][:2], np.array(record["bytes"][2:], np.float64)
    seen = np.asarray(record[watched], np.float64)
    x = ((shown - blurred) / (whole - blurred)).clip(0, 1)
    y = np.maximum.accumulate(((seen[2:] - seen[1]) / (seen[0] - seen[1])).clip(0, 1))
    x, y = np.append(x, (0, 1)), np.append(y, (0, 1))
    ascending = np.argsort(x, kind="stable")
    found = np.interp(_axis(config)[:-1], x[ascending], y[ascending])
    return np.append(found, 1.0)


def information_value(record: dict[str, Any], watched: str, config: InformationConfig | None = None) -> float:
    """Area under one picture's curve in percent; NaN where it does not count."""
    return information_total([record], watched, config)


def information_total(
    records: Sequence[dict[str, Any]], watched: str, config: InformationConfig | None = None
) -> float:
    """Area in percent under the curve made of all pictures' curves; NaN where none counts."""
    config = config or InformationConfig()
    curves = [found for record in records if (found := curve(record, watched, config)) is not None]
    if not curves:
        return float("nan")
    return 100 * float(np.trapezoid(AGGREGATES[config.aggregate](curves, axis=0), _axis(config)))


def information_drawn(
    records: Sequence[dict[str, Any]], watched: str, config: InformationConfig | None = None
) -> Callable[[NDArray[np.intp]], float]:
    """``information_total`` of any of the records, by their numbers."""
    config = config or InformationConfig()
    curves = [curve(record, watched, config) for record in records]
    counts = np.array([found is not None for found in curves], bool)
    values = np.array([np.zeros(config.points + 1) if found is None else found for found in curves])

    def total(rows: NDArray[np.intp]) -> float:
        own = rows[counts[rows]]
        if not len(own):
            return float("nan")
        return 100 * float(np.trapezoid(AGGREGATES[config.aggregate](values[own], axis=0), _axis(config)))

    return total


def known_pixels(size: tuple[int, int], share: float, seed: int) -> NDArray[np.bool_]:
    """(h, w) bool, a share of the pixels drawn by lot."""
    total = size[0] * size[1]
    stream = generator(SEED.check(seed), Stream.KNOWN_PIXELS)
    known = np.zeros(total, bool)
    known[stream.choice(total, int(total * share), replace=False)] = True
    return known.reshape(size)


def interpolated(pixels: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture (h, w, 3) with its unknown pixels interpolated between the known ones, linearly in triangles.

    Args:
        pixels: The whole picture.
        known: (h, w) bool; the corners count as known.
    """
    from scipy.interpolate import griddata

    corners = known.copy()
    corners[np.ix_([0, -1], [0, -1])] = True
    if corners.all():
        return pixels
    between = griddata(np.argwhere(corners), pixels[corners], np.argwhere(~corners), method="linear")
    # Rounding can put a pixel of the edge outside the triangles, where the interpolation says nothing.
    between = np.where(np.isnan(between), pixels.mean(axis=(0, 1)), between)
    found = pixels.copy()
    found[~corners] = np.round(between.astype(np.float32)).astype(np.uint8)  # float32 as in PAIR, for the same halves
    return found


def _sharpened(
    pixels: NDArray[np.uint8], values: NDArray[np.float64], known: NDArray[np.bool_], thresholds: Sequence[float]
) -> Iterator[NDArray[np.uint8]]:
    """The whole picture, the blurred one, and those between with the highest of the map known."""
    yield pixels
    yield interpolated(pixels, known)
    for share in thresholds:
        yield interpolated(pixels, known | (values >= np.quantile(values, 1 - share)))


def _why_not(record: dict[str, Any], watched: str, config: InformationConfig) -> str:
    """Why a picture does not count; empty if it does."""
    if record[watched] is None:
        return ""
    whole, blurred = (float(value) for value in record[watched][:2])
    decided = watched == "same"
    if whole < config.least:
        return "the decision is wrong from the start" if decided else f"the whole picture scores {whole:.2g} only"
    if blurred >= whole:
        return f"the blurred picture {'is decided like' if decided else 'scores as much as'} the whole one"
    if record["bytes"][1] >= record["bytes"][0]:
        return "the blurred picture holds as much information as the whole one"
    return ""


def _axis(config: InformationConfig) -> NDArray[np.float64]:
    return np.append(np.linspace(0, 1, config.points, endpoint=False), 1.0)


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The picture as (h, w, 3) uint8."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.min() < 0 or pixels.max() > 255:
        raise InvalidInput(
            "AIC and SIC need a picture (h, w, 3) of values 0 to 255, whose file can be measured.", code="pixels_range"
        )
    return np.asarray(np.rint(pixels).astype(np.uint8))
