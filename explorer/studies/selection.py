"""Figures 14 to 16: which masks count (paper, section 5.3). The tiles are the sweeps'; all share one probe."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import correlation
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings
from explorer.core.selections import MODES
from explorer.evaluation.verdicts import LARGE
from explorer.studies.map_tables import AGAIN, column
from explorer.studies.mask_settings import Answer, outline_of, tiles_of
from explorer.studies.setup import MIRROR, Setup
from explorer.studies.study import Compared, Table, study
from explorer.studies.sweeps import Tiles

SAME = 0.9
"""Maps that correlate at this or more are hard to tell apart by eye."""


study(
    "figure-14",
    title="One side of the ranking",
    section="5.3.1",
    about="Bee against fly with the farthest or the closest masks only, 10 to 50 % of them. The paper finds the two "
    "sides almost indistinguishable (one turned round), and stable over the shares, and so takes both.",
)(lambda setup: outline_of(setup, _tiles(setup, "one_sided"), _one_sided))
study(
    "figure-15",
    title="Threshold",
    section="5.3.2",
    about="Both sides, 5 to 40 % of the masks at each end. From 10 % on nothing meaningful changes, so "
    "10 % is the default.",
)(lambda setup: outline_of(setup, _tiles(setup, "thresholds"), _thresholds))
study(
    "figure-16",
    title="Masks that are not selected",
    section="5.3.3",
    about="Maps of slices between the ends. The middle of the ranking holds barely any signal, and the "
    "nearer a slice is to the ends, the less noise it has.",
)(lambda setup: outline_of(setup, _tiles(setup, "slices"), _slices))


def _tiles(setup: Setup, key: str) -> Tiles:
    # The sweep joins the current settings, which the paper's figure does not have, as a row of their own.
    return tuple(tile for tile in tiles_of(setup, key, MaskSettings()) if tile.row != "as set")


def _one_sided(explanations: list[Explanation], table: Table) -> Answer:
    sides: dict[str, dict[float, NDArray[np.floating]]] = defaultdict(dict)
    for one in explanations:
        sides[one.selection.mode][one.selection.threshold] = one.relative
    same = tuple(
        (100 * share, correlation(values, sides["farthest"][share])) for share, values in sides["closest"].items()
    )
    steady = min(
        correlation(by_share[min(by_share)], values) for by_share in sides.values() for values in by_share.values()
    )
    said = (
        "The two sides' maps correlate at " + ", ".join(f"{r:.2f} ({share:g} %)" for share, r in same) + ".",
        f"From 10 to 50 % each keeps to itself: correlation at least {steady:.2f} with its map of 10 %.",
        "At 50 % the two must agree: every mask is on one side or the other, so one map is the other's complement.",
    )
    compared = (
        Compared("the two sides", "almost indistinguishable",
                 f"correlation {same[0][1]:.2f} at 10 %, {same[-1][1]:.2f} at 50 %", same[0][1] > LARGE),
        Compared("10 to 50 %", "more or less stable", f"correlation with 10 % at least {steady:.2f}", steady > LARGE),
    )  # fmt: skip
    more = {"sides": Table(("percent", "correlation of the two sides"), same, "How alike the two sides are.")}
    return Answer(f"{MODES['farthest'].label} above, {MODES['closest'].label} below.", said, compared, more=more)


def _thresholds(explanations: list[Explanation], table: Table) -> Answer:
    thresholds, again = [one.selection.threshold for one in explanations], column(table, AGAIN)
    at = thresholds.index(MIRROR.threshold)
    ten = explanations[at].relative
    same = {t: correlation(ten, one.relative) for t, one in zip(thresholds, explanations, strict=True)}
    best = thresholds[int(np.argmax(again))]
    said = (
        "Correlation with the map of 10 %: " + ", ".join(f"{r:.2f} ({100 * t:g} %)" for t, r in same.items()) + ".",
        "Another run would agree at "
        + ", ".join(f"{r:.2f} ({100 * t:g} %)" for t, r in zip(thresholds, again, strict=True))
        + f"; best at {100 * best:g} %.",
    )
    beyond = min(r for t, r in same.items() if t > MIRROR.threshold)
    compared = (
        Compared("beyond 10 %", "no meaningful change in the pattern", f"correlation with 10 % at least {beyond:.2f}",
                 beyond > SAME),
        Compared("noise beyond 10 %", "no major change", f"another run would agree at {again[at]:.2f} "
                 f"with 10 %, at {max(again):.2f} with {100 * best:g} %", None),
    )  # fmt: skip
    differs = (
        f"The pattern is that of 10 %, but it repeats better with more masks: {100 * best:g} % would agree with "
        f"another run at {max(again):.2f}. The paper judged by eye, on one run."
    )
    shown = "more masks at each end from left to right."
    return Answer(shown, said, compared, differs if max(again) - again[at] > 0.03 else "")


def _slices(explanations: list[Explanation], table: Table) -> Answer:
    *inner, default = explanations
    same, again = [correlation(one.relative, default.relative) for one in inner], column(table, AGAIN)
    said = (
        "Correlation with the default map, from the middle outwards: "
        + ", ".join(f"{r:.2f} ({row[0]})" for row, r in zip(table.rows, same, strict=False)) + ".",
        f"The middle alone would agree with another run's at {again[0]:.2f}, the default at {again[-1]:.2f}.",
    )  # fmt: skip
    compared = (
        Compared("the middle of the ranking", "barely any signal", f"correlation {same[0]:.2f} with the default map, "
                 f"{again[0]:.2f} with another run's", same[0] < 0.5 and again[0] < 0.5),
        Compared("towards the ends", "less and less noise", "correlation " + ", ".join(f"{r:.2f}" for r in same),
                 same == sorted(same)),
    )  # fmt: skip
    return Answer("slices of the ranking from its middle outwards, the default last.", said, compared)
