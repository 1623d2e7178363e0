"""How results show themselves: in a line, in a notebook, as a figure.

What draws stands in a room above and is looked up by its name when somebody looks, as what saves is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VIEWS: Registry[Callable[..., Any]] = Registry("view", "explorer.results.views")
"""What draws each kind of view of a result."""
LONGEST = 40


def short(text: str, longest: int = LONGEST) -> str:
    """Somebody's words on one line, in quotes, and not too many of them."""
    return repr(text if len(text) <= longest else text[: longest - 1] + "…")


def shape(array: NDArray[Any]) -> str:
    """``"224 x 224"``."""
    return " x ".join(map(str, array.shape))


class Shown:
    """Something that a notebook shows as a picture and in words."""

    def plot(self) -> Figure:
        """The map over the picture, the histogram of the distances and the reference, as a matplotlib Figure.

        Never pyplot's, so nothing stays open; a notebook shows what a cell ends with.
        """
        figure: Figure = VIEWS["plot"](self)
        return figure

    def _repr_html_(self) -> str:
        return str(VIEWS["html"](self))


class Painted(Shown):
    """Something with a map over a picture."""

    def overlay(self, *, alpha: float = 0.85) -> NDArray[np.uint8]:
        """The map laid over its picture: red brings the pair closer, blue pushes it apart.

        Args:
            alpha: Opacity of the strongest colour, 0 to 1.

        Returns:
            (H, W, 3) uint8, in the shape of the picture (its longer side at most 1024).

        Raises:
            InvalidInput: No such opacity.
        """
        painted: NDArray[np.uint8] = VIEWS["overlay"](self, alpha)
        return painted

    def _repr_png_(self) -> bytes:
        return bytes(VIEWS["png"](self))
