"""Titles of figures, for whatever a caption holds."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from explorer import Encoder, Explanation, MaskSettings, explain
from explorer.core.references import Reference
from explorer.results import lettering
from explorer.results.lettering import fitted
from explorer.results.plots import figure

TITLES = [
    "“a bee”",
    "“猫 一只蜜蜂”",
    "“👩‍🔬 with a 🐝 \U0001fae9 🇳🇱”",
    "“" + "many words " * 45 + "”",
    "“" + "x" * 500 + "”",
    "“" + "猫" * 500 + "”",
    "“$5 and $6”",
    "“نحلة على زهرة”",
    "“\U0001f3f4\U000e0067\U000e0062\U000e007f”",
]


@pytest.fixture
def explanation(picture: np.ndarray, encoder: Encoder) -> Explanation:
    return explain(picture, embedding=np.arange(12.0), encoder=encoder, masking=MaskSettings(n_masks=10))


def drawn(explanation: Explanation, title: str) -> tuple[Figure, tuple[int, int]]:
    """The figure, and the width and height of its map in pixels, with no warning on the way."""
    titled = Explanation(**{**vars(explanation), "reference": Reference(explanation.reference.embedding, title)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = figure(titled)
        made.savefig(io.BytesIO(), format="png")
    extent = made.axes[0].get_window_extent()
    return made, (round(extent.width), round(extent.height))


@pytest.mark.parametrize("title", TITLES, ids=ascii)
def test_no_title_warns_or_takes_room_from_the_map(explanation: Explanation, title: str) -> None:
    made, size = drawn(explanation, title)
    assert size == drawn(explanation, "“a bee”")[1]
    width, _ = made.get_size_inches() * made.dpi
    text = made.axes[0].title.get_window_extent()
    assert text.x0 >= 0
    assert text.x1 <= width


def test_what_no_font_has_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "_fonts_with", lambda missing: ((), missing))
    assert fitted("a 🐝 and 猫\U0001fae9")[0] == "a [honeybee] and [U+732B][U+1FAE9]"
    assert fitted("a \U0001f3f4\U000e0067\U000e007f")[0] == "a [waving black flag]"


def test_a_font_that_has_the_letters_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for a system with fonts for Chinese: the own font has nothing but a, and others of matplotlib's have é."""
    monkeypatch.setattr(lettering, "_letters_of", lambda families: frozenset(map(ord, "a")))
    lettering._fonts_with.cache_clear()
    title, families = fitted("a é")
    assert title == "a é"
    assert len(families) == 2
    assert lettering._fonts_with(frozenset("é\U0010fffd")) == ((families[1],), frozenset("\U0010fffd"))


def test_a_cut_shows() -> None:
    assert fitted("a bee " * 80)[0].endswith(" …")
    assert fitted("a bee")[0] == "a bee"
