"""Text of anybody's on a terminal and in a file."""

from __future__ import annotations

from explorer.core.printable import encodable, printable


def test_nothing_steers_a_terminal_and_words_stay() -> None:
    assert printable("x\x1b[31m\nÜ 蜂 \x9b\udcff") == r"x\x1b[31m\nÜ 蜂 \x9b\udcff"


def test_what_is_no_utf_8_can_be_written() -> None:
    assert encodable("Ü\udcff\n").encode() == "Ü\\udcff\n".encode()
