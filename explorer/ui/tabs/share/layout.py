"""The Share tab: links to what is on screen, and everything of it in one file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS
from explorer.core.probe import first
from explorer.core.selections import MODES
from explorer.core.terms import SETTINGS
from explorer.results.export import export_zip
from explorer.results.links import CONTROLS, PLAIN, STEP, TABS, View, to_query
from explorer.results.match_wire import match_of
from explorer.results.recipe import MAX_JSON_BYTES, Recipe
from explorer.ui.components import Look, component, look
from explorer.ui.controls import Values
from explorer.ui.failures import told
from explorer.ui.memory.temp_folder import keep_export
from explorer.ui.page import LIGHT, QUIET, Page
from explorer.ui.session import Session
from explorer.ui.tabs.explore.handlers import Handlers

FILES: dict[str, Any] = QUIET | {"concurrency_id": "files", "concurrency_limit": 1}
"""An export takes a second or two, most of it drawing, and no model: it waits for other exports, not for runs."""
_LABELS = {
    "preset": "Examples",
    "picture": "Picture to explain",
    "kind": "Compare it with",
    "reference": "Picture to compare with",
    "caption": "Caption",
    "encoder": "Encoder",
    "mode": "Selection mode and slices",
    "opacity": "Opacity",
    "scrubber": "Build-up",
    "run": "Run",
    "tour": "Tour",
    **{tab: f"{title} tab" for tab, title in TABS.items()},
}
LABELS = {name: _LABELS[name] if name in _LABELS else SETTINGS[name].title for name in CONTROLS}
"""What a control of ``links.CONTROLS`` is called on screen."""
OPENED = (*TABS, "tour")
"""What is opened, not turned: to lock it would be to hide it."""
SAVE = "() => setTimeout(() => document.querySelector('#zip')?.click(), 300)"


@dataclass(frozen=True, eq=False)
class Widgets:
    """The tab's own components: a link, what a teacher hides, locks and opens (0 = no step), and the ZIP once made."""

    address: gr.HTML
    hide: gr.CheckboxGroup
    lock: gr.CheckboxGroup
    step: gr.Dropdown
    projector: gr.Checkbox
    file: gr.DownloadButton

    def asked(self) -> set[Any]:
        """What a teacher's link is made from."""
        return {self.hide, self.lock, self.step, self.projector}


def share_tab(page: Page, handlers: Handlers) -> gr.HTML:
    """Lay the tab out, wire it, and return the component that loads a ``config.json``."""
    _title("Link", "Whoever opens it sees this result: the same pair, encoder, masks and selection.")
    link = gr.Button("Link to this result", elem_id="make-link")
    with gr.Accordion("For teachers: hide or lock controls", open=False, elem_id="for-teachers"):
        asked, teacher = _lay_out_teacher()
    address = component("share-link", link=None)
    _title("Files", "The figure, the map, the distances, the settings, and a script that makes them again.")
    export = gr.Button("Download everything (ZIP)", elem_id="export")
    file = gr.DownloadButton(visible=False, size="sm", elem_id="zip")
    widgets = Widgets(address, file=file, **asked)
    sharing = Sharing(page, widgets)
    on_screen: set[Any] = {page.session, page.view}
    for button, make, inputs in (
        (link, sharing.link, on_screen),
        (teacher, sharing.teach, on_screen | widgets.asked()),
    ):
        button.click(make, inputs, [address], **LIGHT)
    saved = export.click(sharing.export, on_screen, [file], **FILES | {"show_progress": "minimal"})
    saved.success(None, js=SAVE, **QUIET)
    return component("share", events=("loaded",), most=MAX_JSON_BYTES)


def _title(heading: str, about: str) -> None:
    gr.HTML(f"<h2>{heading}</h2><p>{about}</p>", elem_classes="share-title")


