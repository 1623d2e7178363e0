"""Incremental deletion on the Evidence tab: does the distance follow the map when its pixels go?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.scored import is_blank
from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.steps import Parts, Work
from explorer.evaluation.deletion import Deletion, deleted_copies, deletion, deletion_passes, several_fills
from explorer.evaluation.verdicts import DeletionVerdict, Effect, FillsVerdict, judge_fills
from explorer.ui.jobs import MASKED
from explorer.ui.tabs.evidence.charts import counted, plain, points, signed, span
from explorer.ui.tabs.evidence.evidence import OWN, Evidence, Option, Part, Report, kind_of, numbers
from explorer.ui.tabs.evidence.pictures import seen, strip

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Deleted in the copies that are shown, as in the paper's figures 1 and 3."""
FIRST = {"lodf": "red first", "hidf": "blue first", "random": "random"}
TONES = {"lodf": "closer", "hidf": "apart", "random": "rest"}
DASHES = {"lodf": None, "hidf": "7 3", "random": "2 3"}
"""So that the lines can be told apart without their colours."""
HEADS = {
    Effect.MORE: "Faithful: the distance rises more when the red goes first than when the blue does.",
    Effect.CHANCE: "No better than chance: red first and blue first do about the same.",
    Effect.LESS: "Against the map: the distance rises more when the blue goes first than when the red does.",
}
OUTCOMES = {Effect.MORE: "faithful", Effect.CHANCE: "no better than chance", Effect.LESS: "against the map"}
SIDES = {
    Effect.MORE: "is faithful",
    Effect.CHANCE: "is no better than chance",
    Effect.LESS: "does less than chance, or the opposite",
}
SEVERAL = "several"
DEPENDS = "It depends on what deleted pixels become"
_FILLS = (
    (SEVERAL, "three things in turn: does it matter?"),
    ("map", "as in the map"),
    *((key, fill.label) for key, fill in FILLS.items() if not fill.drops),
)


