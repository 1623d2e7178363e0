"""Figures look the same whatever the user's matplotlib settings are, and leave those alone."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import explorer
from explorer import CannotWrite, Encoder, Explanation, MaskSettings, SelectionSettings
from explorer.core.explanation import MethodExplanation
from explorer.core.rank import rank_against
from explorer.core.selections import MODES
from explorer.pictures.examples import shipped_presets
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Drawing, Panel, draw_maps, draw_sheet, save
from explorer.results.export import _figures
from explorer.results.folders import RESULT_FILES
from explorer.results.plots import beyond, colour_limit, draw_histogram, draw_map, overlay_png, own_style, paint
from explorer.results.wire import load_replay, replay_of, unpack

ODD = {
    "image.origin": "lower",
    "text.usetex": True,
    "figure.facecolor": "black",
    "axes.labelcolor": "white",
    "savefig.transparent": True,
    "savefig.dpi": 30,
    "font.size": 30,
    "font.family": ["No Such Font"],
    "path.sketch": (1, 100, 2),
    "interactive": True,
    "svg.hashsalt": "mine",
}


@pytest.fixture
def explanation(picture: np.ndarray, picture_encoder: Encoder) -> Explanation:
    masking = MaskSettings(n_masks=40, seed=3)
    return explorer.explain(picture, reference=picture[::-1].copy(), encoder=picture_encoder, masking=masking)


def drawings(picture: np.ndarray) -> list[Drawing]:
    ramp = np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4)
    return [
        draw_maps([Panel(ramp, picture, "a title", row="a row")], 1, "alt"),
        draw_sheet([[picture]], ["a row"], [["a title"]], "alt"),
        draw_charts([Chart({"ours": Line([1, 2])}, [0, 1], "across", "up")], "alt"),
    ]


def test_the_users_settings_change_no_figure(explanation: Explanation, picture: np.ndarray, tmp_path: Path) -> None:
    def all_figures() -> list[bytes]:
        found = [overlay_png(explanation), *_figures(explanation)]
        for place, drawing in enumerate(drawings(picture)):
            save(drawing, tmp_path / str(place))
            found += [(tmp_path / f"{place}{end}").read_bytes() for end in (".png", ".svg")]
        return found

    usual = all_figures()
    with matplotlib.rc_context(ODD):
        before = dict.copy(matplotlib.rcParams)
        assert all_figures() == usual
        assert dict.copy(matplotlib.rcParams) == before


def test_figures_drawn_at_once_leave_the_users_settings(explanation: Explanation) -> None:
    with matplotlib.rc_context({"image.origin": "lower"}), ThreadPoolExecutor(4) as pool:
        assert len({made.result() for made in [pool.submit(overlay_png, explanation) for _ in range(6)]}) == 1
        assert matplotlib.rcParams["image.origin"] == "lower"


def test_no_backend_is_needed() -> None:
    """matplotlib cannot even be imported then, unless the variable is put aside."""
    code = """
import os, numpy
from explorer.results.plots import own_style, paint
paint(numpy.eye(4, dtype=numpy.float32), numpy.zeros((8, 8, 3), numpy.uint8))
with own_style():
    from matplotlib.figure import Figure
    Figure().subplots()
