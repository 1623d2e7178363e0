"""Real methods and every metric on a tiny network, for a distance and for a class."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from explorer.benchmark.plan import make_plan
from explorer.benchmark.report import write_report
from explorer.benchmark.run import Cell, open_folder, read_cells, run_benchmark
from explorer.benchmark.tables import Results, Sheet, everything
from explorer.case import run
from tests.benchmark.subjects import pictures

torch = pytest.importorskip("torch")

Measured = dict[str, tuple[list[Cell], Sheet]]
"""Cells and the table of everything, by question."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    from tests.attributions.networks import cnn

    root = tmp_path_factory.mktemp("real")
    folder = pictures(root / "pictures", masks=True)
    found = {}
    for question in ("distance", "class"):
        plan = make_plan(
            "pairs",
            folder,
            {"cnn": cnn()},
            methods=["grad-cam", "dix3", "rise"],
            question=question,
            n_masks=20,
            gallery=folder if question == "distance" else None,
        )
        out = root / question
        open_folder(plan, out)
        run(run_benchmark(plan, out))
        assert write_report(plan, out).is_file()
        found[question] = (read_cells(out), everything(Results(plan, read_cells(out))))
    return found


@pytest.mark.parametrize("question", ["distance", "class"])
def test_every_metric_has_a_number_or_a_reason(cells: Measured, question: str) -> None:
    found, sheet = cells[question]
    assert len(found) == 9
    assert not any(cell.dropped for cell in found)
    for row in sheet.rows:
        assert row[2].value == 3
        for heading, entry in zip(sheet.header[5:], row[5:], strict=True):
            if heading[:3] in ("AIC", "SIC"):  # a network without any training is seldom sure enough
                assert entry.value is not None or entry.why
            else:
                assert entry.value is not None, heading
                assert math.isfinite(entry.value)


@pytest.mark.parametrize("question", ["distance", "class"])
def test_a_second_run_gives_the_same(cells: Measured, question: str, tmp_path: Path) -> None:
    """From nothing, with new objects."""
    from tests.attributions.networks import cnn

    folder = pictures(tmp_path / "pictures", masks=True)
    gallery = folder if question == "distance" else None
    plan = make_plan("pairs", folder, {"cnn": cnn()}, methods=["grad-cam"], question=question, gallery=gallery)
    open_folder(plan, tmp_path / "out")
    run(run_benchmark(plan, tmp_path / "out"))
    one = {cell.name: cell.measured for cell in cells[question][0] if cell.method == "grad-cam"}
    assert {cell.name: cell.measured for cell in read_cells(tmp_path / "out")} == one
