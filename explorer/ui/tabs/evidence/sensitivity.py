"""Average sensitivity on the Evidence tab: does a little noise in the picture change the map?"""

from __future__ import annotations

import math
from typing import Any

from explorer.core.steps import Parts
from explorer.evaluation.sensitivity import NOISES, PAPER, Sensitivity, sensitivity, sensitivity_passes
from explorer.evaluation.verdicts import Likeness, judge_sensitivity
from explorer.ui.tabs.evidence.charts import counted, plain, points
from explorer.ui.tabs.evidence.evidence import OWN, Evidence, Option, Part, Report, kind_of, numbers

HEADS = {
    Likeness.SAME: "The map holds.",
    Likeness.LARGE: "The large regions hold, small spots move.",
    Likeness.LITTLE: "Such noise makes another map.",
}


class SensitivityEvidence(Evidence):
    """Noise in the picture, with frozen masks (paper, section 4.2)."""

    key = "sensitivity"
    title = "Does a little noise in the picture change the map?"
    read = (
        "The picture gets fresh noise again and again, and the map is made anew, its masks (where it has any) the "
        "same. Shown is how far it moves: 0 = not at all, 1 = by as much as the map itself."
    )
    limits = (
        "A calm map need not be a true one: a map that ignores the picture is the calmest. With few masks part of the "
        "change is that other masks are selected."
    )
    verb = "Add noise"
    options = (
        Option(
            "noise",
            "Noise",
            (("described", "10 % of the range: the paper's words"), ("measured", "±0.2 grey levels: its software")),
            "described",
            folded=False,
        ),
        Option(
            "clip",
            "Values outside the range",
            (("no", "left, as in the paper"), ("yes", "cut off")),
            "no",
            folded=False,
        ),
        Option("samples", "Noisy pictures", numbers(5, 10, 20), "10"),
        Option("masks", "Masks for each", numbers(60, 100, 200, 500), "200"),
    )

    def parts(self) -> tuple[Part, ...]:
        """One map of the picture, and one of each noisy one."""
        passes = sensitivity_passes(self.sketch(), self._method(), int(self.chosen["samples"]))
        return ((kind_of(self.method), passes),)

    def under(self) -> str:
        """How much noise, what becomes of values outside the range, and the maps' masks."""
        noise = "±0.2 grey levels" if self.chosen["noise"] == "measured" else "10 % of the range"
        cut = " (values outside it cut off)" if self.chosen["clip"] == "yes" else ""
        return f"noise of {noise}{cut}{self._with_masks()}"

    def steps(self) -> Parts[Sensitivity]:
        """Explain noisy pictures."""
        law, spread = NOISES[self.chosen["noise"]]
        question = self.subject.question()
        yield 0
        return (
            yield from sensitivity(
                question,
                self._method(),
                n_samples=int(self.chosen["samples"]),
                law=law,
                spread=spread,
                clip=self.chosen["clip"] == "yes",
            )
        )

    def findings(self, result: Sensitivity, stopped: bool) -> Report:
        """The change of each map, their mean and their maximum."""
        as_measured = self.chosen["noise"] == "measured" if self.method == OWN else None
        return sensitivity_report(result, as_measured, stopped)


def sensitivity_report(result: Sensitivity, as_measured: bool | None, stopped: bool) -> Report:
    """How far noise moves the map, by a result, whole or in part.

    ``as_measured`` says whether the noise is the one that the paper's numbers were measured with; None for a method
    that is not the paper's.
    """
    samples = range(1, len(result.values) + 1)
    rules = [{"at": at, "text": f"paper {at}"} for at in PAPER] if as_measured else []
    most = max([result.max if result.done else 0.0, 0.1])  # beyond both of the paper's
    if result.done:
        rules.append({"at": result.mean, "text": f"mean {plain(result.mean)}"})
    said = ", ".join(plain(float(value)) for value in result.values if math.isfinite(value))
    chart = {
        "title": "How far the map moves with noise",
        "alt": f"Points, one for each noisy picture: relative change of the map {said}. Mean {plain(result.mean)}.",
        "x": {"label": "noisy picture", "low": 0.5, "high": len(result.values) + 0.5, "ticks": _ticks(samples)},
        "y": {"label": "change of the map", "low": 0, "high": 1.12 * most},
        "series": [{"name": "", "tone": "ink", "joined": False, "points": points(samples, result.values)}],
        "rules": rules,
    }
    rows = [[str(i), plain(float(value), 4)] for i, value in zip(samples, result.values, strict=True)]
    table = {
        "caption": "Norm of the change of the map, as a share of the norm of the map (Yeh et al. 2019).",
        "head": ["Noisy picture", "change"],
        "rows": [*rows, ["mean", plain(result.mean, 4)], ["maximum", plain(result.max, 4)]],
    }
    verdict = judge_sensitivity(result.values)
    return {
        "verdict": sensitivity_verdict(result, as_measured, stopped),
        "outcome": verdict and HEADS[verdict.likeness],
        "charts": [chart],
        "table": table,
    }


def sensitivity_verdict(result: Sensitivity, as_measured: bool | None, stopped: bool) -> list[str]:
    """The mean with its standard error, the maximum, and the paper's numbers where they can be compared."""
    verdict = judge_sensitivity(result.values)
    if verdict is None:
        return ["Stopped before a noisy picture was explained."]
    part = f"Stopped after {counted(verdict.pictures, 'noisy picture')}. " if stopped else ""
    doubt = f" ± {plain(verdict.doubt)}" if verdict.pictures > 1 else ""
    said = (
        f"Noise moves it by {plain(verdict.mean)}{doubt} of its own size on average over "
        f"{counted(verdict.pictures, 'picture')}, at most by {plain(verdict.largest)}."
    )
    if as_measured is not None:
        said += (
            " The paper found 0.06 for bee and fly and 0.04 for two bees, with 500 masks."
            if as_measured
            else " The paper's 0.06 and 0.04 were measured with far weaker noise than it describes: choose ±0.2 grey "
            "levels to compare."
        )
    return [part + HEADS[verdict.likeness], said]


def _ticks(samples: range) -> list[list[Any]]:
    step = 1 if len(samples) <= 10 else 5
    return [[i, str(i)] for i in samples if i % step == 0]
