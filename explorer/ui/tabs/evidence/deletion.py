"""Incremental deletion on the Evidence tab: does the distance follow the map when its pixels go?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.scored import is_blank
from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.steps import Parts
from explorer.evaluation.deletion import Deletion, deleted_copies, deletion, deletion_passes
from explorer.evaluation.verdicts import Effect, judge_deletion
from explorer.ui.tabs.evidence.charts import counted, plain, points, signed, span
from explorer.ui.tabs.evidence.evidence import OWN, Evidence, Option, Report, numbers
from explorer.ui.tabs.evidence.pictures import seen, strip

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Deleted in the copies that are shown, as in the paper's figures 1 and 3."""
FIRST = {"lodf": "red first", "hidf": "blue first", "random": "random"}
TONES = {"lodf": "closer", "hidf": "apart", "random": "rest"}
DASHES = {"lodf": None, "hidf": "7 3", "random": "2 3"}
"""So that the lines can be told apart without their colours."""
HEADS = {
    (Effect.MORE, Effect.MORE): "Faithful both ways: red brings the pair closer and blue pushes it apart, as the map "
    "says.",
    (Effect.MORE, Effect.CHANCE): "Faithful in its red; its blue is no better than chance.",
    (Effect.CHANCE, Effect.MORE): "Faithful in its blue; its red is no better than chance.",
    (Effect.CHANCE, Effect.CHANCE): "No better than chance, in its red and in its blue.",
}
AGAINST = "Against the map: deleting by it does less than chance, or the opposite."
_FILLS = tuple((key, fill.label) for key, fill in FILLS.items())


class DeletionEvidence(Evidence):
    """Incremental deletion (paper, section 4.1)."""

    key = "deletion"
    title = "Is the map faithful? Delete the red first"
    read = (
        "Pixels are taken out of the picture step by step. If red really brings the pair closer, deleting red first "
        "should raise the distance sooner than deleting at random, and deleting blue first should keep it lower."
    )
    limits = (
        "A picture with holes looks like no photograph, and specks at random spoil it otherwise than whole regions do, "
        "so part of the gap is the way of deleting. Try another fill before believing a small one."
    )
    verb = "Delete step by step"
    options = (
        Option("fill", "Deleted pixels become", (("map", "as in the map"), *_FILLS), "map"),
        Option("steps", "Steps", numbers(10, 20, 50), "20"),
        Option("orders", "Random orders", numbers(3, 5, 10), "5"),
    )

    def _settings(self) -> dict[str, Any]:
        return {"steps": int(self.chosen["steps"]), "seeds": range(int(self.chosen["orders"]))}

    @property
    def _fill(self) -> str:
        chosen = self.chosen["fill"]
        return self.subject.request.masking.fill if chosen == "map" else chosen

    def passes(self) -> int:
        """A copy for each step of each order, and what another method's map takes."""
        if self.method == OWN and self.subject.explanation.no_signal:
            raise flat()
        return self.subject.answer_passes(self.method) + deletion_passes(self.subject.sketch(), **self._settings())

    def steps(self) -> Parts[Deletion]:
        """Draw the copies that are shown, then measure."""
        question = self.subject.question()
        self._map = attribution = yield from self.subject.answer(self.method, question)
        if is_blank(attribution):
            raise flat()
        self._copies = {
            order: [
                seen(self.subject, copy)
                for copy in deleted_copies(question, attribution, order, SHARES, fill=self._fill)
            ]
            for order in FIRST
        }
        return (yield from deletion(question, attribution, fill=self._fill, **self._settings()))

    def report(self, result: Deletion, stopped: bool) -> Report:
        """The three curves and the contact sheet; and the map, where it is not the one on screen."""
        distance = DISTANCES[self.subject.explanation.selection.distance].label
        report = deletion_report(result, distance, stopped) | {"sheet": self._sheet(result)}
        if self.method == OWN:
            return report
        maps = [(self._map, METHODS[self.method].title, "the map that is judged")]
        shown = strip(self.subject.picture, self.subject.explanation.probe.box, maps)
        return report | {"strip": shown}

    def _sheet(self, result: Deletion) -> list[dict[str, Any]]:
        """The copies in each order, with their distances; of the random orders it is the first."""
        curves = {"lodf": result.lodf, "hidf": result.hidf, "random": result.random[0]}
        at = [int(np.argmin(np.abs(result.shares - share))) for share in SHARES]
        return [
            {
                "title": FIRST[order].capitalize(),
                "copies": [
                    {
                        "picture": picture,
                        "text": f"{100 * share:.0f} %: {plain(curve[i])}",
                        "alt": f"{100 * share:.0f} % deleted, {FIRST[order]}; distance {plain(curve[i])}.",
                    }
                    for picture, share, i in zip(self._copies[order], SHARES, at, strict=True)
                ],
            }
            for order, curve in curves.items()
        ]


