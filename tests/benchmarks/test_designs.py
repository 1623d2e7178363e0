"""The read-outs of ``bench_schemes.py`` on an answer that is known: every part counts by itself."""

from __future__ import annotations

import json
import re
import runpy
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import bench_schemes, designs
from tests.benchmarks.bench_schemes import METHODS, REGISTRATION, Asked, Row, rows_in, summary, work

SIZE = (64, 64)
N = 1024


def made(name: str) -> designs.Design:
    if name in ("independent grid", "balanced grid"):
        return designs.shifted_grid({"i": "philox", "b": "orthogonal"}[name[0]], N, 3, SIZE)
    if name == "Shapley coalitions":
        return designs.fixed_grid(designs.shapley_bits(N, 3), SIZE)
    if name == "complementary pairs":
        return designs.fixed_grid(designs.complementary_bits(N, 3), SIZE)
    bits = designs.balanced_bits if name[0] == "b" else designs.independent_bits
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    pixels = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    return designs.superpixels(bits(N, 3), designs.blurred_superpixels(pixels))


@pytest.mark.parametrize("method", METHODS)
def test_parts_that_count_by_themselves_are_found(method: str) -> None:
    name, how = METHODS[method]
    design = made(name)
    random = np.random.default_rng(1)
    values = random.normal(size=len(design.basis))
    truth = design.map_of_parts(values)
    rendered = np.concatenate([design.masks.render(i, i + 64) for i in range(0, N, 64)]).astype(np.float64)
    kept = rendered.reshape(N, -1) @ truth.ravel()
    np.testing.assert_allclose(design.kept(truth[None])[0], kept, rtol=0, atol=1e-3 * np.abs(kept).max())
    whole = truth.sum() if design.shifted else values.sum()
    counted = kept if design.shifted else design.bits @ values
    scale = 0.1 / np.abs(counted).max()
    distances, whole = 0.5 - scale * counted, 0.5 - scale * whole
    found = how(design, distances, (whole, 0.5))
    correlation = np.corrcoef(found.ravel(), truth.ravel())[0, 1]
    exact = not design.shifted and ("ridge" in method or "SHAP" in method)
    assert correlation > (0.99 if exact else 0.6), correlation
    np.testing.assert_allclose(
        design.map_of_weights(np.linspace(-1, 1, N)), np.tensordot(np.linspace(-1, 1, N), rendered, axes=1), atol=2e-3
    )


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Made-up numbers: one method better by more than chance, the others all the same."""
    plan, random = json.loads(REGISTRATION.read_text(encoding="utf-8")), np.random.default_rng(0)
    found = []
    for number in range(20):
        values = {}
        for method in METHODS:
            better = 0.05 if method == "balanced grid, rank" else 0.0
            one = {"truth": 0.5 + number / 50 + better + random.normal(0, 0.005), "srg": 0.2, "object": 0.7}
            values[method] = {str(n): one for n in plan["budgets"]}
        found.append({"pair": f"{'scene ' * (number > 4)}{number}", "seconds": 1.0, "values": values})
    return found


def test_the_registered_hypotheses_are_summed_up(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    assert {claim[side] for claim in plan["hypotheses"] for side in ("one", "other")} <= set(METHODS)
    (tmp_path / "part-0.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"pair": "cut', "utf-8")
    found = summary(rows_in(tmp_path), plan)
    assert (found["pairs"], found["scenes"]) == (20, 15)
    verdicts = {(t["id"], t["measure"]): t["verdict"] for t in found["tests"] if t["primary"]}
    assert verdicts["H1", "truth"] == verdicts["H8", "truth"] == "wins"
    assert verdicts["H3", "truth"] == verdicts["H5", "truth"] == "loses"
    assert verdicts["H4", "truth"] == verdicts["H1", "srg"] == "not told apart"
    (tmp_path / "schemes.json").write_text(json.dumps(found), encoding="utf-8")
    readme = runpy.run_path(str(Path(__file__).parents[1] / "readme.py"))
    monkeypatch.setitem(readme["schemes"].__globals__, "SCHEMES", tmp_path / "schemes.json")
    table = readme["schemes"]()
    assert re.search(r"\| H1, balance pays \| \+0\.0[45]\d \[\+0\.0\d+, \+0\.0\d+\]: wins \|", table)
    assert "15 scenes of cutouts and 5 pairs of photographs" in table
    assert len({line.count("|") for line in table.split("\n\n")[0].splitlines()}) == 1


def test_a_stopped_run_goes_on(rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, known = [], {row["pair"]: row for row in rows}
    monkeypatch.setattr(bench_schemes, "pairs", lambda *_: (Asked(key, None, None) for key in known))
    monkeypatch.setattr(bench_schemes, "measured", lambda one, *_: asked.append(one.key) or known[one.key])
    monkeypatch.setattr("explorer.encoders.cards.load_encoder", lambda key: None)
    options = Namespace(out=tmp_path, workers=2, shared=tmp_path, only=3)
    for part in (0, 1, 0, 1):
        work(options, part)
    assert len(asked) == len(set(asked)) == 12
    options.only = -1
    for part in (0, 1):
        work(options, part)
    assert sorted(asked) == sorted(known)
    assert len(rows_in(tmp_path)) == len(rows)
