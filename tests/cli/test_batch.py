"""``explorer batch``: from a table to a table, going on after any stop, and what it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import explorer
from explorer.batch.store import Folder
from explorer.cli.main import main
from explorer.core.agreement import expected_agreement, split_half
from explorer.core.storage import file_hash
from explorer.encoders import cards
from explorer.encoders.base import Encoder
from tests.batch.tables import pictures, table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, picture_encoder: Encoder) -> Encoder:
    """The tests' network in place of every encoder."""
    monkeypatch.setattr(cards, "load_encoder", lambda key, **options: picture_encoder)
    return picture_encoder


def batch(pairs: Path, out: Path, *options: str) -> int:
    return main(["batch", str(pairs), "--out", str(out), "--n-masks", "20", "--quiet", *options])


def rows_in(out: Path) -> list[dict[str, Any]]:
    return pyarrow.parquet.read_table(out / "results.parquet").to_pylist()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four pictures, each compared with the three others, the rows of one standing apart."""
    names = pictures(tmp_path / "pictures", 4)
    rows = [(f"{i}-{j}", f"pictures/{names[i]}", f"pictures/{names[j]}") for j in range(4) for i in range(4) if i != j]
    return table(tmp_path / "pairs.csv", rows)


def test_the_table_says_what_explain_says(tiny: Encoder, pairs: Path, tmp_path: Path) -> None:
    assert batch(pairs, tmp_path / "out") == 0
    found = rows_in(tmp_path / "out")
    assert [row["id"] for row in found] == [f"{i}-{j}" for j in range(4) for i in range(4) if i != j]
    row = found[1]  # 2-0
    alone = explorer.explain(tmp_path / row["picture"], reference=tmp_path / row["reference"], encoder=tiny,
                             masking=explorer.MaskSettings(n_masks=20))  # fmt: skip
    peak = np.unravel_index(alone.attribution.argmax(), alone.attribution.shape)
    assert row["distance"] == alone.unmasked_distance
    assert (row["peak_row"], row["peak_column"]) == tuple(map(int, peak))
    assert row["agreement"] == expected_agreement(split_half(alone.probe, alone.reference, alone.selection))
    assert (row["caption"], row["error"], row["no_signal"]) == (None, "", "")
    assert row["picture_sha256"] == alone.probe.picture_sha256
    assert row["encoder_fingerprint"] == tiny.fingerprint


def test_passes_are_pictures_times_masks_and_each_whole_picture_once(
    tiny: Encoder, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = []
    monkeypatch.setattr("explorer.cli.batch.work_off", lambda begin, costs, *, quiet: passes.append(
        (sum(begin(print)), sum(cost.left for cost in costs))) or True)  # fmt: skip
    assert main(["batch", str(pairs), "--out", str(tmp_path / "out"), "--n-masks", "20"]) == 0
    assert passes == [(4 * 20 + 4, 4 * 20 + 4)]
    assert "84 passes" in capsys.readouterr().out


def test_the_price_is_all_that_price_does(
    tiny: Encoder, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(pairs, tmp_path / "out", "--price") == 0
    told = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert all(part in told for part in ("4 whole pictures", "80 masked copies", "12 maps", "84 passes", "MB on disk"))


def test_a_stopped_batch_goes_on_without_losing_or_doubling_a_row(
    tiny: Encoder, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert batch(pairs, tmp_path / "whole", "--maps", "npy") == 0
    keep, out = Folder.keep, tmp_path / "out"

    def stopping(self: Folder, row: int, *what: Any) -> None:
        if row == 5:
            raise KeyboardInterrupt
        keep(self, row, *what)

    monkeypatch.setattr(Folder, "keep", stopping)
    assert batch(pairs, out, "--maps", "npy") == 130
    assert not (out / "results.parquet").exists()
    with (out / "rows.jsonl").open("ab") as file:
        file.write(b'{"row": 5, "dist')  # as SIGKILL may leave it
    monkeypatch.setattr(Folder, "keep", keep)
    before: int = tiny.rows  # type: ignore[attr-defined]
    assert batch(pairs, out, "--maps", "npy") == 0
    assert rows_in(out) == rows_in(tmp_path / "whole")
    lines = (out / "rows.jsonl").read_text().splitlines()
    assert len(lines) == 12
    for row in rows_in(out):
        assert file_hash(out / row["npy"]) == file_hash(tmp_path / "whole" / row["npy"])
    assert batch(pairs, out, "--maps", "npy") == 0  # done already
    assert (out / "rows.jsonl").read_text().splitlines() == lines
    assert tiny.rows > before  # type: ignore[attr-defined]


def test_killed_at_once_and_started_again(tmp_path: Path) -> None:
    """SIGKILL, which nothing can catch, in another process that runs a real encoder."""
    names = pictures(tmp_path / "pictures", 3)
    path = table(tmp_path / "pairs.csv", [(f"{n}", f"pictures/{n}", "a bee") for n in names], "id,picture,caption")
    out, again = tmp_path / "out", tmp_path / "again"
    command = [sys.executable, "-m", "explorer", "batch", str(path), "--encoder", "conse-lite0", "--n-masks", "40",
               "--quiet", "--out"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([*command, str(out)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "rows.jsonl").exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (out / "results.parquet").exists()
    for folder in (out, again):
        subprocess.run([*command, str(folder)], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert rows_in(out) == rows_in(again)
    assert [row["id"] for row in rows_in(out)] == names


def test_another_batch_in_the_same_folder_is_refused(
    tiny: Encoder, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert batch(pairs, out, "--gallery") == 0
    assert batch(pairs, out, "--seed", "3") == 2
    assert "holds a batch of other rows, encoder or settings" in capsys.readouterr().err
    assert batch(pairs, out, "--seed", "3", "--overwrite") == 0
    assert not (out / "index.html").exists()
    assert not (out / "maps").exists()


def test_bad_rows_say_why_and_are_tried_again_when_asked(
    tiny: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = pictures(tmp_path, 2)
    path = table(tmp_path / "pairs.csv", [("a", *names), ("b", names[0], "late.png"), ("a", *names), ("c", "", "")])
    assert batch(path, tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert f"note: b: No such file: {tmp_path / 'late.png'}" in told
    assert "3 of 4 rows have an error" in told
    assert [bool(row["error"]) for row in rows_in(tmp_path / "out")] == [False, True, True, True]
    assert rows_in(tmp_path / "out")[3]["picture"] is None
    (tmp_path / "late.png").write_bytes((tmp_path / names[1]).read_bytes())
    assert batch(path, tmp_path / "out") == 0
    assert rows_in(tmp_path / "out")[1]["error"]
    assert batch(path, tmp_path / "out", "--retry") == 0
    first, second, third, fourth = rows_in(tmp_path / "out")
    assert (second["error"], second["distance"]) == ("", first["distance"])
    assert third["error"]
    assert fourth["error"]


def test_folders_captions_and_neighbours(tiny: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = pictures(tmp_path / "pictures", 5)
    assert batch(tmp_path / "pictures", tmp_path / "all") == 0
    every = rows_in(tmp_path / "all")
    assert len(every) == 10
    assert batch(tmp_path / "pictures", tmp_path / "near", "--nearest", "2") == 0
    near = rows_in(tmp_path / "near")
    assert [Path(row["picture"]).name for row in near] == [name for name in names for _ in range(2)]
    distances = {frozenset((row["picture"], row["reference"])): row["distance"] for row in every}
    for first, second in zip(near[::2], near[1::2], strict=True):
        mine = sorted(far for pair, far in distances.items() if first["picture"] in pair)
        assert [first["distance"], second["distance"]] == pytest.approx(mine[:2])
    (tmp_path / "captions.txt").write_text("\ufeffa bee\n\na fly\n", encoding="utf-8")
    assert batch(tmp_path / "pictures", tmp_path / "said", "--captions", str(tmp_path / "captions.txt")) == 0
    assert [row["caption"] for row in rows_in(tmp_path / "said")] == ["a bee", "a fly"] * 5
    assert all("cannot read captions" in row["error"] for row in rows_in(tmp_path / "said"))
    assert batch(tmp_path / "pictures", tmp_path / "odd", "--nearest", "0") == 2
    assert "nearest must be a whole number" in capsys.readouterr().err


def test_neighbours_are_chosen_anew_when_a_picture_is_there_at_last(
    tiny: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or rows would keep the results of others, as their numbers change."""
    names = pictures(tmp_path / "pictures", 4)
    first = tmp_path / "pictures" / names[0]
    whole = first.read_bytes()
    first.write_bytes(b"broken")
    near = ("--nearest", "2")
    assert batch(tmp_path / "pictures", tmp_path / "out", *near, "--maps", "npy") == 0
    assert f"left out as a neighbour: {first}" in capsys.readouterr().err
    assert len(rows_in(tmp_path / "out")) == 7
    first.write_bytes(whole)
    assert batch(tmp_path / "pictures", tmp_path / "out", *near, "--maps", "npy", "--price", "--retry") == 0
    assert "8 maps" in capsys.readouterr().out
    assert batch(tmp_path / "pictures", tmp_path / "out", *near, "--maps", "npy", "--retry") == 0
    assert batch(tmp_path / "pictures", tmp_path / "fresh", *near, "--maps", "npy") == 0
    found, fresh = (rows_in(tmp_path / name) for name in ("out", "fresh"))
    assert found == fresh
    for row in found:
        assert (tmp_path / "out" / row["npy"]).read_bytes() == (tmp_path / "fresh" / row["npy"]).read_bytes()


