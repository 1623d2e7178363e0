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
    rows = [
        ("Compares", card.comparing.replace("-", " with ")),
        ("Its embedding", card.embedding),
        ("Distances", _range(card)),
        ("Size", card.size),
        ("Licence", card.licence),
        ("From", card.source),
        ("On this computer", "yes" if card.here else f"no: {card.missing}"),
        ("Looking into it", card.inside_missing),
    ]
    return [(label, text) for label, text in rows if text]


def _range(card: Card) -> str:
    cosine = DISTANCES["cosine"]
    high, farthest = (cosine.high_nonnegative, "nothing in common") if card.nonnegative else (cosine.high, "opposite")
    return f"{cosine.label}, from {cosine.low:g} (same) to {high:g} ({farthest})"
