"""Arrays of every framework, as pictures, embeddings, masks and what a function returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput
from explorer.evaluation.maps import as_map

NUMBERS = np.random.default_rng(1).random((12, 16, 16)).astype(np.float32)
PICTURE = np.random.default_rng(2).random((16, 16, 3)).astype(np.float32)


class OfTensorFlow:
    """Like a tensor of TensorFlow in bfloat16, whose type is one that numpy gets from another package."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        import ml_dtypes

        return self.array.astype(ml_dtypes.bfloat16)


FORMS: dict[str, Callable[[Any], Any]] = {
    "list": lambda array: array.tolist(),
    "tensor": torch.from_numpy,
    "with gradients": lambda array: torch.from_numpy(array).requires_grad_(),
    "in a graph": lambda array: torch.from_numpy(array).requires_grad_() * 1,
    "parameter": lambda array: torch.nn.Parameter(torch.from_numpy(array)),
    "bfloat16": lambda array: torch.from_numpy(array).bfloat16(),
    "half with gradients": lambda array: torch.from_numpy(array).half().requires_grad_(),
    "list of tensors": lambda array: list(torch.from_numpy(array).requires_grad_()),
    "negative bit": lambda array: torch._neg_view(-torch.from_numpy(array)),
    "made in inference mode": lambda array: torch.inference_mode()(torch.from_numpy)(array),
    "TensorFlow": OfTensorFlow,
}
BAD: dict[str, Any] = {
    "on meta": torch.ones(3, 4, 5, device="meta"),
    "sparse": torch.eye(3).to_sparse(),
    "ragged": [[1.0], [1.0, 2.0]],
    "ragged tensors": [torch.ones(2), torch.ones(3)],
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    if request.param == "TensorFlow":
        pytest.importorskip("ml_dtypes")
    return FORMS[request.param]


def test_an_array_of_any_kind_is_read(form: Callable[[Any], Any]) -> None:
    found = as_numpy(form(NUMBERS))
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, NUMBERS, atol=2**-8)


def test_it_may_be_given_everywhere(form: Callable[[Any], Any]) -> None:
    """A picture, masks, an embedding, a map, and what a function returns."""

    def embed(batch: Any) -> Any:
        return form(np.stack((batch.mean((1, 2, 3)), batch[:, :8].mean((1, 2, 3))), 1).astype(np.float32))

    given: dict[str, Any] = {"embedding": np.array([1, 0.2], np.float32), "masks": NUMBERS}
    plain = explorer.explain(PICTURE, encoder=explorer.from_function(embed), **given).attribution
    encoder = explorer.from_function(embed)
    found = explorer.explain(
        form(PICTURE), encoder=encoder, **{name: form(array) for name, array in given.items()}
    ).attribution
    np.testing.assert_allclose(found, plain, atol=0.05 * np.ptp(plain))
    assert as_map(form(NUMBERS[0])).shape == (16, 16)
    assert encoder.embed_images(form(PICTURE[None])).shape == (1, 2)
    assert explorer.load_encoder("efficientnet-lite0").read(form(PICTURE)).pixels.shape == (224, 224, 3)


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_array_is_refused(name: str) -> None:
    encoder = explorer.from_function(lambda batch: batch.mean((1, 2)))
    uses: tuple[Callable[[Any], Any], ...] = (
        as_numpy,
        explorer.masks_from_array,
        encoder.read,
        lambda bad: explorer.explain(PICTURE, embedding=bad, encoder=encoder),
        lambda bad: explorer.explain(PICTURE, embedding=[1.0, 2.0, 3.0], masks=bad, encoder=encoder),
        lambda bad: explorer.explain(PICTURE, embedding=[1.0, 2.0], encoder=explorer.from_function(lambda batch: bad)),
    )
    for use in uses:
        with pytest.raises(InvalidInput, match="cannot be read as an array; give numbers of one shape"):
            use(BAD[name])
    with pytest.raises(InvalidInput, match=r"height x width x 3, uint8 or float.*no array.*cannot be read"):
        explorer.load_encoder("efficientnet-lite0").read(BAD[name])


def test_the_device_that_holds_no_numbers_is_named() -> None:
    with pytest.raises(InvalidInput, match="device meta, where there are no numbers"):
        as_numpy(BAD["on meta"])


@pytest.mark.parametrize("wrap", [list, tuple, lambda rows: [list(rows[:8]), list(rows[8:])]])
def test_hidden_values_in_a_list_are_not_read(wrap: Callable[[Any], Any]) -> None:
    rows = [np.ma.array(row, mask=row > 0.9) for row in PICTURE]
    for use in (as_numpy, explorer.from_function(lambda batch: batch.mean((1, 2))).read):
        with pytest.raises(InvalidInput, match=r"array\.filled"):
            use(wrap(rows))
    as_numpy(wrap([np.ma.array(row) for row in PICTURE]))
    with pytest.raises(InvalidInput, match=r"array\.filled"):
        as_numpy([1.0, np.ma.masked])


@pytest.mark.parametrize("dtype", [object, complex])
def test_the_type_that_is_refused_is_named(dtype: type) -> None:
    encoder = explorer.from_function(lambda batch: batch.mean((1, 2)))
    uses: tuple[Callable[[], Any], ...] = (
        lambda: encoder.read(PICTURE.astype(dtype)),
        lambda: explorer.masks_from_array(NUMBERS.astype(dtype)),
        lambda: explorer.explain(PICTURE, embedding=np.ones(3, dtype), encoder=encoder),
        lambda: encoder.embed_images(PICTURE[None].astype(dtype)),
    )
    for use in uses:
        with pytest.raises(InvalidInput, match=f"type {np.dtype(dtype)}"):
            use()
