"""``explorer benchmark``: from pictures to tables, the price, refusals, Ctrl-C."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.benchmark import run as running
from explorer.benchmark.cells import Cell, read_cells
from explorer.cli.main import main
from explorer.encoders import cards
from explorer.encoders.base import Encoder
from tests.benchmark.subjects import pictures, registered


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, picture_encoder: Encoder) -> Iterator[None]:
    """The fake methods and metrics, and the tiny network in place of every encoder."""
    monkeypatch.setattr(cards, "load_encoder", lambda key, *, precision: picture_encoder)
    with registered():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures(tmp_path / "pictures")


def benchmark(folder: Path, *options: str) -> int:
    chosen = ("--methods", "brightness,masked", "--metrics", "sum, outlined", "--masks", "10", "--quiet")
    return main(["benchmark", "--data", f"pairs:{folder}", *chosen, *options])


def test_tables_from_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert benchmark(folder) == 0
    out = tmp_path / "benchmark-pairs"
    told = capsys.readouterr().out
    assert "brightness" in told
    assert "open benchmark-pairs/index.html" in told
    with (out / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["Brightness", "Masked"]
    assert all(float(row["SUM ↑"]) > 0 and row["OUTLINED ↑"] == "" for row in rows)
    assert "the data has no outlines of objects" in rows[0]["notes"]


def test_the_price_alone(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark(folder, "--out", str(tmp_path / "out"), "--price") == 0
    told = capsys.readouterr().out
    assert f"in all {3 * (2 + 2) + 3 * (10 + 2)} passes" in " ".join(told.split())
    assert not (tmp_path / "out").exists()
    assert benchmark(folder, "--out", str(tmp_path / "out")) == 0
    capsys.readouterr()
    assert benchmark(folder, "--out", str(tmp_path / "out"), "--price") == 0
    assert "in all 0 passes" in " ".join(capsys.readouterr().out.split())


def test_stopped_and_taken_up(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", running.append

    def stop_at_the_third(out: Path, cell: Cell) -> None:
        if len(read_cells(out)) == 2:
            raise KeyboardInterrupt
        real(out, cell)

    monkeypatch.setattr(running, "append", stop_at_the_third)
    assert benchmark(folder, "--out", str(out)) == 130
    assert "goes on from here" in capsys.readouterr().err
    assert not (out / "index.html").exists()
    monkeypatch.setattr(running, "append", real)
    assert benchmark(folder, "--out", str(out)) == 0
    assert len(read_cells(out)) == 6
    assert (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "pairs"], "KIND:PATH"),
        (["--data", "cifar:."], "choose one of"),
        (["--data", "voc:."], "VOCdevkit"),
        (["--methods", "rice"], "did you mean 'rise'"),
        (["--metrics", "insertion"], "Unknown metric"),
        (["--question", "who"], "distance, class"),
        (["--gallery", "nowhere"], "gallery"),
    ],
)
def test_refusals(folder: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark(folder, *options) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_other_settings_in_the_same_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert benchmark(folder, "--out", out) == 0
    assert benchmark(folder, "--out", out, "--seed", "1") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert benchmark(folder, "--out", out, "--seed", "1", "--overwrite") == 0


def test_the_help_says_how_data_lies(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", "--help"])
    told = capsys.readouterr().out
    assert all(
        word in told for word in ("imagenet-seg:FILE", "VOCdevkit/VOC2012", "pairs.csv", "the last with the first")
    )
