"""The diffs of README's "How to add", applied to a copy of the project, do what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## How to add", 1)[1].split("\n## ", 1)[0]
DIFFS = dict(re.findall(r"<summary>(.+?)</summary>\n\n```diff\n(.+?\n)```", SECTION, re.DOTALL))
"""What is added -> the diff."""

SMALL = """
import numpy as np, explorer
from explorer import MaskSettings, SelectionSettings
picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
encoder = explorer.from_function(lambda batch: batch[:, 8:16, 8:16].mean(axis=(1, 2)))
def explain(masking=None, **selection):
    masking = masking or MaskSettings(n_masks=20, feature_res=4)
    return explorer.explain(picture, embedding=np.arange(1.0, 4.0), encoder=encoder, masking=masking,
                            selection=SelectionSettings(**selection))
"""
CHECKS = {
    "A fill": """
from explorer.core.fills import FILLS, make_background
assert FILLS["white"].label == "white"
assert explain(MaskSettings(n_masks=20, feature_res=4, fill="white")).attribution.any()
assert make_background("white", picture, encoder, 0) == 255
""",
    "An encoder of a known family": """
card, = [card for card in explorer.encoders() if card.key == "resnet101"]
assert card.family == "timm_models" and card.weights == "resnet101.tv_in1k"
""",
    "A method": """
import torch
from torch import nn
network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
net = explorer.from_torch(network.eval())
bright = picture.astype(np.float32)
found = explorer.explain(bright, method="saliency", reference=bright[::-1].copy(), encoder=net)
assert found.attribution.shape == (32, 32) and found.attribution.any()
from explorer.ui.methods_menu import offers
assert "saliency" in [offer["key"] for offer in offers()["offers"]]
""",
    "A metric": """
from explorer.core.steps import run
from explorer.evaluation.metrics import METRICS
metric, there = METRICS["pointing"], np.zeros((4, 4), bool)
there[1, 2] = True
record = run(metric.measure(None, there.astype(np.float32), None, there, 0))
assert metric.value(record) == 1 and metric.total([record, {"peak": 0.0}]) == 0.5
""",
    "A study": """
import tempfile
from pathlib import Path
from explorer.cli.main import main
with tempfile.TemporaryDirectory() as folder:
    assert main(["study", "seeds", "--draft", "--quiet", "--out", folder]) == 0
    assert "One pair, four seeds" in (Path(folder) / "index.html").read_text()
""",
    "A distance": """
assert explain(distance="length").distances.min() >= 0
from explorer.ui.components import words
assert words()["distances"]["length"]["label"] == "difference of lengths"
""",
    "A selection mode": """
assert np.array_equal(explain(mode="far").attribution, explain(mode="farthest").attribution)
from explorer.ui.components import words
assert words()["modes"]["far"]["sides"] == ("farthest",)
""",
    "A mask scheme": """
probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=20, scheme="unshifted"))
assert not probe.masks.shifts.any() and len(explorer.extend(probe, n_masks=30)) == 30
""",
    "A tab": """
from explorer.ui import build_app
from explorer.results.links import from_query
demo = build_app()
assert any(block.elem_id == "notes-tab" for block in demo.blocks.values())
assert from_query({"hide": "notes"}).view.hide == ("notes",)
""",
}
MOST_FILES = {"A tab": 4}


@pytest.mark.parametrize("name", CHECKS)
def test_the_diff_adds_what_it_says(name: str, tmp_path: Path) -> None:
    for folder in ("explorer", "assets"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    diff = DIFFS[name]
    assert len(re.findall("^diff --git", diff, re.MULTILINE)) <= MOST_FILES.get(name, 2)
    applied = subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff, text=True, capture_output=True)
    assert applied.returncode == 0, applied.stderr
    used = subprocess.run(
        [sys.executable, "-c", SMALL + CHECKS[name]], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert used.returncode == 0, used.stderr


def test_every_diff_is_used() -> None:
    assert set(DIFFS) == set(CHECKS)
