"""What an open page asks and looks at."""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.limits import N_MASKS
from explorer.core.masks import MaskSettings
from explorer.core.probe import Probe
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.selections import SelectionSettings
from explorer.pictures.examples import asset_path, preset_named
from explorer.pictures.images import Picture, as_picture
from explorer.results.links import preset_recipe
from explorer.results.recipe import Recipe, example_named
from explorer.results.seen import Seen
from explorer.results.wire import load_replay, replay_of, rows, unpack
from explorer.ui.jobs import Job
from explorer.ui.memory.kept import GONE, Kept

_TURNS = threading.Lock()
"""Held for an assignment or two. Of the module, as Gradio copies a page's first ``Session`` and locks have no copy."""


@dataclass(frozen=True, eq=False)
class RunRequest:
    """Everything a visitor asked for, read from the controls and checked.

    Attributes:
        until: End early, once this agreement is reached.
    """

    picture: Picture
    reference: Picture | None
    caption: str | None
    encoder: str
    precision: str
    masking: MaskSettings
    until: float | None = None

    def against(self, reference: Picture | None, caption: str | None) -> RunRequest:
        """The same question of another reference."""
        return replace(self, reference=reference, caption=caption)

    def recipe(self, n_masks: int, selection: SelectionSettings) -> Recipe:
        """What names the result after so many masks."""
        compared = None if self.reference is None else self.reference.sha256
        return Recipe(
            picture=example_named(self.picture.sha256),
            picture_sha256=self.picture.sha256,
            reference=None if compared is None else example_named(compared),
            reference_sha256=compared,
            caption=self.caption,
            encoder=self.encoder,
            precision=self.precision,
            masking=replace(self.masking, n_masks=max(int(N_MASKS.low), n_masks)),
            selection=selection,
        )


class Result(NamedTuple):
    """What a run has made so far: the question it answers, what is embedded and ranked against what, and its labels."""

    question: RunRequest
    probe: Probe
    target: Reference
    seen: Seen


@dataclass(frozen=True)
class Awaited:
    """A result that was opened and cannot be shown before the visitor has done something.

    Attributes:
        what: It was opened from, in words.
        absent: Which of ``"picture"`` and ``"reference"`` the page does not have.
        remedy: What else is to be done, in words.
    """

    recipe: Recipe
    what: str
    absent: tuple[str, ...] = ()
    remedy: str = ""


