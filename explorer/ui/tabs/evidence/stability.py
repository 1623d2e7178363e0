"""Stability on the Evidence tab: would another draw of masks give the same map?"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.core.selections import SelectionSettings
from explorer.core.steps import Parts
from explorer.evaluation.stability import Stability, stability, stability_passes
from explorer.evaluation.verdicts import SAME, Likeness, judge_stability
from explorer.ui.jobs import MASKED
from explorer.ui.tabs.evidence.charts import counted, plain, points, span
from explorer.ui.tabs.evidence.evidence import OWN, Evidence, Option, Part, Report, method_words, numbers

LADDER = (30, 100, 300, 1000, 3000)
"""Numbers of masks that are looked at, up to the one chosen."""
TAILS = {
    Likeness.SAME: "the map is settled.",
    Likeness.LARGE: "the large regions are settled, small spots are not.",
    Likeness.LITTLE: "mostly noise; take more masks.",
}
TONES, DASHES = ("ink", "rest"), (None, "7 3")


class StabilityEvidence(Evidence):
    """Several runs with other masks (paper, section 5.2.1 and table 2)."""

    key = "stability"
    title = "Would another draw of masks give the same map?"
    read = (
        "The map is made again and again with other random masks. Agreement is the correlation of two such maps "
        "(1 = the same map); the spread says how far a pixel moves between them."
    )
    limits = (
        "A steady map need not be a true one: this only says that chance has averaged out, for these numbers of "
        "masks. It says nothing about other fills, encoders or feature resolutions."
    )
    verb = "Repeat with other masks"
    options = (
        Option("masks", "Up to so many masks", numbers(*LADDER[1:]), "300", folded=False),
        Option("runs", "Runs", numbers(2, 3, 5, 10), "3", folded=False),
    )

    @property
    def _counts(self) -> tuple[int, ...]:
        most = int(self.chosen["masks"])
        return (*takewhile(lambda n: n < most, LADDER), most)

    @property
    def _seeds(self) -> range:
        return range(int(self.chosen["runs"]))

    @property
    def selections(self) -> dict[str, SelectionSettings]:
        """The map's own selection and, to compare, one without a threshold, or the paper's where it has none."""
        own = self.subject.explanation.selection
        plain_mode = not own.free and own.mode == "rank_weighted"
        other = SelectionSettings(mode="mirror" if plain_mode else "rank_weighted", distance=own.distance)
        return {method_words(own): own, method_words(other): other}

    def parts(self) -> tuple[Part, ...]:
        """As many masks as the longest run has, for each run."""
        if self.method != OWN:
            raise InvalidInput(
                "This compares draws of masks and ways to select them, which are Distance Explainer's; judge the map "
                "on screen.",
                code="evidence_draws",
            )
        passes = stability_passes(counts=self._counts, seeds=self._seeds, masking=self.subject.request.masking)
        return ((MASKED, passes),)

    def under(self) -> str:
        """How long the runs are, and how many."""
        return f"{self.chosen['runs']} runs of up to {self.chosen['masks']} masks"

    def steps(self) -> Parts[Stability]:
        """Every run anew, so that none shares masks with another."""
        question = self.subject.question()
        yield 0
        return (
            yield from stability(
                question,
                masking=self.subject.request.masking,
                selections=self.selections,
                counts=self._counts,
                seeds=self._seeds,
            )
        )

    def findings(self, result: Stability, stopped: bool) -> Report:
        """Agreement and spread against the number of masks."""
        return stability_report(result, list(self.selections), self.subject.request.masking.n_masks, stopped)


def stability_report(result: Stability, names: list[str], n_masks: int, stopped: bool) -> Report:
    """What several runs with other masks have in common; of the ``names`` of selections the map's own comes first."""
    agreement = {name: result.agreement[name] for name in names}
    spread = {name: result.spread[name] for name in names}
    rows = [
        [str(n), *(plain(float(of[name][i])) for of in (agreement, spread) for name in names)]
        for i, n in enumerate(result.counts)
    ]
    table = {
        "caption": "Agreement: mean correlation of two runs. Spread: mean over the pixels of their standard deviation.",
        "head": ["Masks", *(f"{what}, {name}" for what in ("agreement", "spread") for name in names)],
        "rows": rows,
    }
    charts = [
        _chart("Agreement of two runs", "correlation", result.counts, agreement, 1.0),
        _chart("Spread of a pixel from run to run", "standard deviation", result.counts, spread, None),
    ]
    verdict = judge_stability(result, names[0], n_masks)
    return {
        "verdict": stability_verdict(result, names, n_masks, stopped),
        "outcome": verdict and TAILS[verdict.likeness],
        "charts": charts,
        "table": table,
    }


def _chart(title: str, what: str, counts: Any, curves: dict[str, Any], most: float | None) -> dict[str, Any]:
    low, high = span(*curves.values(), low=0.0)
    said = "; ".join(
        f"{name}: " + ", ".join(f"{plain(float(v), 2)} with {n}" for n, v in zip(counts, curve, strict=True))
        for name, curve in curves.items()
    )
    return {
        "title": title,
        "alt": f"Line chart of the {what} against the number of masks. {said}.",
        "x": {
            "label": "masks",
            "low": float(counts[0]),
            "high": float(counts[-1]),
            "log": True,
            "ticks": [[float(n), str(n)] for n in counts],
        },
        "y": {"label": what, "low": low, "high": most or high},
        "series": [
            {"name": name, "tone": tone, "dash": dash, "points": points(counts, curve)}
            for (name, curve), tone, dash in zip(curves.items(), TONES, DASHES, strict=True)
        ],
    }


def stability_verdict(result: Stability, names: list[str], n_masks: int, stopped: bool) -> list[str]:
    """How far the map on screen would agree with another like it, by the longest runs there are."""
    own, other = names
    verdict = judge_stability(result, own, n_masks)
    if verdict is None:
        return ["Stopped before two runs could be compared."]
    at, n, runs = verdict.at, verdict.n_masks, len(result.seeds)
    pairs = "the pairs done" if stopped else counted(runs * (runs - 1) // 2, "pair")
    said = [
        f"{'Stopped. ' if stopped else ''}Another map of {n_masks} masks would agree with yours by about "
        f"{plain(verdict.of_the_map, 2)}: {TAILS[verdict.likeness]}",
        f"Measured: two runs of {n} masks agree by {plain(verdict.agreement, 2)}, the mean of {pairs} ({own}); single "
        f"runs, split in halves, foretell {plain(float(result.expected[own][at]), 2)}. Chance moves a pixel by about "
        f"±{plain(float(result.spread[own][at]))}. With the same masks {other} agrees by "
        f"{plain(float(result.agreement[other][at]), 2)}.",
    ]
    if verdict.wanted is not None:
        said.append(f"Two maps agree by {SAME:g} from about {verdict.wanted} masks on (Spearman-Brown formula).")
    return said
