"""Table 2, and what gives steadier maps from fewer masks (paper, section 5.2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.core.steps import Steps
from explorer.evaluation.bootstrap import mean_difference, mean_interval
from explorer.evaluation.stability import COUNTS, masks_to_reach, stability, stability_passes
from explorer.evaluation.verdicts import SAME, masks_wanted
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.studies.needs import Arrays, WorkNeed, counted
from explorer.studies.pairs import Pair
from explorer.studies.setup import MIRROR, Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

PAPER: dict[int, tuple[float, float, float]] = {
    100: (0.139, 0.140, 0.140),
    500: (0.064, 0.062, 0.062),
    2000: (0.031, 0.031, 0.032),
}
"""Table 2: bee and fly, flower and car, dog with car and car."""

RUNS = {100: 12, 500: 6, 2000: 3}
"""Seeds for each number of masks; the paper has 20 for each, to which the spread is brought."""

WITHIN = 0.1
GROWTH = (64, 128, 256, 512)
SEEDS = (0, 1, 2)
CHOICES = {
    "mirror 10 %": MIRROR,
    "mirror 27 %": SelectionSettings(threshold=0.27),
    "rank_weighted": SelectionSettings(mode="rank_weighted"),
}
NAMES = ("spread", "agreement", "expected")


@study(
    "table-2",
    title="Spread of the maps by number of masks",
    section="5.2.1",
    about="The mean over the pixels of the standard deviation over maps of different seeds. It is 0.14 with 100 "
    "masks, 0.06 with 500, 0.03 with 2000, whatever the pair.",
)
def table_2(setup: Setup) -> Outline:
    """Three pairs, three numbers of masks, masks drawn as the paper's software draws them."""
    needs = {
        (pair.title, n): _need(setup, pair, "dianna", {"mirror 10 %": MIRROR}, (setup.masks(n),), range(RUNS[n]))
        for pair in setup.subjects.stable
        for n in COUNTS
    }
    return Outline(tuple(needs.values()), lambda setup: _table_2(setup, needs))


@study(
    "stability",
    title="Steadier maps from fewer masks",
    about="How alike are maps of independent runs, and what makes them more so: other ways to select among the masks "
    "(all of them, weighted by rank, in place of the tenth at each end), or other ways to draw the masks?",
)
def steadier(setup: Setup) -> Outline:
    """Every scheme but dianna's, which is philox with another stream, on three pairs."""
    counts = tuple(dict.fromkeys(setup.masks(n) for n in GROWTH))
    needs = {
        (scheme, pair.title): _need(setup, pair, scheme, CHOICES, counts, SEEDS)
        for scheme in SCHEMES
        if scheme != "dianna"
        for pair in setup.subjects.stable
    }
    return Outline(tuple(needs.values()), lambda setup: _steadier(setup, needs, counts))


def _need(
    setup: Setup,
    pair: Pair,
    scheme: str,
    choices: Mapping[str, SelectionSettings],
    counts: Sequence[int],
    seeds: Sequence[int],
) -> WorkNeed:
    question, masking = setup.question(pair), MaskSettings().but(scheme=scheme)

    def work(_: Setup) -> Steps[Arrays]:
        found = yield from counted(
            stability(question, masking=masking, selections=choices, counts=counts, seeds=tuple(seeds))
        )
        return {name: np.stack([getattr(found, name)[choice] for choice in choices]) for name in NAMES}

    settings: dict[str, Any] = {"image": pair.image, "reference": pair.reference, "scheme": scheme,
                                "counts": list(counts), "seeds": list(seeds),
                                "selections": {name: one.to_dict() for name, one in choices.items()}}  # fmt: skip
    if SCHEMES[scheme].version > 1:
        settings["scheme_version"] = SCHEMES[scheme].version
    return WorkNeed("stability", settings, stability_passes(counts=counts, seeds=tuple(seeds), masking=masking), work)


