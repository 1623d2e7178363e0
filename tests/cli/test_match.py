"""``explorer match`` on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer import MaskSettings
from explorer.cli import match as match_command
from explorer.cli.main import main
from explorer.core.sentences import prepare_words
from explorer.encoders import cards
from explorer.pictures.examples import asset_path

CAT, CUP = str(asset_path("cat.jpg")), str(asset_path("espresso.jpg"))
FEW = ("--n-masks", "20", "--cells", "8", "--quiet")


def test_it_writes_what_the_library_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["match", CAT, "--reference", CUP, "--out", str(out), *FEW]) == 0
    one, other = (explorer.probe(path, masking=MaskSettings(n_masks=20)) for path in (CAT, CUP))
    truth = explorer.match(one, other, r=8)
    np.testing.assert_array_equal(np.load(out / "match.npy", allow_pickle=False), truth.weights)
    said = json.loads((out / "match.json").read_text())
    assert (said["says"], said["r2"], said["sides"][1]["name"]) == (truth.says, truth.r2, "espresso.jpg")
    assert truth.says in capsys.readouterr().out
    assert main(["match", CAT, "--reference", CUP, "--out", str(out), *FEW]) == 2
    assert "holds a match already" in capsys.readouterr().err
    assert main(["match", CAT, "--reference", CUP, "--out", str(out), "--overwrite", *FEW]) == 0


def test_a_caption_stands_for_the_other(tmp_path: Path) -> None:
    options = ("--encoder", "conse-lite0", "--out", str(tmp_path))
    assert main(["match", CAT, "--caption", "a cat", *options, *FEW]) == 0
    assert np.load(tmp_path / "match.npy", allow_pickle=False).shape == (8, 8, 1, 2)
    assert json.loads((tmp_path / "match.json").read_text())["sides"][1]["words"] == ["a", "cat"]


@pytest.mark.parametrize("cells", ["0", "33"])
def test_cells_that_are_none_are_refused_before_anything_is_embedded(cells: str, tmp_path: Path) -> None:
    assert main(["match", CAT, "--reference", CUP, "--out", str(tmp_path / "out"), "--cells", cells]) == 2
    assert not (tmp_path / "out").exists()


def test_words_are_named_and_a_folder_is_tried_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = prepare_words("a cat", encoder=cards.load_encoder("conse-lite0"))
    assert [match_command._cell(words, (0, place)) for place in (0, 1)] == ["“a”", "“cat”"]
    monkeypatch.setattr(cards, "load_encoder", lambda key, **options: pytest.fail("an encoder was loaded"))
    (tmp_path / "file").write_text("")
    assert main(["match", CAT, "--reference", CUP, "--out", str(tmp_path / "file" / "out"), *FEW]) == 4


def test_larger_pictures_are_taken_when_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_MAX_MEGAPIXELS", "0.0001")
    command = ["match", CAT, "--reference", CUP, "--out", str(tmp_path / "out"), *FEW]
    assert main(command) == 2
    assert main([*command, "--max-megapixels", "25"]) == 0
