"""``explorer rank`` and ``explorer results``: what was kept is ranked again, listed and told apart."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.cli.main import main
from explorer.encoders.cards import DEFAULT_ENCODER, load_encoder
from explorer.results.listing import Row, table
from tests.asked import watch

ASSETS = Path(__file__).parents[2] / "assets"
CAT, CUP, ROCKET = (str(ASSETS / f"{name}.jpg") for name in ("cat", "espresso", "rocket"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a result and its probe, one of words, and one without its probe."""
    folder = tmp_path_factory.mktemp("made")
    few = ["--n-masks", "40", "--quiet"]
    assert not main(["explain", CAT, "--reference", CUP, *few, "--out", str(folder / "kept"), "--keep"])
    assert not main(["explain", CAT, "--reference", CUP, *few, "--seed", "5", "--out", str(folder / "plain")])
    assert not main(["explain-words", "a cat on a mat", "--caption", "a dog", "--quiet", "--out", str(folder / "words"),
                     "--keep"])  # fmt: skip
    return folder


def facts(folder: Path) -> dict:
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))


def test_a_run_that_was_stopped_is_not_offered_to_go_on(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(made / "kept" / "probe.npz", tmp_path)
    assert main(["rank", str(made / "kept"), "--reference", ROCKET, "--out", str(tmp_path)]) == 2
    said = complaint(capsys)
    assert "holds a run that was stopped; name another folder" in said
    assert "--resume" not in said


def test_what_is_listed_cannot_steer_a_terminal() -> None:
    text = table([Row("a", explained="x\x1b[31m\n b", against="y", problem="z\n")])
    assert r"x\x1b[31m\n b" in text
    assert len(text.splitlines()) == 2


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


def test_a_kept_probe_is_ranked_without_a_pass(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    watch(monkeypatch, load_encoder(DEFAULT_ENCODER), rows.append)
    asked = ["--mode", "closest", "--threshold", "0.2", "--distance", "angular", "--out", str(tmp_path / "out")]
    assert not main(["rank", str(made / "kept"), "--reference", ROCKET, *asked])
    assert sum(rows) == 1  # the reference
    monkeypatch.undo()
    selection = explorer.SelectionSettings(mode="closest", threshold=0.2, distance="angular")
    masking = explorer.MaskSettings(n_masks=40)
    expected = explorer.explain(CAT, reference=ROCKET, masking=masking, selection=selection)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "attribution.npy"), expected.attribution)
    said = facts(tmp_path / "out")
    assert said["unmasked_distance"] == pytest.approx(expected.unmasked_distance, abs=1e-6)
    assert (said["picture"]["name"], said["compared_with"]["name"]) == ("cat.jpg", "rocket.jpg")
    assert not (tmp_path / "out" / "probe.npz").exists()


@pytest.mark.parametrize("kind", ["npy", "row", "text", "json"])
def test_an_embedding_is_read_from_a_file(made: Path, tmp_path: Path, kind: str) -> None:
    vector, file = np.random.default_rng(0).random(1280), tmp_path / ("v.npy" if kind in ("npy", "row") else "v.txt")
    if kind in ("npy", "row"):
        np.save(file, vector if kind == "npy" else vector[None])
    else:
        file.write_text(json.dumps(vector.tolist()) if kind == "json" else "\n".join(map(repr, vector.tolist())))
    assert not main(
        ["rank", str(made / "kept" / "probe.npz"), "--embedding", str(file), "--out", str(tmp_path / "out")]
    )
    expected = explorer.rank(explorer.load(made / "kept").probe, embedding=vector)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "attribution.npy"), expected.attribution)