class Session(Job):
    """What one open page is looking at. A running probe and a moved control both write here.

    Attributes:
        replay: The key of the example shown without a model, if one is.
        example: The key of the example that was chosen last; None before any.
        changed: Whether the page says that the controls ask for something else than what is on screen.
        awaited: What was opened, until a run or an example takes its place.
        matched: The last match that was made here, for the browser; its ``of`` is the ``id`` of a result.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: Kept[Result] | None = None
        self.replay: str | None = None
        self.example: str | None = None
        self.changed = False
        self.awaited: Awaited | None = None
        self.matched: dict[str, Any] | None = None
        self._turn = 0

    @property
    def result(self) -> Result | None:
        """What is on screen; None before any, for an example's replay, and once there was no more room for it.

        Whoever reads more than one part reads it once, for an example can take its place between any two lines.
        """
        return None if self._kept is None else self._kept.get()

    def made_by(self, encoder: str, precision: str, picture: Picture) -> Result | None:
        """What is on screen, where it is about this picture and made by this encoder."""
        if (result := self.result) is None:
            return None
        question = result.question
        same = (question.encoder, question.precision, question.picture.sha256) == (encoder, precision, picture.sha256)
        return result if same else None

    @property
    def lost(self) -> bool:
        """Whether there was a result that the server had to let go."""
        return self._kept is not None and self._kept.forgotten

    @property
    def question(self) -> RunRequest | None:
        """What the result on screen answers."""
        return (result := self.result) and result.question

    @property
    def probe(self) -> Probe | None:
        """What has been embedded so far."""
        return (result := self.result) and result.probe

    def turn(self) -> int:
        """A number that lasts until an example takes the place of what is on screen, for ``put`` and ``change``."""
        return self._turn

    def put(self, turn: int, kept: Kept[Result]) -> bool:
        """Show the first of a run; False where an example was chosen since its turn."""
        with _TURNS:
            if turn == self._turn:
                self._kept, self.replay, self.awaited = kept, None, None
            return turn == self._turn

    def change(self, turn: int, **parts: Any) -> bool:
        """Put other parts into the result that a run of that turn has put, without losing those set meanwhile."""
        with _TURNS:
            if turn == self._turn and self._kept is not None and (result := self._kept.get()) is not None:
                self._kept.set(result._replace(**parts))
            return turn == self._turn

    def at_rest(self, result: Result | None = None) -> Session:
        """The page as it is now, which a run that goes on does not change.

        Args:
            result: In place of what is on it.
        """
        page, result = copy(self), result or self.result
        if result is not None:
            page._kept = Kept(result)
        return page

    def show_replay(self, key: str | None) -> None:
        """An example takes the place of whatever was on screen, and of a run that goes on; None for nothing at all."""
        with _TURNS:
            self._turn += 1
            self._kept = None
            self.stop(cancelled=True)
            self.end()
            self.replay, self.changed, self.awaited = key, False, None
            self.example = key or self.example

    def wanted(self) -> Recipe | None:
        """What names the result that was asked for, with all its masks; None before there is one."""
        if self.replay is not None:
            return preset_recipe(self.replay)
        if (question := self.question) is None:
            return None
        return question.recipe(question.masking.n_masks, SelectionSettings())

    def recipe(self, selection: SelectionSettings) -> Recipe:
        """What names the result on screen.

        Raises:
            InvalidInput: Nothing is there yet.
        """
        if self.replay is not None:
            return replace(preset_recipe(self.replay), selection=selection)
        if (result := self.result) is None:
            raise self.nothing()
        return result.question.recipe(len(result.probe), selection)

    def nothing(self) -> InvalidInput:
        """Why there is no result."""
        if self.lost:
            return InvalidInput(GONE, code="result_gone")
        return InvalidInput("There is nothing to show yet; press Run.", code="nothing_yet")

    def shown(self) -> str | None:
        """The ``id`` of the result on screen, as ``replay.rows`` makes it; None before there is one."""
        if self.replay is not None and (path := replay_of(self.replay)):
            return str(load_replay(path)["id"])
        result = self.result
        return None if result is None else str(rows(result.probe, result.target)["id"])

    def explanation(self, selection: SelectionSettings) -> Explanation:
        """What is on screen, ranked.

        Raises:
            InvalidInput: Nothing is there yet.
        """
        if self.replay is not None:
            return rank_against(*_replayed(self.replay), selection)
        if (result := self.result) is None or not len(result.probe):
            raise self.nothing()
        return rank_against(result.probe, result.target, selection)


def on_screen(session: Session) -> RunRequest:
    """What the result on screen answers, with the masks it has.

    Raises:
        InvalidInput: Nothing is there yet.
    """
    if (result := session.result) is not None:
        masking = replace(result.question.masking, n_masks=max(int(N_MASKS.low), len(result.probe)))
        return replace(result.question, masking=masking, until=None)
    if session.replay is None:
        raise session.nothing()
    preset = preset_named(session.replay)
    reference = None if preset.reference is None else _example(preset.reference)
    return RunRequest(_example(preset.image), reference, preset.caption, preset.encoder, "float32", MaskSettings())


@lru_cache(maxsize=16)
def _example(name: str) -> Picture:
    """An example, decoded once: every price asks for it."""
    return as_picture(asset_path(name))


@lru_cache(maxsize=4)
def _replayed(key: str) -> tuple[Probe, Reference]:
    """What an example's result was made from."""
    path = replay_of(key)
    assert path is not None
    picture = _example(preset_named(key).image)  # larger than the replay's own
    return unpack(load_replay(path), picture=picture)
