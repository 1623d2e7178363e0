"""Real methods and every metric on a tiny network, for a distance and for a class."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.benchmark.cells import Cell, open_folder, read_cells
from explorer.benchmark.plan import make_plan
from explorer.benchmark.report import write_report
from explorer.benchmark.run import run_benchmark
from explorer.benchmark.tables import Results, Sheet, everything
from explorer.core.steps import run
from tests.benchmark.subjects import pictures

torch = pytest.importorskip("torch")

Measured = dict[str, tuple[list[Cell], Sheet]]
"""Cells and the table of everything, by question."""


def one_question(folder: Path) -> Path:
    """Of the pictures only the one with a mask is asked about; all are in the gallery."""
    table = pictures(folder, masks=True) / "pairs.csv"
    head, first, *_ = table.read_text(encoding="utf-8").splitlines()
    table.write_text(f"{head}\n{first}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    from tests.attributions.networks import cnn

    root = tmp_path_factory.mktemp("real")
    folder = one_question(root / "pictures")
    found = {}
    for question in ("distance", "class"):
        plan = make_plan(
            "pairs",
            folder,
            {"cnn": cnn()},
            methods=["grad-cam", "rise"],
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
    assert len(found) == 2
    assert not any(cell.dropped for cell in found)
    for row in sheet.rows:
        assert row[2].value == 1
        for heading, entry in zip(sheet.header[5:], row[5:], strict=True):
            if heading[:3] in ("AIC", "SIC"):  # a network without any training is seldom sure enough
                assert entry.value is not None or entry.why
            else:
                assert entry.value is not None, heading
                assert math.isfinite(entry.value)


def test_the_true_class_is_watched(tmp_path: Path) -> None:
    """What is not decided for the whole picture is not decided for what the lowest tenth was taken from."""
    from tests.attributions.networks import cnn

    folder, encoder = pictures(tmp_path / "pictures"), cnn()
    scores = encoder.embed_images(np.asarray(Image.open(folder / "a.png"))[None])[0]
    order = np.argsort(scores)
    found = []
    for index in (order[-1], order[0]):
        (folder / "pairs.csv").write_text(f"picture,class\na.png,{index}\n", encoding="utf-8")
        plan = make_plan("pairs", folder, {"cnn": encoder}, methods=["grad-cam"], metrics=["neg"], question="class",
                         label="truth")  # fmt: skip
        out = tmp_path / str(index)
        open_folder(plan, out)
        run(run_benchmark(plan, out))
        found.append(Results(plan, read_cells(out)).entry("cnn", "grad-cam", "neg").value)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] > found[1]


def test_a_second_run_gives_the_same(cells: Measured, tmp_path: Path) -> None:
    """From nothing, with new objects."""
    from tests.attributions.networks import cnn

    folder = one_question(tmp_path / "pictures")
    plan = make_plan("pairs", folder, {"cnn": cnn()}, methods=["grad-cam"], gallery=folder)
    open_folder(plan, tmp_path / "out")
    run(run_benchmark(plan, tmp_path / "out"))
    one = {cell.name: cell.measured for cell in cells["distance"][0] if cell.method == "grad-cam"}
    assert {cell.name: cell.measured for cell in read_cells(tmp_path / "out")} == one
