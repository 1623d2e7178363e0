"""How a library's own preprocessing sees a picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Box


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
