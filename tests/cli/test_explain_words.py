"""`explorer explain-words`: what it writes and says."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from explorer.cli.explain_words import add_command
from explorer.core.errors import InvalidInput


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    options = parser.parse_args(["explain-words", *arguments, "--quiet"])
    return int(options.run(options))


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
        "n_masks must be 10 to 100000": ("a", "--caption", "x", "--n-masks", "3"),
        "cannot read sentences": ("a", "--caption", "x", "--encoder", "efficientnet-lite0"),
    }.items():
        with pytest.raises(InvalidInput, match=message):
            run(*arguments, "--out", out)
    for message, arguments in {"required": ("a",), "not allowed": ("a", "--caption", "x", "--reference", "y")}.items():
        with pytest.raises(SystemExit):
            run(*arguments, "--out", out)
        assert message in capsys.readouterr().err
    assert not Path(out).exists()
