"""What a page sweeps: which tiles, at what price, and how far a sweep has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import gradio as gr

from explorer.core import pilot as pilots
from explorer.core.errors import InvalidInput
from explorer.core.limits import FEATURE_RES, check_passes
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.studies.sweeps import MOST_MAPS, SWEEPS, Tile, Tiles, passes, within
from explorer.ui.failures import broken_off
from explorer.ui.jobs import Job, Work
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import RunRequest, Session
from explorer.ui.status import Step, progress_panel, status_panel
from explorer.ui.tabs.explore.handlers import packed

PILOT = "pilot"
COSTLY = (PILOT, *(key for key, sweep in SWEEPS.items() if not sweep.free))
TRIAL = ("p_keep", "spread", "band", "expected", "repeats")
"""What the browser is told of a ``Trial``."""
SLOTS = tuple(f"tile{i}" for i in range(MOST_MAPS))
"""Properties of the grid, one for each map: updates of one property can overtake each other, those of two cannot."""
KEPT = "What is embedded is kept; run it again to go on."
BEGUN = Step()


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """A costly sweep as it was asked for.

    Attributes:
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


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a sweep whose tiles a page may still show; its pictures, which can be large, are not."""

    tiles: Tiles
    stamp: str
    pair: object


class Swept(Job):
    """What one open page has swept.

    Attributes:
        kept: The last of each key.
        values: The visitor's own, by key; None or missing where there are none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Kept] = {}
        self.values: dict[str, Any] = {}


