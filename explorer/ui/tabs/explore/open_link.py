"""What an address or a ``config.json`` brings back: checked, put into the controls, and shown or run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
from gradio.blocks import Block

from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import find_card
from explorer.pictures.examples import FIRST_PRESET, preset_named, presets, shipped_presets
from explorer.results.links import OURS, TABS, VIEW, View, from_query, preset_recipe
from explorer.results.recipe import Recipe, check_app, example_sha256
from explorer.results.wire import replay_of
from explorer.ui.components import component
from explorer.ui.controls import Controls, Values, example
from explorer.ui.failures import IN_PLACE, noted, told, told_stepwise, words_of
from explorer.ui.gate.upload_store import find
from explorer.ui.page import LIGHT, QUIET, Page
from explorer.ui.session import Awaited, RunRequest, Session
from explorer.ui.status import Step, status_panel
from explorer.ui.tabs.events import named
from explorer.ui.tabs.explore.handlers import REPLAYED, Handlers, now, packed
from explorer.ui.tabs.explore.outdated import SIDES, awaited_of, mark, words

Answer = dict[Block, Any]
"""Updates by component."""
UNREADABLE = "The link could not be read; reload the page."
STILL = "Until then the maps show something else."
FROM_BEFORE = (
    "The maps are from before this page was loaded anew, and the server no longer has them. What is free still works; "
    "press Run to have the rest again."
)
GONE = "The server no longer has what was on screen here; press Run to have it again. " + STILL
MOST_FILES = 16
KEPT = "(...values) => { dispatchEvent(new CustomEvent('controls-moved', { detail: values })); }"
"""Tells the page what its controls say now, so that it can put them back when it is loaded anew."""
PUT_BACK = "async () => (await import(new URL('browser/share/links.js', document.baseURI))).controlValues({names})"
ARRIVED = "() => { dispatchEvent(new Event('arrived')); }"
OPENED = "() => {{ dispatchEvent(new CustomEvent('tab-opened', {{ detail: '{tab}' }})); }}"


def address_reader(page_controls: Controls) -> gr.HTML:
    """The component, never seen, that reads the page's address and what its tab has kept, and writes both."""
    masking, selection = MaskSettings().to_dict(), SelectionSettings().to_dict()
    usual = {"masking": masking, "selection": selection, "precision": Recipe.precision, "least": int(N_MASKS.low)}
    return component(
        "links",
        events=("linked", "restored", "asked", "held"),
        ours=[*OURS, *VIEW],
        results=list(OURS),
        usual=usual,
        first=FIRST_PRESET,
        tabs=["explore", *TABS],
        controls=[str(control.elem_id) for control in page_controls.kept()],
        examples={name: example(name) for each in presets() for name in (each.image, each.reference) if name},
        view=None,
        run=None,
    )


def open_links(page: Page, handlers: Handlers, reader: gr.HTML, loader: gr.HTML, demo: gr.Blocks) -> Any:
    """Wire what an address and a loaded file set off, and return the run among it, which Stop must know.

    The ``loader`` sends the text of a ``config.json``; every other component is found in ``demo`` by its ``elem_id``.
    """
    places: dict[str, Any] = {block.elem_id: block for block in demo.blocks.values() if block.elem_id}
    opening, kept = Opening(page, reader, places), page.controls.kept()
    gr.on([control.change for control in kept], None, kept, None, js=KEPT, **QUIET)
    for tab in ("explore", *TABS):
        places[f"{tab}-tab"].select(None, None, None, js=OPENED.format(tab=tab), **QUIET)
    names = json.dumps([str(control.elem_id) for control in kept])
    reader.restored(None, None, kept, js=PUT_BACK.replace("{names}", names), **QUIET)
    # Each event by itself: one that Gradio puts off comes with the data of the one before.
    linked = reader.linked(opening.follow, {page.session}, opening.outputs(), **LIGHT | {"trigger_mode": "multiple"})
    for over in (linked.then, linked.failure):  # then leaves failures out
        over(None, None, None, js=ARRIVED, **QUIET)
    handlers.hold_against(linked)
    loader.loaded(opening.load, {page.session}, opening.outputs(), **LIGHT)
    reader.asked(handlers.queue, page.everything(), [page.status, page.session], **LIGHT)
    running = reader.asked(handlers.run, page.everything(), [page.status, page.view], **page.queued())
    running.failure(opening.replay_again, {page.session}, [page.view], **LIGHT)
    return running


