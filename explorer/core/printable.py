"""Text of anybody's, such as the names of files, where not every sign can be shown or written."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with every control character, line break and half a sign as its escape: it cannot steer a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def encodable(text: str) -> str:
    """The text with its bytes that are no UTF-8, as names of files may have them, as their escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
