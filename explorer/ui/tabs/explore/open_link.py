"""What an address or a ``config.json`` brings back: checked, put into the controls, and shown or run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.blocks import Block

from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import find_card
from explorer.pictures.examples import FIRST_PRESET, preset_named, shipped_presets
from explorer.results.links import OURS, TABS, VIEW, View, from_query, preset_recipe
from explorer.results.recipe import Recipe, check_app, example_sha256
from explorer.results.wire import replay_of
from explorer.ui.components import component
from explorer.ui.controls import Values
from explorer.ui.failures import noted, told, told_stepwise
from explorer.ui.page import LIGHT, Page
from explorer.ui.session import Session
from explorer.ui.status import Step, status_panel
from explorer.ui.tabs.explore.handlers import REPLAYED, Handlers

Answer = dict[Block, Any]
"""Updates by component."""
STILL = "Until then the maps show something else."


def address_reader() -> gr.HTML:
    """The component, never seen, that reads the page's address and hides, locks and starts what it is told to."""
    return component("links", events=("linked", "asked"), ours=[*OURS, *VIEW], view=None, run=None)


def open_links(page: Page, handlers: Handlers, reader: gr.HTML, loader: gr.HTML, demo: gr.Blocks) -> Any:
    """Wire what an address and a loaded file set off, and return the run among it, which Stop must know.

    The ``loader`` sends the text of a ``config.json``; every other component is found in ``demo`` by its ``elem_id``.
    """
    places = {block.elem_id: block for block in demo.blocks.values() if block.elem_id}
    opening = Opening(page, reader, places)
    reader.linked(opening.follow, {page.session}, opening.outputs(), **LIGHT)
    loader.loaded(opening.load, {page.session}, opening.outputs(), **LIGHT)
    reader.asked(handlers.queue, page.everything(), [page.status, page.session], **LIGHT)
    running = reader.asked(handlers.run, page.everything(), [page.status, page.view], **page.queued())
    running.failure(opening.replay_again, {page.session}, [page.view], **LIGHT)
    return running


