"""Incremental deletion: does the distance follow the map when its pixels go (paper, section 4.1)?

Deleting first what brings the pair closer (LoDF, low distance first) should raise the distance sooner than
deleting pixels at random, and deleting first what pushes it apart (HiDF, high distance first) should lower it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.errors import InvalidInput
from explorer.core.fills import make_background
from explorer.core.limits import SEED
from explorer.core.steps import Parts, Steps
from explorer.core.streams import Stream, generator
from explorer.evaluation.maps import as_map

ORDERS = ("lodf", "hidf", "random")
"""Low distance first: the highest attribution goes first. High distance first: the lowest does (paper, section 4.1)."""

SEVERAL = ("blur", "black", "mean")
"""Fills that a verdict is held against; see ``several_fills``."""


@dataclass(frozen=True, eq=False)
class Deletion:
    """Distances while more and more pixels are deleted; NaN where a partial result has not got to.

    Every curve begins with the whole picture and ends with all of it deleted.

    Attributes:
        shares: (s + 1,) shares of the pixels deleted, from 0 to 1.
        lodf: (s + 1,) distances, the highest attribution deleted first.
        hidf: (s + 1,) distances, the lowest attribution deleted first.
        random: (k, s + 1) distances, k random orders.
    """

    shares: NDArray[np.float64]
    lodf: NDArray[np.float64]
    hidf: NDArray[np.float64]
    random: NDArray[np.float64]

    def curve(self, order: str) -> NDArray[np.float64]:
        """(s + 1,) distances of an order; of ``"random"`` the mean of the random orders."""
        if _known(order) == "random":
            return np.asarray(self.random.mean(axis=0))
        return self.lodf if order == "lodf" else self.hidf

    def area(self, order: str, upto: float = 1.0) -> float:
        """Area under a curve by trapezoids, in units of distance; of ``"random"`` the mean of the areas.

        Args:
            order: A key of ORDERS.
            upto: Share deleted up to which the area counts, above 0 to 1. An early end compares the orders while
                there is still a picture (Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820, end at 0.157).
        """
        return _area(self.shares, self.curve(order), upto)

    def random_areas(self, upto: float = 1.0) -> NDArray[np.float64]:
        """(k,) the area of each random order: how much of a difference is chance."""
        return np.array([_area(self.shares, distances, upto) for distances in self.random])

    def against_random(self, order: str, upto: float = 1.0) -> float:
        """Area of an order less the mean random area: positive for ``lodf``, negative for ``hidf`` if faithful."""
        return self.area(order, upto) - self.area("random", upto)

    @property
    def srg(self) -> float:
        """Symmetric relevance gain: the area between ``lodf`` and ``hidf``, in units of distance.

        What deleting at random does drops out of it, and with that most of what deleted pixels become: it ranks maps
        alike whatever that is, where one curve alone does not (Blücher et al. 2024, arXiv:2401.06654).
        """
        return self.area("lodf") - self.area("hidf")

    def band(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The smallest and the largest distance of the random orders so far, each (s + 1,)."""
        return np.fmin.reduce(self.random), np.fmax.reduce(self.random)


def pixel_order(attribution: NDArray[Any], order: str, seed: int = 0) -> NDArray[np.int64]:
    """In which order the pixels are deleted (paper, section 4.1).

    Pixels of equal attribution go row by row from the top left, in both orders.

    Args:
        attribution: (h, w) finite, positive = keeping the region brings the pair closer.
        order: ``"lodf"`` deletes the highest attribution first, ``"hidf"`` the lowest, ``"random"`` neither.
        seed: Of the random order, 0 to 2**32 - 1.

    Returns:
        (h * w,) int64 indices of pixels, counted row by row.

    Raises:
        InvalidInput: No such order or seed, or a map that is none.
    """
    values = as_map(attribution).ravel()
    if _known(order) == "random":
        return generator(SEED.check(seed), Stream.DELETION_ORDER).permutation(values.size)
    return np.argsort(-values if order == "lodf" else values, kind="stable")


