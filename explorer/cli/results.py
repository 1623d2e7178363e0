"""``explorer results``: which results lie in a folder, and what each of them is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add ``results`` to the command line's parsers."""
    command = commands.add_parser("results", help="list the results in a folder: what was explained, against what, how")
    command.set_defaults(run=_results)
    command.add_argument("folder", metavar="FOLDER", type=Path, help="a folder with results in it, at any depth")
    command.add_argument("--json", action="store_true", help="as JSON, with every field")


def _results(options: argparse.Namespace) -> int:
    from explorer.results.listing import listed, table

    rows = list(listed(options.folder))
    if options.json:
        print(json.dumps([row.to_dict() for row in rows], indent=2, ensure_ascii=False))
    elif rows:
        print(table(rows))
    else:
        print(f"No results in {options.folder}.")
    return 0
