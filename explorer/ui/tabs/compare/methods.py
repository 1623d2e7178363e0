"""The Compare tab's other methods: their maps for the same question, with what each costs and how faithful it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.scored import is_blank
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.steps import Parts
from explorer.core.truth import FEWEST, Truth, folded, own_truth, truth_of
from explorer.evaluation.deletion import Deletion, deletion, deletion_passes
from explorer.evaluation.verdicts import tells_most
from explorer.studies.needs import counted as without_parts
from explorer.ui.jobs import MASKED
from explorer.ui.methods_menu import offers
from explorer.ui.page import Page
from explorer.ui.tabs.evidence.charts import counted, plain, signed
from explorer.ui.tabs.evidence.evidence import FROM_MASKS, OWN, Evidence, Part, Report, Subject, kind_of
from explorer.ui.tabs.evidence.layout import judging_view
from explorer.ui.tabs.evidence.pictures import strip

STEPS = 10
SEEDS = (0, 1)
"""Of the deletion by which the maps are compared: coarser than the Evidence tab's, since it is paid for each method."""

PREFERRED = ("distance-explainer", "rise", "dix3", "grad-cam", "gae")
"""Chosen at first, as far as the encoder has them."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What one method answered: its map (h, w), what that cost, its deletion, and how true it is.

    Neither of the last two is known of a flat map, nor the last of few masks.
    """

    key: str
    attribution: NDArray[np.float32]
    passes: int
    seconds: float
    faithful: Deletion | None
    truth: Truth | None = None


class OtherMethods(Evidence):
    """The methods chosen, asked one after another."""

    key = "methods"
    title = "Other methods, the same question"
    read = (
        "Each method answers the question on screen in its own way. Red brings the pair closer, blue pushes it apart; "
        "every map is drawn on a scale of its own, since they have no unit in common."
    )
    limits = (
        "The deletion areas compare maps by one test, with one way to hide pixels. A method that looks inside the "
        "network can be right about it and still lose there."
    )
    verb = "Compare the chosen methods"
    slow = True

    def __init__(self, subject: Subject, options: Mapping[str, object]) -> None:
        super().__init__(subject, options)
        asked = options.get("methods")
        if not isinstance(asked, list) or not asked or len(asked) > len(METHODS):
            raise InvalidInput("Choose at least one method.", code="methods_empty")
        self._keys = tuple(dict.fromkeys(METHODS.check(key) for key in asked))
        self.chosen["methods"] = ", ".join(self._keys)

    def parts(self) -> tuple[Part, ...]:
        """Each method's and then those of its deletion; the masks on screen cost nothing more."""
        judged = (MASKED, deletion_passes(self.subject.sketch(), steps=STEPS, seeds=SEEDS))
        return tuple(part for key in self._keys for part in ((kind_of(key), self.subject.answer_passes(key)), judged))

    def under(self) -> str:
        """What deleted pixels become."""
        return f"deleted pixels {FILLS[self._fill].looks}, in {STEPS} steps"

    @property
    def _fill(self) -> str:
        return self.subject.fill(self.subject.request.masking.fill)

    def steps(self) -> Parts[list[Answer]]:
        """Ask each in turn, yielding the answers so far."""
        question, answers = self.subject.question(), list[Answer]()
        yield 0
        for key in self._keys:
            passes, began = self.subject.answer_passes(key), time.monotonic()
            attribution = yield from self.subject.answer(key, question)
            answer = Answer(key, attribution, passes, time.monotonic() - began, None)
            yield [*answers, answer]
            if not is_blank(attribution):
                work = deletion(question, attribution, steps=STEPS, seeds=SEEDS, fill=self._fill)
                faithful = yield from without_parts(work)
                answer = replace(answer, faithful=faithful, truth=self._truth(key, attribution))
            answers = [*answers, answer]
            yield answers
        return answers

    def _truth(self, key: str, attribution: NDArray[np.float32]) -> Truth | None:
        """By the copies on screen: those that it was not made from."""
        explanation = self.subject.explanation
        masks, distances = explanation.probe.masks, explanation.distances
        if key == OWN or len(distances) < FEWEST:
            return own_truth(explanation)
        if key in FROM_MASKS:
            return folded(masks, distances, lambda rest: rest.mean() - rest)
        return truth_of(attribution, explanation.probe, explanation.selection.distance, explanation.reference)

    def findings(self, result: list[Answer], stopped: bool) -> Report:
        """The maps on one scale, and a table of what each costs and does."""
        return {
            "verdict": verdict(result, stopped),
            "charts": [],
            "table": _table(result),
            "keys": [answer.key for answer in result],
            "strip": strip(
                self.subject.picture,
                self.subject.explanation.probe.box,
                [(a.attribution, METHODS[a.key].title, _facts(a)) for a in result],
                relative=True,
            ),
        }