def deletion(
    question: Question,
    attribution: NDArray[Any],
    *,
    steps: int = 20,
    pixels_per_step: int | None = None,
    fill: str = "auto",
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    seed: int = 0,
) -> Parts[Deletion]:
    """Delete the pixels of a picture step by step and measure the distance of what is left (paper, section 4.1).

    Yields a partial result after every batch. Curves are done one after another, LoDF first; the whole picture and
    the one with everything deleted are the same in each, and embedded once.

    Args:
        question: The question the map answers.
        attribution: (h, w) the map, as large as ``case.pixels``.
        steps: Equal steps from nothing to everything deleted, 1 to h * w.
        pixels_per_step: Pixels deleted at a time, in place of ``steps``; the last step is what is left of them.
        fill: What a deleted pixel becomes, a key of ``FILLS``. The paper's figures have ``"mean"``. Pixels
            deleted at random are dots, and dots of one colour can be a texture that means something, so try several.
        seeds: Of the random orders, at least one, each 0 to 2**32 - 1.
        seed: Of the noise of ``fill="noise"``.

    Returns:
        The distances.

    Raises:
        InvalidInput: A map of another size, no such fill, or a number outside its range.
        UnusableEmbedding: Non-finite embeddings, or ones of zero length.
    """
    counts = _counts(question, steps, pixels_per_step)
    values, background = _prepare(question, attribution, fill, seed)
    drawn = _checked(seeds)
    orders = chain(
        (pixel_order(values, "lodf"), pixel_order(values, "hidf")), (pixel_order(values, "random", s) for s in drawn)
    )
    copies = chain((question.pixels, background), _between(question.pixels, background, orders, counts[1:-1]))
    size = question.encoder.batch_size
    distances = np.full(deletion_passes(question, steps=steps, pixels_per_step=pixels_per_step, seeds=drawn), np.nan)
    for start in range(0, len(distances), size):
        distances[start : start + size] = yield from question.distances(islice(copies, size))
        yield _arranged(distances, counts, len(drawn))
    return _arranged(distances, counts, len(drawn))


def symmetric_gain(
    question: Question, attribution: NDArray[Any], *, steps: int = 20, fill: str = "auto", seed: int = 0
) -> Steps[float]:
    """``Deletion.srg`` alone; arguments and errors as ``deletion``.

    Neither the random orders count in it nor the ends, which both lines have in common.
    """
    counts = _counts(question, steps, None)
    values, background = _prepare(question, attribution, fill, seed)
    orders = (pixel_order(values, order) for order in ("lodf", "hidf"))
    distances = yield from question.distances(_between(question.pixels, background, orders, counts[1:-1]))
    lodf, hidf = distances.reshape(2, len(counts) - 2)
    return _area(counts / counts[-1], np.concatenate(([0.0], lodf - hidf, [0.0])), 1.0)


def symmetric_passes(question: Question, *, steps: int = 20) -> int:
    """How many pictures ``symmetric_gain`` embeds."""
    return 2 * (len(_counts(question, steps, None)) - 2)


def deletion_passes(
    question: Question, *, steps: int = 20, pixels_per_step: int | None = None, seeds: Sequence[int] = (0, 1, 2, 3, 4)
) -> int:
    """How many pictures ``deletion`` embeds: two, and the steps between them for each order."""
    return 2 + (2 + len(_checked(seeds))) * (len(_counts(question, steps, pixels_per_step)) - 2)


def several_fills(own: str) -> tuple[str, ...]:
    """Three ways to delete that are unlike each other: a map's own fill, and two of SEVERAL."""
    return (own, *[fill for fill in SEVERAL if fill != own][:2])


