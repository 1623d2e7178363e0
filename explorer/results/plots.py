"""Results as pictures: one colour rule for every signed map, and matplotlib Figures (never pyplot).

Positive (brings the pair closer) is red, negative (pushes it apart) blue, zero shows the picture:
a scale that colour-blind readers can tell apart. Maps shown together share one limit.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import DISTANCES
from explorer.core.embedder import WHOLE, Box, Input
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.limits import MIN_SIDE
from explorer.core.probe import Probe
from explorer.results.lettering import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOUR_MAP = "RdBu_r"
CLOSER, APART, NEUTRAL = "#b2182b", "#2166ac", "#8a8a8a"
LONG_SIDE = 448
ROUNDING = 1e-6
"""A map that never leaves zero by more than this, on a scale of 1, is zero."""
FULL_AT = 0.6
"""Share of the limit from which a map hides the picture as far as the opacity allows."""

_drawing = threading.RLock()
"""One drawing at a time: matplotlib's settings belong to the whole process."""


@contextmanager
def own_style(**settings: Any) -> Iterator[None]:
    """Matplotlib with its own defaults and these settings, whatever the user's, while a figure is made or written."""
    matplotlib = import_matplotlib()
    with _drawing, matplotlib.style.context(["default", settings]):
        yield


def import_matplotlib() -> ModuleType:
    """matplotlib, also where MPLBACKEND names no backend, at which its import fails: nothing here needs one."""
    named = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib.style
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named is not None:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named
    return matplotlib


def colour_limit(*attributions: NDArray[np.float32]) -> float:
    """The value at both ends of a colour scale that fits all the maps; 1 when they hold nothing but rounding."""
    most = max((float(np.abs(a).max()) for a in attributions), default=0.0)
    return most if most > ROUNDING else 1.0


def picture_of(seen: Probe | Input) -> NDArray[np.uint8]:
    """The picture as people know it, (H, W, 3) uint8; an array of another kind is stretched to grey or RGB."""
    if seen.picture is not None:
        return seen.picture
    pixels = seen.pixels.astype(np.float64)
    rgb = pixels if pixels.shape[2] == 3 else np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    spread = float(np.ptp(rgb)) or 1.0
    return np.asarray(((rgb - rgb.min()) / spread * 255).round(), dtype=np.uint8)


def shrink(picture: NDArray[np.uint8], long_side: int = LONG_SIDE) -> NDArray[np.uint8]:
    """The picture with its longer side at most ``long_side``, its shape kept."""
    from explorer.pictures.images import shrink as smaller  # late, as every import of this module need not pay for it

    return smaller(picture, long_side)


def paint(
    attribution: NDArray[np.float32],
    picture: NDArray[np.uint8],
    *,
    box: Box = WHOLE,
    limit: float | None = None,
    opacity: float = 0.85,
) -> NDArray[np.uint8]:
    """Lay a map over the picture it explains, in the picture's own shape.

    Args:
        attribution: (h, w) signed.
        picture: (H, W, 3) uint8.
        box: Where in the picture the map lies; what the encoder never saw is dimmed.
        limit: Value of the strongest colour; the map's own when None.
        opacity: Of the strongest colour, 0 to 1.

    Returns:
        (H, W, 3) uint8.
    """
    values, seen = _onto(attribution, picture.shape[:2], box)
    share = np.clip(values / (limit or colour_limit(attribution)), -1, 1)
    colours = _colours()[np.rint((share + 1) * 127.5).astype(np.intp)]
    alpha = opacity * np.clip(np.abs(share) / FULL_AT, 0, 1)[..., None]
    # Greying the picture a little keeps its own reds and blues from being read as the map's.
    grey = picture.mean(axis=2, keepdims=True, dtype=np.float32)
    base = 0.45 * picture + 0.55 * grey
    mixed = base * (1 - alpha) + colours * alpha
    mixed = np.where(seen[..., None], mixed, 0.25 * grey + 140)
    return np.asarray(mixed.round().clip(0, 255), dtype=np.uint8)


