"""Sentences people type, as rows of words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.core.captions import clean_caption
from explorer.core.errors import InvalidInput
from explorer.core.sentences import HIDINGS, split_words

# fmt: off
SPLIT = [
    ("a photo of a cat", ["a", "photo", "of", "a", "cat"]),
    ("  A cat,\tsleeping:\n(isn't it?) ", ["A", "cat,", "sleeping:", "(isn't", "it?)"]),
    ("well-known naïve café", ["well-known", "naïve", "cafe\u0301"]),  # composed by cleaning
    ("I ❤️ my 👩‍🔬🐱 friend", ["I", "❤️", "my", "👩‍🔬🐱", "friend"]),
    ("نحلة على زهرة", ["نحلة", "على", "زهرة"]),
    ("می‌خواهم بخوابم", ["می‌خواهم", "بخوابم"]),  # a joiner inside a word
    ("मधुमक्खी फूल पर", ["मधुमक्खी", "फूल", "पर"]),
    ("一只「猫」，睡觉。", ["一", "只", "「猫」，", "睡", "觉。"]),
    ("私はカメラとcatが好き!", ["私", "は", "カメラ", "と", "cat", "が", "好", "き!"]),
    ("고양이 사진", ["고양이", "사진"]),
    ("cat", ["cat"]),
    ("...", ["..."]),
]
# fmt: on


@pytest.mark.parametrize(("text", "words"), SPLIT, ids=[ascii(text)[:30] for text, _ in SPLIT])
def test_words(text: str, words: list[str]) -> None:
    found = split_words(text)
    assert list(found.words) == [word.replace("e\u0301", "é") for word in words]
    assert found.keeping([True] * len(words)) == found.text == " ".join(text.replace("e\u0301", "é").split())
    assert found.cut == ""


def test_hiding() -> None:
    sentence = split_words("a photo of a cat")
    assert sentence.keeping([0, 1, 0, 0, 1]) == "photo cat"
    assert sentence.keeping([0, 0, 0, 0, 0]) == ""
    assert sentence.keeping([0, 1, 0, 0, 1], "ellipsis") == "… photo … … cat"
    chinese = split_words("一只猫 睡觉。")
    assert chinese.words == ("一", "只", "猫", "睡", "觉。")
    assert chinese.keeping([1, 0, 1, 1, 1]) == "一猫 睡觉。"
    assert chinese.keeping([1, 1, 0, 0, 1]) == "一只 觉。"  # the space was between what is left
    assert chinese.keeping([1, 0, 0, 0, 0]) == "一"
    assert chinese.keeping([1, 0, 1, 0, 1], "ellipsis") == "一…猫 …觉。"


def clean(text: str) -> str:
    try:
        return clean_caption(text)
    except InvalidInput:
        return ""


@given(st.text(max_size=60), st.integers(0, 2**60), st.sampled_from(sorted(HIDINGS)))
def test_any_text(text: str, bits: int, hide: str) -> None:
    try:
        sentence = split_words(text)
    except InvalidInput:
        assert not clean(text)
        return
    k = len(sentence.words)
    assert k == len(sentence.spaced) >= 1
    assert all(word and " " not in word for word in sentence.words)
    assert sentence.keeping([1] * k, hide) == sentence.text
    kept = [bits >> i & 1 for i in range(k)]
    left = sentence.keeping(kept)
    assert left.replace(" ", "") == "".join(word for word, stays in zip(sentence.words, kept, strict=True) if stays)
    assert left == left.strip()
    assert "  " not in left


# fmt: off
REFUSED = [
    ("", "sentence_empty", "The sentence is empty; type one to explain."),
    ("   \t\n ", "sentence_empty", "The sentence is empty"),
    ("\u200b\u200d", "sentence_empty", "The sentence is empty"),
    ("x" * 501, "sentence_length", "the limit is 500 characters"),
    ("a \ud800", "sentence_text", "not valid text"),
    (None, "sentence_type", "must be text"),
    (["a"], "sentence_type", "must be text"),
]
# fmt: on


@pytest.mark.parametrize(("text", "code", "message"), REFUSED, ids=[code for _, code, _ in REFUSED])
def test_refused(text: object, code: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        split_words(text)
    assert caught.value.code == code
    assert "caption" not in str(caught.value)


class Reads:
    """A text model that reads so many characters."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def fit_text(self, text: str) -> tuple[str, str]:
        return text[: self.limit].rstrip(), text[self.limit :].strip()


@pytest.mark.parametrize(
    ("limit", "words", "cut"),
    [
        (99, ("one", "two", "three"), ""),
        (10, ("one", "two"), "three"),  # reads “one two th”
        (8, ("one", "two"), "three"),
        (6, ("one",), "two three"),
        (2, ("on",), "e two three"),
    ],
)
def test_the_text_models_limit_cuts_between_words(limit: int, words: tuple[str, ...], cut: str) -> None:
    sentence = split_words("one two three", Reads(limit))  # type: ignore[arg-type]
    assert (sentence.words, sentence.cut, sentence.text) == (words, cut, " ".join(words))
