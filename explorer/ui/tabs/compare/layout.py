"""The Compare tab: pinned results, two references for one picture, and both directions of a pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.masks import MaskSettings
from explorer.pictures.examples import shipped_presets
from explorer.results.wire import replay_of
from explorer.ui.components import component, look
from explorer.ui.controls import CAPTION, PICTURE, Values
from explorer.ui.failures import told, told_stepwise
from explorer.ui.jobs import MaskRun, stream
from explorer.ui.page import LIGHT, SESSION_SECONDS, Page
from explorer.ui.picture_input import picture_input
from explorer.ui.session import Result, RunRequest, Session, on_screen
from explorer.ui.status import Step
from explorer.ui.tabs.compare.methods import methods_section
from explorer.ui.tabs.explore.run import Handlers, packed

SECONDS_BETWEEN = 1.0
AGAIN = "press again to go on from here"
REVERSE = "Explain the reference too"


class Scratch(Session):
    """What a reverse run works on, so that the result on screen is left alone.

    Attributes:
        of: The ``id`` of the result that it turns round.
    """

    of: str | None = None


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components.

    Attributes:
        kind: What the second reference is.
        picture: The second reference, as a picture.
        caption: The same as a caption.
        contrast: Shows the two references' maps, and says what they could be.
        reverse: Shows the two directions' maps.
        explain: Starts the reverse run, and says what it costs.
        status: Where that run is.
        scratch: Holds that run's ``Scratch``.
    """

    kind: gr.Radio
    picture: gr.Image
    caption: gr.Textbox
    contrast: gr.HTML
    reverse: gr.HTML
    explain: gr.Button
    status: gr.HTML
    scratch: gr.State


def compare_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    _title("Pins", "Freeze a result, change something, and see the two beside each other.")
    component("board", fills={key: fill.label for key, fill in FILLS.items()})
    _title("Contrast", "One picture, two references: which regions speak for the one, and which for the other?")
    kind, picture, caption, press = _lay_out_rival()
    contrast = component("board-contrast", rival=None, replayed=True, examples=_examples())
    methods_section(page, handlers)
    _title("Both directions", "A explained by B, and B explained by A: is it the same things that make them alike?")
    with gr.Row(elem_classes="board-actions"):
        explain = gr.Button(REVERSE, elem_id="explain-reference", scale=3)
        stop = gr.Button("Stop", elem_id="stop-reverse", scale=1, min_width=90)
    status = gr.HTML("", elem_id="reverse-status")
    reverse = component("board-reverse", events=("shown",), reverse=None)
    widgets = Widgets(
        kind, picture, caption, contrast, reverse, explain, status, gr.State(Scratch(), time_to_live=SESSION_SECONDS)
    )
    _wire(Comparing(page, handlers, widgets), page, widgets, press, stop)


def _title(heading: str, about: str) -> None:
    gr.HTML(f"<h2>{heading}</h2><p>{about}</p>", elem_classes="board-title")


def _lay_out_rival() -> tuple[gr.Radio, gr.Image, gr.Textbox, gr.Button]:
    with gr.Row(elem_classes="board-rival"):
        with gr.Column(scale=1, min_width=240):
            kind = gr.Radio([PICTURE, CAPTION], value=PICTURE, label="Second reference", elem_id="rival-kind")
            press = gr.Button("Contrast", elem_id="contrast")
        with gr.Column(scale=2, min_width=240):
            picture = picture_input(label="Second picture to compare with", height=150, elem_id="rival-picture")
            caption = gr.Textbox(
                label="Second caption", placeholder="a fly", max_lines=1, visible=False, elem_id="rival-caption"
            )
    return kind, picture, caption, press


def _examples() -> list[dict[str, Any]]:
    """The results that come with the project: as rivals they need neither a run nor an encoder."""
    made = {"precision": "float32", "masking": MaskSettings().to_dict()}
    return [
        {
            "key": preset.key,
            "picture_name": preset.image,
            "reference_name": preset.reference,
            "caption": preset.caption,
            "encoder": {"key": preset.encoder},
            **made,
        }
        for preset in shipped_presets()
        if replay_of(preset.key)
    ]


def _wire(comparing: Comparing, page: Page, widgets: Widgets, press: gr.Button, stop: gr.Button) -> None:
    """The light events are free of the model; the costly one has its own Stop."""
    widgets.kind.input(comparing.choose_kind, {widgets.kind}, [widgets.picture, widgets.caption], **LIGHT)
    asked: set[Any] = {page.session, widgets.kind, widgets.picture, widgets.caption}
    for event in (press.click, widgets.caption.submit):
        event(comparing.contrast, asked, [widgets.contrast], **LIGHT)
    shown = [widgets.status, widgets.reverse]
    # Before the run, or it would wait for it.
    whose: set[Any] = {page.session, widgets.scratch}
    widgets.explain.click(comparing.turn, whose, [widgets.status, widgets.scratch], **LIGHT)
    running = widgets.explain.click(
        comparing.explain_reference,
        {page.session, page.view, widgets.scratch},
        shown,
        **page.queued() | {"show_progress_on": widgets.status},
    )
    stopped = stop.click(comparing.stop, whose, None, cancels=[running], **LIGHT)
    stopped.then(comparing.stopped, whose, shown, **LIGHT)
    for event in (widgets.reverse.shown, running.then):
        event(comparing.possible, {page.session}, [widgets.explain, widgets.contrast], **LIGHT)


