"""Figures look the same whatever the user's matplotlib settings are, and leave those alone."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import explorer
from explorer import CannotWrite, Encoder, Explanation, MaskSettings
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Drawing, Panel, draw_maps, draw_sheet, save
from explorer.results.export import _figures
from explorer.results.folders import RESULT_FILES
from explorer.results.plots import overlay_png

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
