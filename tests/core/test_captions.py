"""Captions people type (reliability notes, A3.3 and section F, 17 to 21 and 47)."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import explorer
from explorer import Encoder, InvalidInput
from explorer.core.captions import clean_caption
from explorer.core.references import check_words, embed_reference
from explorer.core.sentences import prepare_words


def refusal(text: object) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        clean_caption(text)
    return caught.value.code, str(caught.value)


BLANKS = [
    "", "   ", "\t\n", "\u200b", "\u200b \u200b", "\u00a0", "\u3000",
    "\ufeff", "\u202e", "\x07", "\u200d", "\u200c\u200d ", "\u2060", "\u3164", "\ufe0f", "\u2800", "\U000e0061",
]  # fmt: skip


@pytest.mark.parametrize("text", BLANKS, ids=ascii)
def test_nothing_to_read(text: str) -> None:
    assert refusal(text) == ("caption_empty", "The caption is empty; type what to compare with.")


@pytest.mark.parametrize(
    "text", ["\0", "a\0bee", "\ud800", "a bee \udfff", "\udc80\ud800", "a \ue000", "\uffff", "\U0010ffff"], ids=ascii
)
def test_no_text(text: str) -> None:
    assert refusal(text) == ("caption_text", "The caption contains characters that are not valid text.")


@pytest.mark.parametrize("text", [None, 5, b"a bee", ["a bee"], float("nan")], ids=repr)
def test_no_string(text: object) -> None:
    assert refusal(text) == ("caption_type", "The caption must be text.")


def test_length() -> None:
    assert clean_caption("x" * 500) == "x" * 500
    assert refusal("x" * 501) == ("caption_length", "The caption has 501 characters; the limit is 500.")
    assert refusal("x" * 10**7)[0] == "caption_length"


@pytest.mark.parametrize(
    "text",
    [
        "a bee",
        "نحلة على زهرة",  # Arabic
        "דבורה",  # Hebrew
        "मधुमक्खी",  # combining vowels
        "一只蜜蜂",
        "👩‍🔬 with a 🐝",  # joined by U+200D
        "می‌خواهم",  # Persian, with U+200C
        "🏳️‍🌈 👍🏽",
        "🇳🇱",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
        "a \U0001fae9",  # an emoji that Python 3.11 does not know
        "\U00011380\U0001e4d0",  # letters of 2022 and of 2024
        "\u06dd\u0661",  # an Arabic sign around a number
        "é" * 100,
        "<script>alert(1)</script>",
        "&amp;lt;b&amp;gt;",
        "../../etc/passwd",
        "'; DROP TABLE masks; --",
        "%s %(x)s {0} {x}",
    ],
)
def test_echoed_as_typed(text: str) -> None:
    assert clean_caption(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a bee \n", "a bee"),
        ("a\tbee\r\non a  flower", "a bee on a flower"),
        ("cafe\u0301", "caf\u00e9"),
        ("a \u200bbee\ufeff", "a bee"),
        ("a\u202ebee", "abee"),
        ("a\x07 bee\x1b[31m", "a bee[31m"),
        ("a\u00a0bee", "a bee"),
        ("a \U000e0062bee\U000e007f", "a bee"),  # letters of a flag without a flag
        ("a\ufff3bee", "abee"),
    ],
    ids=ascii,
)
def test_cleaned(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


def test_a_stack_of_combining_marks() -> None:
    zalgo = "b" + "\u0301\u0317" * 200
    assert clean_caption(zalgo) == unicodedata.normalize("NFC", zalgo)


@given(st.text(max_size=500))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        cleaned = clean_caption(text)
    except InvalidInput as error:
        code = error.code
    else:
        code = ""
    assert code in ("", "caption_empty", "caption_text")
    if code:
        return
    assert cleaned
    assert cleaned == cleaned.strip()
    assert not any(unicodedata.category(c) in ("Cc", "Co") for c in cleaned)
    assert clean_caption(cleaned) == cleaned  # cleaning is done once


# Captions and encoders


@pytest.fixture(scope="module")
def reader() -> Encoder:
    return explorer.load_encoder("conse-lite0")


@pytest.mark.parametrize("text", ["a bee", "<script>", "a café", "who!?"])
def test_embedded(reader: Encoder, text: str) -> None:
    target = embed_reference(reader, caption=text)
    assert target.embedding.shape == (384,)
    assert np.isfinite(target.embedding).all()
    assert target.label == f"“{clean_caption(text)}”"
    assert target.notices == ()


UNREADABLE = [
    "🐝",
    "猫",
    "一只蜜蜂",
    "벌",
    "пчела на цветке",
    "نحلة على زهرة",
    "मधुमक्खी",
    "\U0001fae9",
    "🇳🇱 👍🏽",
    "é" * 500,
]


@pytest.mark.parametrize("text", UNREADABLE, ids=ascii)
def test_a_caption_of_unknown_words_alone_is_refused(reader: Encoder, text: str) -> None:
    """All of them had one and the same embedding, or nearly."""
    for item in ("caption", "sentence"):
        with pytest.raises(InvalidInput, match=f"^English only: ConSE-Lite0 knows no word of the {item}") as refused:
            embed_reference(reader, caption=text) if item == "caption" else prepare_words(text, encoder=reader)
        assert refused.value.code == f"{item}_unreadable"
        assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a 🐝 on a flower", "1 of 5 words is unknown to ConSE-Lite0 (“🐝”); the map says little about it."),
        (
            "👩‍🔬 with a 🐝",
            "3 of 5 words are unknown to ConSE-Lite0 (“👩”, “🔬”, “🐝”); the map says little about them.",
        ),
        ("een bij op een bloem", "4 of 5 words are unknown to ConSE-Lite0 (“een”, “bij”, “bloem”); the map"),
        ("asdfgh qwrtzx", "2 of 2 words are unknown to ConSE-Lite0 (“asdfgh”, “qwrtzx”); the map"),
        ("a tiramisu", "1 of 2 words is unknown to ConSE-Lite0 (“tiramisu”); the map says little about it."),
    ],
)
def test_words_it_does_not_know_are_named(reader: Encoder, text: str, unknown: str) -> None:
    (notice,) = embed_reference(reader, caption=text).notices
    assert notice.startswith(f"English only: {unknown}")
    assert notice in prepare_words(text, encoder=reader).notices


ENGLISH = """a bee sitting on a flower|an image of a bee|a fly|a labradoodle|a cup of coffee|an espresso
a cheetah resting in the grass|two zebras drinking at a waterhole|a man riding a bicycle down a cobblestone street
a schnauzer wearing a bandana|a skateboarder doing a kickflip|a ptarmigan in the snow|the Eiffel Tower at night
a bottle of Gewürztraminer|someone snowboarding down a mountain|a croissant and a cappuccino|an animal with spots
a chihuahua or a muffin|don't feed 456 ducks, please!|C++ & <script>|1 2 3|TV|a photo of a hummingbird"""
DUTCH = """een bij op een bloem|een afbeelding van een bij|een vlieg|een kopje koffie|een luipaard in het gras|een vogel
twee zebra's drinken bij een waterpoel|een man fietst door een straat|een bord spaghetti|een hond met een halsdoek
een kat op een bank|een vrouw speelt accordeon|de Eiffeltoren bij nacht|een raket|een dier met vlekken|een fles wijn
een paard in de wei|een vogel op een tak|een trein op het station|een tafel met vier stoelen|hond|bloem|fiets"""


