"""``explorer models``: the encoders, and whether their weights are here."""

from __future__ import annotations

import argparse
from typing import Any


def add_command(commands: Any) -> None:
    """Add ``models`` to the command line's parsers."""
    models = commands.add_parser("models", help="the encoders, and whether their weights are here")
    models.set_defaults(run=_list_models)
    actions = models.add_subparsers(metavar="ACTION")
    fetch = actions.add_parser("fetch", help="bring encoders' weights to this computer")
    fetch.add_argument("keys", metavar="KEY", nargs="+", help="as listed by: explorer models")
    fetch.set_defaults(run=_fetch_models)


def _list_models(options: argparse.Namespace) -> int:
    from explorer.encoders.cards import encoders

    for card in encoders():
        print(f"{card.key:18} {card.comparing:42} {card.missing or 'here'}")
        print(f"{'':18} {card.title}: {card.embedding}; {card.size}; {card.licence}; {card.source}")
    print("Any open_clip model: open_clip:MODEL:TAG. Any timm network: timm:NAME, e.g. timm:resnet101.tv_in1k, or")
    print("timm-features:NAME. Vision networks of transformers: hf:OWNER/NAME. ONNX files: onnx:PATH.")
    print("Weights that are not here: explorer models fetch KEY")
    return 0


def _fetch_models(options: argparse.Namespace) -> int:
    from explorer.encoders.cards import load_encoder

    for key in options.keys:
        encoder = load_encoder(key)
        print(f"{key}: ready ({encoder.fingerprint})")
    return 0
