"""The main screen: one picture, one reference, and the instrument that shows why. Layout and wiring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from explorer.pictures.examples import FIRST_PRESET, TOUR, preset_named, presets
from explorer.results.links import OURS, TABS
from explorer.ui.components import component, status_line, words
from explorer.ui.controls import Controls, lay_out_question, lay_out_settings
from explorer.ui.gallery import gallery
from explorer.ui.glossary import glossary
from explorer.ui.page import LIGHT, QUIET, SESSION_SECONDS, Page
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import Session
from explorer.ui.status import Step, status_panel
from explorer.ui.tabs.compare.layout import compare_tab
from explorer.ui.tabs.evidence.layout import evidence_tab
from explorer.ui.tabs.explore.captions import wire_captions
from explorer.ui.tabs.explore.handlers import HOLD, REPLAYED, Handlers
from explorer.ui.tabs.explore.open_link import address_reader, open_links
from explorer.ui.tabs.explore.quick_look import LABEL, quick_look
from explorer.ui.tabs.match.layout import match_tab
from explorer.ui.tabs.share.layout import share_tab
from explorer.ui.tabs.sweeps.layout import sweeps_tab
from explorer.ui.tabs.words.layout import words_tab

LAYOUTS: dict[str, Callable[[Page, Handlers], Any]] = {
    "compare": compare_tab,
    "match": match_tab,
    "sweeps": sweeps_tab,
    "evidence": evidence_tab,
    "words": words_tab,
    "share": share_tab,
}
"""What lays out each of ``links.TABS``, and wires it."""
INTRO = """# Distance Explorer
Why are these two things close, or far, in an embedding space? <span class="how">Hide random parts of the picture many
times, look at which copies land close to the reference and which far from it, and see **what they kept**:</span>
<span class="closer">red regions bring the pair closer</span>, <span class="apart">blue ones push it apart</span>."""


def main_screen(probes: ProbeCache, demo: gr.Blocks) -> None:
    """Lay the screen out and wire it."""
    start = preset_named(FIRST_PRESET)
    first = Session()
    first.show_replay(start.key)
    session = gr.State(first, time_to_live=SESSION_SECONDS)
    component("page", main="results")
    gr.Markdown(INTRO, elem_id="intro")
    with gr.Row(elem_id="workspace"):
        with gr.Column(scale=1, min_width=320, elem_id="controls"):
            words_question = gr.Column(elem_id="words-question")
            preset = gallery(presets(), start)
            story = gr.Markdown(start.story, elem_id="story")
            question = lay_out_question(start)
            with gr.Row(elem_id="actions"):
                run = gr.Button("Run 1000 masks", variant="primary", elem_id="run", scale=2)
                words_run = gr.Button("Explain", variant="primary", elem_id="words-run", scale=2)
                stop = gr.Button("Stop", elem_id="stop", scale=1, min_width=90)
            quick = gr.Button(LABEL, size="sm", elem_id="quick-look")
            status = status_line("status", status_panel(Step(REPLAYED)))
            controls = Controls(probes.pictures, **question, **lay_out_settings())
        with gr.Column(scale=3, min_width=320, elem_id="results"):
            component("running")
            component("tour", examples=list(TOUR))
            with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
                with gr.Tab("Explore", elem_id="explore-tab"):
                    view = component(
                        "instrument",
                        words=words(),
                        own=list(OURS),
                        show={"replay": start.key},
                        result=None,
                        rows=None,
                        mark=None,
                    )
                page = Page(probes, controls, session, view, status, words_question, words_run)
                handlers = Handlers(page, preset, story)
                laid_out = {}
                for tab, lay_out in LAYOUTS.items():
                    with gr.Tab(TABS[tab], elem_id=f"{tab}-tab"):
                        laid_out[tab] = lay_out(page, handlers)
    reader = address_reader(controls)
    glossary()
    linked = open_links(page, handlers, reader, laid_out["share"], demo)
    looked = quick_look(page, handlers, quick)
    _wire_runs(handlers, page, preset, story, run, stop, reader, (linked, looked, laid_out["sweeps"]))
    _wire_hints(handlers, page, run, reader)
    wire_captions(page, handlers)


def _wire_runs(
    handlers: Handlers,
    page: Page,
    preset: gr.HTML,
    story: gr.Markdown,
    run: gr.Button,
    stop: gr.Button,
    reader: gr.HTML,
    others: tuple[Any, ...],
) -> None:
    """Run, Stop, the examples, and the runs that a link, an example or a sweep's tile start."""
    c, everything, shown = page.controls, page.everything(), [page.status, page.view]
    run.click(handlers.queue, everything, [page.status, page.session], **LIGHT)  # before the run, or it would wait
    pressed = run.click(handlers.run, everything, shown, **page.queued())
    left = preset.chosen(handlers.leave, handlers.chosen_example(), None, cancels=[pressed], **LIGHT)
    chosen = left.then(handlers.apply_preset, handlers.chosen_example(), [story, *c.question_places(), *shown], **LIGHT)
    chosen.success(handlers.after_preset, everything, [reader], **LIGHT)
    handlers.hold_against(chosen)
    running = [pressed, *others]
    for event in running:
        event.then(handlers.price, _priced(c), [run, c.agreement], **LIGHT)
        settled = event.then(handlers.settle, everything, shown, **LIGHT)  # the reference may have moved meanwhile
        handlers.hold_against(settled)  # and the rest
    stopped = stop.click(handlers.stop, {page.session}, None, cancels=running, **LIGHT)
    handlers.hold_against(stopped.then(handlers.stopped, everything, shown, **LIGHT))
    for said in page.after_stop:
        stopped.then(*said, **LIGHT)


def _wire_hints(handlers: Handlers, page: Page, run: gr.Button, reader: gr.HTML) -> None:
    """What is costly says its price, and that it waits for Run; another reference is ranked at once."""
    c, everything = page.controls, page.everything()
    for asked in (c.reference.input, c.caption.submit):
        handlers.hold_against(asked(handlers.compare, everything, [page.status, page.view], **LIGHT))
    network = {c.kind, c.encoder} | handlers.chosen_example()
    kind = c.kind.input(handlers.choose_kind, network, [c.reference, c.caption, c.encoder], **LIGHT)
    encoder = c.encoder.input(handlers.choose_encoder, network, [c.reference, c.caption, c.kind], **LIGHT)
    for chosen in (kind, encoder):  # each may set the other
        handlers.hold_against(chosen)
    for priced in (c.n_masks, c.encoder, c.precision, c.until):
        priced.change(handlers.price, _priced(c), [run, c.agreement], **LIGHT)
    gr.on([*(costly.input for costly in c.costly() if costly is not c.encoder), c.caption.blur], None, js=HOLD, **QUIET)
    reader.held(handlers.stale, handlers.held(), handlers.said(), **LIGHT)


def _priced(controls: Controls) -> set[Any]:
    return {controls.n_masks, controls.encoder, controls.precision, controls.until}
