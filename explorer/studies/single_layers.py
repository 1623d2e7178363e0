"""The open question of the paper's section 4.3, with data: why do single randomised layers keep the map?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import DistanceExplainer
from explorer.core.spearman import spearman
from explorer.core.steps import Steps
from explorer.encoders.base import Encoder
from explorer.evaluation.layers import LayerFact, layer_facts, layer_facts_passes
from explorer.evaluation.mprt_variants import efficient, efficient_passes
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Drawing
from explorer.studies.needs import Arrays, WorkNeed, counted
from explorer.studies.randomization import MASKS, PAPER, chance, no_layers, order_need, read
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

FACT_MASKS = 200
FIELDS = tuple(field.name for field in fields(LayerFact))
WAYS = {"shuffle": "all numbers shuffled", "shuffle_rows": "rows of kernels swapped"}
RESIDUAL = ("efficientnet-lite0", "conse-lite0")
"""Encoders whose blocks ``blocks.s.i`` have a shortcut around them where i > 0."""


@dataclass(frozen=True, eq=False)
class Facts:
    """What the page is made of.

    Attributes:
        by_way: A row for each layer, by way of randomising.
        fresh: Spearman of the map of a network with new weights throughout.
        rise: Relative rise of the map's entropy there (efficient MPRT).
        chance: Maps that share nothing but the masks correlate within this, on either side of 0.
        first: Correlation after the first step, bottom-up and independent.
        blocks: Mean correlation of the independent order of figure 7.
    """

    by_way: dict[str, tuple[LayerFact, ...]]
    fresh: float
    rise: float
    chance: float
    first: tuple[float, float]
    blocks: float

    @property
    def every(self) -> list[LayerFact]:
        """All rows."""
        return [fact for facts in self.by_way.values() for fact in facts]


@study(
    "randomization",
    title="Why single randomised layers keep the map",
    section="4.3",
    about="The paper leaves two questions open: why the map survives when a layer, 5 to 13 above all, is randomised "
    "alone, and why the first bottom-up and the first independent map differ although they should be the same. It "
    "guesses that some layers' weights hardly vary, so that shuffling them changes little.",
    lacks=no_layers,
)
def open_question(setup: Setup) -> Outline:
    """Each layer alone, in two ways, and a network with new weights throughout."""
    facts = {how: _facts_need(setup, how) for how in WAYS}
    fresh = _fresh_need(setup)
    first = {order: order_need(setup, order) for order in ("bottom_up", "independent")}

    def make(setup: Setup) -> Findings:
        kept = setup.arrays(fresh)
        bottom_up, independent = (read(setup, need, order).similarity[1:] for order, need in first.items())
        found = Facts(
            {how: _facts(setup.arrays(need)) for how, need in facts.items()},
            spearman(*kept["maps"]),
            float(kept["rise"]),
            chance(setup),
            (float(bottom_up[0]), float(independent[0])),
            float(independent.mean()),
        )
        return _page(setup, found)

    return Outline((*first.values(), *facts.values(), fresh), make)


def _facts_need(setup: Setup, how: str) -> WorkNeed:
    pair, masking = setup.subjects.related, setup.masking(FACT_MASKS)
    question, method = setup.question(pair), DistanceExplainer(masking)
    layers = kernels(question.encoder)

    def work(_: Setup) -> Steps[Arrays]:
        rows = yield from counted(layer_facts(question, method, how=how, layers=layers))
        return {name: _column(rows, name) for name in FIELDS}

    settings = {"image": pair.image, "reference": pair.reference, "how": how, "seed": 0, "masking": masking.to_dict(),
                "layers": list(layers)}  # fmt: skip
    return WorkNeed("layer facts", settings, layer_facts_passes(question, method, layers=layers), work)


def kernels(encoder: Encoder) -> tuple[str, ...]:
    """The layers that VGG16 has: dense ones, and convolutions whose kernels have more than one row."""

    def wide(layer: str) -> bool:  # of a convolution of 1 x 1 two of the four axes have length 1
        return any(array.ndim == 4 and array.shape.count(1) < 2 for array in encoder.weights(layer).values())

    return tuple(layer for layer in encoder.layers() if _dense(encoder, layer) or wide(layer))


def _dense(encoder: Encoder, layer: str) -> bool:
    return any(array.ndim == 2 for array in encoder.weights(layer).values())


def _fresh_need(setup: Setup) -> WorkNeed:
    pair, masking = setup.subjects.related, setup.masking(MASKS)
    question, method = setup.question(pair), DistanceExplainer(masking)

    def work(_: Setup) -> Steps[Arrays]:
        found = yield from efficient(question, method, how="reinitialise")
        return {"maps": found.maps, "complexity": found.complexity, "rise": np.array(found.rise)}

    settings = {"image": pair.image, "reference": pair.reference, "how": "reinitialise", "seed": 0,
                "masking": masking.to_dict()}  # fmt: skip
    return WorkNeed("efficient randomization", settings, efficient_passes(question, method), work)


def _facts(kept: Arrays) -> tuple[LayerFact, ...]:
    rows = zip(*(kept[name].tolist() for name in FIELDS), strict=True)
    return tuple(LayerFact(*row) for row in rows)


def _page(setup: Setup, found: Facts) -> Findings:
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (WAYS[how], *asdict(fact).values()) for how, facts in found.by_way.items() for fact in facts
    )
    said = _answers(setup, found)
    compared = (
        Compared("a network without training", "cascades: 0.09 and 0.30 after the first layer",
                 f"{found.fresh:.2f}; maps that share nothing lie within ±{found.chance:.2f}",
                 bool(found.fresh <= found.chance)),
        Compared("first bottom-up = first independent", "different, an open question",
                 f"the same map: {found.first[0]:.4f} and {found.first[1]:.4f}", None),
    )  # fmt: skip
    about = (
        "moved: relative change of the weights (1.41 = nothing left but their distribution); still: share of numbers "
        "that kept their value; shift: how far the picture's embedding went (0 to 1); agreement: whether the masked "
        "copies are ranked alike; similarity: whether the map is."
    )
    return Findings(_drawn(found, said), Table(("way", *FIELDS), rows, about), said, compared)


def _answers(setup: Setup, found: Facts) -> tuple[str, ...]:
    by_chance = found.fresh <= found.chance
    as_paper = "as the paper's cascades do from the first row on" if by_chance else "more than by chance"
    equal = "the same, as they should be" if found.first[0] == found.first[1] else "not the same"
    return (
        "What the paper's software does, read in Quantus 0.6.0 and tried on a small Keras network: the cascades begin "
        "with a clone that has new random weights in every layer and never gets the trained ones; only the independent "
        "order loads them. So the first bottom-up map is that of a network without training, the first independent "
        "map that of a trained one, and they must differ. Here a network with new weights throughout gives "
        f"{found.fresh:.2f}, {as_paper} (maps that share nothing but the masks lie within ±{found.chance:.2f}). "
        f"Begun from the trained network, the two first maps are {equal} ({found.first[0]:.4f} and "
        f"{found.first[1]:.4f}).",
        _rows(setup, found),
        _guess(found.by_way["shuffle"]),
        *_shortcuts(setup, found),
        _ranking(found),
    )


def _rows(setup: Setup, found: Facts) -> str:
    """What swapping rows leaves, beside shuffling everything."""
    encoder = setup.encoders["pictures"]
    kept = {}
    for how, facts in found.by_way.items():
        for kind in ("convolutions", "dense layers"):
            values = [f.similarity for f in facts if _dense(encoder, f.layer) == (kind == "dense layers")]
            kept[how, kind] = f"{np.mean(values):.2f}" if values else "(it has none)"
    swapped, shuffled = ((kept[how, "convolutions"], kept[how, "dense layers"]) for how in ("shuffle_rows", "shuffle"))
    return (
        "And it shuffles along the first axis only, which in Keras is the height of a kernel: the three rows of each "
        "3 x 3 kernel change places, all other order stays. A dense layer's first axis is its inputs, which loses "
        "everything. That is the paper's pattern: 0.10 to 0.11 for VGG16's three dense layers, 0.18 to 0.92 for its 13 "
        f"convolutions. Here, on single layers of the same kinds, swapping rows keeps the map at {swapped[0]} on "
        f"average in convolutions and at {swapped[1]} in dense layers; shuffling all their numbers keeps it at "
        f"{shuffled[0]} and {shuffled[1]}. Blocks shuffled whole, with their normalisations, keep it at "
        f"{found.blocks:.2f} (figure 7)."
    )


def _guess(facts: Sequence[LayerFact]) -> str:
    """Whether weights of low variance are what keeps the map."""
    moved, similarity = _column(facts, "moved"), _column(facts, "similarity")
    related = spearman(moved, similarity)
    verdict = "does not hold here" if moved.min() > 1 or related > -0.5 else "is borne out here"
    return (
        f"The paper's guess, low variance, {verdict}: shuffled, the weights move by {moved.min():.2f} to "
        f"{moved.max():.2f} of their size, where {np.sqrt(2):.2f} is all there is to lose; how far they move goes with "
        f"the map's correlation at {related:+.2f} (Spearman over the layers; the guess wants it near -1)."
    )


def _column(facts: Sequence[LayerFact], name: str) -> NDArray[Any]:
    return np.array([getattr(fact, name) for fact in facts])


def _shortcuts(setup: Setup, found: Facts) -> tuple[str, ...]:
    """What blocks with a way around them keep; known of two encoders only."""
    if setup.encoders["pictures"].card.key not in RESIDUAL:
        return ()
    groups: dict[bool, list[float]] = {True: [], False: []}
    for fact in found.by_way["shuffle"]:
        kind, *inner = fact.layer.split(".")
        groups[kind == "blocks" and int(inner[1]) > 0].append(fact.similarity)
    around, through = float(np.mean(groups[True])), float(np.mean(groups[False]))
    verdict = (
        "What does say it, in this network: whether" if around > through + 0.2 else "Nor does it matter much whether"
    )
    return (
        f"{verdict} the signal can go around. Shuffled completely, the {len(groups[True])} convolutions with a "
        f"shortcut around them keep the map at {around:.2f} on average, the {len(groups[False])} layers without one at "
        f"{through:.2f}. VGG16 has no shortcuts, so there the rows are the whole answer.",
    )


def _ranking(found: Facts) -> str:
    similarity = _column(found.every, "similarity")
    by_rank, by_shift = (spearman(_column(found.every, name), similarity) for name in ("agreement", "shift"))
    sign = "rises" if found.rise > 0 else "falls"
    return (
        "The map is made of the ranking of the masked copies alone. Over layers and ways its correlation goes with "
        f"that of the ranking at {by_rank:+.2f} (Spearman), and with how far the picture's own embedding went at "
        f"{by_shift:+.2f}. By the efficient test of Hedström et al. 2024 the entropy of the map {sign} by "
        f"{100 * abs(found.rise):.1f} % with new weights throughout; a map that depends on the network loses order."
    )


def _drawn(found: Facts, said: Sequence[str]) -> Drawing:
    names = [fact.layer.removeprefix("blocks.") for fact in found.by_way["shuffle"]]
    theirs = np.array(PAPER["independent"][::-1])
    stretched = np.arange(len(theirs)) * (len(names) - 1) / (len(theirs) - 1)
    high = np.full(len(names), found.chance)
    lines = {WAYS[how]: Line([fact.similarity for fact in facts]) for how, facts in found.by_way.items()}
    lines["the same, absolute maps"] = Line([fact.similarity_absolute for fact in found.by_way["shuffle_rows"]])
    lines["paper (VGG16, rows swapped, absolute maps)"] = Line(theirs, stretched, paper=True)
    lines["maps that share nothing"] = Line(0 * high, low=-high, high=high, marks=False)
    charts = (
        Chart(lines, names, "layer randomised alone, from input to output", "Spearman to the untouched map", level=0.0),
        _scatter(found, "moved", "how far the weights moved", "the paper's guess"),
        _scatter(found, "agreement", "Spearman of the copies' distances", "what it takes"),
    )
    alt = f"Correlations of {len(found.every)} randomised networks' maps with the untouched one's. " + " ".join(said)
    return draw_charts(charts, alt, same_scale=True, width=12.0, height=4.2, ratios=(2.2, 1, 1))


def _scatter(found: Facts, name: str, across: str, title: str) -> Chart:
    lines = {WAYS[how]: Line(_column(facts, "similarity"), _column(facts, name)) for how, facts in found.by_way.items()}
    return Chart(lines, [], across, "", title, level=0.0, joined=False)
