"""Results in a notebook: as a figure, as pixels, as a page. Names and captions are strangers' words, so escaped."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.selections import MEANINGS
from explorer.core.sentences import WordsExplanation
from explorer.core.views import VIEWS
from explorer.results import plots
from explorer.results.lettering import fitted
from explorer.results.summary import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mapped = Explanation | MethodExplanation
PANEL = 4.8
"""Inches across, of each part of a figure."""


@VIEWS.register("overlay")
def overlay(explained: Mapped, alpha: Any) -> NDArray[np.uint8]:
    """See ``Painted.overlay``."""
    opacity = (
        alpha if isinstance(alpha, int | float | np.integer | np.floating) and not isinstance(alpha, bool) else math.nan
    )
    if not 0 <= opacity <= 1:  # also refuses NaN
        got = described(alpha) if math.isnan(opacity) else f"{opacity:g}"
        raise InvalidInput(f"alpha, the opacity of the strongest colour, must be 0 to 1; got {got}.", code="alpha")
    seen = explained.seen if isinstance(explained, MethodExplanation) else explained.probe
    return plots.paint(
        explained.relative,
        plots.picture_of(seen),
        box=seen.box,
        limit=plots.limit_of(explained),
        opacity=float(opacity),
        colour_map=plots.colour_map_of(explained.meaning),
    )


@VIEWS.register("plot")
def plot(explained: Mapped | WordsExplanation) -> Figure:
    """See ``Shown.plot``."""
    with plots.own_style():
        if isinstance(explained, WordsExplanation):
            return _plot_words(explained)
        reference = explained.reference.picture
        ranked = isinstance(explained, Explanation)
        panels = 1 + ranked + (reference is not None)
        figure = plots.blank_figure((PANEL * panels, 4.2))
        axes = list(np.atleast_1d(figure.subplots(1, panels, width_ratios=[1.25, *(1.0,) * (panels - 1)])))
        plots.draw_map(axes.pop(0), explained)
        if isinstance(explained, Explanation):
            plots.draw_histogram(axes.pop(0), explained)
        if reference is not None:
            axes[0].imshow(plots.shrink(reference))
            axes[0].set_axis_off()
            title, families = fitted(explained.reference.origin.name or "the reference")
            axes[0].set_title(title, wrap=True, fontfamily=families)
        return figure


def _plot_words(explained: WordsExplanation) -> Figure:
    figure = plots.blank_figure((PANEL * 2, 0.8 + 0.3 * len(explained.words)))
    axes, values = figure.subplots(), explained.relative
    colours = [plots.RED if value > 0 else plots.BLUE for value in values]
    axes.barh(range(len(values)), values, color=colours)
    words = [fitted(word) for word in explained.words]
    axes.set_yticks(range(len(words)), [word for word, _ in words])
    for label, (_, families) in zip(axes.get_yticklabels(), words, strict=True):
        label.set_fontfamily(families)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    high, low = MEANINGS[explained.ranked.meaning].ends
    axes.set_xlabel(f"{low}  -  attribution  +  {high}")
    return figure


@VIEWS.register("png")
def png(explained: Mapped) -> bytes:
    """The figure of ``plot`` as a file."""
    return plots.png_of(plot(explained))


@VIEWS.register("html")
def html(explained: Mapped | WordsExplanation) -> str:
    """What a notebook shows: a line of facts, the figure with its words, and what the user should know."""
    said = (explained.no_signal, *explained.notices)
    notes = "".join(f"<p><small>{escape(line)}</small></p>" for line in dict.fromkeys(said) if line)
    head = f"<p><code>{escape(repr(explained))}</code></p>"
    if isinstance(explained, WordsExplanation):
        return f"<div>{head}<p>{_words(explained)}</p>{notes}</div>"
    words = escape(describe(explained))
    data = base64.b64encode(png(explained)).decode()
    picture = f'<img alt="{words}" style="max-width:100%" src="data:image/png;base64,{data}">'
    return f"<div>{head}{picture}<p>{words}</p>{notes}</div>"


def _words(explained: WordsExplanation) -> str:
    """The sentence, each word on its colour."""
    limit = plots.colour_limit(explained.relative[None])
    parts = []
    for word, spaced, value in zip(explained.words, explained.sentence.spaced, explained.relative, strict=True):
        share = min(abs(float(value)) / limit, 1.0) if math.isfinite(limit) else 0.0
        colour = plots.RED if value > 0 else plots.BLUE
        style = f"background:{colour}{round(share * 140):02x}"  # faint enough for dark letters and light ones
        parts.append(f'{" " * spaced}<span style="{style}" title="{float(value):+.4f}">{escape(word)}</span>')
    return "".join(parts)
