"""How much the map changes with the distance, and with fewer dimensions of the embeddings (paper, section 2.2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core.distances import DISTANCES
from explorer.evaluation.bootstrap import mean_interval
from explorer.evaluation.spaces import HOW, Seen, by_dimensions, by_distance, doublings
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.studies.pairs import PICTURES, Pair
from explorer.studies.setup import MIRROR, Setup
from explorer.studies.study import Entry, Findings, Outline, Table, study

WAYS = {"truncate": "first coordinates", "project": "random directions", "principal": "principal directions"}
ALIKE = 0.9


@study(
    "spaces",
    title="Other distances, fewer dimensions",
    section="2.2.1",
    about="The paper ranks by cosine distance, since lengths of class probabilities say how sure the network is, and "
    "leaves other distances open. How much does the map change with them, and how many dimensions of the embedding "
    "does it need? The probes of figures 8 and 9 are enough for this.",
)
def spaces(setup: Setup) -> Outline:
    """The three pairs of table 2, and one with a caption where there is an encoder for it."""
    captions = (setup.subjects.kept[0],) if "captions" in setup.encoders else ()
    pairs = (*setup.subjects.stable, *captions)
    return Outline(tuple(setup.need(pair) for pair in pairs), lambda setup: _make(setup, pairs))


def _make(setup: Setup, pairs: tuple[Pair, ...]) -> Findings:
    distances: dict[str, Mapping[str, Seen]] = {}
    dimensions: dict[tuple[str, str], Mapping[int, Seen]] = {}
    for pair in pairs:
        probe, target = setup.store.probe(setup.need(pair)), setup.question(pair).target
        distances[pair.title] = by_distance(probe, target, MIRROR)
        dims = doublings(probe.embeddings.shape[1])
        for how in HOW:
            dimensions[pair.title, how] = by_dimensions(probe, target, MIRROR, dims, how)
    said = (*_on_distances(distances), *_on_dimensions(dimensions))
    first = Chart(
        {title: Line([seen[key].pearson for key in DISTANCES]) for title, seen in distances.items()},
        [DISTANCES[key].label for key in DISTANCES],
        "",
        "correlation with the cosine map",
        "other distances",
        level=0.0,
        joined=False,
    )
    others = [
        Chart(
            {
                pair.title: Line(
                    [s.pearson for s in dimensions[pair.title, how].values()], list(dimensions[pair.title, how])
                )
                for pair in pairs
            },
            list(dimensions[pairs[0].title, how]),
            "dimensions",
            "",
            WAYS[how],
            log="x",
            level=0.0,
        )
        for how in HOW
    ]
    alt = "Correlations with the map by cosine distance in the full space. " + " ".join(said)
    return Findings(
        draw_charts((first, *others), alt, columns=2, same_scale=True, height=4.0),
        _table(distances, dimensions),
        said,
        differs="" if all(pair.role == PICTURES for pair in pairs) else "The pair with a caption has another encoder.",
    )


def _table(
    distances: Mapping[str, Mapping[str, Seen]], dimensions: Mapping[tuple[str, str], Mapping[int, Seen]]
) -> Table:
    rows: list[tuple[Entry, ...]] = [
        (title, "distance", key, seen.pearson, seen.spearman, seen.ranking)
        for title, by_key in distances.items()
        for key, seen in by_key.items()
    ]
    rows += [
        (title, WAYS[how], k, seen.pearson, seen.spearman, seen.ranking)
        for (title, how), by_k in dimensions.items()
        for k, seen in by_k.items()
    ]
    header = (
        "pair",
        "what is changed",
        "to",
        "correlation of the maps",
        "Spearman of the maps",
        "Spearman of the ranking",
    )
    return Table(header, tuple(rows), "Each map beside that of the cosine distance in the full space.")


def _on_distances(distances: Mapping[str, Mapping[str, Seen]]) -> tuple[str, ...]:
    known = {
        key: mean_interval([seen[key].pearson for seen in distances.values()]) for key in DISTANCES if key != "cosine"
    }
    means = {key: found.value for key, found in known.items()}
    listed = ", ".join(f"{DISTANCES[key].label} {found.shown()}" for key, found in known.items())
    farthest = min(means, key=lambda key: means[key])
    return (
        f"Correlation with the cosine map, mean over the pairs [95 %]: {listed}.",
        f"Farthest from it is {DISTANCES[farthest].label}. The choice is part of the question one asks, not a detail."
        if means[farthest] < ALIKE
        else "No other distance tells another story.",
    )


def _on_dimensions(dimensions: Mapping[tuple[str, str], Mapping[int, Seen]]) -> tuple[str, ...]:
    said = []
    for how in HOW:
        enough = {
            title: next((k for k, seen in by_k.items() if seen.pearson >= ALIKE), None)
            for (title, way), by_k in dimensions.items()
            if way == how
        }
        listed = "; ".join(f"{title}: {k if k is not None else 'more than there are'}" for title, k in enough.items())
        said.append(f"{WAYS[how].capitalize()} needed for a map that correlates at {ALIKE}: {listed}.")
    return tuple(said)
