"""Results as pictures: one colour rule for every signed map, and matplotlib Figures (never pyplot).

Positive (brings the pair closer) is red, negative (pushes it apart) blue, zero shows the picture:
a scale that colour-blind readers can tell apart. Maps shown together share one limit.
"""

from __future__ import annotations

import io
import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import DISTANCES
from explorer.core.embedder import WHOLE, Box, Input
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.limits import MIN_SIDE
from explorer.core.probe import Probe
from explorer.core.selections import CLOSER, MEANINGS
from explorer.results.lettering import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOUR_MAP, KEPT_MAP = "RdBu_r", "PRGn"
"""For maps that say what brings closer, and for those that say something else, whose colours must not look like it."""
RED, BLUE, GREEN, PURPLE, NEUTRAL = "#b2182b", "#2166ac", "#1b7837", "#762a83", "#8a8a8a"
LONG_SIDE = 448
ROUNDING = 1e-6
"""A map that never leaves zero by more than this, on a scale of 1, is zero."""
SPIKES, ABOVE = 0.01, 1.5
"""A colour scale ends at ``ABOVE`` times the value that the strongest ``SPIKES`` of a map's values exceed, where the
strongest of all lies beyond. Maps made of masks or layers never reach that (their strongest is 1.0 to 1.3 times that
value), so their scale ends at their strongest; gradients' single pixels do (4 to 9 times), and would leave the rest of
their map without a colour."""
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


def colour_map_of(meaning: str) -> str:
    """Matplotlib's name of the colours of a map whose signs say this, a key of ``selections.MEANINGS``."""
    return COLOUR_MAP if meaning == CLOSER else KEPT_MAP


def colour_limit(*attributions: NDArray[np.float32], rounding: float = ROUNDING) -> float:
    """The value at both ends of a colour scale that fits all the maps, but for spikes; 1 when they hold only rounding.

    Args:
        attributions: Signed.
        rounding: What counts as such: 0 for maps of methods, whose unit can be of any size.
    """
    most = max(map(_extent, attributions), default=0.0)
    return most if most > rounding else 1.0


def limit_of(explanation: Explanation | MethodExplanation) -> float:
    """``colour_limit`` of one explanation."""
    by_method = isinstance(explanation, MethodExplanation)
    return colour_limit(explanation.relative, rounding=0 if by_method else ROUNDING)


def _extent(attribution: NDArray[np.float32]) -> float:
    """The largest size in a map, or ``ABOVE`` times that of the last of its spikes among what is not zero."""
    sizes = np.abs(attribution).ravel()
    most = float(sizes.max(initial=0))
    sizes = sizes[sizes > ROUNDING * most]
    if not len(sizes):
        return most
    spikes = math.ceil(SPIKES * len(sizes))
    return min(most, ABOVE * float(np.partition(sizes, -spikes)[-spikes]))


def beyond(attribution: NDArray[np.float32], limit: float) -> str:
    """What a colour bar must say of the values beyond its ends; empty where there are none."""
    share = float((np.abs(attribution) > limit * (1 + ROUNDING)).mean())
    return BEYOND.format(f"{100 * share:.1f}" if share >= 0.0005 else "under 0.1") if share else ""


BEYOND = "the strongest {} % go beyond the colours"


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
    colour_map: str = COLOUR_MAP,
) -> NDArray[np.uint8]:
    """Lay a map over the picture it explains, in the picture's own shape.

    Args:
        attribution: (h, w) signed.
        picture: (H, W, 3) uint8.
        box: Where in the picture the map lies; what the encoder never saw is dimmed.
        limit: Value of the strongest colour; the map's own when None.
        opacity: Of the strongest colour, 0 to 1.
        colour_map: Matplotlib's name of it.

    Returns:
        (H, W, 3) uint8.
    """
    values, seen = _onto(attribution, picture.shape[:2], box)
    share = np.clip(values / (limit or colour_limit(attribution)), -1, 1)
    colours = _colours(colour_map)[np.rint((share + 1) * 127.5).astype(np.intp)]
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


@lru_cache(maxsize=2)
def _colours(colour_map: str) -> NDArray[np.float32]:
    """(256, 3) colours of the map, 0 to 255, from its negative to its positive end."""
    return np.asarray(import_matplotlib().colormaps[colour_map](np.arange(256))[:, :3] * 255, dtype=np.float32)


def overlay_png(explanation: Explanation | MethodExplanation) -> bytes:
    """The figure as a PNG."""
    with own_style():
        return png_of(figure(explanation))


def png_of(drawn: Figure) -> bytes:
    """A figure as a file, in our style and the same whenever it is made."""
    picture = io.BytesIO()
    with own_style():
        drawn.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def blank_figure(size: tuple[float, float]) -> Figure:
    """A figure of width and height in inches that a notebook shows, though pyplot does not know it."""
    from matplotlib.figure import Figure

    shown = Figure(figsize=size, layout="constrained", dpi=150)
    vars(shown)["_repr_png_"] = partial(png_of, shown)  # no class of its own, so that it can be pickled
    return shown


def figure(explanation: Explanation | MethodExplanation) -> Figure:
    """The map over the picture with its colour bar, and the histogram of the distances where masks were ranked.

    Made and written inside ``own_style``.
    """
    if isinstance(explanation, MethodExplanation):
        fig = blank_figure((5.4, 4.2))
        draw_map(fig.subplots(), explanation)
        return fig
    fig = blank_figure((9.6, 4.2))
    left, right = fig.subplots(1, 2, width_ratios=(1.25, 1))
    draw_map(left, explanation)
    draw_histogram(right, explanation)
    return fig


def draw_map(axes: Axes, explanation: Explanation | MethodExplanation, *, limit: float | None = None) -> None:
    """Draw the map over the picture, with a colour bar symmetric about zero."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    seen = explanation.seen if isinstance(explanation, MethodExplanation) else explanation.probe
    limit = limit or limit_of(explanation)
    picture = shrink(picture_of(seen), max(LONG_SIDE, MIN_SIDE))
    colours = colour_map_of(explanation.meaning)
    axes.imshow(paint(explanation.relative, picture, box=seen.box, limit=limit, colour_map=colours))
    axes.set_axis_off()
    title, families = fitted(f"compared with {explanation.reference.label}")
    axes.set_title(title, wrap=True, fontfamily=families)
    more = beyond(explanation.relative, limit)
    high, low = MEANINGS[explanation.meaning].ends
    bar = axes.figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), colours),
        ax=axes,
        shrink=0.8,
        extend="both" if more else "neither",
        label=f"{low}  -  attribution  +  {high}" + (f"\n{more}" if more else ""),
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
    labels, colours = list(counts), (RED, BLUE, NEUTRAL)
    if explanation.meaning != CLOSER:
        labels[:2], colours = MEANINGS[explanation.meaning].groups, (GREEN, PURPLE, NEUTRAL)
    for height, label, colour in zip(counts.values(), labels, colours, strict=True):
        axes.bar(edges[:-1], height, width, bottom, align="edge", color=colour, label=label or None)
        bottom += height
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
