"""A match on the wire: small, and what the browser gets back of it is what Python knows."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import Encoder, InvalidInput, MaskSettings
from explorer.core.match import Match
from explorer.pictures import examples
from explorer.pictures.examples import shipped_presets
from explorer.results import match_wire
from explorer.results.export import export_zip
from explorer.results.links import preset_recipe
from explorer.results.match_wire import match_of, pack_match, record_match, unpack_counterparts
from explorer.results.wire import load_replay, replay_of, unpack


@pytest.fixture
def found(encoder: Encoder, picture: np.ndarray) -> Match:
    one, other = (
        explorer.probe(shown, encoder=encoder, masking=MaskSettings(n_masks=60))
        for shown in (picture, picture[:, ::-1])
    )
    return explorer.match(one, other)


def test_what_comes_back_is_what_was_sent_but_for_a_shade(found: Match) -> None:
    wire = json.loads(json.dumps(pack_match(found), allow_nan=False))
    back = unpack_counterparts(wire)
    assert back.shape == found.counterparts.shape
    assert np.square(back - found.counterparts).sum() <= 2e-3 * np.square(found.counterparts).sum()
    assert wire["limit"] == pytest.approx(np.abs(found.counterparts).max())
    assert (wire["says"], wire["r2"], wire["pairs"]) == (found.says, found.r2, found.n)
    assert wire["sides"][0] == {"box": [0.0, 0.0, 1.0, 1.0], "masks": 60}
    assert len(json.dumps(wire)) < 50_000


def test_a_match_of_nothing_travels_too() -> None:
    still = explorer.from_function(lambda batch: np.ones((len(batch), 3)))
    probe = explorer.probe(np.ones((16, 16, 3)), encoder=still, masking=MaskSettings(n_masks=20))
    wire = pack_match(explorer.match(probe, probe))
    assert np.isfinite(unpack_counterparts(wire)).all()
    assert "nothing in common" in wire["no_signal"]


@pytest.mark.parametrize("preset", shipped_presets(), ids=lambda preset: preset.key)
def test_every_shipped_preset_has_its_match(preset: Any) -> None:
    wire, path = match_of(preset.key), replay_of(f"{preset.key}-match")
    assert wire is not None
    assert path is not None
    assert path.stat().st_size < 20_000
    rows = (16, 16) if preset.caption is None else (1, len(preset.caption.split()))
    assert unpack_counterparts(wire).shape == (16, 16, *rows)
    assert wire["says"]
    assert wire["sides"][1].get("words") == (preset.caption.split() if preset.caption else None)


@pytest.mark.parametrize("key", ["absent", "", "../MANIFEST", "TWO-CAT", "two-cat.json"])
def test_what_is_no_preset_has_no_match(key: str) -> None:
    assert match_of(key) is None


def test_a_match_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match_wire, "replay_folder", lambda: tmp_path)
    (tmp_path / "two-cat-match.json").write_text("{")
    with pytest.raises(InvalidInput, match="record it again"):
        match_of("two-cat")


@pytest.mark.parametrize("caption", [None, "a cat"])
def test_recording_writes_one_file(
    caption: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder, found: Match
) -> None:
    """With few masks: what is asked for, of whom, and where it goes."""
    preset = SimpleNamespace(key="two-cat", image="cat.jpg", reference="lion.jpg", caption=caption, encoder="x")
    if caption is not None:
        preset.reference = None
    asked: list[Any] = []
    monkeypatch.setattr(match_wire, "load_encoder", lambda key: encoder)
    monkeypatch.setattr(match_wire, "prepare", lambda picture, encoder: picture.sha256)
    monkeypatch.setattr(match_wire, "prepare_words", lambda text, encoder: text)
    monkeypatch.setattr(match_wire, "complete", lambda start: start)
    monkeypatch.setattr(match_wire, "match", lambda *things: asked.append(things) or found)
    path = record_match(preset, tmp_path)  # type: ignore[arg-type]
    assert path == tmp_path / "two-cat-match.json"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert json.loads(path.read_text())["says"] == found.says
    assert asked[0][0] == examples.example_sha256("cat.jpg") if hasattr(examples, "example_sha256") else asked
    assert (asked[0][1] == "a cat") == (caption is not None)


def test_an_export_takes_the_match_along() -> None:
    replay, wire = replay_of("two-cat"), match_of("two-cat")
    assert replay is not None
    assert wire is not None
    explanation = explorer.core.rank.rank_against(*unpack(load_replay(replay)), explorer.SelectionSettings())
    with zipfile.ZipFile(io.BytesIO(export_zip(explanation, preset_recipe("two-cat"), wire))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stored = np.load(io.BytesIO(files["match.npy"]), allow_pickle=False)
    np.testing.assert_array_equal(stored, unpack_counterparts(wire))
    assert json.loads(files["match.json"])["says"] == wire["says"]
    assert b"match.npy" in files["README.txt"]
