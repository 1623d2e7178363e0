"""Figures 10 to 13: number of masks, share kept, feature resolution (paper, section 5.2). The tiles are the sweeps'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings
from explorer.evaluation.stability import mean_agreement
from explorer.evaluation.verdicts import LARGE
from explorer.reports.drawing import Panel, draw_maps, panel
from explorer.studies.map_tables import HALVES, HEADER, column, inside, reading, readings, regions_table
from explorer.studies.pairs import CAPTIONS, Pair
from explorer.studies.setup import MIRROR, Setup
from explorer.studies.study import Compared, Findings, Outline, Table, study
from explorer.studies.sweeps import SWEEPS, Tile, Tiles, columns, within

MOST = 8000
"""Masks of one map; figure 13's last, with 32000, is left out: half an hour for all studies is the limit."""


def tiles_of(setup: Setup, key: str, masking: MaskSettings, pair: Pair) -> Tiles:
    """The tiles of a sweep around settings that this encoder can show, with a draft's masks where this is one."""
    side = min(setup.question(pair).pixels.shape[:2])
    tiles = within(SWEEPS[key].tiles(masking, MIRROR), side)
    return tuple(_scaled(tile, setup.masks(tile.masking.n_masks)) for tile in tiles if tile.masking.n_masks <= MOST)


def _scaled(tile: Tile, n_masks: int) -> Tile:
    """A tile with a draft's number of masks, and titles that say so."""
    before, now = f"{tile.masking.n_masks} masks", f"{n_masks} masks"
    return replace(
        tile,
        title=tile.title.replace(before, now),
        row=tile.row.replace(before, now),
        masking=replace(tile.masking, n_masks=n_masks),
    )


@study(
    "figure-10",
    title="More masks, other seeds",
    section="5.2.1",
    about="Bee against fly with 100, 500 and 2000 masks (down) of three seeds (across). The more masks, "
    "the more alike the maps of different seeds.",
)
def figure_10(setup: Setup) -> Outline:
    """Maps of three seeds with growing numbers of masks."""
    pair = setup.subjects.related
    # The paper's seeds are 1, 2 and 3; the sweep joins the others to the current one.
    tiles = tiles_of(setup, "n_masks", MaskSettings(n_masks=2000, seed=1), pair)

    def make(setup: Setup) -> Findings:
        explanations = explain_tiles(setup, pair, tiles)
        rows: dict[int, list[Explanation]] = defaultdict(list)
        for explanation in explanations:
            rows[len(explanation.probe)].append(explanation)
        agreement = tuple((n, mean_agreement([one.relative for one in maps])) for n, maps in rows.items())
        said = tuple(f"With {n} masks the maps of two seeds agree at {r:.2f} (mean correlation)." for n, r in agreement)
        return Findings(
            draw_maps(
                panels_of(tiles, explanations), columns(tiles), f"{pair.title}: maps in three rows. " + " ".join(said)
            ),
            readings([t.title for t in tiles], explanations),
            said,
            (_rising("maps of different seeds", "become more alike with more masks", agreement),),
            more={"seeds": Table(("n_masks", "mean correlation between seeds"), agreement, "How alike the seeds are.")},
            maps=maps_of(explanations),
        )

    return outline_of(setup, pair, tiles, make)