def flat() -> InvalidInput:
    """What to raise where a map says nothing."""
    return InvalidInput("The map has no signal, so there is no order to delete in.", code="evidence_flat")


def deletion_report(result: Deletion, distance: str, stopped: bool) -> Report:
    """The curves of a result, whole or in part, and whether deleting by the map does more than deleting by chance."""
    shares, low_high = 100 * result.shares, result.band()
    curves = {order: _curve(result, order) for order in FIRST}
    low, high = span(*curves.values(), *low_high)
    band = [[float(x), float(a), float(b)] for x, a, b in zip(shares, *low_high, strict=True) if a <= b]
    chart = {
        "title": "Distance to the reference while pixels are deleted",
        "alt": _deletion_alt(result, curves),
        "x": {"label": "pixels deleted, %", "low": 0, "high": 100},
        "y": {"label": distance, "low": low, "high": high},
        "band": band if len(result.random) > 1 else [],
        "series": [
            {"name": FIRST[order], "tone": TONES[order], "dash": DASHES[order], "points": points(shares, curve)}
            for order, curve in curves.items()
        ],
    }
    rows = [
        [f"{share:g} %", *(plain(curve[i], 4) for curve in curves.values()), f"{plain(a, 4)} to {plain(b, 4)}"]
        for i, (share, a, b) in enumerate(zip(shares, *low_high, strict=True))
    ]
    table = {
        "caption": f"{distance} to the reference; the band is the smallest and the largest of the random orders.",
        "head": ["Deleted", *FIRST.values(), "band"],
        "rows": rows,
    }
    return {"verdict": deletion_verdict(result, stopped), "charts": [chart], "table": table}


def deletion_verdict(result: Deletion, stopped: bool) -> list[str]:
    """Both orders against chance, in words."""
    verdict = judge_deletion(result)
    if verdict is None:
        return ["Stopped before there was a random order to compare with; the lines show how far it came."]
    words = (
        f"Deleting red first {_moves(verdict.red, 'raises the distance more')} ({signed(verdict.gaps['lodf'])} on "
        f"average, the area between the lines); deleting blue first {_moves(verdict.blue, 'keeps it lower')} "
        f"({signed(verdict.gaps['hidf'])})."
    )
    chance = f"Random orders differ by ±{plain(verdict.spread)}." if verdict.orders > 1 else "One random order only."
    part = f"Stopped after {counted(verdict.orders, 'random order')}. " if stopped else ""
    return [part + HEADS.get((verdict.red, verdict.blue), AGAINST), f"{words} {chance}"]


def _moves(effect: Effect, what: str) -> str:
    return {
        Effect.MORE: f"{what} than chance",
        Effect.CHANCE: "is no better than chance",
        Effect.LESS: "does less than chance",
    }[effect]


def _curve(result: Deletion, order: str) -> NDArray[np.float64]:
    """Of the random orders, the mean of those that got so far."""
    if order != "random":
        return result.curve(order)
    known = np.isfinite(result.random)
    total = np.where(known, result.random, 0).sum(axis=0)
    return np.asarray(np.divide(total, known.sum(axis=0), out=np.full(len(total), np.nan), where=known.any(axis=0)))


def _deletion_alt(result: Deletion, curves: dict[str, NDArray[np.float64]]) -> str:
    middle = int(np.argmin(np.abs(result.shares - 0.5)))
    at = ", ".join(f"{FIRST[order]} {plain(curve[middle])}" for order, curve in curves.items())
    return (
        f"Line chart of the distance to the reference against the share of pixels deleted. The whole picture lies at "
        f"{plain(float(result.lodf[0]))}. With {100 * result.shares[middle]:g} % deleted: {at}."
    )
