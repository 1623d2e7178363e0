"""NEG, POS, INS, DEL, ADP and PIC: what becomes of a decision or a score while a picture is hidden as its map says.

The protocol ``"dix"`` is that of the DIX paper (section 4.2), as in Chefer et al. 2021 (arXiv:2012.09838), whose author
says how the areas are made (Transformer-Explainability, issues 27 and 31): tenths of the pixels are made black, all of
them in the untouched picture, and the area under the nine tenths is not divided by their range, so that 90 is the
highest. What it calls INS and DEL is not what RISE calls so (Petsiuk et al. 2018, arXiv:1806.07421): that is the
protocol ``"rise"``, which inserts into a blurred picture, deletes to the network's zero, and has areas up to 1. Numbers
of the two must not stand in one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.errors import InvalidInput
from explorer.core.fills import apply_masks, make_background
from explorer.core.limits import SEED
from explorer.core.steps import Steps
from explorer.core.streams import Stream, generator
from explorer.evaluation.maps import as_map, unit_positive
from explorer.evaluation.scorers import Scorer

ORDERS = ("highest", "lowest")
"""Which pixels go first: POS and DEL hide the highest of the map, NEG and INS the lowest."""

PROTOCOLS = ("dix", "rise")

TENTHS = tuple(tenths / 10 for tenths in range(1, 10))

BLUR_SIDE, BLUR_SIGMA = 11, 5.0
"""Of RISE's blur."""


@dataclass(frozen=True)
class PerturbationConfig:
    """How the picture is hidden.

    Attributes:
        protocol: A key of PROTOCOLS.
        shares: Of the pixels hidden, ascending, above 0 to 1; only for ``"dix"``, where 0 comes before them.
        fill: What hidden pixels become, a key of ``explorer.core.fills``; only for ``"dix"``, and for ADP and PIC.
        step: Pixels at a time, only for ``"rise"``; the width of the picture if None. RISE's tables have 8 times that.
    """

    protocol: str = "dix"
    shares: tuple[float, ...] = TENTHS
    fill: str = "black"
    step: int | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InvalidInput(f"Unknown protocol; choose one of: {', '.join(PROTOCOLS)}.", code="unknown_protocol")
        points = (0.0, *self.shares)
        if len(points) < 2 or not all(low < high <= 1 for low, high in pairwise(points)):
            raise InvalidInput("Shares must ascend and lie above 0 and not above 1.", code="perturbation_shares")
        if self.step is not None and self.step < 1:
            raise InvalidInput("step must be at least 1 pixel.", code="perturbation_step")


def perturbed(
    question: Question,
    attribution: NDArray[Any],
    scorer: Scorer,
    order: str,
    config: PerturbationConfig | None = None,
    seed: int = 0,
) -> Steps[dict[str, Any]]:
    """Hide more and more pixels in the order of a map.

    Args:
        question: Its picture is hidden.
        attribution: (h, w) the map.
        scorer: Watches.
        order: A key of ORDERS.
        config: How; the defaults if None.
        seed: Of the order of pixels with equal attribution, 0 to 2**32 - 1.

    Returns:
        ``shares`` of the pixels hidden, in the order of the protocol's curve, the ``score`` at each, and whether the
        decision is the ``same``; that is None where the scorer decides nothing.

    Raises:
        InvalidInput: A map of another size, or no such order, fill or seed.
        UnusableEmbedding: Non-finite embeddings, or ones of zero length.
    """
    config = config or PerturbationConfig()
    values = as_map(attribution, question.pixels.shape[:2])
    points = _points(question, order, config)
    ranked = pixel_ranking(values, order if config.protocol == "dix" else "highest", seed)
    from_the_end = config.protocol == "rise" and order == "lowest"  # so that ties fall as in its deletion
    gone = (ranked[values.size - n :] if from_the_end else ranked[:n] for n in points.values())
    rows = yield from question.embeddings(_without(question.pixels, _background(question, order, config), gone))
    return {
        "shares": list(points),
        "score": scorer.score(rows).tolist(),
        "same": scorer.same(rows).tolist() if scorer.decides else None,
    }


def perturbation_passes(question: Question, config: PerturbationConfig | None = None) -> int:
    """How many pictures ``perturbed`` embeds."""
    return len(_points(question, "highest", config or PerturbationConfig()))


def pixel_ranking(values: NDArray[np.float64], order: str, seed: int = 0) -> NDArray[np.int64]:
    """In which order the pixels of a map (h, w) are hidden: (h * w,) int64 indices, counted row by row.

    Equal ones go by lot, the same lot for both orders: maps on a coarse grid, or without a negative part, have
    thousands of equal pixels, and row by row would hide the top of the picture first.

    Raises:
        InvalidInput: No such order or seed.
    """
    flat = values.ravel()
    lots = generator(SEED.check(seed), Stream.TIES).random(flat.size)
    return np.lexsort((lots, -flat if _known(order) == "highest" else flat))


def area(record: dict[str, Any], watched: str, config: PerturbationConfig | None = None) -> float:
    """Area under a curve of ``perturbed``; NaN where there is no such curve.

    Args:
        record: From ``perturbed``.
        watched: ``"score"`` or ``"same"``.
        config: The one it was made with.

    Returns:
        By ``"dix"`` 100 times the area over the shares, 0 to 90 for the nine tenths; by ``"rise"`` the curve's mean
        with its ends counted half, 0 to 1.
    """
    if record[watched] is None:
        return float("nan")
    curve = np.asarray(record[watched], np.float64)
    if config is not None and config.protocol == "rise":
        return float((curve.sum() - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))
    return 100 * float(np.trapezoid(curve, record["shares"]))


