"""What each event of the main screen does: read the controls, make one call, send what changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from explorer.core.errors import ExplorerError
from explorer.core.limits import N_MASKS
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import CARDS, find_card
from explorer.pictures.examples import Preset, preset_named
from explorer.results.links import preset_recipe
from explorer.results.recipe import Recipe
from explorer.results.wire import pack, replay_of, rows
from explorer.ui.components import look
from explorer.ui.controls import CAPTION, COMPARES, PICTURE, RUN_FIRST, Values
from explorer.ui.failures import told, told_stepwise, words_of
from explorer.ui.jobs import MaskRun, stream
from explorer.ui.page import QUIET, Page
from explorer.ui.session import Result, Session
from explorer.ui.status import Step, status_panel
from explorer.ui.tabs.explore.outdated import UNMARKED, changed, mark, words

PLAIN = SelectionSettings()
AGAIN = "Run goes on from here"
HOLD = "() => { dispatchEvent(new Event('hold')); }"
PAIR = ("picture_sha256", "reference_sha256", "caption")
SECONDS_BETWEEN_ROWS = 0.5
"""More often would spend on sending, here and in the browser, what the masks need."""
REPLAYED = "An example, embedded earlier: everything on this screen works at once. Press Run to embed it here."


class Handlers:
    """The events of the main screen; ``preset`` is where an example is chosen, ``story`` what is told of it."""

    def __init__(self, page: Page, preset: gr.HTML, story: gr.Markdown) -> None:
        self._page, self._preset, self._story = page, preset, story
        self._probes, self._controls = page.probes, page.controls

    def session(self, values: Values) -> Session:
        """What the page is looking at."""
        return values[self._page.session]  # type: ignore[no-any-return]

    @told_stepwise
    def run(self, values: Values) -> Iterator[tuple[Any, Any]]:
        """Embed what is missing, sending rows to the instrument as they come."""
        yield from self.show(values, self.steps(values))

    def show(self, values: Values, steps: Iterator[Step]) -> Iterator[tuple[Any, Any]]:
        """What the page is told of a run, step by step."""
        session, sent = self.session(values), ""

        def news() -> Any:
            nonlocal sent
            view, sent = self._news(session, sent)
            return view

        work = MaskRun(steps, session, news, SECONDS_BETWEEN_ROWS, AGAIN)
        yield from stream(work, session, self._probes)

    def steps(self, values: Values) -> Iterator[Step]:
        """Do what the controls ask for."""
        session, selection = self.session(values), look(values[self._page.view]).selection
        question = self._controls.question(values)
        session.changed = False
        yield from self._probes.run(question, session, selection)

    @told
    def queue(self, values: Values) -> tuple[Any, Session]:
        """Say whose turn it is, when it is not the visitor's yet.

        The session goes back as it came: only what Gradio is given has its time to live.
        """
        session = self.session(values)
        return self._probes.queued(session, self._seconds(values)), session

    def _news(self, session: Session, sent: str) -> tuple[Any, str]:
        """The whole result where the browser does not have it yet, and otherwise its rows; and which it has now."""
        if (result := session.result) is None:
            return gr.skip(), sent  # an example has taken its place
        fresh = rows(result.probe, result.target)
        if fresh["id"] == sent:
            return gr.update(rows=fresh | {"seen": result.seen.wire(result.probe, result.target)}), sent
        return gr.update(result=packed(result)), fresh["id"]

    @told
    def compare(self, values: Values) -> tuple[Any, Any]:
        """Rank the probe against another reference; only the reference is embedded."""
        session = self.session(values)
        reference = self._controls.reference_of(values)
        if reference is None:
            return gr.skip(), gr.skip()
        turn = session.turn()
        if session.lost:
            raise session.nothing()
        if (result := self._comparable(values)) is None:
            return gr.skip(), gr.skip()  # ``stale`` says so
        question = result.question.against(*reference)
        if question.recipe(0, PLAIN) == result.question.recipe(0, PLAIN):
            return gr.skip(), gr.skip()
        target = self._probes.embed_target(result.probe.encoder, *reference)
        session.change(turn, question=question, target=target)
        return gr.skip(), self._news(session, "")[0]

    def _comparable(self, values: Values) -> Result | None:
        """What is on screen, where another reference can be ranked without a run of the picture and the encoder."""
        try:
            asked = *self._controls.network(values), self._controls.picture_of(values)
        except ExplorerError:  # ``stale`` says so
            return None
        return self.session(values).made_by(*asked)

    @told
    def settle(self, values: Values) -> tuple[Any, Any]:
        """After a run, rank its probe against what the reference has become meanwhile.

        Where the next has begun, the reference that these values name is the last one's, and that run settles itself.
        """
        session = self.session(values)
        return (gr.skip(), gr.skip()) if session.probe is None or session.running else self.compare(values)

    def hold_against(self, event: Any) -> None:
        """Have ``stale`` look, after an event, whether what is on screen is what the controls ask for.

        By way of the browser, as one event: of several at a time, one with older values could have the last word.
        """
        event.then(None, None, None, js=HOLD, **QUIET)

    def chosen_example(self) -> set[Any]:
        """The inputs that tell whether an example was chosen."""
        return {self._preset, self._page.session}

    def held(self) -> set[Any]:
        """The inputs of ``stale``."""
        return self._page.everything() | {self._preset}

    def said(self) -> list[Any]:
        """Its outputs."""
        return [self._page.status, self._page.view, self._controls.caption, self._preset, self._story]

    @told
    def stale(self, values: Values) -> tuple[Any, Any, Any, Any, Any]:
        """Say whether the controls still ask for what is on screen, there too, and let go of an example that they left.

        The caption's hint says what Enter does with it.

        What they ask is compared, not what they say: a control that is only passed through has changed nothing, and
        one that is put back has changed it back.
        """
        session, (asked, do) = self.session(values), self._asked(values)
        hint = gr.update(info=RUN_FIRST if self._comparable(values) is None else COMPARES)
        example = (gr.skip(), gr.skip()) if self._of_example(values, asked) else (None, "")
        wanted = session.wanted()
        if wanted is None or (session.running and session.fresh is not None):
            return gr.skip(), gr.skip(), hint, *example  # a run speaks for itself, and asks again at its end
        old, (said, there) = asked != wanted, self._awaited(values, session, asked)
        view = gr.update(mark=mark(session, there) if old else UNMARKED)
        if session.running or session in self._probes.waiting:
            return gr.skip(), view, hint, *example
        before, session.changed = session.changed, old
        if old:
            said = said or f"{changed(session)}{self._other_encoder(values, wanted.encoder)} {do}"
            return status_panel(Step(said)), view, hint, *example
        return (status_panel(now(session)) if before else gr.skip()), view, hint, *example

    def _awaited(self, values: Values, session: Session, asked: Recipe | None) -> tuple[str, str]:
        """What to say beside Run and at the maps of a result that was opened and waits; empty where none does."""
        if (awaited := session.awaited) is None:
            return "", ""
        if not awaited.absent and asked != replace(awaited.recipe, selection=PLAIN):
            session.awaited = None  # something else was chosen
            return "", ""
        c = self._controls
        places = {"picture": c.picture, "reference": c.reference}
        there = {side: self._sha256(values[place]) for side, place in places.items()}
        return words(awaited, there, example=session.replay is not None)

    def _sha256(self, path: str | None) -> str | None:
        """Of what a picture's control holds; empty for what is no picture."""
        try:
            return self._controls.pictures.open(path).sha256 if path else None
        except ExplorerError:  # Run will say so
            return ""

    def _asked(self, values: Values) -> tuple[Recipe | None, str]:
        """What the controls ask for, None where that could not be run; and what to do to have it."""
        try:
            question = self._controls.question(values)
            return question.recipe(question.masking.n_masks, PLAIN), "Press Run."
        except ExplorerError as error:
            return None, words_of(error)

    def _other_encoder(self, values: Values, before: str) -> str:
        """That the encoder is another than the maps', which a caption may have brought about; empty where it is not."""
        now = values[self._controls.encoder]
        if now == before or now not in CARDS:
            return ""
        reader = ", which reads captions" * (values[self._controls.kind] == CAPTION and CARDS[now].captions)
        return f" The encoder is now {CARDS[now].title}{reader}; the maps are by {find_card(before).title}."

    def _of_example(self, values: Values, asked: Recipe | None) -> bool:
        """Whether the pair is that of the example whose name and story stand above it, if one's do.

        Also where another was chosen since these values were sent: they are not about that one.
        """
        if not (key := values[self._preset]) or self._overtaken(values):
            return True
        recipe = preset_recipe(key)
        return asked is not None and all(getattr(asked, name) == getattr(recipe, name) for name in PAIR)

    def _overtaken(self, values: Values) -> bool:
        """Whether another example was chosen since these values were sent."""
        key, last = values[self._preset], self.session(values).example
        return bool(key) and last is not None and key != last

    @told
    def stop(self, values: Values) -> None:
        """End the run; ``stopped`` speaks."""
        self._probes.stop(session := self.session(values), session, cancelled=True)

    @told
    def stopped(self, values: Values) -> tuple[Any, Any]:
        """Say what a stopped run leaves, once whatever it had still to say is on its way, and show it."""
        session = self.session(values)
        on_screen = look(values[self._page.view]).result or ""
        return self._probes.last_word(session, AGAIN, lambda: self._news(session, on_screen)[0])

    @told
    def leave(self, values: Values) -> None:
        """End the run that an example takes the place of; ``apply_preset`` speaks."""
        if self._chosen(values):
            self.session(values).stop(cancelled=True)

    def _chosen(self, values: Values) -> bool:
        """Whether an example was chosen, and not set by a link, which shows what it asks for."""
        return values[self._preset] not in (None, "", self.session(values).replay)

    @told
    def apply_preset(self, values: Values) -> Any:
        """Set the controls to a preset, and show its replay where it has one."""
        if not self._chosen(values):
            return gr.skip()
        preset = preset_named(values[self._preset])
        self.session(values).show_replay(preset.key)
        shown = self._controls.showing(preset_recipe(preset.key))
        return [preset.story, *shown.values(), *self._replayed(preset)]

    def _replayed(self, preset: Preset) -> tuple[Any, Any]:
        if replay_of(preset.key) is None:
            return gr.skip(), gr.skip()
        return status_panel(Step(REPLAYED)), gr.update(show={"replay": preset.key, "stamp": time.monotonic()})

    @told
    def after_preset(self, values: Values) -> Any:
        """Start the run of a preset that has no replay."""
        session = self.session(values)
        if session.replay is None or replay_of(session.replay) is not None:
            return gr.skip()
        session.replay = None
        return gr.update(run=time.monotonic())

    @told
    def choose_kind(self, values: Values) -> list[Any]:
        """Show the input for the chosen kind of reference, and an encoder that can read it."""
        if self._overtaken(values):
            return [gr.skip()] * 3
        by_caption = values[self._controls.kind] == CAPTION
        encoder = values[self._controls.encoder]
        if by_caption and not find_card(encoder).captions:
            encoder = next(key for key, card in CARDS.items() if card.captions and card.offline)
        return [gr.update(visible=not by_caption), gr.update(visible=by_caption), encoder]

    @told
    def choose_encoder(self, values: Values) -> list[Any]:
        """Go back to a picture as reference where the encoder cannot read captions."""
        if self._overtaken(values):
            return [gr.skip()] * 3
        by_caption = values[self._controls.kind] == CAPTION and find_card(values[self._controls.encoder]).captions
        return [gr.update(visible=not by_caption), gr.update(visible=by_caption), CAPTION if by_caption else PICTURE]

    @told
    def price(self, values: Values) -> list[Any]:
        """Put what a run costs on its button, and show the target where a run ends on one."""
        c = self._controls
        until, seconds = values[c.until], self._seconds(values)
        agreement = gr.update(visible=bool(until))
        if not self._fair(values[c.n_masks]):
            return [gr.update(value="Run"), agreement]
        count = int(values[c.n_masks])
        what = f"until stable, at most {count} masks" if until else f"{count} masks"
        return [gr.update(value=f"Run {what}" + ("" if seconds is None else f", about {seconds:.0f} s")), agreement]

    def _fair(self, count: Any) -> bool:
        return isinstance(count, int | float) and N_MASKS.low <= count <= N_MASKS.app_high

    def _seconds(self, values: Values) -> float | None:
        """What a run takes, where that is known and the number of masks is one."""
        c = self._controls
        if not self._fair(values[c.n_masks]):
            return None
        return self._probes.seconds(*c.network(values), int(values[c.n_masks]))


def now(session: Session) -> Step:
    """Where the last run is, or the example that is shown, in words."""
    if (probe := session.probe) is None:
        return Step(REPLAYED if session.replay is not None else "")
    if len(probe) < probe.wanted and session.question and session.question.until is None:
        return Step(f"Stopped at {len(probe)} of {probe.wanted} masks; {AGAIN}.")
    return Step("", len(probe), probe.wanted, final=True)


def packed(result: Result) -> dict[str, Any]:
    """What is on screen, for the browser."""
    recipe = result.question.recipe(len(result.probe), SelectionSettings())
    wire = pack(
        result.probe,
        result.target,
        precision=recipe.precision,
        picture_name=recipe.picture,
        picture_sha256=recipe.picture_sha256,
        reference_name=recipe.reference,
        caption=recipe.caption,
    )
    seen = result.seen.wire(result.probe, result.target)
    return wire | {"seen": seen, "reference_sha256": recipe.reference_sha256}