@dataclass(frozen=True)
class Arrival:
    """What a page says of itself as it is opened, or as Back and Forward lead through it; anyone can say anything.

    Attributes:
        query: Of its address.
        own: The files that were added in this tab and are still here, by ``Picture.sha256``.
        lost: What those are called that are not, by the control they stood in.
        back: Whether it has been on screen before, so that nothing is run anew for it.
        here: Whether the browser has it on screen already.
        controls: Whether it has put back its controls.
    """

    query: dict[str, str]
    own: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    back: bool = False
    here: bool = False
    controls: bool = False


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
            arrival = self._arrival(event._data)
            link = from_query(arrival.query)
            if link is None:
                yield gr.skip()  # without a word Gradio would empty every place
                return
            yield self._seen(link.view)
            if link.recipe is not None:
                session = values[self._page.session]
                show = self._shown_again if arrival.back else self._shown
                yield show(link.recipe, link.replay, session, arrival)
            yield gr.skip()  # Gradio says the last a second time
        except Exception as error:
            said = noted(error)
            status = status_panel(Step(f"This link cannot be followed. {words_of(said)}"))
            error.add_note(IN_PLACE)
            yield {self._page.view: _show(replay=FIRST_PRESET), self._page.status: status}
            raise InvalidInput(f"This link cannot be followed. {said}", code=said.code) from error

    def _arrival(self, data: object) -> Arrival:
        found = named(data)
        files, flags = found.get("files", []), [found.get(name, False) for name in ("back", "here", "controls")]
        if not isinstance(files, list) or len(files) > MOST_FILES or not all(type(flag) is bool for flag in flags):
            raise InvalidInput(UNREADABLE, code="link_data")
        return Arrival(_texts(found.get("query")), self._files(files), _texts(found.get("lost", {})), *flags)

    def _files(self, paths: list[Any]) -> dict[str, str]:
        """Those of a tab's uploads that are still here; whoever needs one of the others asks for it."""
        own: dict[str, str] = {}
        for path in paths:
            try:
                own[self._page.controls.pictures.open(find(path)).sha256] = path
            except InvalidInput:
                continue
        return own

    @told
    def load(self, values: Values, event: gr.EventData) -> Answer:
        """Show what a ``config.json`` names."""
        text = _texts(event._data).get("text", "")
        recipe = _as_here(check_app(Recipe.from_json(text)))
        plain = replace(recipe, selection=SelectionSettings())
        same = (preset.key for preset in shipped_presets() if preset_recipe(preset.key) == plain)
        return self._shown(recipe, next(same, None), values[self._page.session], Arrival({}))

    def _shown(self, recipe: Recipe, key: str | None, session: Session, arrival: Arrival) -> Answer:
        """Set the controls to a result, and show it from an example's replay or start the run."""
        if recipe.precision not in [value for _, value in self._page.controls.precision.choices]:
            raise InvalidInput(
                f"This needs {recipe.precision} arithmetic, which the processor here lacks; use float32.",
                code="precision_here",
            )
        answer, status, view = self._asking(recipe, arrival.own), self._page.status, self._page.view
        selection = {"selection": recipe.selection.to_dict()}
        if key is not None and replay_of(key):
            return answer | self._example(key, session) | {view: _show(replay=key, **selection)}
        if awaited := self._awaited(recipe, arrival):
            session.awaited = awaited
            said, there = words(awaited, dict.fromkeys(SIDES), example=session.replay is not None)
            # a page that was opened for this has nothing on it yet
            shown = _show(**_replay(session), meanwhile=True, **selection) | {"mark": mark(session, there)}
            return answer | {status: status_panel(Step(said)), view: shown}
        run = {
            self._reader: gr.update(run=time.monotonic()),
            status: status_panel(Step("Opening what was asked for …")),
        }
        return answer | run | {view: _show(**selection)}

    def _example(self, key: str, session: Session) -> Answer:
        """An example's replay takes the place of what the page has."""
        session.show_replay(key)
        story = preset_named(key).story
        return {
            self._places["preset"]: key,
            self._places["story"]: story,
            self._page.status: status_panel(Step(REPLAYED)),
        }

    def _shown_again(self, recipe: Recipe, key: str | None, session: Session, arrival: Arrival) -> Answer:
        """Go back to a result that was on screen, without running anything anew."""
        answer: Answer = {} if arrival.controls else self._asking(recipe, arrival.own)
        status, view, selection = self._page.status, self._page.view, {"selection": recipe.selection.to_dict()}
        if key is not None and replay_of(key):
            answer |= self._example(key, session)
            shown = {} if arrival.here else {view: _show(replay=key, **selection)}
        elif self._had(recipe, session, arrival):
            result = session.result
            assert result is not None  # it has just been put there
            answer |= {status: status_panel(now(session))}
            shown = {} if arrival.here else {view: _show(**selection) | {"result": packed(result)}}
        else:
            session.show_replay(None)
            answer |= {status: status_panel(Step(FROM_BEFORE if arrival.here else GONE))}
            shown = {}
        if lost := [f"{name} as {SIDES[side]}" for side, name in arrival.lost.items() if side in SIDES]:
            text = f"The server no longer has every picture: add {' and '.join(lost)} again, then press Run."
            answer |= {status: status_panel(Step(text))}
        return answer | shown

    def _had(self, recipe: Recipe, session: Session, arrival: Arrival) -> bool:
        """Whether the server still has all masks of a result; it is the page's again then."""
        question = self._question(recipe, arrival)
        if question is None or self._page.probes.known(question) < question.masking.n_masks:
            return False
        session.show_replay(None)
        for _ in self._page.probes.run(question, session, recipe.selection):
            pass  # all is known, but for the reference
        return True

    def _question(self, recipe: Recipe, arrival: Arrival) -> RunRequest | None:
        """What a result answers; None where a picture of it is not here."""
        controls, pictures = self._page.controls, self._page.controls.pictures
        picture = controls.path(recipe.picture, recipe.picture_sha256, arrival.own)
        reference = controls.path(recipe.reference, recipe.reference_sha256, arrival.own)
        if picture is None or (reference is None and recipe.caption is None):
            return None
        against = None if reference is None else pictures.open(reference)
        facts = recipe.caption, recipe.encoder, recipe.precision, recipe.masking
        return RunRequest(pictures.open(picture), against, *facts)

    def _asking(self, recipe: Recipe, own: Mapping[str, str]) -> Answer:
        """The controls, set to ask for a result."""
        controls = self._page.controls
        nothing = {controls.until: False, self._places["preset"]: None, self._places["story"]: ""}
        return controls.showing(recipe, own) | nothing

    def _awaited(self, recipe: Recipe, arrival: Arrival) -> Awaited | None:
        """A result for which something has to be done before it can be shown; None when it can be run at once."""
        remedy = self._remedy(recipe)
        awaited = awaited_of(recipe, "link" if arrival.query else "config.json", arrival.own, remedy)
        return awaited if awaited.absent or remedy else None

    def _remedy(self, recipe: Recipe) -> str:
        """What has to be done beside adding pictures, in words; empty where nothing has."""
        card, masks = find_card(recipe.encoder), recipe.masking.n_masks
        if not card.here:
            fetch = "" if card.packages_missing else " Press Run to fetch it."
            return f"This needs {card.title}, which is not on this server ({card.missing}).{fetch}"
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
        raise InvalidInput(UNREADABLE, code="link_data")
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