print(os.environ["MPLBACKEND"])
"""
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "nonsense", done.stderr[-800:]


def test_numbers_outlive_a_figure_that_cannot_be_drawn(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation.save(tmp_path / "out")
    (tmp_path / "out" / "attribution.npy").unlink()

    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("explorer.results.plots.figure", broken)
    with pytest.raises(CannotWrite, match=r"could not be drawn \(ZeroDivisionError\); everything else was kept in out"):
        explanation.save(tmp_path / "out", overwrite=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(RESULT_FILES) - {"overlay.png"}
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "attribution.npy"), explanation.attribution)


@pytest.mark.parametrize("key", [preset.key for preset in shipped_presets()])
def test_the_scale_of_a_map_made_of_masks_ends_at_its_strongest(key: str) -> None:
    probe, target = unpack(load_replay(replay_of(key)))
    for mode in MODES:
        shown = rank_against(probe, target, SelectionSettings(mode=mode)).relative
        assert colour_limit(shown) == pytest.approx(np.abs(shown).max())
        assert beyond(shown, colour_limit(shown)) == ""


def spiky(side: int = 120) -> np.ndarray:
    """As gradients of single pixels are: a tenth of the picture is stronger than the rest, and few pixels by far."""
    random = np.random.default_rng(2)
    values = random.normal(0, 0.02, (side, side))
    values[: side // 3, : side // 3] += 0.1
    values.ravel()[random.choice(side * side, 30, replace=False)] = 1.0
    return values.astype(np.float32)


def test_single_pixels_do_not_take_the_colours_of_all_others() -> None:
    values, grey = spiky(), np.full((120, 120, 3), 128, np.uint8)
    coloured = np.ptp(paint(values, grey).astype(int), axis=2) > 60
    assert coloured[:40, :40].mean() > 0.5  # it was 0 with a scale that ends at the strongest
    assert coloured[60:, 60:].mean() < 0.1
    assert beyond(values, colour_limit(values)) == "the strongest 0.2 % go beyond the colours"


def as_method(explanation: Explanation, attribution: np.ndarray, signed: bool = True) -> MethodExplanation:
    encoder = explanation.probe.encoder
    seen = encoder.read(np.zeros((24, 40, 3), np.uint8))
    return MethodExplanation(attribution, "dix1", {}, encoder, seen, explanation.reference, "cosine", signed)


def drawn(explanation: Explanation | MethodExplanation) -> tuple[np.ndarray, str, list[str]]:
    """The painted map of a figure, what its colour bar says, and what the histogram calls the copies."""
    with own_style():
        figure = Figure()
        left, right = figure.subplots(1, 2)
        draw_map(left, explanation)
        called = []
        if isinstance(explanation, Explanation):
            draw_histogram(right, explanation)
            called = right.get_legend_handles_labels()[1]
        (bar,) = [axes for axes in figure.axes if axes not in (left, right)]
        return np.asarray(left.images[0].get_array()), bar.get_ylabel(), called


def test_the_colour_bar_says_what_goes_beyond_it(explanation: Explanation) -> None:
    painted, said, _ = drawn(as_method(explanation, spiky()))
    assert said.endswith("\nthe strongest 0.2 % go beyond the colours")
    assert said.startswith("pushes apart  -  attribution  +  brings closer")
    tiny = drawn(as_method(explanation, 1e-9 * spiky()))  # the unit of gradients can be as small as that
    np.testing.assert_array_equal(tiny[0], painted)
    assert drawn(as_method(explanation, spiky(), signed=False))[1].startswith("  -  attribution  +  matters")


def test_slices_in_no_order_are_not_drawn_as_closer_and_farther(explanation: Explanation) -> None:
    probe = replace(explanation.probe, picture=np.full((24, 40, 3), 128, np.uint8))

    def figure_of(**slices: tuple[float, float]) -> tuple[np.ndarray, str, list[str]]:
        selection = SelectionSettings(**slices)
        return drawn(explorer.rank(probe, embedding=explanation.reference.embedding, selection=selection))

    def hues(painted: np.ndarray) -> np.ndarray:
        """Green less the mean of the others: red and blue have less of it, green more."""
        return painted[..., 1] - painted[..., [0, 2]].mean(axis=2)

    ahead, far = figure_of(closest=(0.0, 0.3)), figure_of(closest=(0.7, 1.0))
    assert "closer" in ahead[1]
    assert {"closest", "farthest"} <= set(ahead[2])
    assert far[1] == "kept less  -  attribution  +  kept more"
    assert "in this slice" in far[2]
    assert not {"closest", "farthest"} & set(far[2])
    assert hues(far[0]).max() > 40 > hues(ahead[0]).max()
    apart = figure_of(farthest=(0.7, 1.0))  # the same copies on their own side
    assert "closer" in apart[1]
    assert hues(apart[0]).max() < 40
