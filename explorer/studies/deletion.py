"""Figures 1 to 4: incremental deletion (paper, section 4.1), as a contact sheet and as curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.fills import FILLS
from explorer.core.steps import Steps
from explorer.evaluation.deletion import Deletion, deleted_copies, deletion, deletion_passes
from explorer.evaluation.verdicts import EARLY, DeletionVerdict, Effect, judge_deletion
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Drawing, as_seen, draw_sheet
from explorer.studies.needs import Arrays, WorkNeed, counted
from explorer.studies.pairs import Pair
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

STEPS = 40
"""Points of a curve; the paper's curves have 224, its sheets the first five steps of 5500 pixels."""

SHEET = tuple(5500 * step / 224**2 for step in (1, 2, 3, 4, 5))
FILL = "mean"
"""A deleted pixel gets the picture's mean colour, as in the paper's code: brown, for the bee."""

SEEDS = (0, 1, 2, 3, 4)
NAMES = {"lodf": "LoDF", "hidf": "HiDF", "random": "random"}
ROWS = ("nearing pixels first (LoDF)", "distancing pixels first (HiDF)", "random order")


def _need(setup: Setup, pair: Pair) -> WorkNeed:
    question = setup.question(pair)

    def work(setup: Setup) -> Steps[Arrays]:
        attribution = setup.explain(pair).attribution
        return vars((yield from counted(deletion(question, attribution, steps=STEPS, fill=FILL, seeds=SEEDS))))

    settings = {
        "image": pair.image, "reference": pair.reference, "masking": setup.masking().to_dict(),
        "steps": STEPS, "fill": FILL, "seeds": list(SEEDS),
    }  # fmt: skip
    return WorkNeed("deletion", settings, deletion_passes(question, steps=STEPS, seeds=SEEDS), work)


def _sheet(setup: Setup, pair: Pair) -> Outline:
    need = _need(setup, pair)

    def make(setup: Setup) -> Findings:
        result = Deletion(**setup.arrays(need))
        question, attribution = setup.question(pair), setup.explain(pair).attribution
        shares = [result.shares[np.abs(result.shares - share).argmin()] for share in SHEET]
        at = [int(np.flatnonzero(result.shares == share)[0]) for share in shares]
        pictures = [[as_seen(c) for c in deleted_copies(question, attribution, o, shares, FILL)] for o in NAMES]
        curves = {order: result.random[0] if order == "random" else result.curve(order) for order in NAMES}
        whole = float(result.lodf[0])
        rows: list[tuple[Entry, ...]] = [
            (NAMES[order], float(share), float(curve[i]), _percent(float(curve[i]), whole))
            for order, curve in curves.items()
            for share, i in zip(shares, at, strict=True)
        ]
        titles = [
            [f"{100 * s:.0f} % deleted\n{float(curve[i]):.3f} ({_percent(float(curve[i]), whole):+.3g} %)"
             for s, i in zip(shares, at, strict=True)]
            for curve in curves.values()
        ]  # fmt: skip
        last = at[-1]
        said = (
            f"The whole picture lies at {whole:.4f}. With {100 * shares[-1]:.0f} % deleted the distance is "
            f"{curves['lodf'][last]:.3f} by LoDF, {curves['hidf'][last]:.3f} by HiDF and {curves['random'][last]:.3f} "
            f"at random (the first seed); deleted pixels are {FILLS[FILL].looks}.",
        )
        alt = f"{pair.title}: three rows of pictures with more and more pixels made brown. " + " ".join(said)
        header = ("order", "share deleted", "distance", "change in percent")
        return Findings(draw_sheet(pictures, ROWS, titles, alt), Table(header, tuple(rows)), said)

    return Outline((setup.need(pair), need), make)


def _curves(setup: Setup, pair: Pair, says: str) -> Outline:
    need = _need(setup, pair)

    def make(setup: Setup) -> Findings:
        result = Deletion(**setup.arrays(need))
        verdict = judge_deletion(result)
        assert verdict is not None  # a study's work is whole
        low, high = result.band()
        header = ("share deleted", "LoDF", "HiDF", "random, mean", "random, lowest", "random, highest")
        columns = (result.shares, result.lodf, result.hidf, result.curve("random"), low, high)
        table = Table(header, tuple(tuple(float(v) for v in row) for row in zip(*columns, strict=True)))
        areas = tuple(
            (name, result.area(order), verdict.gaps.get(order, 0.0), verdict.spread, verdict.early.get(order, 0.0))
            for order, name in NAMES.items()
        )
        said = _said(result, verdict)
        ours = "; ".join(
            f"{NAMES[order]} {gap:+.4f} ({verdict.early[order]:+.4f} up to {100 * EARLY:.0f} %)"
            for order, gap in verdict.gaps.items()
        )
        compared = Compared(pair.title, says, f"mean distance less random's: {ours}", verdict.as_the_paper)
        return Findings(
            _draw(result, pair, said),
            table,
            said,
            (compared,),
            more={
                "areas": Table(
                    (
                        "order",
                        "area under the curve",
                        "less the mean random area",
                        "random areas differ by (two standard deviations)",
                        "mean distance less random's up to 20 %",
                    ),
                    areas,
                    "Area: mean distance over all shares deleted. A faithful map has LoDF above random, HiDF below.",
                )
            },
        )

    return Outline((setup.need(pair), need), make)