def softened(
    question: Question, attribution: NDArray[Any], scorer: Scorer, config: PerturbationConfig | None = None
) -> Steps[dict[str, Any]]:
    """Let the map light the picture: each pixel as bright as the map's positive part, scaled to 0..1, is high.

    The ``fill`` of ``config`` shows where the map is low.

    Returns:
        ``before`` and ``after``, the scores of the picture and of the lit one; ``dropped`` where the map has no
        positive part that could be scaled, or the picture scores nothing.

    Raises:
        InvalidInput: A map of another size, or no such fill.
        UnusableEmbedding: Non-finite embeddings, or ones of zero length.
    """
    config = config or PerturbationConfig()
    light = unit_positive(as_map(attribution, question.pixels.shape[:2]))
    if light is None:
        return _dropped("the map has no positive part")
    return (yield from lit(question, light, scorer, config.fill))


def lit(question: Question, light: NDArray[Any], scorer: Scorer, fill: str = "black") -> Steps[dict[str, Any]]:
    """``softened`` by a mask (h, w) in 0..1, 1 = kept."""
    background = make_background(fill, question.pixels, question.encoder, 0)
    copy = apply_masks(question.pixels, background, light[None].astype(np.float32))[0]
    rows = yield from question.embeddings([question.pixels, copy])
    before, after = (float(score) for score in scorer.score(rows))
    if before <= 0:
        return _dropped("the whole picture scores nothing")
    return {"before": before, "after": after}


def drop(record: dict[str, Any]) -> float:
    """ADP of one picture: the percent of the score that is lost; NaN where it was dropped."""
    if "dropped" in record:
        return float("nan")
    before, after = float(record["before"]), float(record["after"])
    return 100 * max(0.0, before - after) / before


def rose(record: dict[str, Any]) -> float:
    """PIC of one picture: 100 where the score rose, else 0; NaN where it was dropped."""
    return float("nan") if "dropped" in record else 100.0 * (record["after"] > record["before"])


def rise_blur(pixels: NDArray[Any], zero_colour: NDArray[Any]) -> NDArray[np.float64]:
    """A picture (h, w, c) as RISE blurs it: 11 x 11 pixels, sigma 5, beyond the edge the colour that is zero.

    RISE makes its kernel by filtering one bright pixel among 11 x 11, where what passes the edge is mirrored back.
    """
    middle, width = BLUR_SIDE // 2, 2 * BLUR_SIDE
    reach = int(4 * BLUR_SIGMA + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / BLUR_SIGMA) ** 2)
    bell /= bell.sum()
    kernel = np.zeros(BLUR_SIDE)
    for offset, weight in zip(range(-reach, reach + 1), bell, strict=True):
        place = (middle + offset) % width
        kernel[place if place < BLUR_SIDE else width - 1 - place] += weight
    blurred = pixels.astype(np.float64) - zero_colour
    for axis in (0, 1):
        side = pixels.shape[axis]
        padded = np.pad(blurred, [(middle, middle) if a == axis else (0, 0) for a in range(3)])
        blurred = np.sum([k * padded.take(range(i, i + side), axis) for i, k in enumerate(kernel)], axis=0)
    return np.asarray(blurred + zero_colour)


def _points(question: Question, order: str, config: PerturbationConfig) -> dict[float, int]:
    """How many pixels are gone at each share of the curve: as many whole ones as it holds."""
    h, w = question.pixels.shape[:2]
    total = h * w
    if config.protocol == "dix":
        return {share: int(total * share) for share in (0.0, *config.shares)}
    forward = [*range(0, total, config.step or w), total]
    gone = [total - n for n in forward] if _known(order) == "lowest" else forward
    return {n / total: n for n in gone}


def _background(question: Question, order: str, config: PerturbationConfig) -> NDArray[Any]:
    """What hidden pixels become, (h, w, c) in the dtype of the picture."""
    pixels, encoder = question.pixels, question.encoder
    if config.protocol == "rise" and order == "lowest":
        background: NDArray[Any] = rise_blur(pixels, encoder.zero_colour)
    else:
        background = make_background(config.fill if config.protocol == "dix" else "zero", pixels, encoder, 0)
    return np.broadcast_to(background, pixels.shape).astype(pixels.dtype)


def _without(
    pixels: NDArray[Any], background: NDArray[Any], gone: Iterator[NDArray[np.int64]]
) -> Iterator[NDArray[Any]]:
    """The picture without some pixels, again and again."""
    for indices in gone:
        copy = pixels.copy()
        rows, columns = np.divmod(indices, pixels.shape[1])
        copy[rows, columns] = background[rows, columns]
        yield copy


def _known(order: str) -> str:
    if order not in ORDERS:
        raise InvalidInput(f"Unknown order; choose one of: {', '.join(ORDERS)}.", code="unknown_order")
    return order


def _dropped(reason: str) -> dict[str, Any]:
    return {"dropped": {"adp": reason, "pic": reason}}
