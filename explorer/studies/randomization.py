"""Figures 5 to 7 and table 1: the map while the network is randomised (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.attributions.question import DistanceExplainer
from explorer.core.agreement import by_chance
from explorer.core.steps import Steps
from explorer.evaluation.randomization import ORDERS, Randomization, randomization, randomization_passes
from explorer.evaluation.verdicts import judge_randomization
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Drawing, Panel, as_seen, draw_maps
from explorer.studies.needs import Arrays, WorkNeed, counted
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

MASKS = 300
"""The paper has 1000; the masks stay the same from map to map, so that fewer do not add noise of their own."""

PAPER: dict[str, tuple[float, ...]] = {
    "top_down": (0.09, 0.28, -0.10, 0.02, -0.24, -0.11, -0.09, -0.04, -0.11, -0.15, -0.13, -0.19, -0.19, -0.21, -0.27,
                 -0.22),
    "bottom_up": (0.30, 0.05, 0.22, -0.18, -0.09, 0.17, 0.01, -0.02, 0.02, 0.03, -0.03, 0.02, 0.01, -0.03, -0.01, 0.02),
    "independent": (0.11, 0.10, 0.11, 0.92, 0.51, 0.38, 0.67, 0.61, 0.32, 0.60, 0.56, 0.63, 0.41, 0.42, 0.54, 0.18),
}  # fmt: skip
"""Table 1, row by row."""

KEPT = ("layers", "maps", "similarity", "similarity_absolute", "shift")
"""Of a ``Randomization``."""

NAMES = {"top_down": "top-down", "bottom_up": "bottom-up", "independent": "independent"}


def no_layers(setup: Setup) -> str:
    """Why the network cannot be randomised, or an empty string."""
    encoder = setup.encoders["pictures"]
    return "" if encoder.layers() else f"the layers of {encoder.card.title} cannot be had"


def order_need(setup: Setup, order: str, how: str = "shuffle") -> WorkNeed:
    """The maps of one order, block by block."""
    pair, masking = setup.subjects.related, setup.masking(MASKS)
    question, method = setup.question(pair), DistanceExplainer(masking)

    def work(_: Setup) -> Steps[Arrays]:
        result = yield from counted(randomization(question, method, order=order, how=how))
        return {name: np.asarray(getattr(result, name)) for name in KEPT}

    settings = {"image": pair.image, "reference": pair.reference, "order": order, "how": how, "seed": 0,
                "blocks": list(question.encoder.blocks()), "masking": masking.to_dict()}  # fmt: skip
    return WorkNeed("randomization", settings, randomization_passes(question, method), work)


def read(setup: Setup, need: WorkNeed, order: str, how: str = "shuffle") -> Randomization:
    """The result of a piece of work that was done."""
    arrays = setup.arrays(need)
    layers, maps, similarity, absolute, shift = (arrays[name] for name in KEPT)
    return Randomization(order, how, tuple(map(str, layers)), maps, similarity, absolute, shift)


def _strip(setup: Setup, order: str, says: str) -> Outline:
    need = order_need(setup, order)

    def make(setup: Setup) -> Findings:
        result, picture = read(setup, need, order), as_seen(setup.question(setup.subjects.related).pixels)
        plus = "" if order == "independent" else "+ "
        titles = [
            "untouched",
            *(f"{plus}{name}: {r:.2f}" for name, r in zip(result.layers, result.similarity[1:], strict=True)),
        ]
        panels = [Panel(values, picture, title) for values, title in zip(result.maps, titles, strict=True)]
        said, line = _said(result, says, chance(setup))
        alt = f"{len(panels)} maps of the same pair, {NAMES[order]}. " + " ".join(said)
        maps, differs = {f"map_{i}": values for i, values in enumerate(result.maps)}, _differs(setup, order)
        return Findings(draw_maps(panels, 7, alt), strip_table(result), said, (line,), differs, maps=maps)

    return Outline((need,), make)


def strip_table(result: Randomization) -> Table:
    """One row for each map of a strip."""
    names = ("untouched", *result.layers)
    columns = (result.similarity, result.similarity_absolute, result.shift)
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (i, name, *(float(value) for value in values))
        for i, (name, *values) in enumerate(zip(names, *columns, strict=True))
    )
    header = ("map", "randomised last", "Spearman to the untouched map", "the same of absolute maps",
              "how far the picture's embedding moved")  # fmt: skip
    return Table(header, rows, "Correlation with the untouched network's map, and the cosine distance (0 to 1) of the "
                 "whole picture's embedding to the untouched one's.")  # fmt: skip


def chance(setup: Setup) -> float:
    """The correlation up to which maps of ``MASKS`` masks are unrelated."""
    masking = setup.masking(MASKS)
    return by_chance(masking.feature_res, masking.n_masks)


def _said(result: Randomization, says: str, limit: float) -> tuple[tuple[str, ...], Compared]:
    verdict, name, unrelated = judge_randomization(result, limit), NAMES[result.order], f"by chance (±{limit:.2f})"
    assert verdict is not None  # a study's work is whole
    values = verdict.values
    if result.order == "independent":
        kept = len(values) - verdict.lost
        said = (
            f"{kept} of {len(values)} parts, shuffled alone, keep more of the map than unrelated maps share "
            f"{unrelated}; the least kept is at {values.min():.2f}, the most at {values.max():.2f}."
        )
        return (said,), Compared(f"maps, {name}", says, said, kept > len(values) / 4)
    first = f"{values[0]:.2f} after the first part"
    said = f"After the first part the correlation is {values[0]:.2f}; after all of them {values[-1]:.2f}."
    more = (
        f"To the last it is more than unrelated maps share {unrelated}."
        if verdict.since is None
        else f"From part {verdict.since + 1} of {len(values)} on it is no more than unrelated maps share {unrelated}."
    )
    return (said, more), Compared(f"maps, {name}", says, first, bool(values[0] <= limit))


def _table(results: dict[str, Randomization], limit: float) -> Findings:
    blocks = results["bottom_up"].layers
    header = ("row", *(f"{NAMES[o]}: {what}" for o in ORDERS for what in ("randomised last", "Spearman", "absolute")))
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (i + 1, *(cell for o in ORDERS for cell in _cells(results[o], i))) for i in range(len(blocks))
    )
    theirs: tuple[tuple[Entry, ...], ...] = tuple((i + 1, *(PAPER[o][i] for o in ORDERS)) for i in range(16))
    charts = [_chart(order, results[order]) for order in ORDERS]
    said = tuple(
        f"{NAMES[order]}: mean correlation {one.similarity[1:].mean():.2f} here, {np.mean(PAPER[order]):.2f} there."
        for order, one in results.items()
    )
    alone, all_down = results["independent"].similarity[1:], results["top_down"].similarity[1:]
    compared = (
        Compared("table 1, cascades", "near 0 from the first layer on",
                 f"top-down {all_down[0]:.2f} first, {all_down[-1]:.2f} last; bottom-up "
                 f"{results['bottom_up'].similarity[1]:.2f} first", bool(max(all_down[-1], all_down.mean()) <= limit)),
        Compared("table 1, independent", "0.10 to 0.92", f"{alone.min():.2f} to {alone.max():.2f}",
                 bool(alone.max() > 0.6)),
        Compared("first bottom-up and first independent map", "not the same, which the paper leaves open",
                 f"{results['bottom_up'].similarity[1]:.4f} and {alone[0]:.4f}",
                 None),
    )  # fmt: skip
    return Findings(
        _drawn(charts, said),
        Table(header, rows, "Ours; rows follow the order in which parts were randomised."),
        said,
        compared,
        "The network is another (its parts are blocks, where VGG16 has single layers), and every number of a layer is "
        "shuffled here, as the paper describes it; its software did something else, see the page on randomization.",
        {"paper": Table(("row", *(NAMES[o] for o in ORDERS)), theirs, "The paper's table 1 (VGG16).")},
    )


def _cells(result: Randomization, i: int) -> tuple[Entry, ...]:
    return result.layers[i], float(result.similarity[i + 1]), float(result.similarity_absolute[i + 1])


def _chart(order: str, result: Randomization) -> Chart:
    here, there = len(result.layers), len(PAPER[order])
    steps = np.arange(1, here + 1)
    # Both run over the whole network, so the paper's fewer layers are stretched over our blocks.
    stretched = 1 + np.arange(there) * (here - 1) / (there - 1)
    theirs = PAPER[order][::-1] if order == "independent" else PAPER[order]
    across = "part randomised, from input to output" if order == "independent" else "parts randomised"
    return Chart(
        {
            "here": Line(result.similarity[1:]),
            "here, absolute maps": Line(result.similarity_absolute[1:]),
            "paper (VGG16), absolute maps": Line(theirs, stretched, paper=True),
        },
        steps,
        across,
        "Spearman to the untouched map" if order == ORDERS[0] else "",
        NAMES[order],
        level=0.0,
    )


def _drawn(charts: Sequence[Chart], said: Sequence[str]) -> Drawing:
    alt = "Three charts of correlations, ours and the paper's. " + " ".join(said)
    return draw_charts(charts, alt, same_scale=True)


def _differs(setup: Setup, order: str) -> str:
    if order == "independent":
        return "See the page on randomization: in the paper only the rows of the kernels changed places."
    title = setup.encoders["pictures"].card.title
    return (
        f"{title} is randomised from its trained weights, block by block. In the paper's software the cascades began "
        "with a network that had no trained weights in any layer, so its maps were lost before the first step."
    )


@study(
    "table-1",
    title="Randomising layers: the numbers",
    section="4.3",
    about="Spearman's correlation of the map with that of the untouched network, while layers are shuffled one after "
    "another from the output (top-down) or from the input (bottom-up), or each alone (independent). The paper, with "
    "VGG16, finds almost nothing left from the first layer on in both cascades, and wonders that single layers keep "
    "the map at up to 0.92. The page on randomization says why.",
    lacks=no_layers,
)
def table_1(setup: Setup) -> Outline:
    """All three orders."""
    needs = {order: order_need(setup, order) for order in ORDERS}
    return Outline(
        tuple(needs.values()),
        lambda setup: _table({order: read(setup, need, order) for order, need in needs.items()}, chance(setup)),
    )


study(
    "figure-5",
    title="Randomising from the output: the maps",
    section="4.3",
    about="The first map is the untouched network's; then one more layer is shuffled at a time, from the output down. "
    "The map is lost at once, which shows that it is about the network.",
    lacks=no_layers,
)(lambda setup: _strip(setup, "top_down", "lost from the first layer on"))
study(
    "figure-6",
    title="Randomising from the input: the maps",
    section="4.3",
    about="As figure 5, from the input up. Lost from the first layer on as well.",
    lacks=no_layers,
)(lambda setup: _strip(setup, "bottom_up", "lost from the first layer on"))
study(
    "figure-7",
    title="Randomising each layer alone: the maps",
    section="4.3",
    about="Each map is that of a network with one part shuffled and all others untouched. The paper is puzzled that "
    "layers 5 to 13 keep it.",
    lacks=no_layers,
)(lambda setup: _strip(setup, "independent", "many layers alone keep the map"))
