"""How a picture becomes the numbers a network wants: its size and colours, or a library's own preprocessing."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box
from explorer.core.errors import InvalidInput
from explorer.pictures.images import resize

LARGEST_SIDE = 4096
"""Pixels of what a network may want to see."""


@dataclass(frozen=True)
class Drawing:
    """How pictures are drawn for a network.

    Attributes:
        size: (h, w) that it sees.
        mean: Of each colour, 0 to 1: what is 0 for the network.
        std: Of each colour: what is 1 more.
        steps: From PIL image to PIL image, as ``see`` takes them; none where the whole picture is squashed.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    steps: tuple[partial[Any], ...] = ()

    def view(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Box]:
        """Pixels (h, w, 3), 0 to 255, of a picture (H, W, 3), and the part of it they show."""
        return see(self.steps, picture) if self.steps else (resize(picture, self.size).astype(np.float32), Box())

    def numbers(self, colours: NDArray[Any]) -> NDArray[np.float32]:
        """What the network is shown for colours (..., 3), 0 to 255."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.asarray((np.asarray(colours, np.float32) / np.float32(255) - mean) / std)

    @property
    def zero_colour(self) -> NDArray[np.float32]:
        """See ``Embedder``."""
        return np.array(self.mean, np.float32) * np.float32(255)

    @property
    def name(self) -> str:
        """For a fingerprint."""
        height, width = self.size
        steps = [(step.func.__name__, sorted(step.keywords.items())) for step in self.steps]
        cut = f":{hashlib.sha256(repr(steps).encode()).hexdigest()[:6]}" if steps else ""
        return f"{height}x{width}:{'/'.join(f'{number:g}' for number in (*self.mean, *self.std))}{cut}"


def as_drawing(size: Any, mean: Any, std: Any) -> Drawing | None:
    """How somebody wants pictures drawn; None where nothing is said, and arrays go through as they are.

    Args:
        size: (h, w), or one number for both.
        mean: Three numbers 0 to 1, or one for all; 0 where only the size is given.
        std: Three numbers above 0, or one for all; 1 where only the size is given.

    Raises:
        InvalidInput: None of that.
    """
    if size is None:
        if mean is None and std is None:
            return None
        raise InvalidInput(
            "mean and std say how pictures are drawn at a size; give size=, too, such as size=224.", code="size_missing"
        )
    return Drawing(_size(size), _colours("mean", mean, 0.0), _colours("std", std, 1.0))


def _size(size: Any) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int | np.integer) else size
    is_pair = isinstance(sides, tuple | list) and len(sides) == 2
    if not is_pair or not all(
        isinstance(side, int | np.integer) and not isinstance(side, bool) and 1 <= side <= LARGEST_SIDE
        for side in sides
    ):
        raise InvalidInput(
            f"size must be a number of pixels, or (height, width), each a whole number 1 to {LARGEST_SIDE}, such as "
            f"224; got {size!r:.40}.",
            code="size_range",
        )
    return int(sides[0]), int(sides[1])


def _colours(name: str, given: Any, default: float) -> tuple[float, float, float]:
    try:
        numbers = as_numpy(default if given is None else given)
    except InvalidInput:
        numbers = np.empty(0)
    is_fit = numbers.shape in ((), (1,), (3,)) and numbers.dtype.kind in "fiu" and bool(np.isfinite(numbers).all())
    if not is_fit or numbers.min() < 0 or numbers.max() > 1 or (name == "std" and numbers.min() == 0):
        hint = ""
        if is_fit and numbers.max() > 1:
            hint = " Yours look like those of colours up to 255: divide them by 255."
        raise InvalidInput(
            f"{name} must be one number or three, of red, green and blue, {'above 0' if name == 'std' else 'from 0'} "
            f"to 1; got {given!r:.60}.{hint}" if is_fit else
            f"{name} must be one number or three, of red, green and blue, such as 0.5; got {described(given)}.",
            code=f"{name}_range",
        )  # fmt: skip
    red, green, blue = np.broadcast_to(numbers, 3).astype(float).tolist()
    return red, green, blue


def picture_steps(steps: Sequence[Any], end: type[Any]) -> list[Any]:
    """A library's transforms up to the one, of the kind ``end``, that turns a PIL image into a tensor."""
    return list(itertools.takewhile(lambda step: not isinstance(step, end), steps))


def see(steps: Sequence[Callable[[Any], Any]], picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Box]:
    """Pixels and the part of the picture they show.

    Args:
        steps: From PIL image to PIL image: a resize, then crops or paddings about the middle.
        picture: (H, W, 3) uint8.
    """
    from PIL import Image

    resize, *crop = steps
    whole = resize(Image.fromarray(picture))
    seen = whole
    for step in crop:
        seen = step(seen)
    left, right = _span(whole.width, seen.width)
    top, bottom = _span(whole.height, seen.height)
    return np.array(seen, np.float32), Box(left, top, right, bottom)


def _span(whole: int, seen: int) -> tuple[float, float]:
    """Where the middle ``seen`` of ``whole`` pixels begin and end, as shares, rounded as torchvision does."""
    start = round((whole - seen) / 2) if whole >= seen else -((seen - whole) // 2)
    return start / whole, (start + seen) / whole


def resized(image: Any, *, size: int | tuple[int, int], resample: int) -> Any:
    """A PIL image at a size (h, w), or with its shorter side at one; ``resample`` is PIL's number of a way to do it."""
    if isinstance(size, int):
        short = min(image.size)
        size = int(size * image.height / short), int(size * image.width / short)
    return image.resize((size[1], size[0]), resample)


def centred(image: Any, *, size: tuple[int, int]) -> Any:
    """The middle of a PIL image, with black around it where it is smaller, as torchvision rounds it."""
    left, top = (
        round((whole - seen) / 2) if whole >= seen else -((seen - whole) // 2)
        for whole, seen in zip(image.size, size[::-1], strict=True)
    )
    return image.crop((left, top, left + size[1], top + size[0]))
