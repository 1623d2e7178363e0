"""Functions as encoders: batches of one size, and functions that fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import explorer
from explorer import InvalidInput, MaskSettings
from explorer.core.errors import Exhausted, Failed

MASKING = MaskSettings(n_masks=21, feature_res=4)


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)


class OfEight:
    """Takes 8 rows and no other number, each with something in it, as an exported network may."""

    def __init__(self) -> None:
        self.dtypes: set[Any] = set()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        assert batch.shape == (8, 12, 16, 3)
        assert batch.any(axis=(1, 2, 3)).all()
        self.dtypes.add(batch.dtype)
        return batch.astype(np.float64).reshape(8, 3, -1).sum(axis=2)


def test_a_fixed_batch_is_filled_up() -> None:
    """The reference alone, the whole picture alone, the 5 masks that are left over: the same as without."""
    function = OfEight()
    fixed = explorer.from_function(function, batch_size=8, fixed_batch=True)
    free = explorer.from_function(lambda batch: batch.astype(np.float64).reshape(len(batch), 3, -1).sum(axis=2))
    image = picture()
    ours, theirs = (
        explorer.explain(image, reference=image[::-1] + 1, encoder=encoder, masking=MASKING)
        for encoder in (fixed, free)
    )
    np.testing.assert_array_equal(ours.probe.embeddings, theirs.probe.embeddings)
    np.testing.assert_array_equal(ours.attribution, theirs.attribution)
    assert ours.unmasked_distance == theirs.unmasked_distance
    assert np.dtype(np.uint8) in function.dtypes  # arrays go through as they are here, too
    np.testing.assert_array_equal(fixed.embed_images(image[None]), free.embed_images(image[None]))
    longer = explorer.extend(ours.probe, n_masks=30)
    np.testing.assert_array_equal(longer.embeddings, explorer.extend(theirs.probe, n_masks=30).embeddings)


def test_a_function_that_fails_is_named() -> None:
    def broken(batch: np.ndarray) -> np.ndarray:
        raise KeyError("weights")

    encoder = explorer.from_function(broken)
    with pytest.raises(Failed, match="Your function failed with KeyError: 'weights'") as caught:
        explorer.explain(picture(), reference=picture(), encoder=encoder)
    assert isinstance(caught.value.__cause__, KeyError)

    def hungry(batch: np.ndarray) -> np.ndarray:
        raise RuntimeError("CUDA out of memory.")

    with pytest.raises(Exhausted, match="not enough memory"):
        explorer.from_function(hungry).embed_pixels(picture()[None])

    def refusing(batch: np.ndarray) -> np.ndarray:
        raise InvalidInput("Not this one; take another.", code="mine")

    with pytest.raises(InvalidInput, match="Not this one"):
        explorer.from_function(refusing).embed_pixels(picture()[None])