class Comparing:
    """The events of the tab.

    Args:
        page: What they act on.
        handlers: The main screen's, which know the session.
        widgets: The tab's own components.
    """

    def __init__(self, page: Page, handlers: Handlers, widgets: Widgets) -> None:
        self._page, self._handlers, self._widgets = page, handlers, widgets

    @told
    def choose_kind(self, values: Values) -> list[Any]:
        """Show the input for the chosen kind of reference."""
        by_caption = values[self._widgets.kind] == CAPTION
        return [gr.update(visible=not by_caption), gr.update(visible=by_caption)]

    @told
    def contrast(self, values: Values) -> Any:
        """Rank the probe on screen against a second reference; no mask is embedded again."""
        session = self._handlers.session(values)
        result = session.result
        if session.lost:
            raise session.nothing()
        if result is None or not len(result.probe):
            raise InvalidInput(
                "This is an example embedded earlier, which knows only its own reference; press Run first, "
                "then any other can be contrasted with it.",
                code="contrast_replay",
            )
        reference = self._second(values)
        target = self._page.probes.embed_target(result.probe.encoder, *reference)
        return gr.update(rival=packed(Result(result.question.against(*reference), result.probe, target)))

    def _second(self, values: Values) -> tuple[Any, str | None]:
        widgets = self._widgets
        if values[widgets.kind] == CAPTION:
            return None, values[widgets.caption] or ""
        if not values[widgets.picture]:
            raise InvalidInput("Add the second picture to compare with first.", code="reference_missing")
        return self._page.probes.pictures.open(values[widgets.picture]), None

    def _scratch(self, values: Values) -> Scratch:
        return self._handlers.session(values).knows(values[self._widgets.scratch])  # type: ignore[no-any-return]

    @told_stepwise
    def explain_reference(self, values: Values) -> Iterator[tuple[Any, Any]]:
        """Run the question on screen with its two pictures swapped."""
        scratch = self._scratch(values)
        work = MaskRun(self._steps(values, scratch), scratch, lambda: _news(scratch), SECONDS_BETWEEN, AGAIN)
        yield from stream(work, scratch, self._page.probes)

    def _steps(self, values: Values, scratch: Scratch) -> Iterator[Step]:
        session = self._handlers.session(values)
        scratch.of = session.shown()
        yield from self._page.probes.run(_swapped(on_screen(session)), scratch, look(values[self._page.view]).selection)

    @told
    def turn(self, values: Values) -> tuple[Any, Scratch]:
        """Say whose turn it is; the scratch goes back for its time to live, as in ``Handlers.queue``."""
        scratch = self._scratch(values)
        return self._page.probes.queued(scratch, self._seconds(self._handlers.session(values))), scratch

    def _seconds(self, session: Session) -> float | None:
        if session.shown() is None:  # the run itself says what is wrong
            return None
        shown = on_screen(session)
        return self._page.probes.seconds(shown.encoder, shown.precision, shown.masking.n_masks)

    @told
    def stop(self, values: Values) -> None:
        """End the reverse run; ``stopped`` speaks."""
        self._page.probes.stop(self._scratch(values), self._handlers.session(values), cancelled=True)

    @told
    def stopped(self, values: Values) -> tuple[Any, Any]:
        """Say what a stopped run leaves, and show it."""
        scratch = self._scratch(values)
        return self._page.probes.last_word(scratch, AGAIN, lambda: _news(scratch))

    @told
    def possible(self, values: Values) -> tuple[Any, Any]:
        """Put what the other direction costs on its button, and say whether there is a probe to contrast."""
        session = self._handlers.session(values)
        if session.shown() is None:  # between an example without a kept result and its first masks
            return gr.skip(), gr.skip()
        shown, replayed = on_screen(session), gr.update(replayed=session.replay is not None)
        if shown.reference is None:
            return gr.update(value=REVERSE, interactive=False), replayed
        count = shown.masking.n_masks
        seconds = self._seconds(session)
        price = "" if seconds is None else f", about {seconds:.0f} s"
        return gr.update(value=f"{REVERSE}: {count} masks{price}", interactive=True), replayed


def _news(scratch: Scratch) -> Any:
    result = scratch.result
    return gr.skip() if result is None else gr.update(reverse=packed(result) | {"of": scratch.of})


def _swapped(question: RunRequest) -> RunRequest:
    if question.reference is None:
        raise InvalidInput(
            "Only a pair of pictures can be explained both ways: a caption has no regions to hide. "
            "Compare with another picture first.",
            code="reverse_caption",
        )
    return replace(question, picture=question.reference, reference=question.picture)
