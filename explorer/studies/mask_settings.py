"""Figures 10 to 13: number of masks, share kept, feature resolution (paper, section 5.2). The tiles are the sweeps'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings
from explorer.evaluation.stability import mean_agreement
from explorer.evaluation.verdicts import LARGE
from explorer.reports.drawing import Panel, draw_maps, panel
from explorer.studies.map_tables import AGAIN, column, inside, maps_of, readings, regions_table
from explorer.studies.pairs import CAPTIONS, Pair
from explorer.studies.setup import MIRROR, Setup
from explorer.studies.study import Compared, Findings, Outline, Table, study
from explorer.studies.sweeps import SWEEPS, Tile, Tiles, columns, within

MOST = 8000
"""Masks of one map; figure 13's last, with 32000, is left out: half an hour for all studies is the limit."""


def tiles_of(setup: Setup, key: str, masking: MaskSettings, pair: Pair | None = None) -> Tiles:
    """The tiles of a sweep around settings that this encoder can show, with a draft's masks where this is one."""
    side = min(setup.question(pair or setup.subjects.related).pixels.shape[:2])
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
    # The paper's seeds are 1, 2 and 3; the sweep joins the others to the current one.
    return outline_of(setup, tiles_of(setup, "n_masks", MaskSettings(n_masks=2000, seed=1)), _seeds)


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
        explanations = {pair: explain_tiles(setup, pair, tiles) for pair in pairs}
        each = [(pair, tile, one) for pair in pairs for tile, one in zip(tiles, explanations[pair], strict=True)]
        panels = [
            replace(one, row=pair.title if i == 0 else "")
            for pair in pairs
            for i, one in enumerate(panels_of(tiles, explanations[pair]))
        ]
        table = readings([f"{pair.title}, {tile.title}" for pair, tile, _ in each], [one for *_, one in each])
        regions = {
            f"{pair.title}, p_keep {one.probe.masking.p_keep:g}": inside(setup, pair, one) for pair, _, one in each
        }
        said, compared = _kept(pairs, table, regions)
        differs = (
            "The paper's model for captions is CLIP; whether a wheel alone looks like a bicycle is up to the model."
        )
        return Findings(
            draw_maps(panels, len(tiles), "Maps of two pairs, p_keep growing from left to right. " + " ".join(said)),
            table,
            said,
            compared,
            differs if any(line.agrees is False for line in compared) else "",
            {"regions": regions_table(regions)},
            maps_of([one for *_, one in each]),
        )

    return Outline(tuple(setup.need(pair, tile.masking) for pair in pairs for tile in tiles), make)


study(
    "figure-12",
    title="Feature resolution",
    section="5.2.3",
    about="Bee against fly with cells from 2 x 2 to 128 x 128 and 1000 masks. 2 and 4 cells are too coarse "
    "for this picture, 8 to 16 delineate the wings, above 32 there is only noise.",
)(lambda setup: outline_of(setup, tiles_of(setup, "feature_res", MaskSettings()), _resolution, across=5))
study(
    "figure-13",
    title="Finer cells want more masks",
    section="5.2.3",
    about="16 cells with 2000, 4000 and 8000 masks, 32 cells with 2000, 8000 and 32000. The noise of fine "
    "cells goes away with more masks.",
)(lambda setup: outline_of(setup, tiles_of(setup, "detail", MaskSettings(n_masks=2000, feature_res=16)), _detail))


def explain_tiles(setup: Setup, pair: Pair, tiles: Sequence[Tile]) -> list[Explanation]:
    """The map of each tile, from probes that are there."""
    return [setup.explain(pair, tile.masking, tile.selection) for tile in tiles]


@dataclass(frozen=True)
class Answer:
    """What the maps of a study's tiles say; ``shown`` is how they are laid out, the others are as of ``Findings``."""

    shown: str
    said: tuple[str, ...]
    compared: tuple[Compared, ...]
    differs: str = ""
    more: Mapping[str, Table] = field(default_factory=dict)


