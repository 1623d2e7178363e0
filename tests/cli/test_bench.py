"""``explorer bench``: the network alone and ours, in a table and a file."""

from __future__ import annotations

import json

from explorer.cli.main import main

ALONE = ["--only", "nobody", "--rounds", "1"]


def test_a_short_race(tmp_path, capsys) -> None:
    assert main(["bench", "--n-masks", "128", *ALONE, "--out", str(tmp_path / "bench")]) == 0
    said = capsys.readouterr().out
    assert "128 passes, efficientnet-lite0-features in float32" in said
    facts = json.loads((tmp_path / "bench" / "bench.json").read_text())
    alone, ours = facts["contenders"]
    assert [row["title"] for row in (alone, ours)] == ["the network alone", "Distance Explorer"]
    assert alone["times_network_cpu"] == 1
    assert 0 < ours["first"] < ours["wall"]
    assert [step["passes"] for step in ours["ladder"]] == [64, 128]
    assert f"{ours['times_network_cpu']:.2f}" in said
    assert (tmp_path / "bench" / "bench.png").stat().st_size > 1000


def test_too_short_a_race_is_refused(capsys) -> None:
    assert main(["bench", "--n-masks", "10", *ALONE]) == 2
    assert "--n-masks must be at least 64" in capsys.readouterr().err