def test_words_are_ranked_too(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not main(["rank", str(made / "words"), "--caption", "a rug", "--out", str(tmp_path / "out")])
    assert "mat" in capsys.readouterr().out
    expected = explorer.explain_words("a cat on a mat", caption="a rug")
    back = explorer.load(tmp_path / "out")
    np.testing.assert_allclose(back.attribution, expected.attribution, atol=1e-6)
    assert back.ranked.selection.mode == "rank_weighted"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["plain", "--reference", ROCKET], "holds no masked copies to rank; make it again with explorer explain"),
        (["nowhere", "--reference", ROCKET], "No such file"),
        (["kept", "--caption", "a cat"], "cannot read captions"),
        (["kept", "--reference", "gone.jpg"], "No such file"),
        (["kept", "--embedding", "short.npy"], "must have shape (1280,)"),
        (["kept", "--embedding", "nan.txt"], "non-finite"),
        (["kept", "--embedding", "zero.txt"], "zero length"),
        (["kept", "--embedding", "text.txt"], "is no vector"),
        (["kept", "--embedding", "gone.npy"], "Cannot read"),
        (["kept", "--reference", ROCKET, "--encoder", "efficientnet-lite0"], "made with the encoder"),
    ],
)
def test_what_cannot_be_ranked_is_told(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked, said
) -> None:
    np.save(tmp_path / "short.npy", np.ones(3))
    (tmp_path / "nan.txt").write_text("nan " * 1280)
    (tmp_path / "zero.txt").write_text("0 " * 1280)
    (tmp_path / "text.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    assert main(["rank", str(made / asked[0]), *asked[1:], "--out", str(tmp_path / "out")]) == 2
    assert said in complaint(capsys)
    assert not (tmp_path / "out").exists()


def test_ranking_in_place_keeps_the_probe(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made / "kept", tmp_path / "kept")
    asked = ["rank", str(tmp_path / "kept"), "--reference", ROCKET, "--out", str(tmp_path / "kept")]
    assert main(asked) == 2
    assert "holds results already" in complaint(capsys)
    assert not main([*asked, "--overwrite"])
    back = explorer.load(tmp_path / "kept")
    assert (len(back.probe), back.reference.origin.name) == (40, "rocket.jpg")


def test_a_kept_result_is_done_and_not_stopped(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", CAT, "--reference", CUP, "--n-masks", "40", "--out", str(made / "kept")]) == 2
    assert "holds results already" in complaint(capsys)
    assert (made / "kept" / "probe.npz").exists()


def test_a_kept_run_goes_on(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made / "kept", tmp_path / "kept")
    rows: list[int] = []
    watch(monkeypatch, load_encoder(DEFAULT_ENCODER), rows.append)
    assert not main(["explain", CAT, "--reference", CUP, "--n-masks", "56", "--quiet", "--out", str(tmp_path / "kept"),
                     "--resume", "--overwrite", "--keep"])  # fmt: skip
    assert sum(rows) == 16 + 2
    assert len(explorer.load(tmp_path / "kept").probe) == 56


def test_other_methods_have_no_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["explain", CAT, "--reference", CUP, "--method", "rise", "--keep", "--out", str(tmp_path / "out")]
    assert main(asked) == 2
    assert "leave --keep out" in complaint(capsys)


@pytest.mark.parametrize("command", ["explain", "explain-words", "rank"])
def test_where_nothing_can_be_written_is_said_before_the_work(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "file").write_text("in the way")

    def load(*_: object, **__: object) -> None:
        pytest.fail("an encoder was loaded")

    monkeypatch.setattr(sys.modules["explorer.encoders.cards"], "load_encoder", load)
    item = {"explain": [CAT], "explain-words": ["a cat"], "rank": [str(made / "kept")]}[command]
    for out in (tmp_path / "file", tmp_path / "file" / "deep", tmp_path / ("o" * 300)):
        assert main([command, *item, "--reference", CUP, "--out", str(out)]) == 4
        assert "nothing was kept" in complaint(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Listed


def test_results_are_listed_and_told_apart(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made, tmp_path / "all")
    (tmp_path / "all" / "plain" / "deeper").mkdir()
    shutil.move(tmp_path / "all" / "kept" / "probe.npz", tmp_path / "all" / "plain" / "deeper")
    (tmp_path / "all" / "broken").mkdir()
    (tmp_path / "all" / "broken" / "manifest.json").write_text("{")
    (tmp_path / "all" / "words" / "words.csv").unlink()
    capsys.readouterr()
    assert not main(["results", str(tmp_path / "all")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["folder", "broken", "kept", "plain", "plain/deeper", "words"]
    assert "is damaged, or no saved result" in lines[1].partition("! ")[2]
    assert lines[2].split()[:4] == ["kept", "cat.jpg", "espresso.jpg", DEFAULT_ENCODER]
    assert lines[5].endswith("its map is missing")
    assert not main(["results", str(tmp_path / "all"), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["masking"].get("seed") for row in rows] == [None, 0, 5, 0, 0]
    assert [bool(row["problem"]) for row in rows] == [True, False, False, False, True]
    assert (rows[1]["kept"], rows[1]["n_masks"], rows[1]["mode"]) == (False, 40, "mirror")


def test_a_folder_that_is_a_result_or_empty_or_not_there(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert not main(["results", str(made / "kept")])
    assert capsys.readouterr().out.splitlines()[1].startswith(". ")
    assert not main(["results", str(tmp_path)])
    assert capsys.readouterr().out.startswith("No results in ")
    assert main(["results", str(tmp_path / "gone")]) == 2
    assert "No such folder" in complaint(capsys)
