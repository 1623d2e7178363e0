"""A map in words, for those who cannot see it, and for checking what one sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import ROUNDING, wobble
from explorer.core.embedder import Box
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.places import place_name
from explorer.core.selections import MEANINGS
from explorer.core.truth import Truth
from explorer.results.plots import colour_limit

FAINT = 0.2
"""A peak is named only if it has at least this share of the strongest colour's value: less is hardly seen."""
UNSETTLED = 2
"""Values nearer zero than so many times what chance moves them by have no settled sign; the app hatches them."""
NOT_SETTLED = "Nothing here is settled: chance alone could have made this map."

TRUTH = {
    "tells": "This map alone puts two copies it was not made from in their right order about {} times in 100 (a coin: "
    "50); the rest is regions acting together, or chance.",
    "little": "This map tells little of the truth: it puts two copies it was not made from in their right order about "
    "{} times in 100 (a coin: 50).",
    "nothing": "This map does not tell the truth: it orders copies it was not made from no better than a coin.",
    "against": "This map says the opposite of the truth: it puts two copies it was not made from in their right order "
    "only about {} times in 100 (a coin: 50).",
}
"""By ``Truth.verdict``, with ``Truth.in_order`` as times in 100."""


def describe_truth(found: Truth | None) -> str:
    """Say how much of the distances a map accounts for; nothing where there is nothing to say."""
    return "" if found is None else TRUTH[found.verdict].format(int(100 * found.in_order + 0.5))


def describe(explanation: Explanation | MethodExplanation, *, box: Box | None = None) -> str:
    """Say in one or two sentences where, among nine regions of the picture, the peaks of what is settled lie.

    Args:
        explanation: Of any kind; only maps made of masks say how far chance moves them.
        box: Where in the picture shown the map lies; the explanation's own when None.
    """
    if explanation.no_signal:
        return explanation.no_signal
    if isinstance(explanation, Explanation):
        seen, unsettled, nothing = explanation.probe.box, max(UNSETTLED * wobble(explanation), ROUNDING), NOT_SETTLED
    else:
        seen, unsettled, nothing = explanation.seen.box, 0.0, "Nothing stands out."
    names = peaks(explanation.relative, box or seen, unsettled)
    said = MEANINGS[explanation.meaning].most
    parts = [sentence.format(name) for sentence, name in zip(said, names, strict=True) if name and sentence]
    whole = ", and ".join(parts)
    return f"{whole[0].upper()}{whole[1:]}." if parts else nothing


def peaks(attribution: NDArray[np.float32], box: Box, unsettled: float = 0.0) -> tuple[str, str]:
    """The regions of the picture in which a map (h, w) is highest and lowest.

    Args:
        attribution: Signed.
        box: Where in the picture it lies; what lies outside the picture is not looked at.
        unsettled: Peaks nearer zero are not named.

    Returns:
        A name for each sign, empty where there is nothing to name.
    """
    rows, columns = (
        _thirds(cells, low, high)
        for cells, low, high in zip(attribution.shape, (box.top, box.left), (box.bottom, box.right), strict=True)
    )
    values = np.where((rows >= 0)[:, None] & (columns >= 0), attribution, np.float32(0))
    least = max(unsettled, FAINT * colour_limit(attribution, rounding=0))
    found = []
    for signed in (values, -values):
        i, j = np.unravel_index(np.argmax(signed), values.shape)
        peak = float(signed[i, j])
        named = peak > 0 and peak >= least
        found.append(place_name(int(rows[i]), int(columns[j])) if named else "")
    return found[0], found[1]


def _thirds(cells: int, low: float, high: float) -> NDArray[np.intp]:
    """(cells,) in which third of a picture's side each cell's middle lies; -1 outside the picture."""
    at = low + (np.arange(cells) + 0.5) / cells * (high - low)
    return np.where((at >= 0) & (at < 1), np.floor(3 * at), -1).astype(np.intp)
