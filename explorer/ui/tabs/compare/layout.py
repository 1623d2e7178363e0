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
from explorer.ui.components import component, look, status_line
from explorer.ui.controls import CAPTION, PICTURE, Values
from explorer.ui.failures import told
from explorer.ui.page import LIGHT, SESSION_SECONDS, Page
from explorer.ui.picture_input import picture_input
from explorer.ui.session import RunRequest, Session, on_screen
from explorer.ui.status import Step
from explorer.ui.tabs.compare.methods import methods_section
from explorer.ui.tabs.events import MaskEvents
from explorer.ui.tabs.explore.handlers import Handlers, packed

REVERSE = "Explain the reference too"


class Scratch(Session):
    """What a reverse run works on, so that the result on screen is left alone.

    Attributes:
        of: The ``id`` of the result that it turns round.
    """

    of: str | None = None


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components; ``job`` holds the reverse run's ``Scratch``, whose button says what it costs."""

    kind: gr.Radio
    picture: gr.Image
    caption: gr.Textbox
    contrast: gr.HTML
    reverse: gr.HTML
    explain: gr.Button
    status: gr.HTML
    job: gr.State


def compare_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    _title("Pins", "Freeze a result, change something, and see the two beside each other.")
    component("board", fills={key: fill.label for key, fill in FILLS.items()})
    _title("Contrast", "One picture, two references: which regions speak for the one, and which for the other?")
    kind, picture, caption, press = _lay_out_rival()
    contrast = component("board-contrast", rival=None, replayed=True, examples=_examples())
    methods_section(page)
    _title("Both directions", "A explained by B, and B explained by A: is it the same things that make them alike?")
    explain = gr.Button(REVERSE, elem_id="explain-reference")
    status = status_line("reverse-status")
    reverse = component("board-reverse", events=("shown",), reverse=None)
    widgets = Widgets(
        kind, picture, caption, contrast, reverse, explain, status, gr.State(Scratch(), time_to_live=SESSION_SECONDS)
    )
    _wire(Comparing(page, widgets), page, widgets, press)


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


def _wire(comparing: Comparing, page: Page, widgets: Widgets, press: gr.Button) -> None:
    """The light events are free of the model; the costly one waits for its turn."""
    widgets.kind.input(comparing.choose_kind, {widgets.kind}, [widgets.picture, widgets.caption], **LIGHT)
    asked: set[Any] = {page.session, widgets.kind, widgets.picture, widgets.caption}
    for event in (press.click, widgets.caption.submit):
        event(comparing.contrast, asked, [widgets.contrast], **LIGHT)
    shown = [widgets.status, widgets.reverse]
    running = comparing.wire([widgets.explain.click], {page.session, page.view}, shown)
    for event in (widgets.reverse.shown, running.then):
        event(comparing.possible, {page.session}, [widgets.explain, widgets.contrast], **LIGHT)


class Comparing(MaskEvents[Widgets, Scratch]):
    """The events of the tab."""

    every = 1.0

    @told
    def choose_kind(self, values: Values) -> list[Any]:
        """Show the input for the chosen kind of reference."""
        by_caption = values[self._widgets.kind] == CAPTION
        return [gr.update(visible=not by_caption), gr.update(visible=by_caption)]

    @told
    def contrast(self, values: Values) -> Any:
        """Rank the probe on screen against a second reference; no mask is embedded again."""
        session = self._session(values)
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
        target = self._probes.embed_target(result.probe.encoder, *reference)
        return gr.update(rival=packed(result._replace(question=result.question.against(*reference), target=target)))

    def _second(self, values: Values) -> tuple[Any, str | None]:
        widgets = self._widgets
        if values[widgets.kind] == CAPTION:
            return None, values[widgets.caption] or ""
        if not values[widgets.picture]:
            raise InvalidInput("Add the second picture to compare with first.", code="reference_missing")
        return self._probes.pictures.open(values[widgets.picture]), None

    def steps(self, values: Values, job: Scratch) -> Iterator[Step]:
        """Run the question on screen with its two pictures swapped."""
        session = self._session(values)
        job.of = session.shown()
        yield from self._probes.run(_swapped(on_screen(session)), job, look(values[self._page.view]).selection)

    def news(self, job: Scratch) -> Any:
        """The two directions' maps."""
        result = job.result
        return gr.skip() if result is None else gr.update(reverse=packed(result) | {"of": job.of})

    def seconds(self, values: Values) -> float | None:
        """Of as many masks as are on screen."""
        session = self._session(values)
        if session.shown() is None:  # the run itself says what is wrong
            return None
        shown = on_screen(session)
        return self._probes.seconds(shown.encoder, shown.precision, shown.masking.n_masks)

    @told
    def possible(self, values: Values) -> tuple[Any, Any]:
        """Put what the other direction costs on its button, and say whether there is a probe to contrast."""
        session = self._session(values)
        if session.shown() is None:  # between an example without a kept result and its first masks
            return gr.skip(), gr.skip()
        shown, replayed = on_screen(session), gr.update(replayed=session.replay is not None)
        if shown.reference is None:
            return gr.update(value=REVERSE, interactive=False), replayed
        count = shown.masking.n_masks
        seconds = self.seconds(values)
        price = "" if seconds is None else f", about {seconds:.0f} s"
        return gr.update(value=f"{REVERSE}: {count} masks{price}", interactive=True), replayed


def _swapped(question: RunRequest) -> RunRequest:
    if question.reference is None:
        raise InvalidInput(
            "Only a pair of pictures can be explained both ways: a caption has no regions to hide. "
            "Compare with another picture first.",
            code="reverse_caption",
        )
    return replace(question, picture=question.reference, reference=question.picture)
