"""What the encoder at hand is, beside its choice: what it compares, what its numbers mean, and where it comes from."""

from __future__ import annotations

import gradio as gr

from explorer.core.distances import DISTANCES
from explorer.core.embedder import Card
from explorer.encoders.cards import encoders
from explorer.ui.components import component

CHOSEN = "key => { dispatchEvent(new CustomEvent('encoder', { detail: key })); }"
"""Tells the card, in the browser."""


def encoder_card(encoder: gr.Dropdown) -> None:
    """Lay the card out, and let it follow the choice."""
    component("encoder-card", cards={card.key: facts(card) for card in encoders()}, chosen=encoder.value)
    encoder.change(None, [encoder], None, js=CHOSEN, api_visibility="private", show_progress="hidden")


def facts(card: Card) -> list[tuple[str, str]]:
    """What there is to know, each with what it is about."""
    cosine = DISTANCES["cosine"]
    rows = [
        ("Compares", card.comparing.replace("-", " with ")),
        ("Its embedding", card.embedding),
        ("Distances", f"{cosine.label}: {cosine.low:g} for the same, up to {_reach(card):g}"),
        ("Size", card.size),
        ("Licence", card.licence),
        ("From", card.source),
        ("On this computer", "yes" if card.here else f"no: {card.missing}"),
    ]
    return [(label, text) for label, text in rows if text]


def _reach(card: Card) -> float:
    return DISTANCES["cosine"].high
