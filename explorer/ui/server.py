"""Build the app and serve it, with every safety setting in one place."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from ..caps import MAX_UPLOAD_BYTES
from ..formats import refuse_bombs
from .doorkeeper import Doorkeeper
from .explore import main_screen
from .static import routes
from .workbench import Workbench

SESSIONS = 200
QUEUE_SIZE = 2 * SESSIONS
"""Gradio counts the cheap events too, so a queue as long as a class would refuse its Stop."""
CACHE_AGE = (600, 3600)
"""Seconds between sweeps of uploaded files, and the age at which they go."""


def build_app(workbench: Workbench | None = None) -> gr.Blocks:
    """The app as Blocks, not launched.

    Args:
        workbench: Where the work is done and the probes are kept; a new one when None.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if "GRADIO_TEMP_DIR" not in os.environ:  # components ask for it; a shared /tmp/gradio may be somebody else's
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="distance-explorer-")
    demo = gr.Blocks(title="Distance Explorer", analytics_enabled=False, delete_cache=CACHE_AGE, fill_width=True)
    with demo:
        main_screen(workbench or Workbench(), demo)
    # Off Spaces Gradio would open an endpoint for every function that skips the queue.
    demo.queue(max_size=QUEUE_SIZE, default_concurrency_limit=4, api_open=False)
    return demo


def launch_settings() -> dict[str, Any]:
    """What ``Blocks.launch`` is given; a test compares it with the running app."""
    return {
        "theme": _theme(),
        "css_paths": [Path(__file__).with_name("style.css"), *sorted(Path(__file__).parent.glob("instrument/*.css"))],
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
        "app_kwargs": {
            "middleware": [Middleware(Doorkeeper)],
            "routes": routes(),
            "docs_url": None,
            "redoc_url": None,
        },
    }


def launch(demo: gr.Blocks, **overrides: Any) -> Any:
    """Serve the app until Ctrl-C or SIGTERM.

    Args:
        demo: From ``build_app``.
        overrides: More of ``Blocks.launch``, e.g. ``server_port``.
    """
    refuse_bombs()
    if not overrides.get("prevent_thread_lock"):
        signal.signal(signal.SIGTERM, _interrupt)
    return demo.launch(**{**launch_settings(), **overrides})


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does, also where the shell has switched Ctrl-C off: Gradio then closes its server."""
    raise KeyboardInterrupt


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
