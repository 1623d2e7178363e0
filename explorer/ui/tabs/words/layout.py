"""The Words tab: a sentence explained against another, or against the picture on screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS, P_KEEP, THRESHOLD
from explorer.core.masks import MaskSettings
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.sentences import ALL_COUNT, HIDINGS, SENTENCE_ENCODER, sentences_to_embed, split_words, tries_all
from explorer.encoders.cards import encoders, find_card
from explorer.ui.components import component
from explorer.ui.controls import Values
from explorer.ui.failures import told, told_stepwise
from explorer.ui.jobs import TEXT, MaskRun, stream
from explorer.ui.page import LIGHT, SESSION_SECONDS, Page
from explorer.ui.session import on_screen
from explorer.ui.status import Step
from explorer.ui.tabs.explore.run import Handlers
from explorer.ui.tabs.words.run import Worded, WordsRequest

SENTENCE, PICTURE = "another sentence", "the picture on screen"
EXAMPLE, OTHER = "a cat drinks coffee in a red car", "a kitten"
ABOUT = (
    "Which words of a sentence bring it closer to a picture, or to another sentence? Hide random words many times, "
    "look at which sentences still land close and which far away, and see which words they kept."
)
NO_ENCODER = (
    "<p>No encoder that reads sentences is on this computer; run <code>explorer models fetch clip-vit-b32</code> "
    "where there is a network.</p>"
)
EXPLAIN = "Explain"
SECONDS_BETWEEN = 0.5
AGAIN = "press again to go on from here"
COUNTED = 100_000
"""Words in all masks, up to which the different sentences are counted at every key that is pressed."""


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components.

    Attributes:
        sentence: The sentence to explain.
        kind: What it is compared with.
        other: The other sentence.
        encoder: Those that read sentences and are here.
        n_masks: How many masks.
        p_keep: How much a mask keeps.
        hide: What a hidden word becomes.
        run: Starts a run, and says what it costs.
        stop: Ends it.
        status: Where a run is.
        mode: Which masks count.
        threshold: Their share, for the modes that have one.
        distance: Between embeddings.
        view: Shows the words.
        worded: Holds the page's ``Worded``.
    """

    sentence: gr.Textbox
    kind: gr.Radio
    other: gr.Textbox
    encoder: gr.Dropdown
    n_masks: gr.Slider
    p_keep: gr.Slider
    hide: gr.Radio
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    mode: gr.Dropdown
    threshold: gr.Slider
    distance: gr.Dropdown
    view: gr.HTML
    worded: gr.State

    def asked(self) -> set[Any]:
        """For an event's inputs: everything that is read."""
        shown = {"run", "stop", "status", "view"}
        return {getattr(self, field.name) for field in fields(self) if field.name not in shown}


def words_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    gr.HTML(f"<h2>Words</h2><p>{ABOUT}</p>", elem_classes="words-title")
    choices = [(card.title, card.key) for card in encoders() if card.captions and card.here]
    if not choices:
        gr.HTML(NO_ENCODER)
        return
    question = _lay_out_question(choices)
    with gr.Row(elem_id="words-actions"):
        run = gr.Button(EXPLAIN, variant="primary", elem_id="words-run", scale=2)
        stop = gr.Button("Stop", elem_id="words-stop", scale=1, min_width=90)
    status = gr.HTML("", elem_id="words-status")
    view = component("words", result=None)
    look, kept = _lay_out_look(), gr.State(Worded(), time_to_live=SESSION_SECONDS)
    widgets = Widgets(**question, run=run, stop=stop, status=status, view=view, worded=kept, **look)
    wording = Wording(page, handlers, widgets)
    run.value = wording.label(EXAMPLE, "", MaskSettings(), "drop")
    widgets.p_keep.interactive = False  # as the example has so few words
    _wire(wording, page, widgets)