def _said(result: Deletion, verdict: DeletionVerdict) -> tuple[str, ...]:
    lines = [f"Deleted pixels are {FILLS[FILL].looks}; another fill may say otherwise."]
    chance = f"random orders differ by ±{verdict.spread:.4f}"
    for order, effect, word in (("lodf", verdict.red, "above"), ("hidf", verdict.blue, "below")):
        name, area, early = NAMES[order], verdict.gaps[order], verdict.early[order]
        lines.append({
            Effect.CHANCE: f"Over all shares {name} is no different from random ({area:+.4f} on average; {chance}).",
            Effect.MORE: f"{name} runs {word} random, as a faithful map should ({area:+.4f} on average; {chance}).",
            Effect.LESS: f"{name} does not run {word} random, as a faithful map should ({area:+.4f}; {chance}).",
        }[effect])  # fmt: skip
        if effect is not Effect.MORE and (early > 0) == (word == "above"):
            lines.append(
                f"Until a fifth is deleted {name} does run {word} random, by {abs(early):.4f} on average. Pixels "
                "deleted one by one all over the picture are a pattern that disturbs a network by itself, so the "
                "random curve is no neutral ground later on."
            )
    lines.append(f"LoDF less HiDF, the symmetric relevance gain, is {verdict.srg:+.4f}.")
    lines.append(
        f"The distance goes from {result.lodf[0]:.4f} (whole) to {result.lodf[-1]:.4f} (all deleted); LoDF reaches "
        f"{result.lodf.max():.3f}, HiDF gets down to {result.hidf.min():.3f}."
    )
    return tuple(lines)


def _draw(result: Deletion, pair: Pair, said: Sequence[str]) -> Drawing:
    low, high = result.band()
    percent = 100 * result.shares
    random = Line(result.curve("random"), low=low, high=high, marks=False)
    charts = [
        Chart({NAMES[order]: Line(result.curve(order), marks=False), "random (five orders)": random}, percent,
              "percent of pixels deleted", "distance to the reference", title)
        for order, title in (("lodf", "nearing pixels first"), ("hidf", "distancing pixels first"))
    ]  # fmt: skip
    return draw_charts(charts, f"{pair.title}: distance while pixels go. " + " ".join(said), same_scale=True)


def _percent(distance: float, whole: float) -> float:
    return 100 * (distance / whole - 1) if whole > 0 else float("nan")


study(
    "figure-1",
    title="Pictures with pixels deleted, related classes",
    section="4.1",
    about="The bee, compared with a fly, with more and more of its pixels deleted: those first that bring it "
    "closest (LoDF), those first that push it apart (HiDF), or any (random). Above each, how far the distance changed.",
)(lambda setup: _sheet(setup, setup.subjects.related))
study(
    "figure-2",
    title="Distance while pixels go, related classes",
    section="4.1",
    about="Deleting the least fly-like pixels first (HiDF) makes the distance fall a lot, below random; "
    "deleting the most fly-like first (LoDF) changes little, about as random does, since a picture that is surely a "
    "bee can hardly become less of a fly.",
)(lambda setup: _curves(setup, setup.subjects.related, "HiDF falls far below random, LoDF stays near it"))
study(
    "figure-3",
    title="Pictures with pixels deleted, same class",
    section="4.1",
    about="As figure 1, with another bee as the reference. The paper wonders that the striped part hardly matters.",
)(lambda setup: _sheet(setup, setup.subjects.same))
study(
    "figure-4",
    title="Distance while pixels go, same class",
    section="4.1",
    about="With LoDF the distance is nearly at its largest from 15 % on; at random little happens up to "
    "55 %; with HiDF only the last 5 % count. The changes are much larger in percent than in figure 2, since two bees "
    "begin at almost no distance.",
)(
    lambda setup: _curves(
        setup, setup.subjects.same, "LoDF rises far above random early, HiDF stays below it to the end"
    )
)
