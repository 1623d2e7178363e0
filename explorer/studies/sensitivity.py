"""The paper's section 4.2: how much a little noise in the picture changes the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import DistanceExplainer
from explorer.core.steps import Steps
from explorer.evaluation.sensitivity import NOISES, PAPER, sensitivity, sensitivity_passes
from explorer.evaluation.verdicts import SensitivityVerdict, judge_sensitivity
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Drawing
from explorer.studies.needs import Arrays, WorkNeed, counted
from explorer.studies.pairs import Pair
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

Values = NDArray[np.float64]

MASKS = 500
SAMPLES = {"described": 20, "measured": 6}
"""Of what the paper says it did, and of what its notebooks did; the second with fewer, for want of time."""


@study(
    "sensitivity",
    title="Average sensitivity",
    section="4.2",
    about="Noise of standard deviation 25.5 (10 % of the range of pixels) is added 20 times; the relative change "
    "of the map of 500 masks, which stay the same, is averaged. The paper has 0.06 for the bee against a fly and 0.04 "
    "against another bee. Its notebooks pass the 25.5 to Quantus but not the function that would use it, so that what "
    "was measured is Quantus' default: uniform noise of at most 0.2 grey levels. Both are measured here.",
)
def average_sensitivity(setup: Setup) -> Outline:
    """Both pairs, both noises."""
    pairs = {pair.title: pair for pair in (setup.subjects.related, setup.subjects.same)}
    needs = {(title, name): _need(setup, pair, name) for title, pair in pairs.items() for name in NOISES}
    return Outline(tuple(needs.values()), lambda setup: _make(setup, needs))


def _need(setup: Setup, pair: Pair, name: str) -> WorkNeed:
    (law, spread), n_samples = NOISES[name], SAMPLES[name]
    masking = setup.masking(MASKS)
    question, method = setup.question(pair), DistanceExplainer(masking)

    def work(_: Setup) -> Steps[Arrays]:
        found = yield from counted(sensitivity(question, method, n_samples=n_samples, spread=spread, law=law))
        return {"values": found.values}

    settings = {"image": pair.image, "reference": pair.reference, "law": law, "spread": spread,
                "n_samples": n_samples, "seed": 0, "masking": masking.to_dict()}  # fmt: skip
    return WorkNeed("sensitivity", settings, sensitivity_passes(question, method, n_samples), work)


def _make(setup: Setup, needs: Mapping[tuple[str, str], WorkNeed]) -> Findings:
    values = {key: setup.arrays(need)["values"] for key, need in needs.items()}
    titles = tuple(dict.fromkeys(title for title, _ in values))
    judged = {key: _judged(found) for key, found in values.items()}
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (title, f"as {name}", *NOISES[name], one.pictures, one.mean, one.largest, float(values[title, name].std()))
        for (title, name), one in judged.items()
    )
    header = ("pair", "noise", "law", "size in grey levels", "samples", "average", "largest", "spread")
    described, measured = ([judged[title, name] for title in titles] for name in NOISES)
    said = tuple(
        f"{title}: with noise of 25.5 grey levels the map changes by {d.mean:.2f} of its size, at most by "
        f"{d.largest:.2f}; with noise of 0.2 by {m.mean:.3f}."
        for title, d, m in zip(titles, described, measured, strict=True)
    )
    compared = tuple(
        Compared(f"average sensitivity, {title}", f"{paper:.2f}",
                 f"{m.mean:.3f} with the noise that was measured, {d.mean:.2f} with the noise described", m.low)
        for title, paper, d, m in zip(titles, PAPER, described, measured, strict=True)
    )  # fmt: skip
    differs = (
        f"The noise the paper describes changes our maps by {max(d.mean for d in described):.2f} of their size, not "
        "by 0.06. The numbers to compare are those of the noise that was measured, which nobody could see: calling "
        "a map robust by them says little."
    )
    seen, unseen = ([values[title, name] for title in titles] for name in NOISES)
    drawing = _drawn(titles, seen, unseen, said)
    return Findings(drawing, Table(header, rows), said, compared, "" if all(d.low for d in described) else differs)


def _judged(values: Values) -> SensitivityVerdict:
    verdict = judge_sensitivity(values)
    assert verdict is not None  # a study's work is whole
    return verdict


def _drawn(
    titles: Sequence[str], described: Sequence[Values], measured: Sequence[Values], said: Sequence[str]
) -> Drawing:
    """Every noisy picture a mark, those of one pair above each other."""

    def marks(groups: Sequence[Values], offset: float) -> Line:
        return Line(np.concatenate(groups), np.concatenate([i + offset + 0 * group for i, group in enumerate(groups)]))

    lines = {
        "noise as described, 25.5 grey levels": marks(described, -0.12),
        "noise as measured, 0.2 grey levels": marks(measured, 0.12),
        "paper's average": Line(PAPER, np.arange(len(titles)), paper=True),
    }
    chart = Chart(lines, titles, "", "relative change of the map", level=0.0, joined=False, tilted=False)
    return draw_charts([chart], "Relative change of the map by noisy picture. " + " ".join(said), width=7.0, height=4.0)