def _onto(
    values: NDArray[np.float32], shape: tuple[int, ...], box: Box
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bilinear values at each pixel of the picture, and whether the encoder saw that pixel."""
    (rows, row_seen), (columns, column_seen) = (
        _sample(side, cells, low, high)
        for side, cells, low, high in (
            (shape[0], values.shape[0], box.top, box.bottom),
            (shape[1], values.shape[1], box.left, box.right),
        )
    )
    return (rows @ values @ columns.T).astype(np.float32), row_seen[:, None] & column_seen


def _sample(side: int, cells: int, low: float, high: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(side, cells) bilinear weights of the map's cells at each pixel, and which pixels lie inside."""
    share = ((np.arange(side) + 0.5) / side - low) / (high - low)
    at = (share * cells - 0.5).clip(0, cells - 1)
    first = np.minimum(at.astype(np.intp), max(cells - 2, 0))
    weights = np.zeros((side, cells), np.float32)
    pixel = np.arange(side)
    weights[pixel, first] = 1 - (at - first)
    if cells > 1:
        weights[pixel, first + 1] = at - first
    return weights, (share >= 0) & (share <= 1)


@lru_cache(maxsize=1)
def _colours() -> NDArray[np.float32]:
    """(256, 3) colours of the map, 0 to 255, from farthest to closest."""
    return np.asarray(import_matplotlib().colormaps[COLOUR_MAP](np.arange(256))[:, :3] * 255, dtype=np.float32)


def overlay_png(explanation: Explanation | MethodExplanation) -> bytes:
    """The figure as a PNG."""
    picture = io.BytesIO()
    with own_style():
        figure(explanation).savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def figure(explanation: Explanation | MethodExplanation) -> Figure:
    """The map over the picture with its colour bar, and the histogram of the distances where masks were ranked.

    Made and written inside ``own_style``.
    """
    from matplotlib.figure import Figure

    if isinstance(explanation, MethodExplanation):
        fig = Figure(figsize=(5.4, 4.2), layout="constrained", dpi=150)
        draw_map(fig.subplots(), explanation)
        return fig
    fig = Figure(figsize=(9.6, 4.2), layout="constrained", dpi=150)
    left, right = fig.subplots(1, 2, width_ratios=(1.25, 1))
    draw_map(left, explanation)
    draw_histogram(right, explanation)
    return fig


def draw_map(axes: Axes, explanation: Explanation | MethodExplanation, *, limit: float | None = None) -> None:
    """Draw the map over the picture, with a colour bar symmetric about zero."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    seen = explanation.seen if isinstance(explanation, MethodExplanation) else explanation.probe
    limit = limit or colour_limit(explanation.relative)
    picture = shrink(picture_of(seen), max(LONG_SIDE, MIN_SIDE))
    axes.imshow(paint(explanation.relative, picture, box=seen.box, limit=limit))
    axes.set_axis_off()
    title, families = fitted(f"compared with {explanation.reference.label}")
    axes.set_title(title, wrap=True, fontfamily=families)
    bar = axes.figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), COLOUR_MAP),
        ax=axes,
        shrink=0.8,
        label="apart  -  attribution  +  closer",
    )
    bar.ax.tick_params(labelsize=8)
    if explanation.no_signal:
        axes.text(0.5, 0.5, "no signal", transform=axes.transAxes, ha="center", va="center", fontsize=16,
                  bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none"})  # fmt: skip


def draw_histogram(axes: Axes, explanation: Explanation) -> None:
    """Draw how many masked copies lie at each distance, the selected ones coloured."""
    counts, edges = histogram(explanation)
    width = np.diff(edges)
    bottom = np.zeros(len(width))
    for name, colour in (("closest", CLOSER), ("farthest", APART), ("not selected", NEUTRAL)):
        axes.bar(edges[:-1], counts[name], width, bottom, align="edge", color=colour, label=name)
        bottom += counts[name]
    axes.axvline(explanation.unmasked_distance, color="black", linestyle="--", label="whole picture")
    axes.set_xlabel(DISTANCES[explanation.selection.distance].label)
    axes.set_ylabel("masked copies")
    axes.legend(fontsize=8)


def histogram(explanation: Explanation, bins: int = 40) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.float64]]:
    """Counts of masked copies per bin of distance, split by the sign of their weight, and the bins' edges."""
    distances, weights = explanation.distances, explanation.weights
    edges = np.histogram_bin_edges(distances, bins)
    parts = {"closest": weights > 0, "farthest": weights < 0, "not selected": weights == 0}
    return {name: np.histogram(distances[part], edges)[0] for name, part in parts.items()}, edges
