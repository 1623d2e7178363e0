"""Any callable as an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box, Card, Input
from explorer.core.errors import ExplorerError, Failed, InvalidInput, in_words
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
    zero_colour = np.zeros((), np.float32)

    def __init__(self, function: Callable[[NDArray[Any]], Any], batch_size: int, *, fixed_batch: bool = False) -> None:
        super().__init__()
        self.pads = fixed_batch
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise InvalidInput("batch_size must be a whole number, at least 1.", code="batch_size_range")
        self._function = function
        self.batch_size = batch_size
        self.fingerprint = f"function:{getattr(function, '__qualname__', type(function).__qualname__)}"

    def _parts(self) -> Iterable[Any]:
        return (self._function,)

    def read(self, source: Any) -> Input:
        return Input(as_array(source))

    def view(self, picture: NDArray[Any]) -> tuple[NDArray[Any], Box]:
        return picture, Box()

    def _forward(self, pixels: NDArray[Any]) -> NDArray[np.floating]:
        try:
            return as_numpy(self._function(pixels))
        except ExplorerError:
            raise
        except Exception as error:
            said = in_words(error)
            if isinstance(said, Failed):
                said = Failed(f"Your function failed with {type(error).__name__}: {error}.", code="failed")
            raise said from error

    def _filled_up(self, pixels: NDArray[Any], place: int) -> NDArray[Any]:
        """With copies of the first row, as a function that takes pictures may not take an empty one."""
        batch = np.repeat(pixels[:1], self.batch_size, axis=0)
        batch[place : place + len(pixels)] = pixels
        return batch


def from_function(
    function: Callable[[NDArray[Any]], Any], *, batch_size: int = 10, fixed_batch: bool = False
) -> Encoder:
    """Make an encoder of any callable.

    Args:
        function: (b, h, w, c) -> (b, d). It sees the array given to ``probe`` times each mask,
            in that array's dtype, range and size.
        batch_size: Rows in a call; 10 is what the reference implementation uses.
        fixed_batch: For functions that take batches of that size only: smaller ones are filled up with copies of
            their first row, whose embeddings are dropped.

    Returns:
        An encoder without a text side.

    Raises:
        InvalidInput: Not callable, or a batch size below 1.
    """
    if not callable(function):
        raise InvalidInput("from_function needs a callable (b, h, w, c) -> (b, d).", code="not_callable")
    return FunctionEncoder(function, batch_size, fixed_batch=fixed_batch)