def _table_2(setup: Setup, needs: Mapping[tuple[str, int], WorkNeed]) -> Findings:
    pairs = [pair.title for pair in setup.subjects.stable]
    spread = {key: float(setup.arrays(need)["spread"][0, 0]) for key, need in needs.items()}
    draft, header = setup.share != 1, ("n_masks", "pair", "seeds", "mean standard deviation", "paper's", "ratio")
    ratios = {(title, n): spread[title, n] / PAPER[n][i] for n in COUNTS for i, title in enumerate(pairs)}
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (setup.masks(n), title, RUNS[n], spread[title, n],
         *(("not compared", "draft") if draft else (PAPER[n][i], ratios[title, n])))
        for n in COUNTS
        for i, title in enumerate(pairs)
    )  # fmt: skip
    low, high = min(ratios.values()), max(ratios.values())
    compared = () if draft else tuple(
        Compared(
            f"spread with {n} masks",
            " / ".join(f"{value:.3f}" for value in PAPER[n]),
            " / ".join(f"{spread[title, n]:.3f}" for title in pairs),
            all(abs(ratios[title, n] - 1) <= WITHIN for title in pairs),
        )
        for n in COUNTS
    )  # fmt: skip
    said = (
        "This is a draft: its rows have fewer masks than the paper's, so that they are not compared with them."
        if draft
        else f"All nine numbers lie between {low:.2f} and {high:.2f} times the paper's"
        + (f": within {100 * WITHIN:.0f} %." if low >= 1 - WITHIN and high <= 1 + WITHIN else "."),
        "The spread depends on the masks that were drawn, and hardly on the network or the pair: it is what chance "
        "alone gives a sum of as many random masks, and falls as one over the root of their number.",
    )
    counts = [setup.masks(n) for n in COUNTS]
    lines = {title: Line([spread[title, n] for n in COUNTS], counts) for title in pairs}
    lines["paper, mean"] = Line([float(np.mean(PAPER[n])) for n in COUNTS], COUNTS, paper=True)
    chart = Chart(lines, sorted({*COUNTS, *counts}), "number of masks", "mean standard deviation per pixel", log="xy")
    alt = "Spread of the maps against the number of masks, ours and the paper's. " + " ".join(said)
    return Findings(draw_charts([chart], alt, width=7.0, height=4.2), Table(header, rows), said, compared)


def _steadier(setup: Setup, needs: Mapping[tuple[str, str], WorkNeed], counts: Sequence[int]) -> Findings:
    found = {key: setup.arrays(need) for key, need in needs.items()}
    rows: list[tuple[Entry, ...]] = []
    for (scheme, title), arrays in found.items():
        for c, choice in enumerate(CHOICES):
            for i, n in enumerate(counts):
                values = [float(arrays[name][c, i]) for name in NAMES]
                rows.append((scheme, title, choice, n, *values, masks_wanted(values[1], n) or "unknown"))
    header = ("scheme", "pair", "selection", "n_masks", "spread", "agreement", "expected agreement",
              f"masks to agree at {SAME}")  # fmt: skip
    schemes = tuple(dict.fromkeys(scheme for scheme, _ in found))
    mean = {
        (scheme, choice): np.mean([arrays["agreement"][c] for (s, _), arrays in found.items() if s == scheme], axis=0)
        for scheme in schemes
        for c, choice in enumerate(CHOICES)
    }
    last = {
        (scheme, choice): [float(arrays["agreement"][c, -1]) for (s, _), arrays in found.items() if s == scheme]
        for scheme in schemes
        for c, choice in enumerate(CHOICES)
    }
    said = _gains(last, schemes, counts[-1])
    charts = [
        Chart(
            {choice: Line(mean[scheme, choice]) for choice in CHOICES},
            counts,
            "number of masks",
            "agreement of two runs" if scheme == schemes[0] else "",
            scheme,
            log="x",
        )
        for scheme in schemes
    ]
    alt = "Agreement of independent runs against the number of masks, a chart for each scheme. " + " ".join(said)
    about = (
        "agreement: mean correlation of two runs' maps; expected: what single runs foretell of it, from their halves."
    )
    return Findings(
        draw_charts(charts, alt, same_scale=True, width=max(6.0, 4.2 * len(charts))),
        Table(header, tuple(rows), about),
        said,
    )


def _gains(pairs: Mapping[tuple[str, str], Sequence[float]], schemes: Sequence[str], n: int) -> tuple[str, ...]:
    """By scheme and selection, the agreements of the pairs."""
    last = {key: mean_interval(values) for key, values in pairs.items()}
    first = schemes[0], "mirror 10 %"
    base = last[first].value
    said = [
        f"With {n} masks of the {scheme} scheme, on average over the pairs [95 %]: "
        + ", ".join(f"{choice} {last[scheme, choice].shown()}" for choice in CHOICES) + "."
        for scheme in schemes
    ]  # fmt: skip
    best = max(last, key=lambda key: last[key].value)
    if base > 0 and last[best].value > base and mean_difference(pairs[best], pairs[first]).sure:
        saved = masks_to_reach(last[best].value, n, SAME) / masks_to_reach(base, n, SAME)
        said.append(
            f"The steadiest is {best[1]} with {best[0]} masks: it needs {100 * saved:.0f} % of the masks that mirror "
            f"10 % with {schemes[0]} masks needs to agree at {SAME}."
        )
    return tuple(said)
