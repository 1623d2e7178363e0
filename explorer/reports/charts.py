"""Charts of the studies: lines, scatters and bars of words.

Lines differ in colour, marker and stroke, so that none of the three is needed to tell them apart. What the paper has
is drawn hollow beside ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.reports.drawing import FAINT, INK, Drawing, blank, plain, style
from explorer.results.plots import BLUE, RED

if TYPE_CHECKING:
    from explorer.reports.drawing import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6A00", "#3A3A3A")
"""Okabe and Ito's, which colour-blind readers can tell apart, the light ones darkened for thin lines on white."""
MARKERS = ("o", "s", "^", "D", "v", "P")
STROKES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a chart.

    Attributes:
        y: (k,) values; NaN leaves a gap.
        x: (k,) where; the chart's own when None.
        low: (k,) lower edge of a band, or None.
        high: (k,) its upper edge.
        paper: Whether it is the paper's, drawn hollow and thin.
        marks: Whether each value has a marker.
    """

    y: Any
    x: Any = None
    low: Any = None
    high: Any = None
    paper: bool = False
    marks: bool = True


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines over one axis.

    Attributes:
        lines: By name.
        x: Values of the axis, or names at equal distances.
        across: What the axis is.
        up: What the values are.
        title: Above it.
        log: Which axes are logarithmic: ``""``, ``"x"`` or ``"xy"``.
        level: Where a thin line is drawn across, e.g. 0.
        joined: Whether a line joins the values.
        tilted: Whether long names below the axis are.
    """

    lines: Mapping[str, Line]
    x: Any
    across: str
    up: str
    title: str = ""
    log: str = ""
    level: float | None = None
    joined: bool = True
    tilted: bool = True


def draw_charts(
    charts: Sequence[Chart],
    alt: str,
    *,
    columns: int | None = None,
    width: float = 10.0,
    height: float = 3.6,
    same_scale: bool = False,
    ratios: Sequence[float] | None = None,
) -> Drawing:
    """Charts side by side, with the text alternative of the figure."""
    columns = columns or len(charts)
    rows = math.ceil(len(charts) / columns)
    with style():
        figure, grid = blank(rows, columns, (width, height * rows), same_scale=same_scale, ratios=ratios)
        for axes in grid[len(charts) :]:
            axes.set_axis_off()
        for axes, chart in zip(grid, charts, strict=False):
            _draw_chart(axes, chart)
        first, *others = charts
        if len(first.lines) > 1 and all(set(chart.lines) <= set(first.lines) for chart in others):
            figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
        else:
            for axes in grid[: len(charts)]:
                axes.legend(fontsize=8, framealpha=0.9)
    return Drawing(figure, alt)


def draw_words(
    groups: Mapping[str, tuple[Sequence[str], Sequence[float]]], alt: str, *, width: float = 10.0
) -> Drawing:
    """Sentences side by side, by title, a signed bar for each word, all on one scale; the width is in inches."""
    most = max(len(words) for words, _ in groups.values())
    reach = 1.05 * max(abs(value) for _, values in groups.values() for value in values) or 1.0
    columns = min(len(groups), 2)
    rows = math.ceil(len(groups) / columns)
    with style():
        figure, grid = blank(rows, columns, (width, rows * (0.3 * most + 0.8)))
        for axes in grid[len(groups) :]:
            axes.set_axis_off()
        for axes, (title, (words, values)) in zip(grid, groups.items(), strict=False):
            at = np.arange(len(words))
            axes.barh(at, values, color=[RED if value > 0 else BLUE for value in values], height=0.7)
            axes.set_yticks(at, [plain(word) for word in words])
            axes.invert_yaxis()
            axes.set_xlim(-reach, reach)
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.set_title(plain(title), fontsize=10)
            axes.set_xlabel("apart  -  attribution  +  closer")
    return Drawing(figure, alt)


def _draw_chart(axes: Axes, chart: Chart) -> None:
    names = any(isinstance(value, str) for value in chart.x)
    at = np.arange(len(chart.x)) if names else np.asarray(chart.x, dtype=np.float64)
    for i, (name, line) in enumerate(chart.lines.items()):
        x = at if line.x is None else np.asarray(line.x, dtype=np.float64)
        colour = COLOURS[i % len(COLOURS)]
        if line.low is not None:
            axes.fill_between(x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            x, line.y, label=name, color=colour, linewidth=1.0 if line.paper else 1.8, markersize=5,
            linestyle=STROKES[i % len(STROKES)] if chart.joined else "none",
            marker=MARKERS[i % len(MARKERS)] if line.marks else None,
            markerfacecolor="white" if line.paper else colour,
        )  # fmt: skip
    if chart.level is not None:
        axes.axhline(chart.level, color=FAINT, linewidth=0.8)
    if names:
        axes.set_xticks(
            at, list(chart.x), rotation=60 if chart.tilted and max(map(len, chart.x)) > 6 else 0, fontsize=8
        )
    elif np.array_equal(at, at.round()):
        axes.locator_params(axis="x", integer=True)
    if chart.log:
        axes.set_xscale("log")
        axes.set_xticks(at, [f"{value:g}" for value in at])
        axes.minorticks_off()
    if chart.log == "xy":
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        marks = [m * 10.0**k for k in range(-6, 6) for m in (1, 2, 5) if low <= m * 10.0**k <= high]
        axes.set_yticks(marks, [f"{value:g}" for value in marks])
        axes.minorticks_off()
    axes.set_xlabel(chart.across)
    axes.set_ylabel(chart.up)
    axes.set_title(plain(chart.title), fontsize=10)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