def outline_of(
    setup: Setup, tiles: Tiles, read: Callable[[list[Explanation], Table], Answer], across: int | None = None
) -> Outline:
    """A study of the tiles of the related pair.

    Its answer is read off the maps and the table that ``readings`` makes of them; ``across`` is the number of columns,
    where it is not as the tiles' rows say.
    """
    pair = setup.subjects.related

    def make(setup: Setup) -> Findings:
        explanations = explain_tiles(setup, pair, tiles)
        table = readings([tile.title for tile in tiles], explanations)
        answer = read(explanations, table)
        alt = f"{pair.title}: {answer.shown} " + " ".join(answer.said)
        drawing, maps = draw_maps(panels_of(tiles, explanations), across or columns(tiles), alt), maps_of(explanations)
        return Findings(drawing, table, answer.said, answer.compared, answer.differs, answer.more, maps)

    return Outline(tuple(setup.need(pair, tile.masking) for tile in tiles), make)


def panels_of(tiles: Sequence[Tile], explanations: Sequence[Explanation]) -> list[Panel]:
    """A panel for each tile; titles say how many masks there are, also in a draft."""
    made, row = [], ""
    for tile, explanation in zip(tiles, explanations, strict=True):
        made.append(panel(explanation, tile.title, row=tile.row if tile.row != row else ""))
        row = tile.row
    return made


def _seeds(explanations: list[Explanation], table: Table) -> Answer:
    """How alike the maps of the seeds are, by number of masks."""
    rows: dict[int, list[NDArray[np.floating]]] = defaultdict(list)
    for explanation in explanations:
        rows[len(explanation.probe)].append(explanation.relative)
    agreement = tuple((n, mean_agreement(maps)) for n, maps in rows.items())
    return Answer(
        "maps in three rows.",
        tuple(f"With {n} masks the maps of two seeds agree at {r:.2f} (mean correlation)." for n, r in agreement),
        (_rising("maps of different seeds", "become more alike with more masks", agreement),),
        more={"seeds": Table(("n_masks", "mean correlation between seeds"), agreement, "How alike the seeds are.")},
    )


def _resolution(explanations: list[Explanation], table: Table) -> Answer:
    """Where the cells become too fine for so many masks."""
    again = dict(zip(column(table, "feature_res"), column(table, AGAIN), strict=True))
    listed = ", ".join(f"{value:.2f} with {cells:g} cells" for cells, value in again.items())
    said = [f"With {len(explanations[0].probe)} masks another run would agree at {listed}."]
    if noisy := [cells for cells, value in again.items() if value < LARGE]:
        said.append(f"From {min(noisy):g} cells on it is below {LARGE}: spots come and go with the seed.")
    fine, coarse = max(again), min(again)
    noise = Compared(
        "noise at the finest cells",
        "above 32 cells the map is noise",
        f"another run would agree at {again[fine]:.2f} ({fine:g} cells), {again[coarse]:.2f} ({coarse:g})",
        again[fine] < LARGE and again[fine] < again[coarse],
    )
    return Answer("maps from coarse to fine.", tuple(said), (noise,))


def _detail(explanations: list[Explanation], table: Table) -> Answer:
    """Whether more masks take away the noise of fine cells."""
    rows: dict[float, list[tuple[int, float]]] = defaultdict(list)
    for cells, n, value in zip(*(column(table, name) for name in ("feature_res", "n_masks", AGAIN)), strict=True):
        rows[cells].append((int(n), value))
    said = tuple(
        f"{cells:g} cells: another run would agree at " + ", ".join(f"{r:.2f} with {n} masks" for n, r in row) + "."
        for cells, row in rows.items()
    )
    return Answer(
        "a row for each feature resolution.",
        said,
        tuple(_rising(f"{cells:g} cells", "less noise with more masks", row) for cells, row in rows.items()),
        "The paper's last map, of 32000 masks, is left out, so that half an hour is enough for all.",
    )


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
        keeps, again, size = (column(table, name)[rows] for name in ("p_keep", AGAIN, "mean size"))
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
