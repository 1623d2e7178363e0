"""Any callable as an encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box, Card, Input
from explorer.core.errors import InvalidInput
from explorer.encoders.base import Encoder
from explorer.pictures.arrays import as_array


class FunctionEncoder(Encoder):
    """Any callable as an encoder; arrays reach it as they are, only multiplied by the mask."""

    card = Card(
        key="function",
        title="Your function",
        compares=("image-image",),
        embedding="whatever the function returns",
        family="",
        packages=(),
        size="",
        licence="",
        source="",
    )
    input_size = None
    pads = False
    zero_colour = np.zeros((), np.float32)

    def __init__(self, function: Callable[[NDArray[Any]], Any], batch_size: int) -> None:
        super().__init__()
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise InvalidInput("batch_size must be a whole number, at least 1.", code="batch_size_range")
        self._function = function
        self.batch_size = batch_size
        self.fingerprint = f"function:{getattr(function, '__qualname__', type(function).__qualname__)}"

    def read(self, source: Any) -> Input:
        return Input(as_array(source))

    def view(self, picture: NDArray[Any]) -> tuple[NDArray[Any], Box]:
        return picture, Box()

    def _forward(self, pixels: NDArray[Any]) -> NDArray[np.floating]:
        return as_numpy(self._function(pixels))

    def embed_images(self, images: Any) -> NDArray[np.floating]:
        batch = as_numpy(images)
        parts = [self.embed_pixels(batch[i : i + self.batch_size]) for i in range(0, len(batch), self.batch_size)]
        return np.concatenate(parts)


def from_function(function: Callable[[NDArray[Any]], Any], *, batch_size: int = 10) -> Encoder:
    """Make an encoder of any callable.

    Args:
        function: (b, h, w, c) -> (b, d). It sees the array given to ``probe`` times each mask,
            in that array's dtype, range and size.
        batch_size: Rows in a call; 10 is what the reference implementation uses.

    Returns:
        An encoder without a text side.

    Raises:
        InvalidInput: Not callable, or a batch size below 1.
    """
    if not callable(function):
        raise InvalidInput("from_function needs a callable (b, h, w, c) -> (b, d).", code="not_callable")
    return FunctionEncoder(function, batch_size)
