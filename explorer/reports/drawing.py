"""The studies' figures: maps on one colour scale, contact sheets (matplotlib Figure, never pyplot), and saving them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import WHOLE, Box
from explorer.core.explanation import Explanation
from explorer.results.plots import COLOUR_MAP, beyond, colour_limit, own_style, paint, picture_of, shrink

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure

PANEL_PIXELS = 280
DPI = 130
ROW_WIDTH = 22
"""Letters of a row's heading on one line."""
BESIDE_BAR = 0.9
"""Share of the width that is left beside the colour bar."""
INK, FAINT = "#222222", "#767676"


@dataclass(frozen=True, eq=False)
class Drawing:
    """A matplotlib Figure, and what it shows in words."""

    figure: Figure
    alt: str


@dataclass(frozen=True, eq=False)
class Panel:
    """One map over its picture.

    Attributes:
        attribution: (h, w) signed.
        picture: (H, W, 3) uint8.
        title: Above it.
        box: Where in the picture the map lies.
        row: Heading of the row that begins with it.
        beside: (H, W, 3) uint8, drawn small in its corner: what the picture is compared with.
        below: A line under it.
    """

    attribution: NDArray[np.float32]
    picture: NDArray[np.uint8]
    title: str = ""
    box: Box = WHOLE
    row: str = ""
    beside: NDArray[np.uint8] | None = None
    below: str = ""


def panel(explanation: Explanation, title: str, *, row: str = "", below: str = "") -> Panel:
    """The panel of an explanation, over the picture as people know it."""
    probe = explanation.probe
    return Panel(explanation.relative, picture_of(probe), title, probe.box, row, None, below)


def panel_seen(explanation: Explanation, title: str) -> Panel:
    """The panel of an explanation over what the network sees of its picture, the reference small in a corner.

    Panels of pictures of many shapes are of one shape this way.
    """
    return Panel(explanation.relative, as_seen(explanation.probe.pixels), title, beside=explanation.reference.picture)


def as_seen(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels (h, w, 3) from 0 to 255, as an encoder sees them, as a picture."""
    return np.asarray(pixels.round().clip(0, 255), np.uint8)


def save(drawing: Drawing, stem: Path) -> None:
    """Write ``stem.png`` and ``stem.svg``, without dates and with names that never change."""
    with style():
        drawing.figure.savefig(
            stem.with_suffix(".png"), dpi=DPI, metadata={"Software": None, "Description": drawing.alt}
        )
        about = {"Date": None, "Creator": None, "Title": stem.name, "Description": drawing.alt}
        drawing.figure.savefig(stem.with_suffix(".svg"), metadata=about)


@own_style()
def draw_maps(panels: Sequence[Panel], columns: int, alt: str, *, width: float = 10.0) -> Drawing:
    """Maps row by row, all on one symmetric colour scale, with its bar.

    The scale ends at the extent of the middle map, so that a single strong or noisy one does not pale the others;
    its bar is pointed where some go beyond.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    rows = math.ceil(len(panels) / columns)
    tallest = max(_height(one.picture) for one in panels)
    figure, grid = _grid(rows, columns, width, tallest * BESIDE_BAR * width / columns + 0.3)
    extents = [colour_limit(one.attribution) for one in panels]
    limit = float(np.median(extents))
    ends = "both" if any(beyond(one.attribution, limit) for one in panels) else "neither"
    for axes, one in zip(grid, panels, strict=False):
        small = shrink(one.picture, PANEL_PIXELS)
        axes.imshow(paint(one.attribution, small, box=one.box, limit=limit))
        _caption(axes, one.title, one.below)
        if one.row:
            _beside(axes, one.row)
        if one.beside is not None:
            _inset(axes, one.beside)
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), COLOUR_MAP), ax=list(grid), shrink=0.6 if rows > 1 else 0.9,
        aspect=30, pad=0.01, extend=ends,
    )  # fmt: skip
    bar.set_label("apart  -  attribution  +  closer", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return Drawing(figure, alt)


@own_style()
def draw_sheet(
    pictures: Sequence[Sequence[NDArray[np.uint8]]],
    rows: Sequence[str],
    titles: Sequence[Sequence[str]],
    alt: str,
    *,
    width: float = 10.0,
) -> Drawing:
    """Pictures in rows and columns, each with a title (figures 1 and 3)."""
    columns = len(pictures[0])
    figure, grid = _grid(len(pictures), columns, width, _height(pictures[0][0]) * width / columns + 0.35)
    at = iter(grid)
    for row, label, words in zip(pictures, rows, titles, strict=True):
        for column, (picture, title) in enumerate(zip(row, words, strict=True)):
            axes = next(at)
            axes.imshow(shrink(picture, PANEL_PIXELS))
            _caption(axes, title, "")
            if column == 0:
                _beside(axes, label)
    return Drawing(figure, alt)


def blank(
    rows: int,
    columns: int,
    size: tuple[float, float],
    *,
    same_scale: bool = False,
    ratios: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure of axes, row by row; call it inside ``style``.

    The size is width and height in inches; ``same_scale`` makes all upward axes one, ``ratios`` are columns' widths.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=same_scale, width_ratios=ratios)
    return figure, list(np.atleast_1d(grid).ravel())


@contextmanager
def style() -> Iterator[None]:
    """``own_style`` as the studies' figures want it."""
    frame = {"axes.spines.top": False, "axes.spines.right": False}
    with own_style(**{"svg.hashsalt": "distance-explorer", "font.size": 9, **frame}):
        yield


def plain(text: str) -> str:
    """An unescaped dollar sign would begin a formula, even in a caption."""
    return text.replace("$", r"\$")


def _grid(rows: int, columns: int, width: float, height_each: float) -> tuple[Figure, list[Axes]]:
    figure, grid = blank(rows, columns, (width, rows * height_each))
    for axes in grid:
        axes.set_axis_off()
    return figure, grid


def _height(picture: NDArray[np.uint8]) -> float:
    return float(picture.shape[0] / picture.shape[1])


def _caption(axes: Axes, title: str, below: str) -> None:
    axes.set_title(plain(title), fontsize=9, color=INK)
    if below:
        axes.text(0.5, -0.02, plain(below), transform=axes.transAxes, ha="center", va="top", fontsize=8, color=FAINT)


def _beside(axes: Axes, label: str) -> None:
    """The heading of a row, upright on its left."""
    lines = textwrap.fill(plain(label), ROW_WIDTH) if len(label) > ROW_WIDTH else plain(label)
    axes.text(-0.04, 0.5, lines, transform=axes.transAxes, rotation=90, ha="right", va="center", fontsize=9)


def _inset(axes: Axes, picture: NDArray[np.uint8]) -> None:
    corner = axes.inset_axes((0.69, 0.01, 0.30, 0.30))
    corner.imshow(shrink(picture, PANEL_PIXELS // 3))
    corner.set_xticks([])
    corner.set_yticks([])
    for side in corner.spines.values():
        side.set(visible=True, color="white", linewidth=1.5)
