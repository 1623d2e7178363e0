"""Several captions at once: what a page may send."""

from __future__ import annotations

import pytest

from explorer import InvalidInput
from explorer.core.limits import MAX_CAPTIONS
from explorer.ui.tabs.explore.captions import _lines


def test_each_line_is_a_caption_once() -> None:
    assert _lines(" a dog\n\na  cat\r\na dog \n") == ["a dog", "a cat"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "captions_missing"),
        (" \n\t\n", "captions_missing"),
        (None, "captions_missing"),
        (["a dog"], "captions_missing"),
        ("\n".join(f"a {i}" for i in range(MAX_CAPTIONS + 1)), "captions_count"),
    ],
)
def test_other_texts_are_refused_in_words(text: object, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _lines(text)
    assert caught.value.code == code
