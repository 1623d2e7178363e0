"""Pictures for the Evidence tab: copies of a picture, and rows of maps."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Box
from explorer.pictures.images import resize
from explorer.reports.drawing import as_seen
from explorer.results.plots import colour_limit, shrink
from explorer.results.wire import data_url
from explorer.ui.tabs.evidence.evidence import Subject

SIDE = 224
MAP_SIDE = 75
LEVELS = 32767
"""A map is sent as whole numbers of 16 bits."""


def seen(subject: Subject, pixels: NDArray[Any]) -> str:
    """What the encoder sees (h, w, 3), small and in the picture's own proportions."""
    box, (height, width) = subject.explanation.probe.box, subject.request.picture.size
    sides = height * (box.bottom - box.top), width * (box.right - box.left)
    shape = max(1, round(SIDE * sides[0] / max(sides))), max(1, round(SIDE * sides[1] / max(sides)))
    return data_url(resize(as_seen(pixels), shape))


Titled = tuple[NDArray[np.float32] | None, str, str]
"""A map (h, w), or None for the picture without one; its title; a line of text."""


def strip(picture: NDArray[np.uint8], box: Box, maps: Sequence[Titled], *, relative: bool = False) -> dict[str, Any]:
    """Maps over one picture, on one scale.

    Args:
        picture: (H, W, 3).
        box: Where in it the maps lie.
        maps: At least one with values.
        relative: Whether each is drawn relative to a scale of its own, as maps without a common unit must be.
    """
    thin = [_thinned(values) for values, _, _ in maps if values is not None]
    if relative:
        thin = [values / np.float32(colour_limit(values, rounding=0)) for values in thin]
    limit, most, rest = colour_limit(*thin), max(float(np.abs(values).max()) for values in thin) or 1.0, iter(thin)
    return {
        "picture": data_url(shrink(picture, SIDE)),
        "box": [box.left, box.top, box.right, box.bottom],
        "size": list(thin[0].shape),
        "limit": limit,
        "most": most,
        "relative": relative,
        "maps": [
            {"values": None if values is None else _levels(next(rest), most), "title": title, "text": text}
            for values, title, text in maps
        ],
    }


def _thinned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over blocks of k x k pixels; at the lower and right edges the last pixels count again."""
    k = -(-max(values.shape) // MAP_SIDE)
    padded = np.pad(values, [(0, -side % k) for side in values.shape], mode="edge")
    rows, columns = (side // k for side in padded.shape)
    return np.asarray(padded.reshape(rows, k, columns, k).mean(axis=(1, 3)), np.float32)


def _levels(values: NDArray[np.float32], most: float) -> str:
    return base64.b64encode((values / most * LEVELS).round().astype("<i2").tobytes()).decode()
