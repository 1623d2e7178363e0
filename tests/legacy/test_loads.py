"""What people kept of version 0.1.0 still loads: the files beside this one were written by it.

Of ``study/figure-8`` the pictures and maps are left out, from the folder and from the manifest's list of files.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.cli.main import main
from explorer.core.errors import WeightsMissing
from explorer.core.masks import MaskSettings
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.encoders.base import Encoder
from explorer.encoders.cards import load_encoder
from explorer.pictures.examples import asset_path
from explorer.results.folders import PROBE_FILE, load_probe
from explorer.results.links import View, from_query, to_query
from explorer.results.recipe import Recipe
from explorer.results.wire import load_replay, unpack
from tests.asked import watch

KEPT = Path(__file__).parent
PAIR = ("cat_and_espresso.jpg", "espresso.jpg")
CAPTIONED = {
    "masking": MaskSettings(n_masks=200, seed=7, fill="blur", scheme="orthogonal"),
    "selection": SelectionSettings(distance="angular", closest=(0.2, 0.5)),
}


def manifest_of(result: str) -> dict[str, Any]:
    return dict(json.loads((KEPT / result / "manifest.json").read_text(encoding="utf-8")))


def column(folder: Path, name: str, file: str = "distances.csv") -> list[float]:
    with (folder / file).open(encoding="utf-8", newline="") as rows:
        return [float(row[name]) for row in csv.DictReader(rows)]


@pytest.fixture
def of_then(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads an encoder under the fingerprint it had then: another release of its run-time is not what is tested."""

    def load(key: str, fingerprint: str) -> Encoder:
        try:
            encoder = load_encoder(key)
        except WeightsMissing as error:
            pytest.skip(f"{key} is not on this computer: {error}")
        monkeypatch.setattr(encoder, "fingerprint", fingerprint)
        return encoder

    return load


def test_configs():
    recipe = Recipe.from_json((KEPT / "config.json").read_bytes())
    assert (recipe.picture, recipe.reference, recipe.encoder) == (*PAIR, "efficientnet-lite0")
    assert (recipe.masking, recipe.selection) == (MaskSettings(), SelectionSettings())
    captioned = Recipe.from_json((KEPT / "config-caption.json").read_bytes())
    assert (captioned.picture, captioned.caption, captioned.encoder) == (PAIR[0], "a cat", "conse-lite0")
    assert {"masking": captioned.masking, "selection": captioned.selection} == CAPTIONED
    for name, read in (("config.json", recipe), ("config-caption.json", captioned)):
        assert read.to_json() == (KEPT / name).read_text(encoding="utf-8")


def test_links():
    plain, captioned, taught, preset = json.loads((KEPT / "links.json").read_text(encoding="utf-8"))

    def follow(query: str) -> Any:
        return from_query(dict(part.split("=") for part in query.replace("+", " ").split("&")))

    assert follow(plain).recipe == Recipe.from_json((KEPT / "config.json").read_bytes())
    assert follow(captioned).recipe == Recipe.from_json((KEPT / "config-caption.json").read_bytes())
    assert follow(taught).recipe == follow(plain).recipe
    assert follow(taught).view == View(hide=("tour", "share"), lock=("encoder",), step=3, projector=True)
    assert follow(preset).replay == "two-espresso"
    assert follow(preset).recipe.selection == SelectionSettings(mode="closest", threshold=0.2)
    for query in (plain, captioned, taught, preset):
        link = follow(query)
        assert to_query(link.recipe, link.view, replay=link.replay) == query


def test_a_replay_gives_its_map():
    result, then = rank_against(*unpack(load_replay(KEPT / "replay.json")), SelectionSettings()), KEPT / "result"
    expected = np.load(then / "attribution.npy", allow_pickle=False)
    np.testing.assert_allclose(result.attribution, expected, atol=1e-6)
    np.testing.assert_allclose(result.distances, column(then, "distance"), atol=1e-6)
    assert result.unmasked_distance == pytest.approx(manifest_of("result")["unmasked_distance"], abs=1e-6)


