"""Functions as encoders: batches of one size, and functions that fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

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


BATCH = np.random.default_rng(3).random((23, 12, 16, 3))


def means(batch: Any) -> Any:
    return batch.mean(axis=(1, 2))


class Reusing(torch.nn.Module):
    """Answers in one tensor of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = torch.empty(10, 3)

    def forward(self, planes: Any) -> Any:
        return self.answer[: len(planes)].copy_(planes.mean((2, 3)))


def test_answers_in_an_array_that_is_used_again_are_kept() -> None:
    answer = np.empty((10, 3))

    def reusing(batch: np.ndarray) -> np.ndarray:
        answer[: len(batch)] = means(batch)
        return answer[: len(batch)]

    function = explorer.from_function(reusing)
    np.testing.assert_array_equal(function.embed_images(BATCH), means(BATCH))
    row = function.embed_pixels(BATCH[:1])
    function.embed_pixels(BATCH[1:2])
    np.testing.assert_array_equal(row, means(BATCH[:1]))
    network = explorer.from_torch(Reusing().eval())
    np.testing.assert_allclose(network.embed_images(BATCH), means(BATCH), atol=1e-6)


def test_what_is_given_is_neither_kept_nor_shown() -> None:
    def writing(batch: np.ndarray) -> np.ndarray:
        batch *= 0.5
        return means(batch)

    given = BATCH.copy()
    explorer.from_function(writing).embed_images(given)
    np.testing.assert_array_equal(given, BATCH)


@pytest.mark.parametrize("tensor", [False, True])
def test_what_becomes_of_the_arrays_given_does_not_matter(tmp_path: Path, tensor: bool) -> None:
    image, vector, masks = picture() / 255, np.array([1, 0.2, 0.3]), np.random.default_rng(0).random((10, 12, 16))
    encoder = explorer.from_function(means)
    expected = explorer.explain(image, embedding=vector, encoder=encoder, masking=MASKING)
    given = [torch.from_numpy(array.copy()) if tensor else array.copy() for array in (image, vector, masks)]
    found = explorer.explain(given[0], embedding=given[1], encoder=encoder, masking=MASKING)
    by_masks = explorer.explain(given[0], embedding=given[1], masks=given[2], encoder=encoder)
    for array in given:
        array[:] = 0
    longer, other = (explorer.extend(one.probe, n_masks=40) for one in (found, expected))
    np.testing.assert_array_equal(longer.embeddings, other.embeddings)
    np.testing.assert_array_equal(found.reference.embedding, vector)
    np.testing.assert_allclose(by_masks.probe.masks.render(0, 10), masks, atol=1e-7)
    assert found.unmasked_distance == expected.unmasked_distance
    found.save(tmp_path / "found")


@pytest.mark.parametrize(
    "images", ["x", None, 3.0, (i for i in ()), ["a.jpg"], [object()], np.zeros((0, 12, 16, 3)), BATCH[0]]
)
@pytest.mark.parametrize("kind", ["function", "torch", "lite"])
def test_what_is_no_batch_is_refused(kind: str, images: Any) -> None:
    encoders = {
        "function": lambda: explorer.from_function(means),
        "torch": lambda: explorer.from_torch(Reusing().eval()),
        "lite": lambda: explorer.load_encoder("efficientnet-lite0"),
    }
    with pytest.raises(InvalidInput, match="Expected a batch of pictures"):
        encoders[kind]().embed_images(images)


def test_true_and_false_are_not_masked_and_few_steps_are_told() -> None:
    encoder, image = explorer.from_function(lambda batch: batch.mean((1, 2), dtype=float)), picture()
    asked: dict[str, Any] = {"encoder": encoder, "masking": MASKING}
    with pytest.raises(InvalidInput, match=r"True and False cannot be masked.*astype\(float\)"):
        explorer.probe(image > 100, **asked)
    (notice,) = explorer.probe((image > 100).astype(np.uint8), **asked).notices
    assert notice.startswith("Whole numbers up to 1 only")
    (notice,) = explorer.probe(-(image // 64).astype(int), **asked).notices
    assert notice.startswith("Whole numbers up to 3 only")
    for fine in (image, (image > 100).astype(float), np.where(image > 100, 255, 0), np.zeros_like(image)):
        assert explorer.probe(fine, **asked).notices == ()
    assert encoder.embed_images((image > 100)[None]).shape == (1, 3)  # which masks nothing
