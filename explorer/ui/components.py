"""The instrument's component, and the value by which it says how the visitor looks at a result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.rank import EQUAL, IDENTICAL, NOT_CLOSER, ONE_SIDED, UNIFORM
from explorer.core.selections import MEANINGS, MODES, SelectionSettings
from explorer.encoders.cards import CARDS
from explorer.results.plots import BEYOND
from explorer.results.summary import NOT_SETTLED, TRUTH

FOLDERS = {path.stem: path.parent.name for path in (Path(__file__).parent / "browser").glob("*/*.js")}
"""Where each script lies."""
LARGEST_VALUE = 10_000
UNLOADED = "This part of the page could not be loaded; reload the page."
CAVEATS = (
    "What these maps do not say.",
    "They are about this encoder, not about the things. They depend on what hidden pixels become and on chance: run "
    "another seed, or more masks, before believing a small spot. They show where the distance comes from, not whether "
    "the distance is right.",
)


@dataclass(frozen=True)
class Look:
    """How a result is looked at.

    Attributes:
        selection: The free settings.
        upto: Only the first masks, where the build-up is being replayed.
        result: The ``id`` of the result on screen; None before there is one.
        masks: How many masks it has there; the server may know more, which came after Stop.
    """

    selection: SelectionSettings
    upto: int | None = None
    result: str | None = None
    masks: int | None = None


def component(name: str, *, value: Any = "", events: tuple[str, ...] = (), **props: Any) -> gr.HTML:
    """A gr.HTML that a module of ``browser/`` fills; it exports ``mount``, is given ``props`` and triggers events."""
    load = (
        "window.__is_colab__ = false; "  # said of the address alone (server.Screen); downloads stay in this tab
        f"{_imported(name)}.then(m => m.mount(element, props, trigger, watch))"
        f".catch(e => {{ element.textContent = {json.dumps(UNLOADED)}; throw e; }})"
    )
    return gr.HTML(
        value,
        html_template=f'<div class="{name}-root"></div>',
        js_on_load=f"{load}; // {', '.join(map(repr, events))}",
        apply_default_css=False,
        elem_id=name,
        **props,
    )


def status_line(elem_id: str, value: str = "") -> gr.HTML:
    """Where a run is, as ``status_panel`` puts it, and what is read out of it."""
    return gr.HTML(
        value,
        js_on_load=f"{_imported('announce')}.then(m => m.listen(element, watch))",
        elem_id=elem_id,
        elem_classes="status-line",
    )


def _imported(script: str) -> str:
    return f"import(new URL('browser/{FOLDERS[script]}/{script}.js', document.baseURI))"


def words() -> dict[str, Any]:
    """Labels and sentences the browser shows, said once, in Python."""
    return {
        "modes": {key: {"label": mode.label, "about": mode.about, "sides": mode.sides} for key, mode in MODES.items()},
        "distances": {
            key: {"label": d.label, **{end: _finite(getattr(d, end)) for end in ("low", "high", "high_nonnegative")}}
            for key, d in DISTANCES.items()
        },
        "nonnegative": [key for key, card in CARDS.items() if card.nonnegative],
        "meanings": {key: asdict(meaning) for key, meaning in MEANINGS.items()},
        "not_settled": NOT_SETTLED,
        "truth": TRUTH,
        "not_closer": NOT_CLOSER,
        "beyond": BEYOND,
        "flat": {
            "uniform": UNIFORM,
            "flat": EQUAL,
            "nothing": "No mask is selected, or the two slices cancel.",
            "zero": "An embedding has no length, so the angle to it is undefined. Choose the euclidean distance.",
        },
        "identical": IDENTICAL,
        "one_sided": ONE_SIDED,
        "unloaded": UNLOADED,
        "caveats": CAVEATS,
    }


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def look(value: Any) -> Look:
    """Read the instrument's value, which anyone can send.

    Raises:
        InvalidInput: It is not what the instrument writes.
    """
    wrong = InvalidInput("The selection could not be read; reload the page.", code="look")
    if not isinstance(value, str) or len(value) > LARGEST_VALUE:
        raise wrong
    if not value:
        return Look(SelectionSettings())
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(found, dict) or not isinstance(found.get("selection"), dict):
        raise wrong
    upto, masks, result = found.get("upto"), found.get("n"), found.get("id")
    if any(count is not None and (type(count) is not int or count < 1) for count in (upto, masks)):
        raise wrong
    if result is not None and not isinstance(result, str):
        raise wrong
    return Look(SelectionSettings.from_dict(found["selection"]), upto, result, masks)