class DeletionEvidence(Evidence):
    """Incremental deletion (paper, section 4.1)."""

    key = "deletion"
    title = "Is the map faithful? Delete the red first"
    read = (
        "Pixels are taken out of the picture step by step. If red really brings the pair closer, deleting red first "
        "should raise the distance sooner than deleting at random, and deleting blue first should keep it lower. The "
        "area between those two lines, the symmetric relevance gain (SRG), is what the verdict goes by."
    )
    limits = (
        "A picture with holes looks like no photograph, and specks at random spoil it otherwise than whole regions do, "
        "so part of the gap is the way of deleting. What holds whatever deleted pixels become says more."
    )
    verb = "Delete step by step"
    options = (
        Option("fill", "Deleted pixels become", _FILLS, SEVERAL, folded=False),
        Option("steps", "Steps", numbers(10, 20, 50), "10"),
        Option("orders", "Random orders", numbers(3, 5, 10), "5"),
    )

    def _settings(self) -> dict[str, Any]:
        return {"steps": int(self.chosen["steps"]), "seeds": range(int(self.chosen["orders"]))}

    @property
    def _fills(self) -> tuple[str, ...]:
        """What deleted pixels become, one after another."""
        chosen, own = self.chosen["fill"], self.subject.fill(self.subject.request.masking.fill)
        return several_fills(own) if chosen == SEVERAL else (own if chosen == "map" else self.subject.fill(chosen),)

    def parts(self) -> tuple[Part, ...]:
        """What another method's map takes, and a copy for each step of each order and fill."""
        if self.method == OWN and self.subject.explanation.no_signal:
            raise flat()
        passes = len(self._fills) * deletion_passes(self.subject.sketch(), **self._settings())
        return (kind_of(self.method), self.subject.answer_passes(self.method)), (MASKED, passes)

    def under(self) -> str:
        """What deleted pixels become."""
        return "deleted pixels " + ", then ".join(FILLS[fill].looks for fill in self._fills)

    def steps(self) -> Parts[dict[str, Deletion]]:
        """Draw the copies that are shown, then measure, fill by fill."""
        question = self.subject.question()
        yield 0
        self._map = attribution = yield from self.subject.answer(self.method, question)
        if is_blank(attribution):
            raise flat()
        results: dict[str, Deletion] = {}
        self._copies: dict[tuple[str, str], list[str]] = {}
        for fill in self._fills:
            for order in FIRST:
                copies = deleted_copies(question, attribution, order, SHARES, fill=fill)
                self._copies[fill, order] = [seen(self.subject, copy) for copy in copies]
            work = deletion(question, attribution, fill=fill, **self._settings())
            results[fill] = yield from _beside(results, fill, work)
        return results

    def findings(self, result: Mapping[str, Deletion], stopped: bool) -> Report:
        """The three curves and the contact sheet, by fill; and the map, where it is not the one on screen."""
        distance = DISTANCES[self.subject.explanation.selection.distance].label
        report = deletion_report(result, distance, stopped) | {"sheet": self._sheet(result)}
        if self.method == OWN:
            return report
        maps = [(self._map, METHODS[self.method].title, "the map that is judged")]
        shown = strip(self.subject.picture, self.subject.explanation.probe.box, maps)
        return report | {"strip": shown}

    def _sheet(self, results: Mapping[str, Deletion]) -> list[dict[str, Any]]:
        """The copies in each order, with their distances; of the random orders it is the first.

        Of a second and a third fill those with red deleted first will do, to see what it looks like.
        """
        rows: list[dict[str, Any]] = []
        for fill, result in results.items():
            curves = {"lodf": result.lodf, "hidf": result.hidf, "random": result.random[0]}
            at = [int(np.argmin(np.abs(result.shares - share))) for share in SHARES]
            rows += [
                self._row(fill, order, [curve[i] for i in at])
                for order, curve in curves.items()
                if not rows or order == "lodf" or rows[0]["fill"] == fill
            ]
        return rows

    def _row(self, fill: str, order: str, distances: Sequence[float]) -> dict[str, Any]:
        return {
            "fill": fill,
            "title": f"{FIRST[order].capitalize()}, deleted pixels {FILLS[fill].looks}",
            "copies": [
                {
                    "picture": picture,
                    "text": f"{100 * share:.0f} %: {plain(distance)}",
                    "alt": f"{100 * share:.0f} % deleted, {FIRST[order]}; distance {plain(distance)}.",
                }
                for picture, share, distance in zip(self._copies[fill, order], SHARES, distances, strict=True)
            ],
        }


def _beside(done: dict[str, Deletion], fill: str, work: Parts[Deletion]) -> Parts[Any]:
    """The deletion by one fill, telling it together with those that are done."""
    pieces: Work[Deletion] = Work(work)
    for piece in pieces:
        yield piece if isinstance(piece, int) else {**done, fill: piece}
    return pieces.result


def flat() -> InvalidInput:
    """What to raise where a map says nothing."""
    return InvalidInput("The map has no signal, so there is no order to delete in.", code="evidence_flat")


def deletion_report(results: Mapping[str, Deletion], distance: str, stopped: bool) -> Report:
    """The curves by fill, whole or in part, and whether deleting by the map does more than deleting by chance."""
    several, found = len(results) > 1, judge_fills(results)
    rows = [
        [f"{share:g} %{f', {FILLS[fill].looks}' if several else ''}", *row]
        for fill, result in results.items()
        for share, row in zip(100 * result.shares, _rows(result), strict=True)
    ]
    table = {
        "caption": f"{distance} to the reference; the band is the smallest and the largest of the random orders.",
        "head": ["Deleted", *FIRST.values(), "band"],
        "rows": rows,
    }
    charts = [_chart(fill, result, distance) for fill, result in results.items()]
    outcome = None if found is None else f"{DEPENDS}." if found.depends else _head(found)
    return {"verdict": deletion_verdict(results, stopped), "outcome": outcome, "charts": charts, "table": table}


