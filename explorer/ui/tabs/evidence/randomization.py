"""Model parameter randomisation on the Evidence tab: is the map about what the network has learnt?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from explorer.attributions.method import METHODS, has_masks
from explorer.core.agreement import by_chance
from explorer.core.steps import Parts
from explorer.evaluation.randomization import Randomization, randomization, randomization_passes
from explorer.evaluation.verdicts import RandomizationVerdict, judge_randomization
from explorer.ui.tabs.evidence.charts import counted, plain, points
from explorer.ui.tabs.evidence.evidence import Evidence, Option, Part, Report, kind_of, numbers
from explorer.ui.tabs.evidence.pictures import strip

ORDERS = {
    "top_down": "from the output down, each added",
    "bottom_up": "from the input up, each added",
    "independent": "each block by itself",
}


OUTLIVES, ABOUT = "Part of the map outlives what is scrambled.", "About the model."
REFERENCES = {"kept": "kept", "re-embedded": "embedded anew"}


class RandomizationEvidence(Evidence):
    """A network scrambled block by block (paper, section 4.3)."""

    key = "randomization"
    title = "Is the map about the model? Scramble its weights"
    read = (
        "The network's weights are scrambled block by block, and the map is made again, its masks (where it has any) "
        "the same. A map that outlives what the network has learnt was never about it."
    )
    limits = (
        "That the map depends on the weights does not make it right. A block by itself may keep the map because the "
        "picture passes around it (skip connections) or because its weights matter little."
    )
    verb = "Scramble the network"
    slow = True
    options = (
        Option("order", "Order", tuple(ORDERS.items()), "top_down", folded=False),
        Option(
            "how",
            "How",
            (("shuffle", "shuffle the weights"), ("reinitialise", "start them anew")),
            "shuffle",
            folded=False,
        ),
        Option(
            "reference",
            "The reference is",
            tuple(REFERENCES.items()),
            "kept",
            folded=False,
        ),
        Option("masks", "Masks for each map", numbers(30, 60, 100, 200, 500, 1000), "200"),
    )

    def parts(self) -> tuple[Part, ...]:
        """A map and the whole picture for the network as it is and for each state; asks the network for its blocks."""
        question = replace(self.subject.sketch(), encoder=self.subject.encoder())
        return ((f"scrambled, {kind_of(self.method)}", randomization_passes(question, self._method())),)

    def under(self) -> str:
        """What was scrambled how, what became of the reference, and the maps' masks."""
        order, how, reference = (self.chosen[name] for name in ("order", "how", "reference"))
        weights = {"shuffle": "weights shuffled", "reinitialise": "weights started anew"}[how]
        return f"{weights}, {ORDERS[order]}, the reference {REFERENCES[reference]}{self._with_masks()}"

    def steps(self) -> Parts[Randomization]:
        """Explain with scrambled networks."""
        order, how, reference = (self.chosen[name] for name in ("order", "how", "reference"))
        question = self.subject.question()
        yield 0
        return (yield from randomization(question, self._method(), order=order, how=how, reference=reference))

    def findings(self, result: Randomization, stopped: bool) -> Report:
        """The maps, and how alike each is to the first."""
        report = randomization_report(result, self._chance(), stopped)
        probe, texts = self.subject.explanation.probe, ["untouched", *result.layers]
        done = [i for i, value in enumerate(result.similarity) if math.isfinite(value)]
        said = [f"ρ {plain(float(result.similarity[i]), 2)}" if result.maps[i].any() else "no signal" for i in done]
        maps = [(result.maps[i], texts[i], text) for i, text in zip(done, said, strict=True)]
        relative = not has_masks(METHODS[self.method])  # a scrambled network's slopes are of another size altogether
        shown = strip(self.subject.picture, probe.box, maps, relative=relative)
        return report | {"strip": shown}

    def _chance(self) -> float | None:
        """What chance does to maps made of masks; of others it is not known."""
        if not has_masks(METHODS[self.method]):
            return None
        return by_chance(self.subject.request.masking.feature_res, int(self.chosen["masks"]))


