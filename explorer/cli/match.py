"""``explorer match``: which part of one picture goes with which part of another, or with which words of a caption."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer.cli.shared_options import add_encoder, add_limits, add_number, allow_larger, progress, settings
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.match import CELLS, MOST_CELLS
from explorer.core.probe import Probe
from explorer.core.sentences import MaskedSentence, prepare_words
from explorer.core.storage import check_writable
from explorer.core.terms import SETTINGS
from explorer.encoders.cards import DEFAULT_ENCODER

STRONGEST = 5
"""Pairs that are printed."""


def add_command(commands: Any) -> None:
    """Add ``match`` to the command line's parsers."""
    command = commands.add_parser("match", help="which part of one picture goes with which part of another")
    command.set_defaults(run=_match)
    command.add_argument("picture", metavar="PICTURE", help="the one")
    other = command.add_mutually_exclusive_group(required=True)
    other.add_argument("--reference", metavar="PICTURE", help="the other")
    other.add_argument("--caption", metavar="TEXT", help="a caption in its place: which of its words")
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where match.npy and match.json go")
    command.add_argument("--overwrite", action="store_true", help="replace a match already there")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--cells", metavar="N", type=int, default=CELLS,
                         help=f"rows and columns of cells, 1 to {MOST_CELLS} (default: %(default)s)")  # fmt: skip
    add_encoder(command, DEFAULT_ENCODER, "see: explorer models")
    for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED):
        add_number(command, cap)
    command.add_argument("--fill", choices=list(FILLS), default="auto", help=SETTINGS["fill"].label.lower())
    command.add_argument("--scheme", choices=list(SCHEMES), default="philox", help=SETTINGS["scheme"].label.lower())
    add_limits(command)


def _match(options: argparse.Namespace) -> int:
    from explorer.core.match import check_cells, match
    from explorer.core.probe import complete, prepare
    from explorer.encoders.cards import load_encoder
    from explorer.results.match_wire import FILES, save_match

    check_cells(options.cells)
    if not options.overwrite and any((options.out / name).exists() for name in FILES):
        raise InvalidInput(
            f"{options.out.name or options.out} holds a match already; name another folder, or overwrite it "
            "(--overwrite).",
            code="output_exists",
        )
    check_writable(options.out)
    allow_larger(options)
    masking = settings(MaskSettings, options)
    encoder = load_encoder(options.encoder, precision=options.precision, weights=options.weights)
    words = options.caption is not None
    starts = [
        prepare(options.picture, encoder=encoder, masking=masking),
        prepare_words(options.caption, encoder=encoder)
        if words
        else prepare(options.reference, encoder=encoder, masking=masking),
    ]
    probes = []
    for start in starts:
        with progress(options.quiet, "mask", start.wanted) as step:
            probes.append(complete(start, step))
    one, other = probes
    found = match(one, other, r=options.cells)
    save_match(found, options.out)
    for notice in found.notices:
        print(f"note: {notice}", file=sys.stderr)
    print(found.says)
    if not found.no_signal:
        for a, b, weight in found.pairs(STRONGEST):
            print(f"{weight:+.4f}  A {_cell(one, a)}  with  B {_cell(other, b)}")
    print(f"results in {options.out}")
    return 0


def _cell(probe: Probe, cell: tuple[int, int]) -> str:
    """A cell by its row and column, a word by itself."""
    if isinstance(probe.encoder, MaskedSentence):
        return f"“{probe.encoder.sentence.words[cell[1]]}”"
    return f"{cell[0]}, {cell[1]}"
