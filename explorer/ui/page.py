"""What every part of the app is wired with, and the lanes its events run in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from explorer.ui.controls import Controls
from explorer.ui.memory.kept import SESSION_SECONDS as SESSION_SECONDS
from explorer.ui.probe_cache import ProbeCache

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
HEAVY: dict[str, Any] = QUIET | {"concurrency_id": "model", "concurrency_limit": 1, "trigger_mode": "always_last"}
"""One run at a time; the others wait in the queue, and see it. A press while the page still waits for the end of a run
that was stopped is kept for afterwards; by default Gradio would drop it without a word."""
LIGHT: dict[str, Any] = QUIET | {"concurrency_id": "light", "concurrency_limit": 4, "trigger_mode": "always_last"}
"""Cheap events keep a lane of their own: behind a running probe they would wait for its end."""


@dataclass(frozen=True, eq=False)
class Page:
    """The parts that the tabs share.

    Attributes:
        probes: Does the work, for all visitors.
        controls: Where a question is read from.
        session: Holds the page's ``Session``.
        view: The instrument: shows a result, and its value is how the visitor looks at it.
        status: Where a run is.
        words: Of the left column, what the Words tab asks: it is in sight with that tab, in place of the rest.
        words_run: Its Run, beside the one Stop.
        after_stop: What a tab says once Stop was heard of: a function, its inputs and its outputs.
    """

    probes: ProbeCache
    controls: Controls
    session: gr.State
    view: gr.HTML
    status: gr.HTML
    words: gr.Column
    words_run: gr.Button
    after_stop: list[tuple[Callable[..., Any], set[Any], list[Any]]] = field(default_factory=list)

    def everything(self) -> set[Any]:
        """For an event's inputs: the question, the session and the view."""
        return self.controls.all() | {self.session, self.view}

    def queued(self) -> dict[str, Any]:
        """Settings of a costly event: its place in the queue shows in the status line."""
        return HEAVY | {"show_progress": "minimal", "show_progress_on": self.status}
