"""Titles of figures, whatever people typed: in letters that can be drawn, and none pushes the picture aside."""

from __future__ import annotations

import logging
import textwrap
import unicodedata
from functools import lru_cache
from typing import Any

from explorer.core.captions import BLANK

LINE = 48
"""Letters on a line of a title; wide ones, as Chinese, count twice."""
LINES = 2
TOFU = ("color", "colour", "lastresort", "last resort", "blank")
"""In the names of fonts whose letters are bitmaps, or boxes."""


def fitted(text: str) -> tuple[str, list[str]]:
    """A text for the title of a figure, and the families of fonts that have its letters.

    What no font has is spelled in brackets: a symbol by its name, a letter by its number in Unicode. What is too long
    ends in an ellipsis.
    """
    from matplotlib import rcParams

    own = list(rcParams["font.family"])
    missing = frozenset(c for c in text if not c.isspace() and ord(c) not in _letters_of(tuple(own)))
    families, unknown = _fonts_with(missing) if missing else ((), missing)
    spelled = "".join(_spelled(c) if c in unknown else c for c in text)
    wide = any(unicodedata.east_asian_width(c) in "WF" for c in spelled)
    lines = textwrap.wrap(spelled, LINE // 2 if wide else LINE, max_lines=LINES, placeholder=" …")
    return "\n".join(lines).replace("$", r"\$"), [*own, *families]  # an unescaped dollar sign would begin a formula


def _spelled(c: str) -> str:
    if BLANK.match(c) or unicodedata.category(c) == "Cf":
        return ""
    name = unicodedata.name(c, "") if unicodedata.category(c).startswith("S") else ""
    return f"[{name.lower() or f'U+{ord(c):04X}'}]"


@lru_cache(maxsize=8)
def _letters_of(families: tuple[str, ...]) -> frozenset[int]:
    """The characters that matplotlib draws without another font."""
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=list(families)))
    return _charmap(str(path))


@lru_cache(maxsize=64)
def _fonts_with(missing: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Families of this computer that have the characters, as few as can be found, and the characters that none has."""
    from matplotlib import font_manager

    families: list[str] = []
    entries = [
        entry
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and not any(sign in entry.name.lower() for sign in TOFU)
    ]
    for entry in sorted(entries, key=lambda entry: (_off_regular(entry), entry.name)):
        if not missing:
            break
        has = {c for c in missing if ord(c) in _charmap(entry.fname)}
        if has:
            families.append(entry.name)
            missing -= has
    return tuple(families), missing


def _off_regular(entry: Any) -> int:
    return abs(int(entry.weight) - 400) if isinstance(entry.weight, int) else 0


@lru_cache(maxsize=512)
def _charmap(path: str) -> frozenset[int]:
    """The characters of a font file; none where it cannot be read or has no outlines."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError) as error:
        logging.getLogger(__name__).info("A font that cannot be read: %s", error)
        return frozenset()