def _lay_out_question(choices: list[tuple[str, str]]) -> dict[str, Any]:
    keys = [key for _, key in choices]
    sentence = gr.Textbox(EXAMPLE, label="Sentence to explain", max_lines=4, elem_id="words-sentence")
    with gr.Row():
        kind = gr.Radio(
            [PICTURE, SENTENCE], value=PICTURE, label="Compare it with", min_width=240, elem_id="words-kind"
        )
        encoder = gr.Dropdown(
            choices,
            value=SENTENCE_ENCODER if SENTENCE_ENCODER in keys else keys[0],
            label="Encoder",
            info="Those that read sentences.",
            filterable=False,
            min_width=240,
            elem_id="words-encoder",
        )
    other = gr.Textbox(OTHER, label="The other sentence", max_lines=4, visible=False, elem_id="words-other")
    with gr.Row():
        n_masks = gr.Slider(N_MASKS.low, N_MASKS.app_high, value=N_MASKS.default_number, step=N_MASKS.step,
                            label="Number of masks", min_width=240, elem_id="words-n-masks",
                            info="A short sentence has fewer: each way of hiding words, once.")  # fmt: skip
        p_keep = gr.Slider(P_KEEP.low, P_KEEP.app_high, value=P_KEEP.default_number, step=P_KEEP.step,
                           label="Share kept (p_keep)", min_width=240, elem_id="words-p-keep",
                           info="Chance that a word stays; locked where every way is tried.")  # fmt: skip
    hide = gr.Radio([(label, key) for key, label in HIDINGS.items()], value="drop", label="A hidden word is",
                    elem_id="words-hide")  # fmt: skip
    return {"sentence": sentence, "kind": kind, "other": other, "encoder": encoder, "n_masks": n_masks,
            "p_keep": p_keep, "hide": hide}  # fmt: skip


def _lay_out_look() -> dict[str, Any]:
    with gr.Accordion("How the sentences are ranked (free)", open=False, elem_id="words-look"), gr.Row():
        mode = gr.Dropdown([(mode.label, key) for key, mode in MODES.items()], value=ALL_COUNT.mode,
                           label="Which masks count", filterable=False, elem_id="words-mode")  # fmt: skip
        threshold = gr.Slider(THRESHOLD.low, THRESHOLD.app_high, value=THRESHOLD.default, step=THRESHOLD.step,
                              label="Share of the masks", visible=False, elem_id="words-threshold")  # fmt: skip
        distance = gr.Dropdown([(d.label, key) for key, d in DISTANCES.items()], value=ALL_COUNT.distance,
                               label="Distance", filterable=False, elem_id="words-distance")  # fmt: skip
    return {"mode": mode, "threshold": threshold, "distance": distance}


def _wire(wording: Wording, page: Page, widgets: Widgets) -> None:
    """Prices and ranking are light; a run waits for its turn, and has its own Stop."""
    asked, priced = widgets.asked() | {page.session}, [widgets.run, widgets.p_keep]
    shown = [widgets.status, widgets.view]
    widgets.kind.input(wording.choose_kind, {widgets.kind}, [widgets.other], **LIGHT)
    for costly in (widgets.sentence, widgets.encoder, widgets.n_masks, widgets.p_keep, widgets.hide):
        costly.change(wording.price, asked, priced, **LIGHT)
    starts = [widgets.run.click, widgets.sentence.submit, widgets.other.submit]
    gr.on(starts, wording.turn, asked, [widgets.status, widgets.worded], **LIGHT)  # or it would wait for the run
    lane = page.queued() | {"show_progress_on": widgets.status}
    running = gr.on(starts, wording.run, asked, shown, **lane)
    running.then(wording.price, asked, priced, **LIGHT)
    stopped = widgets.stop.click(wording.stop, {page.session, widgets.worded}, None, cancels=[running], **LIGHT)
    stopped.then(wording.stopped, {page.session, widgets.worded}, shown, **LIGHT)
    for free in (widgets.mode, widgets.threshold, widgets.distance):
        free.input(wording.rank, asked, [widgets.threshold, widgets.view], **LIGHT)


