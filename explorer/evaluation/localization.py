"""Localization: is the map positive where it should be, inside a region that is known?

A region is known where somebody gives a mask or a box, or where we put the answer there ourselves: ``plant``
pastes what the reference shows into a picture of something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question, make_question
from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box
from explorer.core.errors import InvalidInput
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike, resolve
from explorer.evaluation.maps import as_map
from explorer.pictures.examples import asset_path
from explorer.pictures.images import as_picture, resize
from explorer.pictures.rules import own_rules

PLANTED_SIZE = (224, 224)
"""Of the planted picture, where the encoder sees pictures of any size."""

QUARTER = Box(0.5, 0.5, 1.0, 1.0)
"""Where the patch is planted if nothing is said: the lower right quarter, which no map finds by liking the centre."""


@dataclass(frozen=True)
class Localization:
    """How well the positive part of a map covers a region; every number but ``pointing`` is 0 to 1, 1 = perfect.

    Attributes:
        pointing: Whether the highest attribution lies inside.
        energy: Share of the positive attribution that lies inside.
        iou: Overlap of the region and as many pixels of the highest attribution.
        average_precision: Of the attribution as a ranking of the pixels.
        chance: The region's share of the picture: what ``energy`` and ``average_precision`` are, and how often
            ``pointing`` is true, for a map that knows nothing.
    """

    pointing: bool
    energy: float
    iou: float
    average_precision: float
    chance: float

    @property
    def chance_iou(self) -> float:
        """What ``iou`` is expected to be for a map that knows nothing."""
        return self.chance / (2 - self.chance)


@dataclass(frozen=True, eq=False)
class Planted:
    """A question whose reference shows what was planted in its picture, and the region (h, w) bool, where."""

    question: Question
    region: NDArray[np.bool_]


def localize(attribution: NDArray[Any], region: NDArray[Any]) -> Localization:
    """Everything here about one map (h, w) and one region (h, w) bool, neither empty nor everything.

    Raises:
        InvalidInput: A map or region that is none, or of two sizes.
    """
    return Localization(
        pointing=pointing_game(attribution, region),
        energy=energy_inside(attribution, region),
        iou=iou(attribution, region),
        average_precision=average_precision(attribution, region),
        chance=float(np.mean(region, dtype=np.float64)),
    )


def pointing_game(attribution: NDArray[Any], region: NDArray[Any]) -> bool:
    """Whether the highest attribution lies inside the region (Zhang et al. 2018, arXiv:1608.00507).

    Several highest pixels must all lie inside, so that a flat map points nowhere. The margin of 15 pixels which
    the authors allow around a region is left out; widen the region for it.
    """
    values, inside = _pair(attribution, region)
    return bool(inside[values == values.max()].all())


def energy_inside(attribution: NDArray[Any], region: NDArray[Any]) -> float:
    """Share of the positive attribution inside (energy-based pointing game, Wang et al. 2020, arXiv:1910.01279).

    Their maps have no negative part; ours is left out. 0 where nothing is positive.
    """
    values, inside = _pair(attribution, region)
    positive = values.clip(min=0)
    total = positive.sum()
    return float(positive[inside].sum() / total) if total else 0.0


def iou(attribution: NDArray[Any], region: NDArray[Any], share: float | None = None) -> float:
    """Intersection over union of the region and the pixels of the highest attribution (Jaccard 1901).

    With as many pixels as the region has, 1 is within reach and the number is a / (2 - a) where a is the relevance
    rank accuracy of Arras et al. 2022 (arXiv:2003.07258). Of equal pixels the first row by row count.

    Args:
        attribution: (h, w).
        region: (h, w) bool.
        share: Of the pixels taken, above 0 to 1; the region's own if None.

    Raises:
        InvalidInput: A map or region that is none, of two sizes, or no such share.
    """
    values, inside = _pair(attribution, region)
    if share is not None and not 0 < share <= 1:  # also refuses NaN
        raise InvalidInput("The share of pixels must lie above 0 and not above 1.", code="iou_share")
    count = int(inside.sum()) if share is None else max(1, round(share * values.size))
    highest = np.zeros(values.size, bool)
    highest[np.argsort(-values.ravel(), kind="stable")[:count]] = True
    both = highest & inside.ravel()
    either = highest | inside.ravel()
    return float(both.sum() / either.sum())


def average_precision(attribution: NDArray[Any], region: NDArray[Any]) -> float:
    """Mean over the region's pixels of the precision at their attribution; equal pixels count together.

    The sum over thresholds of (R_k - R_k-1) P_k, without interpolation, as in scikit-learn's
    ``average_precision_score`` (Pedregosa et al. 2011).
    """
    values, inside = _pair(attribution, region)
    ranking = np.argsort(-values.ravel(), kind="stable")
    ranked, hits = values.ravel()[ranking], inside.ravel()[ranking]
    ends = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)  # the last pixel of each value
    found = hits.cumsum()[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / found[-1])


def box_region(size: tuple[int, int], box: Box | Sequence[float]) -> NDArray[np.bool_]:
    """The pixels of a box, (h, w) bool.

    Args:
        size: (h, w) of the region.
        box: Left, top, right and bottom as shares of the width and height, 0 to 1; rounded to whole pixels.

    Raises:
        InvalidInput: Not such a box, or one without a pixel.
    """
    h, w = size
    edges = (box.left, box.top, box.right, box.bottom) if isinstance(box, Box) else tuple(box)
    if len(edges) != 4 or not all(0 <= edge <= 1 for edge in edges):
        raise InvalidInput("A box is left, top, right and bottom, each 0 to 1.", code="box")
    left, top, right, bottom = edges
    region = np.zeros(size, bool)
    region[round(top * h) : round(bottom * h), round(left * w) : round(right * w)] = True
    if not region.any():
        raise InvalidInput("The box holds no pixel; its right must exceed its left, its bottom its top.", code="box")
    return region


def plant(
    encoder: EncoderLike = DEFAULT_ENCODER,
    *,
    patch: Any = None,
    background: Any = None,
    box: Box | Sequence[float] = QUARTER,
    distance: str = "cosine",
) -> Planted:
    """A question with a known answer: a patch in a picture of something else, against the patch's own picture.

    A map that finds what brings the pair closer is positive in the patch and nowhere else.

    Args:
        encoder: A key of the cards, or an encoder; one of a function is shown arrays (224, 224, 3) uint8.
        patch: The picture that is planted and is the reference; the shipped espresso if None.
        background: The picture it is planted in; the shipped rocket if None.
        box: Where: left, top, right and bottom as shares of the width and height.
        distance: A key of ``explorer.core.distances``.

    Returns:
        The question and its answer.

    Raises:
        InvalidInput: A picture, box or distance that cannot be used.
        WeightsMissing: The encoder's weights are not here.
    """
    encoder = resolve(encoder)
    planted = as_picture(asset_path("espresso.jpg") if patch is None else patch, own_rules()).pixels
    around = as_picture(asset_path("rocket.jpg") if background is None else background, own_rules()).pixels
    size = encoder.input_size or PLANTED_SIZE
    region = box_region(size, box)
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    picture = resize(around, size)
    picture[np.ix_(rows, columns)] = resize(planted, (len(rows), len(columns)))
    return Planted(make_question(picture, reference=resize(planted, size), encoder=encoder, distance=distance), region)


def _pair(attribution: NDArray[Any], region: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The map and the region after a look at them."""
    values, inside = as_map(attribution), as_numpy(region)
    if inside.shape != values.shape or inside.dtype != np.bool_:
        raise InvalidInput(
            f"The region must hold True or False for each pixel of the map {values.shape}, got "
            f"{inside.dtype} {inside.shape}.",
            code="region_shape",
        )
    if inside.all() or not inside.any():
        raise InvalidInput("The region must hold some of the pixels, and not all.", code="region_extent")
    return values, inside
