"""`explorer explain-words`: what it writes and says."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from explorer.cli import shared_options
from explorer.cli.explain_words import add_command
from explorer.core.errors import InvalidInput


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    chosen = parser.parse_args(["explain-words", *arguments, "--quiet"])
    return int(chosen.run(chosen))


def test_explains_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("a red cat", "--caption", "a kitten", "--out", str(out)) == 0
    said = capsys.readouterr()
    head, *table = said.out.splitlines()
    assert head.startswith("distance 0.")
    assert [line.split()[-1] for line in table] == ["a", "red", "cat"]
    assert [line.split()[1].strip("+-") for line in table] == ["", "", ""]
    assert "+" * 20 in table[2]  # the strongest
    assert table[1].startswith("-0.")
    assert said.err == ""
    assert sorted(p.name for p in out.iterdir()) == ["distances.csv", "manifest.json", "words.csv"]
    with pytest.raises(InvalidInput, match="--overwrite"):
        run("a red cat", "--caption", "a kitten", "--out", str(out))
    assert run("cat", "--caption", "a kitten", "--out", str(out), "--overwrite", "--mode", "closest") == 0
    said = capsys.readouterr()
    assert "note: This is one word to us" in said.err
    assert "note: No mask is selected" in said.err
    assert len(said.out.splitlines()) == 1


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    for message, arguments in {
        "The sentence is empty": (" ", "--caption", "x"),
        "cannot read sentences": ("a", "--caption", "x", "--encoder", "efficientnet-lite0"),
    }.items():
        with pytest.raises(InvalidInput, match=message):
            run(*arguments, "--out", out)
    with pytest.raises(SystemExit):
        run("a", "--caption", "x", "--n-masks", "3", "--out", out)
    assert "n_masks must be 10 to 100000" in capsys.readouterr().err
    for message, arguments in {"required": ("a",), "not allowed": ("a", "--caption", "x", "--reference", "y")}.items():
        with pytest.raises(SystemExit):
            run(*arguments, "--out", out)
        assert message in capsys.readouterr().err
    assert not Path(out).exists()


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path, capsys, monkeypatch) -> None:
    sentence = "a small red cat sits on a mat near the door of an old house"
    asked = (sentence, "--caption", "a kitten", "--n-masks", "40", "--out")
    grow = shared_options.grow

    def stopped_by_hand(probe, on_progress=None):
        for partial in grow(probe, on_progress=on_progress):
            yield partial
            raise KeyboardInterrupt

    out, whole = str(tmp_path / "out"), str(tmp_path / "whole")
    monkeypatch.setattr(shared_options, "grow", stopped_by_hand)
    assert run(*asked, out) == 130
    assert [file.name for file in Path(out).iterdir()] == ["probe.npz"]
    monkeypatch.setattr(shared_options, "grow", grow)
    with pytest.raises(InvalidInput, match="the sentence changed"):
        run(sentence + "s", *asked[1:], out, "--resume")
    with pytest.raises(InvalidInput, match="n_masks changed 40 -> 50"):
        run(sentence, "--caption", "a kitten", "--n-masks", "50", "--out", out, "--resume")
    assert run(*asked, out, "--resume") == 0
    assert run(*asked, whole) == 0
    for name in ("words.csv", "distances.csv"):
        assert (Path(out) / name).read_text() == (Path(whole) / name).read_text()
