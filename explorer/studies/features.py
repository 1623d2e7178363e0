"""Figure 8 once more: what becomes of the maps when the embedding is what the classifier reads, not what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from explorer.core.explanation import Explanation
from explorer.evaluation.bootstrap import mean_interval
from explorer.reports.drawing import draw_maps, panel_seen
from explorer.studies.figures import CLAIMS
from explorer.studies.map_tables import check, inside, maps_of, readings, regions_table
from explorer.studies.pairs import FEATURES, PICTURES, Pair
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Findings, Outline, study

ROLES = (PICTURES, FEATURES)


@study(
    "features",
    title="Figure 8, by class probabilities and by pooled features",
    section="5.1",
    about="Class probabilities are an arbitrary choice of embedding, as the paper says itself: between pictures of "
    "different classes nearly every masked copy lies at 0.5, and the ranking is of what is left in the last digits. "
    "The pooled features that the classifier reads know nothing of classes. The pairs of figure 8 by both.",
    roles=ROLES,
)
def features(setup: Setup) -> Outline:
    """Every pair of pictures, by the two encoders."""
    pairs = setup.subjects.gallery
    needs = tuple(setup.need(pair, role=role) for pair in pairs for role in ROLES)
    return Outline(needs, lambda setup: _make(setup, pairs))


def _make(setup: Setup, pairs: tuple[Pair, ...]) -> Findings:
    titles = {role: setup.encoders[role].card.title for role in ROLES}
    explanations = {(pair, role): setup.explain(pair, role=role) for pair in pairs for role in ROLES}
    names = {key: f"{key[0].title}; {titles[key[1]]}" for key in explanations}
    panels = [
        replace(panel_seen(one, titles[role]), row=pair.title if role == ROLES[0] else "")
        for (pair, role), one in explanations.items()
    ]
    regions = {names[key]: inside(setup, key[0], one) for key, one in explanations.items()}
    spreads = {role: [_spread(explanations[pair, role]) for pair in pairs] for role in ROLES}
    said = tuple(
        f"{titles[role]}: nine in ten copies of a picture lie within {mean_interval(spreads[role]).shown(3)} of each "
        f"other (mean of the pairs [95 %]), and within {min(spreads[role]):.4f} for the pair where they differ least."
        for role in ROLES
    )
    compared = tuple(
        Compared(f"{line.what}; {titles[role]}", line.paper, line.ours, line.agrees)
        for role in ROLES
        for line in _checked(setup, {pair: explanations[pair, role] for pair in pairs})
    )
    alt = "Maps of each pair by both encoders, red where keeping a region brings the pair closer. " + " ".join(said)
    return Findings(
        draw_maps(panels, len(ROLES), alt, width=7.0),
        readings(list(names.values()), list(explanations.values())),
        said,
        compared,
        more={"regions": regions_table(regions)},
        maps=maps_of(list(explanations.values())),
    )


def _spread(explanation: Explanation) -> float:
    """How far apart the copies lie, but for a twentieth at each end."""
    low, high = np.quantile(explanation.distances, (0.05, 0.95))
    return float(high - low)


def _checked(setup: Setup, explanations: Mapping[Pair, Explanation]) -> tuple[Compared, ...]:
    """What the paper says of these maps beside what they say here."""
    regions = {pair.title: inside(setup, pair, one) for pair, one in explanations.items()}
    return check(CLAIMS, regions, {pair.title: one.relative for pair, one in explanations.items()})
