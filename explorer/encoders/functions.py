"""Any callable as an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box, Card, Input
from explorer.core.errors import ExplorerError, Failed, InvalidInput, in_words
from explorer.encoders.base import Encoder
from explorer.encoders.preprocessing import Drawing, as_drawing
from explorer.pictures.arrays import as_array

Channels = Literal["last", "first"]
CHANNELS: tuple[str, ...] = ("last", "first")
"""Where a function wants them: (b, h, w, c) or (b, c, h, w)."""


class FunctionEncoder(Encoder):
    """Any callable as an encoder; arrays reach it as they are, only multiplied by the mask, or as pictures are drawn.

    Its embedding also counts as the scores of classes before the softmax.
    """

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

    def __init__(
        self,
        function: Callable[[NDArray[Any]], Any],
        batch_size: int,
        *,
        fixed_batch: bool = False,
        drawing: Drawing | None = None,
        channels: str = "last",
    ) -> None:
        super().__init__()
        self.pads = fixed_batch
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise InvalidInput("batch_size must be a whole number, at least 1.", code="batch_size_range")
        self._function = function
        self.batch_size = batch_size
        self._drawing, self._first = drawing, channels == "first"
        if drawing is not None:
            self.input_size, self.zero_colour = drawing.size, drawing.zero_colour
        name = getattr(function, "__qualname__", type(function).__qualname__)
        self.fingerprint = f"function:{name}{self._drawn_name()}" + ":channels first" * self._first

    def _drawn_name(self) -> str:
        return f":{self._drawing.name}" if self._drawing else ""

    def _parts(self) -> Iterable[Any]:
        return (self._function,)

    def read(self, source: Any) -> Input:
        return super().read(source) if self._drawing else Input(as_array(source))

    def view(self, picture: NDArray[Any]) -> tuple[NDArray[Any], Box]:
        return self._drawing.view(picture) if self._drawing else (picture, Box())

    def classifier(self) -> Self:
        return self

    def _shown(self, colours: NDArray[Any]) -> NDArray[Any]:
        """What the network is shown for colours (..., c)."""
        return self._drawing.numbers(colours) if self._drawing else colours

    def _forward(self, pixels: NDArray[Any]) -> NDArray[np.floating]:
        shown = self._shown(pixels)
        if self._first:
            shown = np.ascontiguousarray(np.moveaxis(shown, -1, 1))
        try:
            return as_numpy(self._function(shown))
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
    function: Callable[[NDArray[Any]], Any],
    *,
    batch_size: int = 10,
    fixed_batch: bool = False,
    channels: Channels = "last",
    size: int | tuple[int, int] | None = None,
    mean: Any = None,
    std: Any = None,
) -> Encoder:
    """Make an encoder of any callable.

    Args:
        function: (b, h, w, c) -> (b, d). It sees the array given to ``probe`` times each mask,
            in that array's dtype, range and size.
        batch_size: Rows in a call; 10 is what the reference implementation uses.
        fixed_batch: For functions that take batches of that size only: smaller ones are filled up with copies of
            their first row, whose embeddings are dropped.
        channels: ``"first"`` for a function (b, c, h, w) -> (b, d). Pictures stay (h, w, c), and maps (h, w).
        size: (h, w) of pictures, or one number for both; the function then takes paths, PIL images and arrays of
            uint8 or floats in [0, 1], all of them drawn at that size, and sees float32 from 0 to 1.
        mean: Of each colour, 0 to 1, which is taken off then; three numbers, or one for all.
        std: By which that is divided.

    Returns:
        An encoder without a text side. Its embedding also counts as the scores of classes before the softmax.

    Raises:
        InvalidInput: Not callable, a batch size below 1, or no such channels, size, mean or std.
    """
    if not callable(function):
        raise InvalidInput("from_function needs a callable (b, h, w, c) -> (b, d).", code="not_callable")
    if channels not in CHANNELS:
        raise InvalidInput(
            f'channels must be "last", for a function of (b, h, w, c), or "first", for (b, c, h, w); '
            f"got {channels!r:.40}.",
            code="channels",
        )
    drawing = as_drawing(size, mean, std)
    return FunctionEncoder(function, batch_size, fixed_batch=fixed_batch, drawing=drawing, channels=channels)
