"""A sentence as a row of words, each of which can be kept or hidden."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from explorer.core.captions import clean_caption
from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_CAPTION
from explorer.encoders.base import Encoder

HIDINGS = {"drop": "left out", "ellipsis": "replaced by …"}
"""What a hidden word becomes, and what that is called where a user chooses it."""
ELLIPSIS = "…"
_REFUSED = {
    "caption_type": "The sentence must be text.",
    "caption_length": f"The sentence is too long; the limit is {MAX_CAPTION} characters, so shorten it.",
    "caption_text": "The sentence contains characters that are not valid text; type it anew.",
    "caption_empty": "The sentence is empty; type one to explain.",
}
_SPACELESS = "\u3041-\u3096\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Hiragana and Chinese characters, which are written without spaces: every one counts as a word."""
_OPENING = "「『（《〈【“‘(["
_WORD = re.compile(rf"[^\s\w]*[{_SPACELESS}][^\s\w{re.escape(_OPENING)}]*|(?:(?![{_SPACELESS}])\S)+")


@dataclass(frozen=True)
class Sentence:
    """A text as a row of words.

    Attributes:
        text: What the encoder reads of it.
        words: (k,) each with the punctuation that touches it.
        spaced: (k,) whether a space stands before the word.
        cut: What the encoder does not read: the rest.
    """

    text: str
    words: tuple[str, ...]
    spaced: tuple[bool, ...]
    cut: str = ""

    def keeping(self, kept: Iterable[Any], hide: str = "drop") -> str:
        """The sentence with some words hidden; the empty text where nothing is left.

        Args:
            kept: (k,) true where the word stays.
            hide: What the others become, a key of ``HIDINGS``.
        """
        parts: list[str] = []
        space = False
        for word, spaced, stays in zip(self.words, self.spaced, kept, strict=True):
            space |= spaced
            if stays or hide == "ellipsis":
                parts += [" "] * (space and bool(parts)) + [word if stays else ELLIPSIS]
                space = False
        return "".join(parts)


def split_words(text: object, encoder: Encoder | None = None) -> Sentence:
    """Find the words: what stands between spaces, and every character of the scripts written without them.

    Args:
        text: At most 500 characters; cleaned as captions are.
        encoder: Its text model's limit cuts the sentence; None for no limit.

    Raises:
        InvalidInput: Not text, too long, or empty.
    """
    try:
        clean = clean_caption(text)
    except InvalidInput as error:
        raise InvalidInput(_REFUSED[error.code], code=error.code.replace("caption", "sentence")) from error
    end = len(clean) if encoder is None else len(encoder.fit_text(clean)[0])
    read = [word for word in _WORD.finditer(clean) if word.end() <= end]
    if not read:  # the text model does not even read the first word to its end
        return Sentence(clean[:end], (clean[:end],), (False,), clean[end:].strip())
    spaced = (clean[: word.start()].endswith(" ") for word in read)
    end = read[-1].end()
    return Sentence(clean[:end], tuple(word.group() for word in read), tuple(spaced), clean[end:].strip())
