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
from explorer.core.terms import SETTINGS
from explorer.encoders.cards import encoders, find_card
from explorer.ui.components import component, status_line
from explorer.ui.controls import Values, slider
from explorer.ui.failures import told
from explorer.ui.jobs import TEXT
from explorer.ui.page import LIGHT, SESSION_SECONDS, Page
from explorer.ui.session import on_screen
from explorer.ui.status import Step
from explorer.ui.tabs.events import MaskEvents
from explorer.ui.tabs.explore.handlers import Handlers
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
FEWER = "A short sentence has fewer: each way of hiding words, once."
COUNTED = 100_000
"""Words in all masks, up to which the different sentences are counted at every key that is pressed."""


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components; ``job`` holds the page's ``Worded``."""

    sentence: gr.Textbox
    kind: gr.Radio
    other: gr.Textbox
    encoder: gr.Dropdown
    n_masks: gr.Slider
    p_keep: gr.Slider
    hide: gr.Radio
    run: gr.Button
    status: gr.HTML
    mode: gr.Dropdown
    threshold: gr.Slider
    distance: gr.Dropdown
    view: gr.HTML
    job: gr.State

    def asked(self) -> set[Any]:
        """For an event's inputs: everything that is read."""
        shown = {"run", "status", "view"}
        return {getattr(self, field.name) for field in fields(self) if field.name not in shown}


def words_tab(page: Page, handlers: Handlers) -> None:
    """Lay the tab out and wire it."""
    gr.HTML(f"<h2>Words</h2><p>{ABOUT}</p>", elem_classes="words-title")
    choices = [(card.title, card.key) for card in encoders() if card.captions and card.here]
    if not choices:
        gr.HTML(NO_ENCODER)
        return
    with page.words:
        question = _lay_out_question(choices)
    run = page.words_run
    status = status_line("words-status")
    view = component("words", result=None)
    look, kept = _lay_out_look(), gr.State(Worded(), time_to_live=SESSION_SECONDS)
    widgets = Widgets(**question, run=run, status=status, view=view, job=kept, **look)
    wording = Wording(page, widgets)
    run.value = wording.label(EXAMPLE, "", MaskSettings(), "drop")
    widgets.p_keep.interactive = False  # as the example has so few words
    _wire(wording, page, widgets)


def _lay_out_question(choices: list[tuple[str, str]]) -> dict[str, Any]:
    keys = [key for _, key in choices]
    sentence = gr.Textbox(EXAMPLE, label="Sentence to explain", max_lines=4, elem_id="words-sentence")
    kind = gr.Radio([PICTURE, SENTENCE], value=PICTURE, label="Compare it with", elem_id="words-kind")
    other = gr.Textbox(OTHER, label="The other sentence", max_lines=4, visible=False, elem_id="words-other")
    encoder = gr.Dropdown(
        choices,
        value=SENTENCE_ENCODER if SENTENCE_ENCODER in keys else keys[0],
        label="Encoder",
        info="Those that read sentences.",
        filterable=False,
        elem_id="words-encoder",
    )
    n_masks = slider(N_MASKS, N_MASKS.title, _ways(EXAMPLE, MaskSettings()), prefix="words-")
    stays = "Chance that a word stays; locked where every way is tried."
    p_keep = slider(P_KEEP, P_KEEP.title, stays, prefix="words-")
    hide = gr.Radio([(label, key) for key, label in HIDINGS.items()], value="drop", label="A hidden word is",
                    elem_id="words-hide")  # fmt: skip
    return {"sentence": sentence, "kind": kind, "other": other, "encoder": encoder, "n_masks": n_masks,
            "p_keep": p_keep, "hide": hide}  # fmt: skip


def _lay_out_look() -> dict[str, Any]:
    with gr.Accordion("How the sentences are ranked (free)", open=False, elem_id="words-look"), gr.Row():
        mode = gr.Dropdown([(mode.label, key) for key, mode in MODES.items()], value=ALL_COUNT.mode,
                           label=SETTINGS["mode"].title, filterable=False, elem_id="words-mode")  # fmt: skip
        threshold = slider(THRESHOLD, THRESHOLD.title, prefix="words-", visible=False)
        distance = gr.Dropdown([(d.label, key) for key, d in DISTANCES.items()], value=ALL_COUNT.distance,
                               label=SETTINGS["distance"].title, filterable=False,
                               elem_id="words-distance")  # fmt: skip
    return {"mode": mode, "threshold": threshold, "distance": distance}


