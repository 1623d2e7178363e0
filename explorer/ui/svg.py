"""The distance histogram as inline SVG, which follows the page's colours and stays sharp on a projector."""

from __future__ import annotations

from html import escape

import numpy as np

from ..plots import histogram
from ..registry import DISTANCES
from ..schema import Explanation

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 30, 24, 52
STYLES = {"closest": "closer", "farthest": "apart", "not selected": "rest"}


def histogram_panel(explanation: Explanation) -> str:
    """The distances of the masked copies as stacked bars, the selected ones coloured."""
    counts, edges = histogram(explanation)
    total = np.sum(list(counts.values()), axis=0)
    whole = explanation.unmasked_distance
    axis = _Axis(min(float(edges[0]), whole), max(float(edges[-1]), whole))
    unit = (HEIGHT - BOTTOM - TOP) / (int(total.max()) or 1)
    bars, below = [], np.zeros(len(total))
    for name, style in STYLES.items():
        for i in np.flatnonzero(counts[name]):
            left, right = axis.at(edges[i]), axis.at(edges[i + 1])
            tall = max(counts[name][i] * unit, 2.0)  # one copy among hundreds must still be seen
            bars.append(
                f'<rect class="{style}" x="{left:.1f}" y="{HEIGHT - BOTTOM - below[i] * unit - tall:.1f}" '
                f'width="{max(right - left - 0.6, 0.8):.1f}" height="{tall:.1f}"/>'
            )
        below += counts[name]
    return (
        f'<figure class="histogram"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(_words(explanation))}">{"".join(bars)}{axis.drawn(whole, int(total.max()))}'
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(DISTANCES[explanation.selection.distance].label)} of each copy to the reference</text></svg>"
        f"<figcaption>{_legend(explanation)}</figcaption></figure>"
    )


class _Axis:
    """Distances along the width of the drawing."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self._pad = 0.02 * ((high - low) or 1.0)

    def at(self, value: float) -> float:
        share = (value - self._low + self._pad) / (self._high - self._low + 2 * self._pad)
        return float(LEFT + share * (WIDTH - LEFT - RIGHT))

    def drawn(self, whole: float, most: int) -> str:
        """The axes with their ticks, and the line of the whole picture."""
        floor, at = HEIGHT - BOTTOM, self.at(whole)
        anchor, aside = ("end", -5) if at > 0.7 * WIDTH else ("start", 5)
        ticks = "".join(
            f'<text x="{self.at(t):.1f}" y="{floor + 18}" text-anchor="middle">{t:.{self._digits()}f}</text>'
            for t in np.linspace(self._low, self._high, 5)
        )
        return (
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>'
            f'<line class="whole" x1="{at:.1f}" x2="{at:.1f}" y1="18" y2="{floor}"/>'
            f'<text x="{at + aside:.1f}" y="14" text-anchor="{anchor}">whole picture</text>{ticks}'
            f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{most}</text>'
            f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
        )

    def _digits(self) -> int:
        return int(np.clip(2 - np.floor(np.log10((self._high - self._low) or 1.0)), 0, 8))


def _legend(explanation: Explanation) -> str:
    weights = explanation.weights
    parts = (
        ("closer", "count as close", weights > 0),
        ("apart", "count as far", weights < 0),
        ("rest", "not selected", weights == 0),
    )
    return "".join(f'<span class="key {style}">{int(chosen.sum())} {label}</span>' for style, label, chosen in parts)


def _words(explanation: Explanation) -> str:
    d, weights = explanation.distances, explanation.weights
    return (
        f"Histogram of {len(d)} masked copies: distances from {d.min():.4f} to {d.max():.4f}, "
        f"{int((weights > 0).sum())} count as close and {int((weights < 0).sum())} as far; "
        f"the whole picture lies at {explanation.unmasked_distance:.4f}."
    )
