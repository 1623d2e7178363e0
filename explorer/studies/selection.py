"""Figures 14 to 16: which masks count (paper, section 5.3). The tiles are the sweeps'; all share one probe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.agreement import correlation
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings
from explorer.core.selections import MODES
from explorer.evaluation.verdicts import LARGE
from explorer.reports.drawing import draw_maps
from explorer.studies.map_tables import column, readings
from explorer.studies.mask_settings import explain_tiles, maps_of, outline_of, panels_of, tiles_of
from explorer.studies.setup import MIRROR, Setup
from explorer.studies.study import Compared, Findings, Outline, Table, study
from explorer.studies.sweeps import Tiles, columns

SAME = 0.9
"""Maps that correlate at this or more are hard to tell apart by eye."""


@study(
    "figure-14",
    title="One side of the ranking",
    section="5.3.1",
    about="Bee against fly with the farthest or the closest masks only, 10 to 50 % of them. The paper finds the two "
    "sides almost indistinguishable (one turned round), and stable over the shares, and so takes both.",
)
def figure_14(setup: Setup) -> Outline:
    """Maps of each side alone."""
    tiles = _tiles(setup, "one_sided")
    return outline_of(setup, setup.subjects.related, tiles, lambda setup: _one_sided(setup, tiles))


@study(
    "figure-15",
    title="Threshold",
    section="5.3.2",
    about="Both sides, 5 to 40 % of the masks at each end. From 10 % on nothing meaningful changes, so "
    "10 % is the default.",
)
def figure_15(setup: Setup) -> Outline:
    """Maps of growing thresholds."""
    tiles = _tiles(setup, "thresholds")
    return outline_of(setup, setup.subjects.related, tiles, lambda setup: _thresholds(setup, tiles))


@study(
    "figure-16",
    title="Masks that are not selected",
    section="5.3.3",
    about="Maps of slices between the ends. The middle of the ranking holds barely any signal, and the "
    "nearer a slice is to the ends, the less noise it has.",
)
def figure_16(setup: Setup) -> Outline:
    """Maps of the slices that the default leaves out."""
    tiles = _tiles(setup, "slices")
    return outline_of(setup, setup.subjects.related, tiles, lambda setup: _slices(setup, tiles))


def _tiles(setup: Setup, key: str) -> Tiles:
    tiles = tiles_of(setup, key, MaskSettings(), setup.subjects.related)
    # The sweep joins the current settings, which the paper's figure does not have, as a row of their own.
    return tuple(tile for tile in tiles if tile.row != "as set")


def _one_sided(setup: Setup, tiles: Tiles) -> Findings:
    pair = setup.subjects.related
    explanations = explain_tiles(setup, pair, tiles)
    sides: dict[str, dict[float, Explanation]] = {}
    for one in explanations:
        sides.setdefault(one.selection.mode, {})[one.selection.threshold] = one
    same = tuple(
        (100 * share, correlation(one.relative, sides["farthest"][share].relative))
        for share, one in sides["closest"].items()
    )
    steady = {
        mode: min(correlation(by_share[min(by_share)].relative, one.relative) for one in by_share.values())
        for mode, by_share in sides.items()
    }
    said = (
        "The two sides' maps correlate at " + ", ".join(f"{r:.2f} ({share:g} %)" for share, r in same) + ".",
        f"From 10 to 50 % each keeps to itself: correlation at least {min(steady.values()):.2f} with its map of 10 %.",
        "At 50 % the two must agree: every mask is on one side or the other, so one map is the other's complement.",
    )
    compared = (
        Compared("the two sides", "almost indistinguishable",
                 f"correlation {same[0][1]:.2f} at 10 %, {same[-1][1]:.2f} at 50 %", same[0][1] > LARGE),
        Compared("10 to 50 %", "more or less stable", f"correlation with 10 % at least {min(steady.values()):.2f}",
                 min(steady.values()) > LARGE),
    )  # fmt: skip
    alt = f"{pair.title}: {MODES['farthest'].label} above, {MODES['closest'].label} below. " + " ".join(said)
    return Findings(
        draw_maps(panels_of(tiles, explanations), columns(tiles), alt),
        readings([t.title for t in tiles], explanations),
        said,
        compared,
        more={"sides": Table(("percent", "correlation of the two sides"), same, "How alike the two sides are.")},
        maps=maps_of(explanations),
    )


def _thresholds(setup: Setup, tiles: Tiles) -> Findings:
    pair = setup.subjects.related
    explanations = explain_tiles(setup, pair, tiles)
    table = readings([t.title for t in tiles], explanations)
    ten = next(one for one in explanations if one.selection == MIRROR)
    same = {one.selection.threshold: correlation(ten.relative, one.relative) for one in explanations}
    again = column(table, "another run would agree")
    best = explanations[int(np.argmax(again))].selection.threshold
    said = (
        "Correlation with the map of 10 %: " + ", ".join(f"{r:.2f} ({100 * t:g} %)" for t, r in same.items()) + ".",
        "Another run would agree at "
        + ", ".join(f"{r:.2f} ({100 * e.selection.threshold:g} %)" for e, r in zip(explanations, again, strict=True))
        + f"; best at {100 * best:g} %.",
    )
    beyond = min(r for t, r in same.items() if t > MIRROR.threshold)
    compared = (
        Compared("beyond 10 %", "no meaningful change in the pattern", f"correlation with 10 % at least {beyond:.2f}",
                 beyond > SAME),
        Compared("noise beyond 10 %", "no major change", f"another run would agree at {again[_at(explanations)]:.2f} "
                 f"with 10 %, at {max(again):.2f} with {100 * best:g} %", None),
    )  # fmt: skip
    differs = (
        f"The pattern is that of 10 %, but it repeats better with more masks: {100 * best:g} % would agree with "
        f"another run at {max(again):.2f}. The paper judged by eye, on one run."
    )
    alt = f"{pair.title}: more masks at each end from left to right. " + " ".join(said)
    drawing = draw_maps(panels_of(tiles, explanations), len(tiles), alt)
    differs = differs if max(again) - again[_at(explanations)] > 0.03 else ""
    return Findings(drawing, table, said, compared, differs, maps=maps_of(explanations))


def _at(explanations: Sequence[Explanation]) -> int:
    return next(i for i, one in enumerate(explanations) if one.selection == MIRROR)


def _slices(setup: Setup, tiles: Tiles) -> Findings:
    pair = setup.subjects.related
    explanations = explain_tiles(setup, pair, tiles)
    table = readings([t.title for t in tiles], explanations)
    *inner, default = explanations
    same, again = (
        [correlation(one.relative, default.relative) for one in inner],
        column(table, "another run would agree"),
    )
    said = (
        "Correlation with the default map, from the middle outwards: "
        + ", ".join(f"{r:.2f} ({t.title})" for t, r in zip(tiles, same, strict=False)) + ".",
        f"The middle alone would agree with another run's at {again[0]:.2f}, the default at {again[-1]:.2f}.",
    )  # fmt: skip
    compared = (
        Compared("the middle of the ranking", "barely any signal", f"correlation {same[0]:.2f} with the default map, "
                 f"{again[0]:.2f} with another run's", same[0] < 0.5 and again[0] < 0.5),
        Compared("towards the ends", "less and less noise", "correlation " + ", ".join(f"{r:.2f}" for r in same),
                 same == sorted(same)),
    )  # fmt: skip
    alt = f"{pair.title}: slices of the ranking from its middle outwards, the default last. " + " ".join(said)
    return Findings(draw_maps(panels_of(tiles, explanations), len(tiles), alt), table, said, compared,
                    maps=maps_of(explanations))  # fmt: skip
