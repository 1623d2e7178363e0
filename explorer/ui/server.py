"""Build the app and serve it, with every safety setting in one place."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.context import Context
from gradio.data_classes import BlocksConfigDict
from starlette.applications import Starlette
from starlette.middleware import Middleware

from explorer.core.errors import ExplorerError, InvalidInput
from explorer.core.limits import MAX_UPLOAD_BYTES, MIN_SIDE
from explorer.encoders.cards import DEFAULT_ENCODER, find_card
from explorer.pictures.formats import refuse_bombs
from explorer.results.plots import import_matplotlib
from explorer.ui.gate.admission import Admission
from explorer.ui.gate.fetching import fetch_nothing
from explorer.ui.gate.http_filter import Closed, Gate
from explorer.ui.gate.lifecycle import Caretaker, allow_more_files, health_route
from explorer.ui.gate.origins import PROXIES, Origins
from explorer.ui.gate.static import BROWSER, routes
from explorer.ui.gate.upload_store import Uploads
from explorer.ui.layout import main_screen
from explorer.ui.memory import temp_folder
from explorer.ui.memory.heap import share_heaps
from explorer.ui.memory.states import PageStates, keep_states_small
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.zero_gpu import load_encoder

log = logging.getLogger(__name__)

THREADS = 8
SESSIONS = 2000
"""Pages whose settings are kept, some 5 kB each; what is heavy is counted by ``memory``."""


UNGUARDED = (
    "The app was built, but Gradio alone cannot serve it: serve it with explorer.ui.launch(demo), or inside an app of "
    "yours with explorer.ui.mount(app, path)."
)
KEPT = ("app_kwargs", "_app", "mcp_server", "num_workers", "ssr_mode")
"""Settings of Gradio that would lead past the gate."""


@dataclass(frozen=True)
class Behind:
    """What an app stands on, besides its components.

    Attributes:
        probes: Where the work is done.
        uploads: The files that were uploaded.
    """

    probes: ProbeCache
    uploads: Uploads


class Screen(gr.Blocks):
    """The app's components; Gradio's own ways of serving them would leave out the gate, the scripts and the style."""

    guarded = False
    """Whether ``launch`` or ``mount`` is about to serve it."""

    def validate_queue_settings(self) -> None:
        """Gradio's look at an app that is about to be served.

        Raises:
            InvalidInput: It would be served without its gate.
        """
        if not self.guarded:
            raise InvalidInput(UNGUARDED, code="served_elsewhere")
        super().validate_queue_settings()  # type: ignore[no-untyped-call]

    def render(self) -> Screen:
        """Gradio's way into another app's components.

        Raises:
            InvalidInput: Always; it would be served without its gate.
        """
        raise InvalidInput(UNGUARDED, code="served_elsewhere")

    def get_config_file(self) -> BlocksConfigDict:
        """What a page is told. It takes what it loads from where it was reached, whatever name a proxy passes on.

        Gradio has a word for that, since notebooks on Colab need it too.
        """
        return {**super().get_config_file(), "is_colab": True}

    def handle_streaming_diffs(
        self,
        block_fn: BlockFunction,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list[Any]:
        """What an event that tells several things in turn sends of each: all of it, where Gradio sends what changed.

        A page that hears of several at once would change the first in place before it has shown it: what the last
        leaves as it is would never be seen.
        """
        pending = self.pending_diff_streams.get(session_hash, {})
        before = list(pending[run]) if run in pending else None
        whole = super().handle_streaming_diffs(block_fn, data, session_hash, run, final, simple_format=True)
        if before is None or final or simple_format:
            return whole
        return [[] if value == last else [["replace", [], value]] for value, last in zip(whole, before, strict=True)]


def build_app(probes: ProbeCache | None = None) -> gr.Blocks:
    """The app as Blocks, not launched.

    Args:
        probes: Where the work is done and the probes are kept; a new one when None.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    fetch_nothing()
    if "MPLBACKEND" in os.environ:
        import_matplotlib()  # which Gradio does at every event, and fails where the variable names no backend
    behind = Behind(probes or ProbeCache(), Uploads(temp_folder.root()))
    if Context.root_block is not None:
        raise InvalidInput(UNGUARDED, code="served_elsewhere")
    demo = Screen(title="Distance Explorer", analytics_enabled=False, delete_cache=None, fill_width=True)
    demo.space_id = None  # else a Space's page loads fonts from Google and asks the Hub for the Space's name
    with demo:
        main_screen(behind.probes, demo)
    # Off Spaces Gradio would open an endpoint for every function that skips the queue. How many may wait is for the
    # gate to say: Gradio's own number counts the cheap events too, so that a full class would lose its Stop.
    demo.queue(max_size=None, default_concurrency_limit=4, api_open=False)
    vars(demo)["behind"] = behind
    return demo