@pytest.mark.parametrize("text", re.split(r"[|\n]", ENGLISH))
def test_english_passes_without_a_word(reader: Encoder, text: str) -> None:
    assert embed_reference(reader, caption=text).notices == ()


@pytest.mark.parametrize("text", re.split(r"[|\n]", DUTCH))
def test_dutch_does_not(reader: Encoder, text: str) -> None:
    """Nearly always: short words that are English too, as in "een boot op het water", hide it."""
    assert "English only" in embed_reference(reader, caption=text).notices[0]


def test_an_encoder_that_does_not_say_what_it_knows(picture_encoder: Encoder) -> None:
    assert check_words(picture_encoder, "猫", "caption") == ()


def test_spaces_around_a_caption_change_nothing(reader: Encoder) -> None:
    one, other = (embed_reference(reader, caption=text) for text in ("a bee", "  a \u200b bee\n"))
    np.testing.assert_array_equal(one.embedding, other.embedding)
    assert one.label == other.label


def test_a_caption_that_is_too_long_says_which_words_are_ignored(reader: Encoder) -> None:
    words = "!? " * 166  # two tokens each, so more than the 256 it reads
    kept, dropped = reader.fit_text(words.strip())
    assert 200 < len(kept) < 450
    assert dropped.startswith("!?")
    target = embed_reference(reader, caption=words)
    assert target.notices[1:] == (
        f"The caption is longer than the text model reads; ignored from “{dropped.split()[0]} …”.",
    )
    assert target.label == f"“{kept}”"
    np.testing.assert_array_equal(target.embedding, reader.embed_texts([kept])[0])


def test_kept_and_dropped_make_the_caption(reader: Encoder) -> None:
    for text in ("a bee", "a, b. " * 83, "1 " * 250, "!?" * 250):
        kept, dropped = reader.fit_text(text.strip())
        assert (kept + dropped).replace(" ", "") == text.replace(" ", "")
        if dropped:
            np.testing.assert_array_equal(reader.embed_texts([kept]), reader.embed_texts([text.strip()]))


def test_an_encoder_without_text(encoder: Encoder) -> None:
    with pytest.raises(
        InvalidInput, match="cannot read captions; choose an encoder that compares image and caption"
    ) as caught:
        embed_reference(encoder, caption="a bee")
    assert caught.value.code == "no_text_side"


@pytest.mark.parametrize("text", ["", "\u200b", "\ud800", "x" * 501])
def test_bad_captions_are_told_before_any_work(picture_encoder: Encoder, picture: np.ndarray, text: str) -> None:
    with pytest.raises(InvalidInput, match="caption"):
        explorer.explain(picture, caption=text, encoder=picture_encoder)
    assert picture_encoder.rows == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("texts", [[], (), ["a bee", "\ud800"], ["a\0b"]])
def test_no_texts_and_what_is_no_text(texts: Any) -> None:
    with pytest.raises(InvalidInput, match=r"texts must be a list of captions.*got none|not valid text"):
        explorer.load_encoder("conse-lite0").embed_texts(texts)


def test_punctuation_alone_is_told() -> None:
    conse = explorer.load_encoder("conse-lite0")
    for text in ("!!!", "? !", "…"):
        (notice,) = embed_reference(conse, caption=text).notices
        assert notice == "The caption has no words, only punctuation; the map says little."
    assert embed_reference(conse, caption="a cat!").notices == ()
    assert prepare_words("! ! !", encoder=conse).notices[0].startswith("The sentence has no words")