class SweepRun(Work):
    """A sweep being run.

    Args:
        ask: Makes the plan, once it is its turn.
        swept: Where it takes the place of the last one of its key.
        probes: Runs it.

    Attributes:
        plan: What is run; None until then.
        session: Of the tile at hand, so that the result on screen is left alone.
        tile: Number of the tile at hand.
        done: How many tiles are finished.
        embedded: Masks embedded so far; the others were known.
        seconds: Time spent on them.
    """

    every = 0.5

    def __init__(self, ask: Callable[[], SweepPlan], swept: Swept, probes: ProbeCache) -> None:
        self.plan: SweepPlan | None = None
        self.session = Session()
        self.tile = self.done = self.embedded = self._missing = 0
        self.seconds = 0.0
        self._ask, self._swept, self._probes = ask, swept, probes
        self._trials: list[pilots.Trial] = []
        self._first: dict[str, Any] = {}

    @property
    def _count(self) -> int:
        return len(self.plan.tiles) if self.plan else 0

    def steps(self) -> Iterator[Step]:
        """Embed what is missing, tile by tile; the first step comes before any, the final ones are each a tile's."""
        plan = self._ask()
        self._missing = price(plan.tiles, plan.question, self._probes)
        check_passes(self._missing)
        self.plan, self._swept.kept[plan.key] = plan, Kept(plan.tiles, plan.stamp, pair(plan.question))
        yield BEGUN
        for self.tile, tile in enumerate(plan.tiles):
            question = replace(plan.question, masking=tile.masking, until=None)
            embedded, seconds = self.embedded, self.seconds
            for step in self._probes.run(question, self.session, tile.selection):
                self.embedded, self.seconds = embedded + step.embedded, seconds + step.seconds
                yield step

    def at_once(self, step: Step) -> bool:
        """Only the first tile has an encoder to wait for."""
        return step is BEGUN or step.final or bool(step.text and not self.done)

    def status(self, step: Step) -> Any:
        """How far the sweep is."""
        if step.text:
            return gr.skip() if self.done else status_panel(step)
        if step is BEGUN:
            return gr.skip()
        left = self.left(step)
        wait = "" if left is None else f", about {left:.0f} s left in all"
        said = f"Tile {self.tile + 1} of {self._count}: {step.done} of {step.wanted} masks{wait}"
        return progress_panel(self.tile * step.wanted + step.done, self._count * step.wanted, "the sweep", said)

    def payload(self, step: Step) -> Any:
        """The plan, and every finished tile."""
        if step is BEGUN and self.plan:
            return gr.update(plan=self.plan.wire())
        if not step.final:
            return gr.skip()
        tile: dict[str, Any] = {SLOTS[self.tile]: self._news()}
        return gr.update(**tile)

    def left(self, step: Step) -> float | None:
        """Seconds to the end of the sweep, not of the tile; None before anything is known."""
        if self.embedded:
            return self.seconds / self.embedded * max(0, self._missing - self.embedded)
        if self.plan is None:
            return None
        question = self.plan.question
        return self._probes.seconds(question.encoder, question.precision, self._missing)

    def last(self, finished: bool) -> Iterator[tuple[Any, Any]]:
        """How many maps there are."""
        yield status_panel(Step(self._summary())), self._ended()

    def broken(self, error: Exception) -> Iterator[tuple[Any, Any]]:
        """The same, and why there are no more."""
        reached = f"Stopped: {self.done} of {self._count} maps are here" if self.done or self.embedded else ""
        yield status_panel(Step(broken_off(reached, error, KEPT))), gr.skip()
        if self.plan:
            yield gr.skip(), self._ended()

    def _summary(self) -> str:
        if self.done < self._count:
            return f"Stopped: {self.done} of {self._count} maps are here. {KEPT}"
        if not self.embedded:
            return f"{self._count} maps, known from earlier runs"
        return f"{self._count} maps; {self.embedded} masks embedded in {self.seconds:.1f} s"

    def _news(self) -> dict[str, Any]:
        """The tile just finished, without what is the same in the first, as its pictures are."""
        result, plan = self.session.result, self.plan
        assert plan is not None
        assert result is not None  # after a final step
        wire = packed(result)
        own = {name: value for name, value in wire.items() if self._first.get(name) != value}
        self._first = self._first or wire
        self.done += 1
        if plan.key != PILOT:
            return {"stamp": plan.stamp, "wire": own}
        trial = pilots.trial(result.probe, result.target, plan.tiles[self.tile].selection)
        self._trials.append(trial)
        return {"stamp": plan.stamp, "wire": own, "trial": {name: getattr(trial, name) for name in TRIAL}}

    def _ended(self) -> Any:
        """Tell the browser that this sweep goes no further, and what its trials say."""
        if self.plan is None:
            return gr.skip()
        verdict = pilots.verdict(self._trials, self.plan.question.masking.p_keep)
        return gr.update(ended={"stamp": self.plan.stamp, "verdict": list(verdict)})


def costly_tiles(key: object, masking: MaskSettings, selection: SelectionSettings, values: object = None) -> Tiles:
    """The tiles of a costly sweep, or of the pilot, that the app runs.

    Raises:
        InvalidInput: Another key, or values of one's own that it does not take.
    """
    if key not in COSTLY:
        raise InvalidInput(f"Unknown sweep; choose one of: {', '.join(COSTLY)}.", code="unknown_sweep")
    if key == PILOT:
        few, every = (
            replace(masking, n_masks=pilots.MASKS_EACH),
            replace(pilots.EVERY_MASK, distance=selection.distance),
        )
        return tuple(Tile(f"p_keep {p:g}", replace(few, p_keep=p), every) for p in pilots.P_KEEPS)
    tiles = SWEEPS[str(key)].over(values, masking, selection, app=True)
    return within(tiles, int(FEATURE_RES.app_high), app=True)  # no encoder here sees fewer pixels a side than that


def price(tiles: Tiles, question: RunRequest, probes: ProbeCache) -> int:
    """How many masked copies have to be embedded for the tiles."""
    return passes(tiles, lambda masking: probes.known(replace(question, masking=masking)))


def pair(question: RunRequest) -> object:
    """What a question compares, and how it hides and embeds: all but the numbers of its masks."""
    common = replace(question, masking=MaskSettings(fill=question.masking.fill, scheme=question.masking.scheme))
    return common.recipe(common.masking.n_masks, SelectionSettings())