def page_settings() -> dict[str, Any]:
    """What Gradio is given wherever the app is served; a test compares it with the running app."""
    return {
        "theme": _theme(),
        "css_paths": [BROWSER / "style.css", *sorted(BROWSER.glob("*/*.css"))],
        "max_file_size": MAX_UPLOAD_BYTES,
        "show_error": False,
        "footer_links": ["gradio"],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "mcp_server": False,
        "pwa": False,
        "allowed_paths": [],
    }


def launch_settings() -> dict[str, Any]:
    """The same for ``Blocks.launch``."""
    return page_settings() | {
        "max_threads": THREADS,
        "state_session_capacity": SESSIONS,
        "share": False,
        "num_workers": 0,  # they would serve files beside the gate
        "prevent_thread_lock": True,  # waiting is ours, so that a signal ends it politely
    }


def launch(demo: gr.Blocks, **overrides: Any) -> Any:
    """Serve the app until Ctrl-C or SIGTERM, and end the process then.

    In another thread than the main one it serves until ``demo.close()``, and the process goes on. Where Python is
    asked line by line (a notebook, a prompt) it returns at once.

    Args:
        demo: From ``build_app``.
        overrides: More of ``Blocks.launch``, e.g. ``server_port``, ``auth`` or ``root_path``; with
            ``prevent_thread_lock`` it returns at once.

    Raises:
        InvalidInput: It is another app, or a setting would lead past the gate.
    """
    screen, origins = _checked(demo, overrides)
    stay = not overrides.pop("prevent_thread_lock", hasattr(sys, "ps1"))
    caretaker, app = _guarded(screen, origins)
    with _let_through(screen), _forwarded_headers_left_to_the_gate():
        launched = screen.launch(**{**launch_settings(), "app_kwargs": app, **overrides})
    if stay:
        threading.Thread(target=load_ahead, daemon=True).start()  # the screen is answered meanwhile
        caretaker.serve()
    return launched


def load_ahead() -> None:
    """Have the first encoder ready before anybody presses Run."""
    if not find_card(DEFAULT_ENCODER).here:
        return
    try:
        encoder = load_encoder(DEFAULT_ENCODER)
        encoder.exercise(encoder.read(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8)).pixels, 1)  # compiles the network
    except ExplorerError as error:
        log.warning("%s could not be loaded ahead: %s", DEFAULT_ENCODER, error)  # whoever runs it is told as well


def mount(app: FastAPI, path: str = "/", demo: gr.Blocks | None = None, **overrides: Any) -> FastAPI:
    """Serve the app inside another, with everything that ``launch`` gives it.

    Args:
        app: The other; its server runs the lifespan of both.
        path: Where in it.
        demo: From ``build_app``; a new one when None.
        overrides: More of ``gradio.mount_gradio_app``, e.g. ``auth`` or ``root_path``.

    Returns:
        ``app``.

    Raises:
        InvalidInput: As ``launch``.
    """
    screen, origins = _checked(build_app() if demo is None else demo, overrides)
    screen.max_threads = screen._queue.max_thread_count = THREADS
    screen.state_session_capacity = SESSIONS
    _, inner = _guarded(screen, origins)
    with _let_through(screen):
        gr.mount_gradio_app(app, screen, path, **{**page_settings(), "app_kwargs": inner, **overrides})
    return app


