"""What is read off maps, the same in every study: their range, how far they repeat, what they say of a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import expected_agreement, split_half
from explorer.core.explanation import Explanation
from explorer.studies.pairs import Pair
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Table

AGAIN = "another run would agree"
HEADER = (
    "map", "n_masks", "p_keep", "feature_res", "seed", "selection",
    "distance of the whole picture", "lowest", "highest", "mean size", "halves agree", AGAIN,
)  # fmt: skip
HALVES = "The last two columns: correlation of the maps of the even and the odd masks, and that to expect of two runs."


def _reading(title: str, explanation: Explanation) -> tuple[Entry, ...]:
    probe, selection, values = explanation.probe, explanation.selection, explanation.relative
    half = split_half(probe, explanation.reference, selection)
    return (
        title,
        len(probe),
        probe.masking.p_keep,
        probe.masking.feature_res,
        probe.masking.seed,
        selection_name(explanation),
        explanation.unmasked_distance,
        float(values.min()),
        float(values.max()),
        float(np.abs(values).mean(dtype=np.float64)),
        half,
        expected_agreement(half),
    )


def readings(titles: Sequence[str], explanations: Sequence[Explanation]) -> Table:
    """One row for each map."""
    return Table(HEADER, tuple(_reading(t, e) for t, e in zip(titles, explanations, strict=True)), HALVES)


def maps_of(explanations: Sequence[Explanation]) -> dict[str, NDArray[np.floating]]:
    """Full maps by name, for the file beside the figure."""
    return {f"map_{i}": explanation.relative for i, explanation in enumerate(explanations, 1)}


def column(table: Table, name: str) -> list[float]:
    """The numbers of a column."""
    at = table.header.index(name)
    return [float(row[at]) for row in table.rows]


def selection_name(explanation: Explanation) -> str:
    """Mode and threshold, or the slices, in few words."""
    chosen = explanation.selection
    if chosen.free:
        return f"closest {_slice(chosen.closest)}, farthest {_slice(chosen.farthest)}"
    return chosen.mode if chosen.mode == "rank_weighted" else f"{chosen.mode} {100 * chosen.threshold:g} %"


def inside(setup: Setup, pair: Pair, explanation: Explanation) -> dict[str, float]:
    """Mean attribution in each named region of the picture."""
    regions = setup.regions(pair.image, explanation)
    values = explanation.relative
    return {part: float(values[where].mean(dtype=np.float64)) for part, where in regions.items() if where.any()}


def regions_table(regions: Mapping[str, Mapping[str, float]]) -> Table:
    """Mean attribution by pair and region."""
    rows = tuple((title, part, value) for title, parts in regions.items() for part, value in parts.items())
    return Table(("map", "region", "mean attribution"), rows, "Mean attribution in boxes drawn by hand.")


Holds = Callable[[Mapping[str, float], NDArray[np.floating]], bool]
"""Mean attributions by region, and the map -> whether it is so here."""


@dataclass(frozen=True)
class Claim:
    """Something the paper says about the map of a pair, by its title, and how to see whether ours says so too."""

    pair: str
    says: str
    holds: Holds


def check(
    claims: Sequence[Claim], regions: Mapping[str, Mapping[str, float]], maps: Mapping[str, NDArray[np.floating]]
) -> tuple[Compared, ...]:
    """The claims about maps that are here, each beside our numbers."""
    lines = []
    for claim in claims:
        if claim.pair not in maps:
            continue
        parts, values = regions.get(claim.pair, {}), maps[claim.pair]
        said = ", ".join(f"{part} {value:+.2f}" for part, value in parts.items())
        reach = f"map from {values.min():+.2f} to {values.max():+.2f}"
        lines.append(
            Compared(claim.pair, claim.says, f"{said}; {reach}" if said else reach, bool(claim.holds(parts, values)))
        )
    return tuple(lines)


def _slice(shares: tuple[float, float] | None) -> str:
    return "none" if shares is None else f"{100 * shares[0]:g} to {100 * shares[1]:g} %"