@study(
    "figure-11",
    title="Share of the picture kept",
    section="5.2.2",
    about="p_keep from 0.1 to 0.9, for (a) the bee and “a bee” and (b) a car and “a bicycle”. In (a) the "
    "values around a half work best, towards 0 and 1 the map grows weaker and spotty; in (b) little kept shows the "
    "wheels and more kept shows the body, two stories in one picture.",
    roles=(CAPTIONS,),
)
def figure_11(setup: Setup) -> Outline:
    """Maps of two pairs with growing shares kept."""
    pairs = setup.subjects.kept
    tiles = tiles_of(setup, "p_keep", MaskSettings(), pairs[0])

    def make(setup: Setup) -> Findings:
        found = {pair: explain_tiles(setup, pair, tiles) for pair in pairs}
        panels = [
            replace(one, row=pair.title if i == 0 else "")
            for pair in pairs
            for i, one in enumerate(panels_of(tiles, found[pair]))
        ]
        rows = tuple(
            reading(f"{pair.title}, {tile.title}", explanation)
            for pair in pairs
            for tile, explanation in zip(tiles, found[pair], strict=True)
        )
        table = Table(HEADER, rows, HALVES)
        regions = {
            f"{pair.title}, p_keep {e.probe.masking.p_keep:g}": inside(setup, pair, e)
            for pair in pairs
            for e in found[pair]
        }
        said, compared = _kept(pairs, table, regions)
        return Findings(
            draw_maps(panels, len(tiles), "Maps of two pairs, p_keep growing from left to right. " + " ".join(said)),
            table,
            said,
            compared,
            "The paper's model for captions is CLIP; whether a wheel alone looks like a bicycle is up to the model."
            if any(line.agrees is False for line in compared) else "",
            {"regions": regions_table(regions)},
            maps_of([e for pair in pairs for e in found[pair]]),
        )  # fmt: skip

    needs = tuple(setup.need(pair, tile.masking) for pair in pairs for tile in tiles)
    return Outline(needs, make)


@study(
    "figure-12",
    title="Feature resolution",
    section="5.2.3",
    about="Bee against fly with cells from 2 x 2 to 128 x 128 and 1000 masks. 2 and 4 cells are too coarse "
    "for this picture, 8 to 16 delineate the wings, above 32 there is only noise.",
)
def figure_12(setup: Setup) -> Outline:
    """Maps of growing feature resolution."""
    pair = setup.subjects.related
    tiles = tiles_of(setup, "feature_res", MaskSettings(), pair)

    def make(setup: Setup) -> Findings:
        explanations = explain_tiles(setup, pair, tiles)
        table = readings([t.title for t in tiles], explanations)
        again = dict(zip(column(table, "feature_res"), column(table, "another run would agree"), strict=True))
        said = _resolution(again, len(explanations[0].probe))
        fine, coarse = max(again), min(again)
        return Findings(
            draw_maps(panels_of(tiles, explanations), 5, f"{pair.title}: maps from coarse to fine. " + " ".join(said)),
            table,
            said,
            (
                Compared(
                    "noise at the finest cells",
                    "above 32 cells the map is noise",
                    f"another run would agree at {again[fine]:.2f} ({fine:g} cells), {again[coarse]:.2f} ({coarse:g})",
                    again[fine] < LARGE and again[fine] < again[coarse],
                ),
            ),
            maps=maps_of(explanations),
        )

    return outline_of(setup, pair, tiles, make)


@study(
    "figure-13",
    title="Finer cells want more masks",
    section="5.2.3",
    about="16 cells with 2000, 4000 and 8000 masks, 32 cells with 2000, 8000 and 32000. The noise of fine "
    "cells goes away with more masks.",
)
def figure_13(setup: Setup) -> Outline:
    """Maps of fine cells with growing numbers of masks."""
    pair = setup.subjects.related
    tiles = tiles_of(setup, "detail", MaskSettings(n_masks=2000, feature_res=16), pair)

    def make(setup: Setup) -> Findings:
        explanations = explain_tiles(setup, pair, tiles)
        table = readings([t.title for t in tiles], explanations)
        again = column(table, "another run would agree")
        rows: dict[float, list[tuple[int, float]]] = defaultdict(list)
        for cells, n, value in zip(column(table, "feature_res"), column(table, "n_masks"), again, strict=True):
            rows[cells].append((int(n), value))
        said = tuple(
            f"{cells:g} cells: another run would agree at " + ", ".join(f"{r:.2f} with {n} masks" for n, r in row) + "."
            for cells, row in rows.items()
        )
        compared = tuple(_rising(f"{cells:g} cells", "less noise with more masks", row) for cells, row in rows.items())
        alt = f"{pair.title}: a row for each feature resolution. " + " ".join(said)
        return Findings(
            draw_maps(panels_of(tiles, explanations), columns(tiles), alt),
            table,
            said,
            compared,
            "The paper's last map, of 32000 masks, is left out, so that half an hour is enough for all.",
            maps=maps_of(explanations),
        )

    return outline_of(setup, pair, tiles, make)