class Wording:
    """The events of the tab.

    Args:
        page: What they act on.
        handlers: The main screen's, which know the session.
        widgets: The tab's own components.
    """

    def __init__(self, page: Page, handlers: Handlers, widgets: Widgets) -> None:
        self._page, self._handlers, self._widgets = page, handlers, widgets

    def _worded(self, values: Values) -> Worded:
        return self._handlers.session(values).knows(values[self._widgets.worded])  # type: ignore[no-any-return]

    @told
    def choose_kind(self, values: Values) -> Any:
        """Show the box for another sentence where that is what is compared."""
        return gr.update(visible=values[self._widgets.kind] == SENTENCE)

    @told
    def price(self, values: Values) -> tuple[Any, Any]:
        """Put what a run costs on its button, and lock the share kept where it plays no part."""
        widgets = self._widgets
        try:
            masking, text = self._masking(values), values[widgets.sentence]
            find_card(values[widgets.encoder])
            label = self.label(text, values[widgets.encoder], masking, values[widgets.hide])
            free = not tries_all(len(split_words(text).words), masking)
        except InvalidInput:  # a run will say so; a price while typing must not
            label, free = EXPLAIN, True
        return gr.update(value=label), gr.update(interactive=free)

    def label(self, text: str, encoder: str, masking: MaskSettings, hide: str) -> str:
        """The words on the button."""
        count, exact = self._count(text, masking, hide)
        seconds = self._page.probes.rates.seconds(encoder, "", count, TEXT)
        price = "" if seconds is None else f", about {max(1.0, seconds):.0f} s"
        return f"{EXPLAIN}: {'' if exact else 'at most '}{count} sentences{price}"

    def _count(self, text: str, masking: MaskSettings, hide: str) -> tuple[int, bool]:
        """How many sentences are embedded, and whether they were counted."""
        sentence = split_words(text)
        exact = len(sentence.words) * masking.n_masks <= COUNTED
        return sentences_to_embed(sentence, masking, hide) if exact else masking.n_masks, exact

    def _masking(self, values: Values) -> MaskSettings:
        widgets, n = self._widgets, values[self._widgets.n_masks]
        count = N_MASKS.check(int(n) if isinstance(n, float) and n.is_integer() else n, app=True)
        return MaskSettings(n_masks=count, p_keep=P_KEEP.check(values[widgets.p_keep], app=True))

    def _asked(self, values: Values) -> WordsRequest:
        """What is asked, checked before any encoder is loaded for it."""
        widgets = self._widgets
        masking, text = self._masking(values), values[widgets.sentence] or ""
        split_words(text)
        picture = caption = None
        if values[widgets.kind] == SENTENCE:
            caption = values[widgets.other] or ""
            if not caption.strip():
                raise InvalidInput("The other sentence is empty; type what to compare with.", code="reference_missing")
        else:
            picture = on_screen(self._handlers.session(values)).picture
        return WordsRequest(text, values[widgets.hide], values[widgets.encoder], masking, picture, caption)

    @told_stepwise
    def run(self, values: Values) -> Iterator[tuple[Any, Any]]:
        """Embed the masked sentences, sending the words' values as they settle."""
        worded = self._worded(values)
        work = MaskRun(self._steps(values, worded), worded, lambda: _news(worded), SECONDS_BETWEEN, AGAIN)
        yield from stream(work, worded, self._page.probes)

    def _steps(self, values: Values, worded: Worded) -> Iterator[Step]:
        asked, worded.selection = self._asked(values), self._selection(values)
        yield from worded.steps(asked, self._page.probes)

    @told
    def turn(self, values: Values) -> tuple[Any, Worded]:
        """Say whose turn it is; what the page has goes back for its time to live, as in ``Handlers.queue``."""
        worded, probes = self._worded(values), self._page.probes
        try:
            masking, widgets = self._masking(values), self._widgets
            find_card(values[widgets.encoder])
            count, _ = self._count(values[widgets.sentence], masking, values[widgets.hide])
            seconds = probes.rates.seconds(values[widgets.encoder], "", count, TEXT)
        except InvalidInput:  # the run will say so
            seconds = None
        return probes.queued(worded, seconds), worded

    @told
    def stop(self, values: Values) -> None:
        """End the run; ``stopped`` speaks."""
        self._page.probes.stop(self._worded(values), self._handlers.session(values), cancelled=True)

    @told
    def stopped(self, values: Values) -> tuple[Any, Any]:
        """Say what a stopped run leaves, and show it."""
        worded = self._worded(values)
        return self._page.probes.last_word(worded, AGAIN, lambda: _news(worded))

    @told
    def rank(self, values: Values) -> tuple[Any, Any]:
        """Rank what is embedded in another way; nothing is embedded."""
        worded = self._worded(values)
        worded.selection = self._selection(values)
        threshold = gr.update(visible=MODES[worded.selection.mode].has_threshold)
        return threshold, _news(worded)

    def _selection(self, values: Values) -> SelectionSettings:
        widgets = self._widgets
        return SelectionSettings(
            mode=values[widgets.mode], threshold=values[widgets.threshold], distance=values[widgets.distance]
        )


def _news(worded: Worded) -> Any:
    found = worded.answer()
    return gr.skip() if found is None else gr.update(result=found)
