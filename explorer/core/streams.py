"""Random streams: whoever draws has one of their own, so that two parts of one seed never draw the same numbers."""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """Who draws; the upper half of a Philox key, whose lower half is the seed."""

    MASKS = 0
    NOISE_FILL = 1
    DELETION_ORDER = 2
    SENSITIVITY_NOISE = 3
    SMOOTHING_NOISE = 4
    TIES = 6
    KNOWN_PIXELS = 7
    BENCHMARK_ITEMS = 8
    PROJECTIONS = 9
    SHUFFLED_MAP = 10
    BOOTSTRAP = 11
    ROAD_NOISE = 12
    SCENES = 13
    SHUFFLED_PAIRS = 15
    BALANCED_MASKS = 1 << 32
    """And all that follow: each block of masks has a stream, named by its number."""


def philox(seed: int, stream: Stream, *, part: int = 0, counter: int | list[int] = 0) -> np.random.Philox:
    """The bits of a stream.

    Args:
        seed: 0 to 2**32 - 1.
        stream: Who draws.
        part: The number of a block of balanced masks.
        counter: Where in the stream to begin, for draws that are named by their number.
    """
    if part and stream is not Stream.BALANCED_MASKS:
        raise ValueError(f"{stream.name} has no parts")
    return np.random.Philox(key=(int(stream) + part << 64) + seed, counter=counter)


def generator(seed: int, stream: Stream, *, counter: int | list[int] = 0) -> np.random.Generator:
    """A generator of numbers from a stream; as ``philox``."""
    return np.random.Generator(philox(seed, stream, counter=counter))
