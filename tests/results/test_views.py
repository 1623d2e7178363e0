"""Results in a notebook: one line, a picture, a page on which nobody's words are markup."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import explorer
from explorer import Encoder, Explanation, InvalidInput, MaskSettings, SelectionSettings
from explorer.core.embedder import Origin
from explorer.core.explanation import MethodExplanation
from explorer.core.masks import masks_from_array
from explorer.core.sentences import WordsExplanation
from explorer.results.plots import picture_of
from tests.core.test_words import AHEAD, Bag

EVIL = '<img src=x onerror="alert(1)">\n& Söhne'
FEW = MaskSettings(n_masks=20)


@pytest.fixture
def picture_file(tmp_path, picture: np.ndarray):
    path = tmp_path / "a <b> & c.png"
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture
def explained(picture_file, picture: np.ndarray, picture_encoder: Encoder) -> Explanation:
    return explorer.explain(picture_file, reference=picture[::-1].copy(), encoder=picture_encoder, masking=FEW)


@pytest.fixture
def by_method(picture_file, picture: np.ndarray, picture_encoder: Encoder) -> MethodExplanation:
    reference = picture[::-1].copy()
    found = explorer.explain(picture_file, method="rise", reference=reference, encoder=picture_encoder, masking=FEW)
    assert isinstance(found, MethodExplanation)
    return found


@pytest.fixture
def words() -> WordsExplanation:
    return explorer.explain_words("a <b>cat</b> & co", embedding=AHEAD, encoder=Bag())


def test_reprs_are_one_short_line(
    explained: Explanation, by_method: MethodExplanation, words: WordsExplanation
) -> None:
    probe = explained.probe
    shown = [
        probe, explained, by_method, words, probe.encoder, probe.encoder.card, probe.masks, probe.masking,
        explained.selection, explained.reference, by_method.seen, masks_from_array(np.eye(3)[:, None] > 0),
        *explorer.encoders(), words.ranked, words.ranked.probe, words.ranked.probe.encoder,
    ]  # fmt: skip
    for one in shown:
        assert len(repr(one)) < 220, type(one)
        assert "\n" not in repr(one)
        assert "array(" not in repr(one)
    assert "a <b> & c.png" in repr(probe)
    assert "20 masks" in repr(probe)


def test_a_repr_keeps_a_strangers_name_on_its_line(explained: Explanation) -> None:
    odd = replace(explained, probe=replace(explained.probe, origin=Origin(EVIL + "x" * 500)))
    assert "\n" not in repr(odd)
    assert len(repr(odd)) < 220


def test_a_notebook_shows_the_map_and_no_markup_of_strangers(
    explained: Explanation, by_method: MethodExplanation, words: WordsExplanation
) -> None:
    reference = replace(explained.reference, label=EVIL)
    named = replace(explained, reference=reference, notices=(EVIL,))
    for one in (named, by_method, words):
        page = one._repr_html_()
        assert "<img src=x" not in page
        assert "<b>" not in page
    assert "&lt;img src=x" in named._repr_html_()
    assert "data:image/png;base64," in named._repr_html_()
    assert Image.open(io.BytesIO(by_method._repr_png_())).format == "PNG"


def test_plot_shows_map_histogram_and_reference(
    explained: Explanation, by_method: MethodExplanation, words: WordsExplanation
) -> None:
    figure = explained.plot()
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 4  # with the colour bar
    assert len(by_method.plot().axes) == 3
    assert len(words.plot().axes) == 1
    assert Image.open(io.BytesIO(figure._repr_png_())).format == "PNG"  # pyplot shows none but its own
    vector = explorer.rank(explained.probe, embedding=np.arange(17.0))
    assert len(vector.plot().axes) == 3


def test_overlay_is_the_map_on_the_picture(explained: Explanation, picture: np.ndarray, by_method: Any) -> None:
    painted = explained.overlay()
    assert painted.shape == picture.shape
    assert painted.dtype == np.uint8
    assert not np.array_equal(painted, explained.overlay(alpha=0.3))
    bare = explained.overlay(alpha=0)
    grey = picture_of(explained.probe).mean(axis=2, keepdims=True)
    assert np.abs(bare - (0.45 * picture + 0.55 * grey)).max() <= 1  # no colour of the map at all
    assert by_method.overlay(alpha=1).shape == picture.shape


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan"), "0.5", None, True, [0.5]])
def test_no_such_opacity(explained: Explanation, alpha: Any) -> None:
    with pytest.raises(InvalidInput, match="alpha, the opacity of the strongest colour, must be 0 to 1; got"):
        explained.overlay(alpha=alpha)


def test_progress_bars_tell_the_function_too(
    picture: np.ndarray, picture_encoder: Encoder, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    settings: dict[str, Any] = {"encoder": picture_encoder, "on_progress": tell, "progress": True}
    probe = explorer.probe(picture, masking=FEW, **settings)
    explorer.extend(probe, n_masks=30, on_progress=tell, progress=True)
    assert list(explorer.stream(picture, masking=FEW, **settings))[-1].complete
    explorer.explain(picture, embedding=np.arange(17.0), masking=FEW, **settings)
    explorer.explain(picture, embedding=np.arange(17.0), masking=FEW, method="rise", **settings)
    explorer.explain_words("a cat", embedding=AHEAD, encoder=Bag(), on_progress=tell, progress=True)
    assert told.count((20, 20)) == 4
    assert capsys.readouterr().err.count("100%") >= 5
    with pytest.raises(InvalidInput, match="progress must be True, for a progress bar, or False; got a str"):
        explorer.probe(picture, encoder=picture_encoder, progress="yes")  # type: ignore[arg-type]


def test_no_bar_unless_asked(picture: np.ndarray, encoder: Encoder, capsys: pytest.CaptureFixture[str]) -> None:
    explorer.probe(picture, encoder=encoder, masking=FEW)
    assert capsys.readouterr().err == ""


def test_a_figure_can_be_pickled(explained: Explanation) -> None:
    back = pickle.loads(pickle.dumps(explained.plot()))  # noqa: S301 - made here
    assert Image.open(io.BytesIO(back._repr_png_())).format == "PNG"


def test_an_opacity_that_is_complex_is_told(explained: Explanation) -> None:
    for alpha in (1j, np.complex64(1)):
        with pytest.raises(InvalidInput, match="alpha"):
            explained.overlay(alpha=alpha)


def test_words_take_their_colours_from_what_is_shown() -> None:
    """The strongest has the whole colour, though what is shown is less than what it is taken from."""
    chosen = SelectionSettings(mode="closest", threshold=0.3)
    found = explorer.explain_words("a cat and no dog", embedding=AHEAD, encoder=Bag(), selection=chosen)
    assert np.abs(found.relative).max() < np.abs(found.attribution).max()
    strongest = found.words[int(np.abs(found.relative).argmax())]
    assert re.search(rf"background:#\w{{6}}8c[^>]*>{strongest}<", found._repr_html_())