def _wire(wording: Wording, page: Page, widgets: Widgets) -> None:
    """Prices and ranking are light; a run waits for its turn."""
    asked, priced = widgets.asked() | {page.session}, [widgets.run, widgets.p_keep, widgets.n_masks]
    widgets.kind.input(wording.choose_kind, {widgets.kind}, [widgets.other], **LIGHT)
    for costly in (widgets.sentence, widgets.encoder, widgets.n_masks, widgets.p_keep, widgets.hide):
        costly.change(wording.price, asked, priced, **LIGHT)
    starts = [widgets.run.click, widgets.sentence.submit, widgets.other.submit]
    running = wording.wire(starts, asked, [widgets.status, widgets.view])
    running.then(wording.price, asked, priced, **LIGHT)
    for free in (widgets.mode, widgets.threshold, widgets.distance):
        free.input(wording.rank, asked, [widgets.threshold, widgets.view], **LIGHT)


class Wording(MaskEvents[Widgets, Worded]):
    """The events of the tab."""

    every = 0.5

    @told
    def choose_kind(self, values: Values) -> Any:
        """Show the box for another sentence where that is what is compared."""
        return gr.update(visible=values[self._widgets.kind] == SENTENCE)

    @told
    def price(self, values: Values) -> tuple[Any, Any, Any]:
        """Put what a run costs on its button, lock the share kept where it plays no part, and say how many masks."""
        widgets = self._widgets
        try:
            masking, text = self._masking(values), values[widgets.sentence]
            find_card(values[widgets.encoder])
            label = self.label(text, values[widgets.encoder], masking, values[widgets.hide])
            free = not tries_all(len(split_words(text).words), masking)
        except InvalidInput:  # a run will say so; a price while typing must not
            return gr.update(value=EXPLAIN), gr.update(interactive=True), gr.update(info=FEWER)
        return gr.update(value=label), gr.update(interactive=free), gr.update(info=_ways(text, masking))

    def label(self, text: str, encoder: str, masking: MaskSettings, hide: str) -> str:
        """The words on the button."""
        seconds = self._probes.rates.seconds(encoder, "", self._count(text, masking, hide), TEXT)
        price = "" if seconds is None else f", about {max(1.0, seconds):.0f} s"
        return f"{EXPLAIN}: {_masks(text, masking)} masks{price}"

    def _count(self, text: str, masking: MaskSettings, hide: str) -> int:
        """How many sentences take time; at most, where counting them would: masks that leave the same one share it."""
        sentence = split_words(text)
        exact = len(sentence.words) * masking.n_masks <= COUNTED
        return sentences_to_embed(sentence, masking, hide) if exact else masking.n_masks

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
            picture = on_screen(self._session(values)).picture
        return WordsRequest(text, values[widgets.hide], values[widgets.encoder], masking, picture, caption)

    def steps(self, values: Values, job: Worded) -> Iterator[Step]:
        """Embed the masked sentences."""
        asked, job.selection = self._asked(values), self._selection(values)
        yield from job.steps(asked, self._probes)

    def news(self, job: Worded) -> Any:
        """The words' values as they are by now."""
        answer = job.answer()
        return gr.skip() if answer is None else gr.update(result=answer)

    def seconds(self, values: Values) -> float | None:
        """Of the sentences that are embedded."""
        try:
            masking, widgets = self._masking(values), self._widgets
            find_card(values[widgets.encoder])
            count = self._count(values[widgets.sentence], masking, values[widgets.hide])
            return self._probes.rates.seconds(values[widgets.encoder], "", count, TEXT)
        except InvalidInput:  # the run will say so
            return None

    @told
    def rank(self, values: Values) -> tuple[Any, Any]:
        """Rank what is embedded in another way; nothing is embedded."""
        worded = self._job(values)
        worded.selection = self._selection(values)
        threshold = gr.update(visible=MODES[worded.selection.mode].has_threshold)
        return threshold, self.news(worded)

    def _selection(self, values: Values) -> SelectionSettings:
        widgets = self._widgets
        return SelectionSettings(
            mode=values[widgets.mode], threshold=values[widgets.threshold], distance=values[widgets.distance]
        )


def _masks(text: str, masking: MaskSettings) -> int:
    """How many masks there are: at most those asked for."""
    count = len(split_words(text).words)
    return 1 << count if tries_all(count, masking) else masking.n_masks


def _ways(text: str, masking: MaskSettings) -> str:
    """For the slider, where a sentence has fewer masks than it says."""
    count = _masks(text, masking)
    return f"This sentence has only {count}: each way of hiding words, once." if count < masking.n_masks else FEWER
