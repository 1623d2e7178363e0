"""The card of an encoder in the app says what its numbers are, from its facts."""

from __future__ import annotations

import pytest

from explorer.core.terms import TERMS
from explorer.encoders.cards import CARDS, find_card
from explorer.ui.encoder_card import facts
from explorer.ui.glossary import PLACES


@pytest.mark.parametrize("key", [*CARDS, "open_clip:ViT-B-32:openai", "timm:resnet18.a1_in1k"])
def test_a_card_says_what_numbers_mean_and_where_they_come_from(key: str) -> None:
    card = find_card(key)
    said = dict(facts(card))
    assert said["Its embedding"] == card.embedding
    assert (card.size, card.licence, card.source) == (said["Size"], said["Licence"], said["From"])
    assert ("to 0.5 (nothing in common)" in said["Distances"]) == card.nonnegative
    assert ("caption" in said["Compares"]) == card.captions
    assert said["On this computer"].startswith("yes" if card.here else "no: ")


def test_every_word_that_is_marked_has_a_meaning() -> None:
    assert set(PLACES.values()) <= set(TERMS)
