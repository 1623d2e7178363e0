"""Every part draws from a stream of its own."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.core.limits import N_MASKS, SEED
from explorer.core.streams import Stream, generator, philox

DRAWERS = {"core/streams.py", "encoders/layers.py"}
"""The second has a hash of the layer's name for a key."""


def test_no_two_streams_are_equal() -> None:
    parts = [*((stream, 0) for stream in Stream), *((Stream.BALANCED_MASKS, part) for part in range(1, 12))]
    drawn = [philox(7, stream, part=part).random_raw(8).tolist() for stream, part in parts]
    assert all(one != other for one, other in itertools.combinations(drawn, 2))
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)
    blocks = range(int(Stream.BALANCED_MASKS), int(Stream.BALANCED_MASKS + N_MASKS.high) + 2)
    assert [stream for stream in Stream if int(stream) in blocks] == [Stream.BALANCED_MASKS]
    assert philox(int(SEED.high), Stream.MASKS).random_raw(4).tolist() != philox(0, Stream(1)).random_raw(4).tolist()


def test_the_stream_of_masks_is_what_links_and_results_were_made_with() -> None:
    np.testing.assert_array_equal(philox(5, Stream.MASKS).random_raw(9), np.random.Philox(key=5).random_raw(9))
    fill = generator(5, Stream.NOISE_FILL).random(9)
    np.testing.assert_array_equal(fill, np.random.Generator(np.random.Philox(key=[5, 1])).random(9))


def test_only_balanced_masks_have_parts() -> None:
    with pytest.raises(ValueError, match="no parts"):
        philox(0, Stream.TIES, part=1)


def test_nobody_draws_from_another_stream() -> None:
    package = Path(explorer.__file__).parent
    drawing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".Philox")
    }
    assert drawing == DRAWERS