def _chart(fill: str, result: Deletion, distance: str) -> dict[str, Any]:
    shares, low_high = 100 * result.shares, result.band()
    curves = {order: _curve(result, order) for order in FIRST}
    low, high = span(*curves.values(), *low_high)
    band = [[float(x), float(a), float(b)] for x, a, b in zip(shares, *low_high, strict=True) if a <= b]
    return {
        "title": f"Distance to the reference, deleted pixels {FILLS[fill].looks}",
        "alt": _deletion_alt(fill, result, curves),
        "x": {"label": "pixels deleted, %", "low": 0, "high": 100},
        "y": {"label": distance, "low": low, "high": high},
        "band": band if len(result.random) > 1 else [],
        "series": [
            {"name": FIRST[order], "tone": TONES[order], "dash": DASHES[order], "points": points(shares, curve)}
            for order, curve in curves.items()
        ],
    }


def _rows(result: Deletion) -> list[list[str]]:
    curves = [_curve(result, order) for order in FIRST]
    return [
        [*(plain(curve[i], 4) for curve in curves), f"{plain(a, 4)} to {plain(b, 4)}"]
        for i, (a, b) in enumerate(zip(*result.band(), strict=True))
    ]


def deletion_verdict(results: Mapping[str, Deletion], stopped: bool) -> list[str]:
    """One order against the other, and both against chance, in words; and whether it hangs on the fill."""
    found = judge_fills(results)
    if found is None:
        return ["Stopped before there was a random order to compare with; the lines show how far it came."]
    last = list(found.each.values())[-1]
    part = f"Stopped after {counted(last.orders, 'random order')}. " if stopped else ""
    if len(results) == 1:
        return [part + _head(found), _words(last), "This is one way to delete; another may say otherwise."]
    if stopped:
        part = f"Stopped with {len(found.each)} of {len(results)} ways to delete judged. "
    return [part + _head(found), *(_short(fill, verdict) for fill, verdict in found.each.items())]


def _head(found: FillsVerdict) -> str:
    if found.gain is not None:
        return HEADS[found.gain]
    by_effect: dict[Effect, list[str]] = {}
    for fill, verdict in found.each.items():
        by_effect.setdefault(verdict.gain, []).append(FILLS[fill].looks)
    parts = [f"{OUTCOMES[effect]} where they are {' or '.join(looks)}" for effect, looks in by_effect.items()]
    return f"{DEPENDS}: {', '.join(parts)}."


def _words(verdict: DeletionVerdict) -> str:
    words = (
        f"The area between the two lines (SRG) is {signed(verdict.srg)}. Held against deleting at random, red first "
        f"{_moves(verdict.red, 'raises the distance more')} ({signed(verdict.gaps['lodf'])} on average); blue first "
        f"{_moves(verdict.blue, 'keeps it lower')} ({signed(verdict.gaps['hidf'])})."
    )
    return f"{words} {_chance(verdict)}."


def _short(fill: str, verdict: DeletionVerdict) -> str:
    red, blue = (f"{side} {SIDES[effect]}" for side, effect in (("red", verdict.red), ("blue", verdict.blue)))
    gaps = (signed(verdict.gaps[order]) for order in ("lodf", "hidf"))
    return (
        f"Deleted pixels {FILLS[fill].looks}: {OUTCOMES[verdict.gain]}, SRG {signed(verdict.srg)}; against deleting at "
        f"random {red} ({next(gaps)} on average), {blue} ({next(gaps)}). {_chance(verdict)}."
    )


def _chance(verdict: DeletionVerdict) -> str:
    return f"Random orders differ by ±{plain(verdict.spread)}" if verdict.orders > 1 else "One random order only"


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


def _deletion_alt(fill: str, result: Deletion, curves: dict[str, NDArray[np.float64]]) -> str:
    middle = int(np.argmin(np.abs(result.shares - 0.5)))
    at = ", ".join(f"{FIRST[order]} {plain(curve[middle])}" for order, curve in curves.items())
    return (
        "Line chart of the distance to the reference against the share of pixels deleted; deleted pixels are "
        f"{FILLS[fill].looks}. The whole picture lies at {plain(float(result.lodf[0]))}. "
        f"With {100 * result.shares[middle]:g} % deleted: {at}."
    )