def test_a_candidate_without_a_direction_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = explorer.from_function(
        lambda batch: np.asarray(batch, np.float64).mean(axis=(1, 2)), size=32, mean=0, std=1
    )
    monkeypatch.setattr(cards, "load_encoder", lambda key, **options: encoder)
    names = pictures(tmp_path / "pictures", 3)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "pictures" / "zero.png")
    assert batch(tmp_path / "pictures", tmp_path / "out", "--nearest", "1") == 0
    found = rows_in(tmp_path / "out")
    assert [bool(row["error"]) for row in found] == [False] * 3 + [True]
    assert {Path(row["reference"]).name for row in found[:3]} <= set(names)
    assert "left out as a neighbour" in capsys.readouterr().err


def test_the_same_names_in_another_folder_are_another_batch(
    tiny: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        names = pictures(tmp_path / name, 2)
        table(tmp_path / name / "pairs.csv", [("a", *names)])
    assert batch(tmp_path / "one" / "pairs.csv", tmp_path / "out") == 0
    assert batch(tmp_path / "two" / "pairs.csv", tmp_path / "out") == 2
    assert "holds a batch of other rows" in capsys.readouterr().err


def test_the_same_folder_seen_from_elsewhere_is_another_batch(
    tiny: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        pictures(tmp_path / name / "pictures", 3)
    for more in ((), ("--nearest", "1")):
        out = tmp_path / f"out{len(more)}"
        monkeypatch.chdir(tmp_path / "one")
        assert batch(Path("pictures"), out, *more) == 0
        monkeypatch.chdir(tmp_path / "two")
        assert batch(Path("pictures"), out, *more) == 2


def test_names_that_are_no_utf_8_end_nothing(tiny: Encoder, tmp_path: Path) -> None:
    names = pictures(tmp_path / "pictures", 2)
    odd = os.fsencode(tmp_path / "pictures") + b"/\xff.png"
    try:
        os.rename(os.fsencode(tmp_path / "pictures" / names[0]), odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    assert batch(tmp_path / "pictures", tmp_path / "out", "--gallery") == 0
    (row,) = rows_in(tmp_path / "out")
    assert r"\udcff.png" in f"{row['picture']} {row['reference']}"
    assert r"\udcff.png" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_price_is_of_what_would_be_done(
    tiny: Encoder, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "some.csv", [("a", "pictures/p00.png", "pictures/p01.png"), ("b", "none.png", "none.png")])
    assert batch(path, tmp_path / "out") == 0
    for more, said in ((), "0 maps"), (("--retry",), "1 maps"), (("--overwrite",), "2 maps"):
        capsys.readouterr()
        assert batch(path, tmp_path / "out", "--price", *more) == 0
        assert f" {said} " in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_read(
    tiny: Encoder, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cards, "load_encoder", lambda key, **options: pytest.fail("an encoder was loaded"))
    (tmp_path / "file").write_text("")
    assert batch(pairs, tmp_path / "file" / "out") == 4
    assert "Cannot write" in capsys.readouterr().err


def test_what_is_told_of_rows_cannot_steer_a_terminal(
    tiny: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "pairs.csv", [("a\x1b[31m", "x.png", "y.png")])
    assert batch(path, tmp_path / "out") == 0
    assert r"a\x1b[31m: No such file" in capsys.readouterr().err


def test_a_picture_has_no_neighbour_of_its_own_pixels(tiny: Encoder, tmp_path: Path) -> None:
    pictures(tmp_path / "one", 3)
    pictures(tmp_path / "two", 4)  # the first three are the same
    assert batch(tmp_path / "one", tmp_path / "out", "--references", str(tmp_path / "two"), "--nearest", "9") == 0
    found = rows_in(tmp_path / "out")
    assert len(found) == 9
    assert all(Path(row["picture"]).name != Path(row["reference"]).name for row in found)


def test_a_gallery_shows_the_nearest_first(tiny: Encoder, pairs: Path, tmp_path: Path) -> None:
    assert batch(pairs, tmp_path / "out", "--gallery") == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    found = sorted(rows_in(tmp_path / "out"), key=lambda row: row["distance"])
    places = [page.index(f"<strong>{row['id']}</strong>") for row in found]
    assert places == sorted(places)
    assert all((tmp_path / "out" / row["overlay"]).is_file() and row["overlay"] in page for row in found)
    assert batch(pairs, tmp_path / "out", "--gallery", "agreement") == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    found = sorted(rows_in(tmp_path / "out"), key=lambda row: row["agreement"])
    places = [page.index(f"<strong>{row['id']}</strong>") for row in found]
    assert places == sorted(places)


def test_slices_say_what_their_colours_say(tiny: Encoder, pairs: Path, tmp_path: Path) -> None:
    assert batch(pairs, tmp_path / "out", "--gallery", "--closest", "0.5", "0.8", "--farthest", "0.2", "0.5") == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "Red brings" not in page
    assert "Green: positive = the closest slice kept this region more often than the farthest slice." in page
    assert batch(pairs, tmp_path / "out", "--closest", "0.5", "0.8", "--farthest", "0.2", "0.5", "--gallery") == 0


def test_larger_pictures_are_taken_when_allowed(
    tiny: Encoder, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLORER_MAX_MEGAPIXELS", "0.0001")
    assert batch(pairs, tmp_path / "out") == 0
    assert all("--max-megapixels" in row["error"] for row in rows_in(tmp_path / "out"))
    assert batch(pairs, tmp_path / "out", "--retry", "--max-megapixels", "1") == 0
    assert not any(row["error"] for row in rows_in(tmp_path / "out"))


def test_a_table_names_its_own_references(tiny: Encoder, pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch(pairs, pairs.parent / "out", "--nearest", "3") == 2
    assert "go with a folder of pictures" in capsys.readouterr().err


def test_other_methods(tiny: Encoder, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch(pairs, tmp_path / "out", "--method", "rise") == 0
    row = rows_in(tmp_path / "out")[0]
    assert row["agreement"] is None
    assert row["peak_row"] is not None
    assert batch(pairs, tmp_path / "none", "--method", "dix3") == 2
    assert "needs" in capsys.readouterr().err