def _lay_out_teacher() -> tuple[dict[str, Any], gr.Button]:
    choices = [(LABELS[name], name) for name in CONTROLS]
    steps = [("no step", 0), *((f"step {step}", step) for step in range(int(STEP.low), int(STEP.high) + 1))]
    return {
        "hide": gr.CheckboxGroup(choices, label="Hide", elem_id="hide"),
        "lock": gr.CheckboxGroup(
            [choice for choice in choices if choice[1] not in OPENED],
            label="Lock",
            info="Shown, but left as the link sets it.",
            elem_id="lock",
        ),
        "step": gr.Dropdown(steps, value=0, label="Open the tour at", filterable=False, elem_id="step"),
        "projector": gr.Checkbox(label="Large text, for a projector", elem_id="projector"),
    }, gr.Button("Make a teacher link", elem_id="make-teacher-link")


class Sharing:
    """The events of the tab."""

    def __init__(self, page: Page, widgets: Widgets) -> None:
        self._page, self._widgets = page, widgets

    @told
    def link(self, values: Values) -> Any:
        """A link to what is on screen, and what to know about it."""
        return self._link(values, PLAIN)

    @told
    def teach(self, values: Values) -> Any:
        """The same, with controls hidden or locked."""
        widgets = self._widgets
        hide, lock = _names(values[widgets.hide]), _names(values[widgets.lock])
        return self._link(values, View(hide, lock, values[widgets.step] or None, bool(values[widgets.projector])))

    def _link(self, values: Values, view: View) -> Any:
        session, seen = self._on_screen(values)
        recipe = session.recipe(seen.selection)
        query = to_query(recipe, view, replay=session.replay)
        return gr.update(link={"query": query, "notes": _notes(recipe, session, seen), "stamp": time.monotonic()})

    @told
    def export(self, values: Values) -> Any:
        """Everything of what is on screen, as a ZIP to save."""
        session, seen = self._on_screen(values)
        recipe = session.recipe(seen.selection)
        packed = export_zip(session.explanation(seen.selection), recipe, _match(session))
        path = keep_export(packed)
        selection = "slices" if recipe.selection.free else MODES[recipe.selection.mode].label
        again = f"Save again: {recipe.picture or 'own picture'}, {recipe.masking.n_masks} masks, {selection}"
        return gr.update(label=again, value=str(path), visible=True)

    def _on_screen(self, values: Values) -> tuple[Session, Look]:
        """What the visitor sees and how, while a run goes on; refuses what the server lacks, as after a restart."""
        session, seen = values[self._page.session].at_rest(), look(values[self._page.view])
        if seen.result is None or seen.result != session.shown():
            raise InvalidInput(
                "The server no longer has what is on screen; press Run or choose an example, and try again.",
                code="not_on_screen",
            )
        count = max(int(N_MASKS.low), seen.masks or 0)
        result = session.result
        if result is not None and count < len(result.probe):  # a batch more than was sent before Stop
            session = session.at_rest(result._replace(probe=first(result.probe, count)))
        return session, seen


def _match(session: Session) -> dict[str, Any] | None:
    """What goes with what in what is on screen, where that is known."""
    if session.matched is not None and session.matched["of"] == session.shown():
        return session.matched
    return None if session.replay is None else match_of(session.replay)


def _names(chosen: Any) -> tuple[str, ...]:
    """What was ticked; anyone can send anything."""
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        raise InvalidInput("The choice could not be read; reload the page.", code="share_choice")
    return tuple(chosen)


def _notes(recipe: Recipe, session: Session, seen: Look) -> list[str]:
    """What a link cannot bring, in words."""
    files = {"picture": "picture to explain", "reference": "picture to compare with"}
    notes = [
        f"The {files[side]} is a file of your own. It is not in the link: whoever opens the link has to add that file."
        for side in recipe.own
    ]
    asks, wanted = recipe.masking.n_masks, 0 if session.question is None else session.question.masking.n_masks
    if asks < wanted:
        notes.append(f"The maps show {seen.masks} of {wanted} masks, so the link asks for {asks}.")
    if asks > N_MASKS.default:
        notes.append(f"The link asks for more than {N_MASKS.default} masks, so whoever opens it has to press Run.")
    if seen.upto is not None:
        notes.append(f"The link shows all masks, not the first {seen.upto} alone.")
    return notes