class Opening:
    """The events of links and loaded files; ``places`` are the components by ``elem_id``."""

    def __init__(self, page: Page, reader: gr.HTML, places: Mapping[str, Block]) -> None:
        self._page, self._reader, self._places = page, reader, places

    def outputs(self) -> list[Block]:
        """Everything that an answer can change."""
        page, places = self._page, self._places
        named = [places["preset"], places["story"], places["run"], *(places[f"{name}-tab"] for name in TABS)]
        return [*page.controls.question_places(), page.controls.until, page.status, page.view, self._reader, *named]

    @told_stepwise
    def follow(self, values: Values, event: gr.EventData) -> Iterator[Any]:
        """Show what the page's address asks for; where that cannot be, say why and show the first example."""
        try:
            link = from_query(_texts(event._data))
            if link is None:
                yield gr.skip()  # without a word Gradio would empty every place
                return
            yield self._seen(link.view)
            if link.recipe is not None:
                yield self._shown(link.recipe, link.replay, values[self._page.session])
            yield gr.skip()  # Gradio says the last a second time
        except Exception as error:
            yield {self._page.view: _show(replay=FIRST_PRESET)}
            said = noted(error)
            raise InvalidInput(f"This link cannot be followed. {said}", code=said.code) from error

    @told
    def load(self, values: Values, event: gr.EventData) -> Answer:
        """Show what a ``config.json`` names."""
        text = _texts(event._data).get("text", "")
        recipe = _as_here(check_app(Recipe.from_json(text)))
        plain = replace(recipe, selection=SelectionSettings())
        same = (preset.key for preset in shipped_presets() if preset_recipe(preset.key) == plain)
        return self._shown(recipe, next(same, None), values[self._page.session])

    def _shown(self, recipe: Recipe, key: str | None, session: Session) -> Answer:
        """Set the controls to a result, and show it from an example's replay or start the run."""
        if recipe.precision not in [value for _, value in self._page.controls.precision.choices]:
            raise InvalidInput(
                f"This needs {recipe.precision} arithmetic, which the processor here lacks; use float32.",
                code="precision_here",
            )
        answer, status, view = self._asking(recipe), self._page.status, self._page.view
        selection = {"selection": recipe.selection.to_dict()}
        if key is not None and replay_of(key):
            session.show_replay(key, ())
            named = {self._places["preset"]: key, self._places["story"]: preset_named(key).story}
            return answer | named | {status: status_panel(Step(REPLAYED)), view: _show(replay=key, **selection)}
        if wanted := self._wanted(recipe):
            there = _show(**_replay(session), **selection)  # a page that was opened for this has nothing on it yet
            return answer | {status: status_panel(Step(f"{wanted} {STILL}")), view: there}
        run = {
            self._reader: gr.update(run=time.monotonic()),
            status: status_panel(Step("Opening what was asked for …")),
        }
        return answer | run | {view: _show(**selection)}

    def _asking(self, recipe: Recipe) -> Answer:
        """The controls, set to ask for a result."""
        controls = self._page.controls
        nothing = {controls.until: False, self._places["preset"]: None, self._places["story"]: ""}
        return controls.showing(recipe) | nothing

    def _wanted(self, recipe: Recipe) -> str:
        """What has to be done before a result can be shown, in words; empty when it can be run at once."""
        card, masks = find_card(recipe.encoder), recipe.masking.n_masks
        if recipe.own:
            files = " and ".join({"picture": "the picture to explain", "reference": "the picture to compare with"}[side]
                                 for side in recipe.own)  # fmt: skip
            return f"Pictures of your own are in no link and in no config.json: add {files}, then press Run."
        if not card.here:
            return f"This needs {card.title}, which is not on this computer ({card.missing}). Press Run to fetch it."
        if masks > N_MASKS.default:
            seconds = self._page.probes.seconds(recipe.encoder, recipe.precision, masks)
            return f"Press Run: {masks} masks" + ("." if seconds is None else f", about {seconds:.0f} s.")
        return ""

    def _seen(self, view: View) -> Answer:
        """What a teacher hid or locked, and the size of the text.

        Hiding is the reader's, and so is what is no component of Gradio's; a hidden tab must not open either.
        """
        shut = (
            self._places.get(_elem_id(name)) for name in (*view.lock, *(name for name in view.hide if name in TABS))
        )
        gradios = (block for block in shut if block in self.outputs() and not isinstance(block, gr.HTML))
        locked: Answer = {block: gr.update(interactive=False) for block in gradios}
        told = {"hide": view.hide, "lock": view.lock, "projector": view.projector}
        return locked | {self._reader: gr.update(view=told)}

    @told
    def replay_again(self, values: Values) -> Any:
        """Where the run of a link failed, show the example that a page begins with, unless something is on it."""
        shown = _replay(values[self._page.session])
        return _show(**shown) if shown else gr.skip()


def _elem_id(name: str) -> str:
    """The component of one of ``links.CONTROLS``."""
    return f"{name}-tab" if name in TABS else name.replace("_", "-")


def _show(**what: Any) -> Any:
    return gr.update(show={**what, "stamp": time.monotonic()})


def _replay(session: Session) -> dict[str, str]:
    return {} if session.replay is None else {"replay": session.replay}


def _texts(data: object) -> dict[str, str]:
    """The texts that a page sent by name; anyone can send anything."""
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise InvalidInput("The link could not be read; reload the page.", code="link_data")
    return data


def _as_here(recipe: Recipe) -> Recipe:
    """Return a config whose examples are what they were where it was written."""
    for name, sha256 in ((recipe.picture, recipe.picture_sha256), (recipe.reference, recipe.reference_sha256)):
        if name is not None and example_sha256(name) != sha256:
            raise InvalidInput(
                f"The example {name} here is not the picture that this result is about; add the picture by hand.",
                code="example_changed",
            )
    return recipe