def deleted_copies(
    question: Question,
    attribution: NDArray[Any],
    order: str,
    shares: Sequence[float],
    fill: str = "auto",
    seed: int = 0,
    fill_seed: int = 0,
) -> NDArray[Any]:
    """Copies (k, h, w, c) of the picture with k shares of its pixels deleted, for the sheets of figures 1 and 3.

    Each share is 0 to 1, rounded to whole pixels; those of a ``Deletion`` give its copies. Their dtype is that of the
    picture; ``seed`` is that of the random order, ``fill_seed`` that of the noise of ``fill="noise"``.

    Raises:
        InvalidInput: A map of another size, no such order or fill, or a number outside its range.
    """
    values, background = _prepare(question, attribution, fill, fill_seed)
    indices = pixel_order(values, order, seed)
    copies = np.repeat(question.pixels[None], len(shares), axis=0)
    for copy, share in zip(copies, shares, strict=True):
        if not 0 <= share <= 1:  # also refuses NaN
            raise InvalidInput("Each share must be 0 to 1.", code="deletion_shares")
        _delete(copy, background, indices[: round(share * values.size)])
    return copies


def _known(order: str) -> str:
    if order not in ORDERS:
        raise InvalidInput(f"Unknown order; choose one of: {', '.join(ORDERS)}.", code="unknown_order")
    return order


def _checked(seeds: Sequence[int]) -> list[int]:
    if not len(seeds):
        raise InvalidInput("Deleting at random needs at least one seed.", code="deletion_seeds")
    return [int(SEED.check(seed)) for seed in seeds]


def _prepare(
    question: Question, attribution: NDArray[Any], fill: str, seed: int
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """The map, and what deleted pixels become as (h, w, c) in the dtype of the picture."""
    pixels = question.pixels
    values = as_map(attribution, pixels.shape[:2])
    background = make_background(fill, pixels, question.encoder, SEED.check(seed))
    return values, np.broadcast_to(background, pixels.shape).astype(pixels.dtype)


def _counts(question: Question, steps: int, pixels_per_step: int | None) -> NDArray[np.int64]:
    """(s + 1,) how many pixels are deleted at each point of a curve, from none to all."""
    h, w = question.pixels.shape[:2]
    total = h * w
    name, value = ("steps", steps) if pixels_per_step is None else ("pixels_per_step", pixels_per_step)
    try:
        number = operator.index(value)
    except TypeError as error:
        raise InvalidInput(f"{name} must be a whole number.", code=f"{name}_type") from error
    if not 1 <= number <= total:
        raise InvalidInput(
            f"{name} must be 1 to {total}, the pixels the encoder sees, got {number}.", code=f"{name}_range"
        )
    points = [i * total // number for i in range(number + 1)] if name == "steps" else [*range(0, total, number), total]
    return np.array(points, np.int64)


def _between(
    pixels: NDArray[Any],
    background: NDArray[Any],
    orders: Iterator[NDArray[np.int64]],
    counts: NDArray[np.int64],
) -> Iterator[NDArray[Any]]:
    """The copies of each order in turn, without the whole picture and the one that is all deleted."""
    for indices in orders:
        copy, done = pixels.copy(), 0
        for count in counts:
            _delete(copy, background, indices[done:count])
            done = count
            yield copy.copy()


def _delete(copy: NDArray[Any], background: NDArray[Any], indices: NDArray[np.int64]) -> None:
    rows, columns = np.divmod(indices, copy.shape[1])
    copy[rows, columns] = background[rows, columns]


def _arranged(distances: NDArray[np.float64], counts: NDArray[np.int64], drawn: int) -> Deletion:
    """Curves from distances in the order they were measured: whole, all deleted, then each order between them."""
    curves = np.empty((2 + drawn, len(counts)))
    curves[:, 0], curves[:, -1] = distances[:2]
    curves[:, 1:-1] = distances[2:].reshape(2 + drawn, len(counts) - 2)
    return Deletion(counts / counts[-1], curves[0], curves[1], curves[2:])


def _area(shares: NDArray[np.float64], distances: NDArray[np.float64], upto: float) -> float:
    if not 0 < upto <= 1:  # also refuses NaN
        raise InvalidInput("The share up to which an area counts must lie above 0 and not above 1.", code="area_upto")
    before = shares < upto
    x = np.append(shares[before], upto)
    y = np.append(distances[before], np.interp(upto, shares, distances))
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
