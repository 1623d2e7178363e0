"""PA, mIoU, mAP and mF1: the map as a segmentation of the object (Chefer et al. 2021, arXiv:2012.09838).

The object is whatever the data set's mask says, of any class; the map's pixels above its mean are taken for it. One
of the published numbers is not what its name says: the code behind mF1 takes the rows of a picture for pictures, and
so averages the F1 of rows, where a row without object and without prediction counts 0. Both are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box
from explorer.core.errors import InvalidInput
from explorer.evaluation.localization import average_precision
from explorer.evaluation.maps import as_map, unit_positive

KEYS = ("pa", "miou", "map", "mf1", "mf1-official")


@dataclass(frozen=True)
class SegmentationConfig:
    """What of the map counts.

    Attributes:
        positive: Whether the negative part counts as 0; the maps of the published tables have none.
    """

    positive: bool = True


def segmented(
    attribution: NDArray[Any], region: NDArray[np.bool_], config: SegmentationConfig | None = None
) -> dict[str, Any]:
    """Compare a map with the object.

    Args:
        attribution: (h, w) the map.
        region: (h, w) bool, where the object is; see ``as_seen``.
        config: The defaults if None.

    Returns:
        ``correct`` and all ``pixels``; ``intersection`` and ``union`` of background and object, in pixels; the
        average ``precision``; ``f1`` of the picture and the mean one of its rows, ``row_f1``, each 0 to 1. Only
        ``dropped`` where the map is flat.

    Raises:
        InvalidInput: A map or region that is none, or of two sizes.
    """
    values, inside = as_map(attribution), as_numpy(region)
    if inside.shape != values.shape or inside.dtype != np.bool_:
        raise InvalidInput(
            f"The mask must hold True or False for each pixel of the map {values.shape}, got "
            f"{inside.dtype} {inside.shape}.",
            code="region_shape",
        )
    scaled = unit_positive(values if (config or SegmentationConfig()).positive else values - values.min())
    if scaled is None:
        return {"dropped": dict.fromkeys(KEYS, "the map has no positive part")}
    guess = scaled > scaled.mean()
    pairs = ((~guess, ~inside), (guess, inside))
    both = np.stack([1 - scaled, scaled]), np.stack([~inside, inside])
    return {
        "correct": int((guess == inside).sum()),
        "pixels": int(inside.size),
        "intersection": [int((found & true).sum()) for found, true in pairs],
        "union": [int((found | true).sum()) for found, true in pairs],
        "precision": average_precision(*(part.reshape(-1, values.shape[1]) for part in both)),
        "f1": float(_f1(guess.ravel(), inside.ravel())),
        "row_f1": float(_f1(guess, inside).mean()),
    }


def pixel_accuracy(records: Sequence[dict[str, Any]]) -> float:
    """PA in percent: right pixels of all pictures over all their pixels; NaN without pictures."""
    counted = _counted(records)
    total = sum(record["pixels"] for record in counted)
    return 100 * sum(record["correct"] for record in counted) / total if total else float("nan")


def mean_iou(records: Sequence[dict[str, Any]]) -> float:
    """MIoU in percent: the mean, over background and object, of all pictures' intersections over all their unions."""
    counted = _counted(records)
    if not counted:
        return float("nan")
    both, either = (np.sum([record[key] for record in counted], axis=0) for key in ("intersection", "union"))
    return 100 * float(np.mean(both / np.maximum(either, 1)))


POOLED: dict[str, Callable[[Sequence[dict[str, Any]]], float]] = {"pa": pixel_accuracy, "miou": mean_iou}
"""Metrics that count the pixels of all pictures together."""


def _accuracy_drawn(records: Sequence[dict[str, Any]]) -> Callable[[NDArray[np.intp]], float]:
    right, of = (np.array([record.get(key, 0) for record in records], np.int64) for key in ("correct", "pixels"))

    def total(rows: NDArray[np.intp]) -> float:
        pixels = int(of[rows].sum())
        return 100 * int(right[rows].sum()) / pixels if pixels else float("nan")

    return total


def _iou_drawn(records: Sequence[dict[str, Any]]) -> Callable[[NDArray[np.intp]], float]:
    counts = [[record.get(key, (0, 0)) for key in ("intersection", "union")] for record in records]
    table, counted = np.array(counts, np.int64).reshape(-1, 2, 2), np.array(["dropped" not in one for one in records])

    def total(rows: NDArray[np.intp]) -> float:
        both, either = table[rows].sum(axis=0)
        return 100 * float(np.mean(both / np.maximum(either, 1))) if counted[rows].any() else float("nan")

    return total


POOLED_DRAWN = {"pa": _accuracy_drawn, "miou": _iou_drawn}
"""The same of some of the records by their numbers, each read once: Records -> numbers of records -> number."""


def _percent(field: str) -> Callable[[dict[str, Any]], float]:
    return lambda record: float("nan") if "dropped" in record else 100 * float(record[field])


MEAN = {"map": _percent("precision"), "mf1": _percent("f1"), "mf1-official": _percent("row_f1")}
"""Metrics that are a mean over pictures."""


def as_seen(region: NDArray[np.bool_], box: Box, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask (H, W) of a whole picture as the encoder sees it: nearest pixels, and no object where it pads.

    Args:
        region: (H, W) bool.
        box: Where what the encoder sees lies in the picture, from ``Encoder.view``.
        size: (h, w) of what it sees.
    """
    edges = ((box.top, box.bottom, size[0], region.shape[0]), (box.left, box.right, size[1], region.shape[1]))
    rows, columns = (
        np.floor((low + (np.arange(count) + 0.5) / count * (high - low)) * side).astype(int)
        for low, high, count, side in edges
    )
    inside = np.outer((rows >= 0) & (rows < region.shape[0]), (columns >= 0) & (columns < region.shape[1]))
    return np.asarray(region[np.ix_(rows.clip(0, region.shape[0] - 1), columns.clip(0, region.shape[1] - 1))] & inside)


def _counted(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if "dropped" not in record]


def _f1(guess: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """F1 over the last axis; 0 where there is neither object nor prediction."""
    both = (guess & inside).sum(axis=-1)
    either = guess.sum(axis=-1) + inside.sum(axis=-1)
    return np.asarray(2 * both / np.maximum(either, 1))
