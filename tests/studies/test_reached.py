"""What an interrupted piece of work remembers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import explorer
from explorer.encoders.base import Encoder
from explorer.studies.reached import Reached


def work(encoder: Encoder) -> Iterator[int]:
    for pixels in np.random.default_rng(0).random((4, 1, 16, 16, 3)):
        encoder.embed_pixels(pixels)
        yield 1


def test_numbers_that_are_none_are_not_remembered(tmp_path: Path) -> None:
    broken, asked = True, 0

    def sometimes(batch: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += 1
        rows = batch.mean((1, 2))
        return rows * np.nan if broken and asked == 2 else rows

    encoder = explorer.from_function(sometimes)
    first = Reached(tmp_path)
    assert sum(first.going_on(work(encoder))) == 4
    first.save()
    broken, asked = False, 0
    again = Reached(tmp_path)
    assert list(again.going_on(work(encoder))) == []
    assert asked == 1  # the one that failed
