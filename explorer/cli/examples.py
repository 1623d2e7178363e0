"""``explorer examples``: the example pictures, and the results that come with the project."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidInput


def add_command(commands: Any) -> None:
    """Add ``examples`` to the command line's parsers."""
    examples = commands.add_parser("examples", help="example pictures")
    actions = examples.add_subparsers(required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download the paper's ten pictures; its presets then appear in the app")
    fetch.set_defaults(run=_fetch_examples)
    record = actions.add_parser("record", help="explain the presets that come with the project and keep the results")
    record.add_argument("keys", metavar="KEY", nargs="*", help="presets, e.g. two-espresso (default: all)")
    record.add_argument("--out", metavar="FOLDER", type=Path, help="where they go (default: beside the examples)")
    record.add_argument("--matches", action="store_true", help="only what goes with what in them (the Match tab)")
    record.set_defaults(run=_record_examples)


def _fetch_examples(options: argparse.Namespace) -> int:
    from explorer.pictures.examples import fetch_examples

    folder = fetch_examples()
    print(f"The paper's pictures are in {folder}")
    return 0


def _record_examples(options: argparse.Namespace) -> int:
    from explorer.pictures.examples import replay_folder, shipped_presets
    from explorer.results.match_wire import record_match
    from explorer.results.wire import record

    known = {preset.key: preset for preset in shipped_presets()}
    if not set(options.keys) <= set(known):
        raise InvalidInput(f"No such preset; choose from: {', '.join(known)}.", code="unknown_preset")
    for key in options.keys or known:
        folder = options.out or replay_folder()
        files = [make(known[key], folder) for make in ((record_match,) if options.matches else (record, record_match))]
        print(f"{key}: {sum(file.stat().st_size for file in files) / 1000:.0f} kB in {folder}")
    return 0
