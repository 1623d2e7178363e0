"""``explorer app``: the app, served from a terminal."""

from __future__ import annotations

import argparse
from typing import Any

from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.extras import how_to_install, not_importable


def add_command(commands: Any) -> None:
    """Add ``app`` to the command line's parsers."""
    app = commands.add_parser("app", help="open the app on this machine")
    app.set_defaults(run=_serve)
    app.add_argument("--host", metavar="ADDRESS", help="the address to listen on (default: 127.0.0.1, this machine)")
    app.add_argument("--port", metavar="N", type=_port, help="the port (default: the first free from 7860)")
    app.add_argument("--open", action="store_true", help="open it in a browser")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 65535):
        raise argparse.ArgumentTypeError("a port is a whole number from 1 to 65535")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    if not_importable(["gradio"]):
        raise WeightsMissing(f"The app needs gradio: {how_to_install('app,lite')}.", code="packages_missing")
    from explorer.ui import build_app, launch

    chosen = {"server_name": options.host, "server_port": options.port, "inbrowser": options.open or None}
    try:
        launch(build_app(), **{name: value for name, value in chosen.items() if value is not None})
    except KeyboardInterrupt:  # before it served anybody; later signals are its own
        return 0
    except OSError as error:  # Gradio says so of a port that is taken
        raise InvalidInput(f"Cannot listen there: {str(error).rstrip('.')}.", code="app_port") from error
    return 0
