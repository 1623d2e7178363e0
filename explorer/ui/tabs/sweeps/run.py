"""What a page sweeps, without the page: which tiles, at what price, and how far a sweep has come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.core.limits import FEATURE_RES
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.studies import pilot as pilots
from explorer.studies.sweeps import SWEEPS, Tile, Tiles, passes, within
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import RunRequest, Session
from explorer.ui.status import Step
from explorer.ui.tabs.explore.run import packed

PILOT = "pilot"
COSTLY = (PILOT, *(key for key, sweep in SWEEPS.items() if not sweep.free))
TRIAL = ("p_keep", "spread", "band", "expected", "repeats")
"""What the browser is told of a ``Trial``."""


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """A costly sweep as it was asked for.

    Attributes:
        key: Of ``SWEEPS``, or ``PILOT``.
        question: What its tiles differ from.
        tiles: What is to be run, in order.
        stamp: Names it, so that late news of another is not taken for its own.
    """

    key: str
    question: RunRequest
    tiles: Tiles
    stamp: str = field(default_factory=lambda: str(time.monotonic_ns()))

    def wire(self) -> dict[str, Any]:
        """For the browser; tiles without a selection of their own follow the visitor's."""
        own = {} if self.key == PILOT else {"selection": None}
        return {"key": self.key, "stamp": self.stamp, "tiles": [asdict(tile) | own for tile in self.tiles]}


class SweepRun:
    """A sweep being run.

    Args:
        plan: What to run.
        probes: Runs it.

    Attributes:
        session: Of the tile at hand, so that the result on screen is left alone.
        tile: Number of the tile at hand.
        done: How many tiles are finished.
        embedded: Masks embedded so far; the others were known.
        seconds: Time spent on them.
    """

    def __init__(self, plan: SweepPlan, probes: ProbeCache) -> None:
        self.plan, self.session = plan, Session()
        self.tile = self.done = self.embedded = 0
        self.seconds = 0.0
        self._probes, self._missing = probes, price(plan.tiles, plan.question, probes)
        self._trials: list[pilots.Trial] = []
        self._first: dict[str, Any] = {}

    def steps(self) -> Iterator[Step]:
        """Embed what is missing, tile by tile; after a final step, ``news`` has its tile."""
        waiting = self._probes.waiting
        try:
            for number, tile in enumerate(self.plan.tiles):
                self.tile = number
                question = replace(self.plan.question, masking=tile.masking, until=None)
                embedded, seconds = self.embedded, self.seconds
                for step in self._probes.run(question, self.session, tile.selection):
                    self.embedded, self.seconds = embedded + step.embedded, seconds + step.seconds
                    waiting.expect(self.session, self.left() or 0)  # of the whole sweep, not of the tile
                    yield step
        finally:
            waiting.done(self.session)

    def left(self) -> float | None:
        """Seconds to the end of the sweep; None before anything is known."""
        if self.embedded:
            return self.seconds / self.embedded * max(0, self._missing - self.embedded)
        question = self.plan.question
        return self._probes.seconds(question.encoder, question.precision, self._missing)

    def news(self) -> dict[str, Any]:
        """The tile just finished, without what is the same in the first, as its pictures are."""
        result = self.session.result
        assert result is not None  # after a final step
        wire = packed(result)
        own = {name: value for name, value in wire.items() if self._first.get(name) != value}
        self._first = self._first or wire
        self.done += 1
        if self.plan.key != PILOT:
            return {"stamp": self.plan.stamp, "wire": own}
        trial = pilots.trial(result.probe, result.target, self.plan.tiles[self.tile].selection)
        self._trials.append(trial)
        return {"stamp": self.plan.stamp, "wire": own, "trial": {name: getattr(trial, name) for name in TRIAL}}

    def ended(self) -> dict[str, Any]:
        """For the browser, that this sweep goes no further, and what its trials say."""
        said = pilots.verdict(pilots.Pilot(self.plan.question.masking, tuple(self._trials)))
        return {"stamp": self.plan.stamp, "verdict": list(said)}


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a sweep whose tiles a page may still show; its pictures, which can be large, are not.

    Attributes:
        tiles: What was run.
        stamp: Of its plan.
        pair: Of its question; see ``pair``.
    """

    tiles: Tiles
    stamp: str
    pair: object


class Swept:
    """What one open page has swept. A running sweep and Stop both write here.

    Attributes:
        kept: The last of each key.
        running: The sweep being run.
        over: Which of the page's presses of Run, counted from 1, was the last that ended or was stopped. A sweep looks
            here instead of being cancelled, so that its last words are the last to arrive.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.running: SweepRun | None = None
        self.over = 0

    def begin(self, plan: SweepPlan, probes: ProbeCache) -> SweepRun:
        """A sweep takes the place of the last one of its key."""
        self.kept[plan.key] = Kept(plan.tiles, plan.stamp, pair(plan.question))
        self.running = SweepRun(plan, probes)
        return self.running

    def end(self, press: int) -> None:
        """What was begun with a press of Run goes no further."""
        self.running, self.over = None, max(self.over, press)


def costly_tiles(key: object, masking: MaskSettings, selection: SelectionSettings) -> Tiles:
    """The tiles of a costly sweep, or of the pilot, that the app runs.

    Raises:
        InvalidInput: Another key.
    """
    if key not in COSTLY:
        raise InvalidInput(f"Unknown sweep; choose one of: {', '.join(COSTLY)}.", code="unknown_sweep")
    if key == PILOT:
        few, every = (
            replace(masking, n_masks=pilots.MASKS_EACH),
            replace(pilots.EVERY_MASK, distance=selection.distance),
        )
        return tuple(Tile(f"p_keep {p:g}", replace(few, p_keep=p), every) for p in pilots.P_KEEPS)
    tiles = SWEEPS[str(key)].tiles(masking, selection)
    return within(tiles, int(FEATURE_RES.app_high), app=True)  # no encoder here sees fewer pixels a side than that


def price(tiles: Tiles, question: RunRequest, probes: ProbeCache) -> int:
    """How many masked copies have to be embedded for the tiles."""
    return passes(tiles, lambda masking: probes.known(replace(question, masking=masking)))


def pair(question: RunRequest) -> object:
    """What a question compares, and how it hides and embeds: all but the numbers of its masks."""
    common = replace(question, masking=MaskSettings(fill=question.masking.fill, scheme=question.masking.scheme))
    return common.recipe(common.masking.n_masks, SelectionSettings())
