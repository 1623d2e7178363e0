"""A caption a user typed -> text a model can read, or a message saying why not."""

from __future__ import annotations

import unicodedata

from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_CAPTION

INVISIBLE = {"Cc", "Cf", "Cn", "Co"}
JOINERS = {"\u200c", "\u200d"}
"""Invisible, but part of how emoji and several scripts are written."""


def clean_caption(text: object) -> str:
    """A caption in Unicode form C, without control or invisible characters and outer spaces.

    Raises:
        InvalidInput: Not text, longer than the cap, not valid Unicode, or empty once cleaned.
    """
    if not isinstance(text, str):
        raise InvalidInput("The caption must be text.", code="caption_type")
    if len(text) > MAX_CAPTION:
        raise InvalidInput(
            f"The caption has {len(text)} characters; the limit is {MAX_CAPTION}.", code="caption_length"
        )
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise InvalidInput("The caption contains characters that are not valid text.", code="caption_text")
    spaced = " ".join(text.split())
    visible = "".join(c for c in spaced if c in JOINERS or unicodedata.category(c) not in INVISIBLE)
    caption = unicodedata.normalize("NFC", " ".join(visible.split()))
    if not caption.strip("".join(JOINERS)):
        raise InvalidInput("The caption is empty; type what to compare with.", code="caption_empty")
    return caption
