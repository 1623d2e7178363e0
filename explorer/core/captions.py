"""A caption a user typed -> text a model can read, or a message saying why not."""

from __future__ import annotations

import re
import unicodedata

from explorer.core.arguments import check_kind
from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_CAPTION

WITHOUT_MEANING = {"Cs", "Co"}
"""Halves of characters, and those that no standard gives a meaning."""
CONTROLS = {"Cc", "Cf"}
SHOWN_CONTROLS = re.compile(
    "[\u200c\u200d]"  # joiners, part of how emoji and several scripts are written
    "|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]"  # signs that stand around numbers
    "|[\U00013430-\U0001343f]"  # how hieroglyphs are stacked
    "|\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"  # a flag, and the letters that say whose
)
IGNORED = re.compile("[\u2065\ufff0-\ufff8\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]")
"""Kept free for more controls."""
BLANK = re.compile(
    r"[\s\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What shows nothing by itself."""


def clean_caption(text: object) -> str:
    """A caption in Unicode form C, without control or invisible characters and outer spaces.

    Letters that this Python's tables do not know yet are letters all the same.

    Raises:
        InvalidInput: Not text, longer than the cap, not valid Unicode, or empty once cleaned.
    """
    if not isinstance(text, str):
        raise InvalidInput("The caption must be text.", code="caption_type")
    if len(text) > MAX_CAPTION:
        raise InvalidInput(
            f"The caption has {len(text)} characters; the limit is {MAX_CAPTION}.", code="caption_length"
        )
    if any(map(_means_nothing, text)):
        raise InvalidInput("The caption contains characters that are not valid text.", code="caption_text")
    spaced, shown, end = " ".join(text.split()), [], 0
    for control in SHOWN_CONTROLS.finditer(spaced):
        shown += [*filter(_is_shown, spaced[end : control.start()]), control.group()]
        end = control.end()
    shown += filter(_is_shown, spaced[end:])
    caption = unicodedata.normalize("NFC", " ".join("".join(shown).split()))
    if not BLANK.sub("", caption):
        raise InvalidInput("The caption is empty; type what to compare with.", code="caption_empty")
    return caption


def check_texts(texts: object) -> None:
    """Refuse what is no list of texts; one text alone would be read letter by letter.

    Raises:
        InvalidInput: It is.
    """
    wanted = 'a list of captions, such as ["a bee"]'
    check_kind("texts", texts, list | tuple, wanted)
    if not texts:
        raise InvalidInput(f"texts must be {wanted}; got none.", code="texts_empty")
    for text in texts:  # type: ignore[attr-defined]
        check_kind("texts", text, str, wanted)
        if any(map(_means_nothing, text)):
            raise InvalidInput("A text contains characters that are not valid text.", code="texts_text")


def _means_nothing(c: str) -> bool:
    code = ord(c)
    return code in (0, *range(0xFDD0, 0xFDF0)) or code & 0xFFFE == 0xFFFE or unicodedata.category(c) in WITHOUT_MEANING


def _is_shown(c: str) -> bool:
    return unicodedata.category(c) not in CONTROLS and not IGNORED.match(c)