def explain_tiles(setup: Setup, pair: Pair, tiles: Sequence[Tile]) -> list[Explanation]:
    """The map of each tile, from probes that are there."""
    return [setup.explain(pair, tile.masking, tile.selection) for tile in tiles]


def outline_of(setup: Setup, pair: Pair, tiles: Tiles, make: Callable[[Setup], Findings]) -> Outline:
    """A study of one pair that needs the probes of tiles."""
    return Outline(tuple(setup.need(pair, tile.masking) for tile in tiles), make)


def panels_of(tiles: Sequence[Tile], explanations: Sequence[Explanation]) -> list[Panel]:
    """A panel for each tile; titles say how many masks there are, also in a draft."""
    made, row = [], ""
    for tile, explanation in zip(tiles, explanations, strict=True):
        made.append(panel(explanation, tile.title, row=tile.row if tile.row != row else ""))
        row = tile.row
    return made


def maps_of(explanations: Sequence[Explanation]) -> dict[str, NDArray[np.floating]]:
    """Full maps by name, for the file beside the figure."""
    return {f"map_{i}": explanation.relative for i, explanation in enumerate(explanations, 1)}


def _rising(what: str, says: str, values: Sequence[tuple[int, float]]) -> Compared:
    ours = ", ".join(f"{value:.2f} ({n} masks)" for n, value in values)
    return Compared(what, says, f"agreement {ours}", values[0][1] < values[-1][1])


def _kept(
    pairs: Sequence[Pair], table: Table, regions: dict[str, dict[str, float]]
) -> tuple[tuple[str, ...], tuple[Compared, ...]]:
    """What the shares kept do to amplitude and repeatability, and whether the wheels come out."""
    said, compared, step = [], [], len(table.rows) // len(pairs)
    for i, pair in enumerate(pairs):
        rows = slice(i * step, (i + 1) * step)
        keeps, again, size = (column(table, name)[rows] for name in ("p_keep", "another run would agree", "mean size"))
        best, strongest = keeps[int(np.argmax(again))], keeps[int(np.argmax(size))]
        listed = ", ".join(f"{r:.2f} at {p:g}" for p, r in zip(keeps, again, strict=True))
        said.append(
            f"{pair.title}: another run would agree at {listed}; best at p_keep {best:g}, and the map is strongest "
            f"at {strongest:g}."
        )
        if i == 0:
            compared.append(
                Compared(pair.title, "works best around the centre, roughly 0.4 to 0.6",
                         f"repeats best at {best:g}, strongest at {strongest:g}", 0.25 < best < 0.75)
            )  # fmt: skip
        wheels = {p: parts for p in keeps if "wheels" in (parts := regions.get(f"{pair.title}, p_keep {p:g}", {}))}
        if wheels:
            little, half = wheels[min(wheels)], wheels[min(wheels, key=lambda p: abs(p - 0.5))]
            compared.append(
                Compared(pair.title, "little kept shows the wheels, half kept the body",
                         f"wheels {little['wheels']:+.2f}, body {little['body']:+.2f} at p_keep {min(wheels):g}; "
                         f"wheels {half['wheels']:+.2f}, body {half['body']:+.2f} at a half",
                         little["wheels"] > max(0.0, little["body"]) and half["body"] > half["wheels"])
            )  # fmt: skip
    return tuple(said), tuple(compared)


def _resolution(again: dict[float, float], n_masks: int) -> tuple[str, ...]:
    noisy = [cells for cells, value in again.items() if value < LARGE]
    said = [
        f"With {n_masks} masks another run would agree at "
        + ", ".join(f"{value:.2f} with {cells:g} cells" for cells, value in again.items())
        + "."
    ]
    if noisy:
        said.append(f"From {min(noisy):g} cells on it is below {LARGE}: spots come and go with the seed.")
    return tuple(said)