def test_a_probe_is_taken_up(of_then, tmp_path: Path):
    facts = manifest_of("result")
    encoder = of_then(facts["encoder"]["key"], facts["encoder"]["fingerprint"])
    masking = MaskSettings.from_dict(facts["masking"])
    probe = load_probe(KEPT / "probe" / PROBE_FILE, image=asset_path(PAIR[0]), encoder=encoder, masking=masking)
    assert (len(probe), probe.wanted) == (16, 40)

    rows: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        watch(patch, encoder, rows.append)
        shutil.copytree(KEPT / "probe", tmp_path / "out")
        pair = [str(asset_path(name)) for name in PAIR]
        assert not main(["explain", pair[0], "--reference", pair[1], "--n-masks", "40", "--resume", "--quiet",
                         "--encoder", encoder.card.key, "--out", str(tmp_path / "out")])  # fmt: skip
    assert sum(rows) == 24 + 2  # the masks that were missing, the reference and the whole picture
    np.testing.assert_allclose(
        np.load(tmp_path / "out" / "attribution.npy"), np.load(KEPT / "result" / "attribution.npy"), atol=1e-3
    )
    np.testing.assert_allclose(column(tmp_path / "out", "distance"), column(KEPT / "result", "distance"), atol=1e-4)
    now = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    new = {"picture", "compared_with", "reference_embedding", "scheme_version", "truth"}
    assert set(now) - set(facts) == new
    changes = {"created", "versions", "unmasked_distance", "encoder", *new}
    assert now["encoder"] == facts["encoder"] | {"precision": "float32"}
    assert {k: v for k, v in now.items() if k not in changes} == {k: v for k, v in facts.items() if k not in changes}


def test_words_are_told_as_before(of_then, tmp_path: Path):
    facts = manifest_of("words")
    of_then(facts["encoder"]["key"], facts["encoder"]["fingerprint"])
    caption = facts["reference"].strip("“”")
    assert not main(["explain-words", facts["sentence"], "--caption", caption, "--quiet", "--out", str(tmp_path / "w")])
    np.testing.assert_allclose(column(tmp_path / "w", "attribution", "words.csv"),
                               column(KEPT / "words", "attribution", "words.csv"), atol=1e-3)  # fmt: skip
    now = json.loads((tmp_path / "w" / "manifest.json").read_text(encoding="utf-8"))
    changes = {"created", "versions", "unmasked_distance", "encoder", "caption", "reference_embedding", "truth"}
    assert now["encoder"] == facts["encoder"] | {"precision": "float32"}
    assert {k: v for k, v in now.items() if k not in changes} == {k: v for k, v in facts.items() if k not in changes}


@pytest.mark.parametrize(("folder", "command"), [("result", "explain"), ("words", "explain-words")])
def test_a_saved_result_is_seen_and_not_written_over(folder: str, command: str, tmp_path: Path, capsys):
    shutil.copytree(KEPT / folder, tmp_path / folder)
    asked = str(asset_path(PAIR[0])) if command == "explain" else "a cat"
    assert main([command, asked, "--caption", "a dog", "--out", str(tmp_path / folder)])
    assert "holds results already" in capsys.readouterr().err


# Studies


@pytest.fixture
def study(of_then, tmp_path: Path) -> Path:
    """A folder of two finished studies, with one of five probes and all arrays that were kept."""
    shutil.copytree(KEPT / "study", tmp_path / "study")
    recipe = manifest_of("study/table-2")["recipe"]
    for key, role in (("efficientnet-lite0", "pictures"), ("conse-lite0", "captions")):
        of_then(key, recipe["encoders"][role])
    return tmp_path / "study"


def price(folder: Path, capsys) -> dict[str, str]:
    """By study, how many passes the command says it would cost, and whether it is finished."""
    assert not main(["study", "figure-8", "table-2", "--draft", "--price", "--out", str(folder)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {key: " ".join([passes, *rest[4:]]) for key, passes, *rest in lines if key != "in"}


def test_studies_are_found_finished(study: Path, capsys):
    assert price(study, capsys) == {"figure-8": "0 finished", "table-2": "0 finished"}


def test_what_studies_kept_is_not_embedded_again(study: Path, capsys):
    for name in ("figure-8", "table-2"):
        shutil.rmtree(study / name)
    assert price(study, capsys) == {"figure-8": "400", "table-2": "0"}  # of 5 times 100, and of what arrays hold