def methods_section(page: Page) -> None:
    """Lay the section out and wire it."""
    gr.HTML("<h2>Methods</h2><p>Do other methods point at the same regions?</p>", elem_classes="board-title")
    judging_view("methods", {OtherMethods.key: OtherMethods}, page, preferred=PREFERRED, **offers())


def verdict(answers: list[Answer], stopped: bool) -> list[str]:
    """Which map its own red and blue speak for most."""
    judged = {a.key: a.faithful.srg for a in answers if a.faithful is not None}
    said = ["Stopped before all had answered."] if stopped else []
    if not judged:
        return [*said, "No map says anything here, so none can be judged."]
    best = tells_most(judged)
    if best is None:
        none = "No map moves the distance the way it says: red first should raise it above blue first."
        return [*said, none, *_untrue(answers)]
    title = METHODS[best].title
    head = f"{title}, by itself" if len(judged) == 1 else f"Deleting tells most for {title}"
    return [
        *said,
        f"{head}: the distance is {plain(judged[best])} higher on average when its red goes first than when its blue "
        "does.",
        *_untrue(answers),
    ]


def _untrue(answers: list[Answer]) -> list[str]:
    """Whose maps tell nothing of copies they were not made from."""
    names = [METHODS[a.key].title for a in answers if a.truth and a.truth.verdict in ("nothing", "against")]
    if not names:
        return []
    return [f"Not true of copies it was not made from, which it orders no better than a coin: {', '.join(names)}."]


def _cost(answer: Answer) -> str:
    if not answer.passes:
        return "from the masks on screen"
    return f"{counted(answer.passes, 'pass')}, {answer.seconds:.1f} s"


def _facts(answer: Answer) -> str:
    if answer.faithful is None:
        return f"{_cost(answer)}; " + ("says nothing here" if is_blank(answer.attribution) else "being judged …")
    truth = "" if answer.truth is None else f"; truth {signed(answer.truth.spearman, 2)}"
    return f"{_cost(answer)}; deletion area {signed(answer.faithful.srg)}{truth}"


def _table(answers: list[Answer]) -> dict[str, Any]:
    rows = []
    for answer in answers:
        areas = ["", "", ""]
        if answer.faithful is not None:
            found = answer.faithful
            areas = [signed(v) for v in (found.srg, found.against_random("lodf"), found.against_random("hidf"))]
        passes = plain(answer.passes, 0)
        truth = "" if answer.truth is None else signed(answer.truth.spearman, 2)
        facts = [METHODS[answer.key].title, passes, plain(answer.seconds, 1), *areas, truth]
        rows.append([*facts, METHODS[answer.key].source])
    return {
        "caption": f"Areas under the distance while pixels are deleted in {STEPS} steps: red first less blue first, "
        f"and each against {len(SEEDS)} random orders. Truth: rank correlation of the map with the closeness of "
        "those masked copies on screen that it was not made from.",
        "head": [
            "Method",
            "passes",
            "seconds",
            "red less blue",
            "red less random",
            "blue less random",
            "truth",
            "source",
        ],
        "rows": rows,
    }