def _checked(demo: gr.Blocks, overrides: dict[str, Any]) -> tuple[Screen, Origins]:
    """The app, where it is ours and its settings leave the gate where it is, and whose word counts there."""
    if not isinstance(demo, Screen):
        raise InvalidInput("Only an app from explorer.ui.build_app() can be served.", code="served_elsewhere")
    if refused := sorted(set(KEPT) & set(overrides)):
        raise InvalidInput(
            f"{', '.join(refused)} would lead past the app's gate, which checks every request; leave it out.",
            code="served_elsewhere",
        )
    return demo, Origins(root=overrides.get("root_path"))


def _guarded(demo: Screen, origins: Origins) -> tuple[Caretaker, dict[str, Any]]:
    """Make an app ready to be served: who looks after it, and what its FastAPI app is made with."""
    refuse_bombs()
    allow_more_files()
    share_heaps()
    behind: Behind = vars(demo)["behind"]
    admission = Admission(demo._queue, lambda page, wholly: _leave(demo, behind.probes, page, wholly))
    probes = behind.probes
    caretaker = Caretaker(
        demo, admission, end_runs=probes.close, make_room=probes.memory.make_room, tidy=temp_folder.remove
    )
    app = {
        "routes": [health_route(caretaker), *routes(behind.uploads)],
        "lifespan": _lifespan(demo, caretaker, lambda inner: Gate(inner, demo, admission, behind.uploads, origins)),
        "middleware": [Middleware(Closed)],
        "docs_url": None,
        "redoc_url": None,
    }
    return caretaker, app


@contextmanager
def _let_through(demo: Screen) -> Iterator[None]:
    """Only for as long as Gradio looks at an app that is given its gate: the next time it may be without."""
    demo.guarded = True
    try:
        yield
    finally:
        demo.guarded = False


@contextmanager
def _forwarded_headers_left_to_the_gate() -> Iterator[None]:
    """Uvicorn would believe whoever is on this machine, and the first of several addresses, which anyone can write."""
    said = os.environ.get(PROXIES)
    os.environ[PROXIES] = ""
    try:
        yield
    finally:
        if said is None:
            del os.environ[PROXIES]
        else:
            os.environ[PROXIES] = said


def _leave(demo: gr.Blocks, probes: ProbeCache, page: str, wholly: bool) -> None:
    """Let the runs of a page that is gone come before nobody's any more; forget its results too, if asked."""
    pages = demo.app.state_holder
    state = pages.session_data.get(page)
    for value in list(state.state_data.values()) if state else ():
        probes.waiting.done(value)
    if wholly and isinstance(pages, PageStates):
        pages.drop(page)


def _lifespan(
    demo: gr.Blocks, caretaker: Caretaker, gate: Callable[[Any], Gate]
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """What goes on around the server; the gate goes outermost, before anything that Gradio puts around its app."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        demo.app = app  # type: ignore[assignment]  # mounting leaves another there
        app.middleware_stack = gate(app.middleware_stack or app.build_middleware_stack())
        keep_states_small(demo)
        uploads: Uploads = vars(demo)["behind"].uploads
        uploads.start()
        try:
            async with caretaker.watching():
                yield
        finally:
            uploads.stop()

    return lifespan


def _theme() -> gr.themes.Base:
    """Gradio's own look with the fonts of the visitor's machine, and enough contrast to be read (WCAG 2, AA)."""
    orange, darker = "#c2410c", "#9a3412"
    return gr.themes.Default(
        primary_hue="orange",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        button_primary_background_fill=orange,
        button_primary_background_fill_hover=darker,
        button_primary_background_fill_dark=orange,
        button_primary_background_fill_hover_dark=darker,
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
    )
