"""Build the app and serve it, with every safety setting in one place."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.applications import Starlette

from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.pictures.formats import refuse_bombs
from explorer.results.plots import import_matplotlib
from explorer.ui.gate.admission import Admission
from explorer.ui.gate.fetching import fetch_nothing
from explorer.ui.gate.http_filter import Gate
from explorer.ui.gate.lifecycle import Caretaker, allow_more_files, health_route
from explorer.ui.gate.origins import PROXIES, Origins
from explorer.ui.gate.static import BROWSER, routes
from explorer.ui.gate.upload_store import Uploads
from explorer.ui.layout import main_screen
from explorer.ui.memory import temp_folder
from explorer.ui.memory.heap import share_heaps
from explorer.ui.memory.states import PageStates, keep_states_small
from explorer.ui.probe_cache import ProbeCache

SESSIONS = 2000
"""Pages whose settings are kept, some 5 kB each; what is heavy is counted by ``memory``."""


@dataclass(frozen=True)
class Behind:
    """What an app stands on, besides its components.

    Attributes:
        probes: Where the work is done.
        uploads: The files that were uploaded.
    """

    probes: ProbeCache
    uploads: Uploads


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
    demo = gr.Blocks(title="Distance Explorer", analytics_enabled=False, delete_cache=None, fill_width=True)
    with demo:
        main_screen(behind.probes, demo)
    # Off Spaces Gradio would open an endpoint for every function that skips the queue. How many may wait is for the
    # gate to say: Gradio's own number counts the cheap events too, so that a full class would lose its Stop.
    demo.queue(max_size=None, default_concurrency_limit=4, api_open=False)
    vars(demo)["behind"] = behind
    return demo


def launch_settings() -> dict[str, Any]:
    """What ``Blocks.launch`` is given; a test compares it with the running app."""
    return {
        "theme": _theme(),
        "css_paths": [BROWSER / "style.css", *sorted(BROWSER.glob("*/*.css"))],
        "max_file_size": MAX_UPLOAD_BYTES,
        "max_threads": 8,
        "state_session_capacity": SESSIONS,
        "show_error": False,
        "footer_links": ["gradio"],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "share": False,
        "mcp_server": False,
        "pwa": False,
        "allowed_paths": [],
        "prevent_thread_lock": True,  # waiting is ours, so that a signal ends it politely
    }


def launch(demo: gr.Blocks, **overrides: Any) -> Any:
    """Serve the app until Ctrl-C or SIGTERM, and end the process then.

    Args:
        demo: From ``build_app``.
        overrides: More of ``Blocks.launch``, e.g. ``server_port``; with ``prevent_thread_lock`` it returns at once.
    """
    refuse_bombs()
    allow_more_files()
    share_heaps()
    origins = Origins()
    behind: Behind = vars(demo)["behind"]
    admission = Admission(demo._queue, lambda page, wholly: _leave(demo, behind.probes, page, wholly))
    probes = behind.probes
    caretaker = Caretaker(
        demo, admission, end_runs=probes.close, make_room=probes.memory.make_room, tidy=temp_folder.remove
    )
    app = {
        "routes": [health_route(caretaker), *routes(behind.uploads)],
        "lifespan": _lifespan(demo, caretaker, lambda inner: Gate(inner, demo, admission, behind.uploads, origins)),
        "docs_url": None,
        "redoc_url": None,
    }
    stay = not overrides.pop("prevent_thread_lock", False)
    with _forwarded_headers_left_to_the_gate():
        launched = demo.launch(**{**launch_settings(), "app_kwargs": app, **overrides})
    if stay:
        caretaker.serve()
    return launched


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
        app.middleware_stack = gate(app.middleware_stack)
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