def randomization_report(result: Randomization, chance: float | None, stopped: bool) -> Report:
    """How alike the maps of scrambled networks are to the map of the untouched one; ``chance`` is None if not known."""
    steps, similarity = range(len(result.similarity)), result.similarity
    each = result.order == "independent"
    low = min(-(chance or 0.0), float(np.nanmin(similarity))) - 0.05
    zones = [] if chance is None else [{"low": -chance, "high": chance, "text": "by chance"}]
    said = ", ".join(
        f"{name} {plain(float(value), 2)}"
        for name, value in zip(result.layers, similarity[1:], strict=True)
        if math.isfinite(value)
    )
    chart = {
        "title": "Correlation with the map of the untouched network",
        "alt": f"Rank correlation of each map with the untouched network's: {said}.",
        "x": {
            "label": "number of the block scrambled" if each else "blocks scrambled so far",
            "low": 0,
            "high": len(result.layers) + 0.3,
        },
        "y": {"label": "rank correlation ρ", "low": low, "high": 1.05},
        "zones": zones,
        "series": [{"name": "", "tone": "ink", "joined": not each, "points": points(steps, similarity)}],
    }
    verdict = judge_randomization(result, chance)
    known = verdict is not None and chance is not None and not each
    return {
        "verdict": _verdict(result, chance, stopped),
        "outcome": (OUTLIVES if verdict.since is None else ABOUT) if known and verdict else None,
        "charts": [chart],
        "table": _table(result),
    }


def _table(result: Randomization) -> dict[str, Any]:
    columns = (result.similarity, result.similarity_absolute, result.shift)
    return {
        "caption": "ρ: Spearman's correlation with the untouched network's map; of absolute values: as in the paper's "
        "table 1; shift: cosine distance / 2 of the whole picture's embedding to its own before.",
        "head": ["Step", "block", "ρ", "of absolute values", "shift"],
        "rows": [
            [str(i), name, *(plain(float(column[i])) for column in columns)]
            for i, name in enumerate(("untouched", *result.layers))
        ],
    }


def _verdict(result: Randomization, chance: float | None, stopped: bool) -> list[str]:
    verdict = judge_randomization(result, chance)
    if verdict is None:
        return ["Stopped before a scrambled network was asked."]
    part = f"Stopped after {counted(len(verdict.values), 'map')}. " if stopped else ""
    each = result.order == "independent"
    head, said = _plainly(verdict, each) if chance is None else _each(verdict) if each else _added(verdict)
    return [part + head, said, *result.notices]


def _plainly(verdict: RandomizationVerdict, each: bool) -> tuple[str, str]:
    """What is left of a map where nobody knows what chance leaves."""
    values, blocks = verdict.values, counted(len(verdict.values), "block")
    head = (
        f"Scrambled one at a time, {blocks} leave a rank correlation of {_number(values.mean())} on average."
        if each
        else f"With {blocks} scrambled, what is left is a rank correlation of {_number(values[-1])}."
    )
    return head, (
        f"It is lowest at {verdict.blocks[verdict.lowest]} ({_number(values.min())}) and highest at "
        f"{verdict.blocks[verdict.highest]} ({_number(values.max())}). How alike unrelated maps of this method are by "
        "chance is not known: smooth ones can be very much so."
    )


def _added(verdict: RandomizationVerdict) -> tuple[str, str]:
    values, names, since = verdict.values, verdict.blocks, verdict.since
    head = (
        f"Part of the map outlives {counted(len(values), 'scrambled block')}, and is not about what they learnt."
        if since is None
        else f"About the model: with {counted(len(values), 'block')} scrambled, no more of the map is left than by "
        "chance."
    )
    gone = "" if since is None else f" From step {since + 1} ({names[since]}) on, no map is like it."
    return head, (
        f"The rank correlation is {_number(values[0])} after the first step ({names[0]}) and {_number(values[-1])} "
        f"after {counted(len(values), 'step')}; {_unrelated(verdict)}.{gone}"
    )


def _each(verdict: RandomizationVerdict) -> tuple[str, str]:
    values, names = verdict.values, verdict.blocks
    return (
        f"Scrambled one at a time, {verdict.lost} of {counted(len(values), 'block')} "
        f"{'leaves' if verdict.lost == 1 else 'leave'} no more of the map than chance does.",
        f"The map depends most on {names[verdict.lowest]} (ρ {_number(values.min())}) and least on "
        f"{names[verdict.highest]} ({_number(values.max())}); {_unrelated(verdict)}.",
    )


def _unrelated(verdict: RandomizationVerdict) -> str:
    assert verdict.by_chance is not None
    return f"unrelated maps lie within about ±{_number(verdict.by_chance)}"


def _number(value: Any) -> str:
    return plain(float(value), 2)
