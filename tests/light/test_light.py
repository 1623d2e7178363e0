"""What ``make run`` installs is enough: nothing but what looks into a network needs torch, and that says so."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from tests.browser.conftest import need_chromium
from tests.light.serving import serving

ROOT = Path(__file__).parents[2]
BARRED = Path(__file__).parent / "barred"
HEAVY = {"torch", "timm", "transformers", "open-clip-torch", "tensorflow", "keras", "sentence-transformers", "scipy"}


def without_torch() -> dict[str, str]:
    """An environment whose Python has no more than ``make run`` installs."""
    return os.environ | {"PYTHONPATH": f"{BARRED}{os.pathsep}{ROOT}"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(names: set[str]) -> set[str]:
    """All that some distributions need here, each of those that are installed by what it says itself."""
    from packaging.requirements import Requirement

    found, waiting = set(), {(name, "") for name in names}
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for need in map(Requirement, lines):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting |= {(plain(need.name), each) for each in ("", *need.extras)}
    return {name for name, _ in found}


def test_nothing_of_app_and_lite_asks_for_torch():
    """Not by what it needs itself either, as the sentence model's package does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["app"], *extras["lite"]]
    assert not asked_for({plain(re.split(r"[<>=\[]", line)[0]) for line in lines}) & HEAVY
    assert "torch" in asked_for({plain(re.split(r"[<>=\[]", line)[0]) for line in extras["sentences"]})


JOB = """
import sys
from pathlib import Path
import numpy as np
import explorer
from explorer import MaskSettings, SelectionSettings
from explorer.attributions.question import DistanceExplainer, make_question
from explorer.attributions.method import offered
from explorer.core.errors import ExplorerError
from explorer.core.steps import run
from explorer.evaluation.deletion import deletion
from explorer.encoders.cards import find_card
from explorer.evaluation.randomization import randomization
from explorer.ui.encoder_card import facts

cat, lion = "assets/cat.jpg", "assets/lion.jpg"
few = MaskSettings(n_masks=16)
for key in ("efficientnet-lite0-features", "efficientnet-lite0", "conse-lite0"):
    assert explorer.explain(cat, reference=lion, encoder=key, masking=few).attribution.any(), key
by_caption = explorer.explain(cat, caption="a cat", encoder="conse-lite0", masking=few)
assert by_caption.attribution.any()
probe = explorer.extend(explorer.probe(cat, masking=few), n_masks=24)
assert len(probe) == 24
assert explorer.explain(cat, reference=lion, method="rise", masking=few).attribution.any()
assert explorer.explain_words("a small red car", caption="a big dog").attribution.any()
question = make_question(cat, reference=lion)
assert len(run(deletion(question, by_caption.attribution, steps=4)).shares) == 5
scores = explorer.load_encoder("efficientnet-lite0").classifier()
assert scores.embed_images(np.zeros((1, 30, 30, 3), np.uint8)).shape == (1, 1000)
assert "grad-cam" not in offered(question.encoder) and question.encoder.layers() == ()

def refusal(ask):
    try:
        ask()
    except ExplorerError as error:
        return str(error)
    raise AssertionError("it was not refused")

for ask in (
    lambda: explorer.explain(cat, reference=lion, method="grad-cam"),
    lambda: question.encoder.differentiable(question.pixels),
    lambda: question.encoder.randomised(("stem",)),
    lambda: question.encoder.weights("stem"),
    lambda: randomization(question, DistanceExplainer(few)),
):
    said = refusal(ask)
    assert "make run EXTRAS=methods" in said and 'pip install "distance-explorer[methods]"' in said, said
for key, extra in (("clip-vit-b32", "clip"), ("keras-vgg16", "keras"), ("timm:resnet18.a1_in1k", "clip")):
    assert f"make run EXTRAS={extra}" in refusal(lambda: explorer.load_encoder(key)), key
    assert f"make run EXTRAS={extra}" in dict(facts(find_card(key)))["On this computer"], key
assert "make run EXTRAS=methods" in dict(facts(question.encoder.card))["Looking into it"]
print("done", *sorted({"torch", "timm", "transformers", "tensorflow"} & set(sys.modules)))
"""


@pytest.mark.parametrize("cache", ["the user's", "an empty one"])
def test_the_library_does_its_job(cache: str, tmp_path: Path):
    environment = without_torch() | ({} if cache == "the user's" else {"EXPLORER_CACHE": str(tmp_path)})
    answer = subprocess.run([sys.executable, "-c", JOB], cwd=ROOT, env=environment, capture_output=True, text=True,
                            check=False)  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert answer.stdout.split() == ["done"]


def test_the_command_says_what_would_bring_the_rest():
    models = [sys.executable, "-m", "explorer", "models"]
    answer = subprocess.run(models, cwd=ROOT, env=without_torch(), capture_output=True, text=True, check=True)
    lines = {line.split()[0]: line for line in answer.stdout.splitlines() if line.strip()}
    assert lines["conse-lite0"].endswith("here")
    assert "make run EXTRAS=clip" in lines["clip-vit-b32"]


@pytest.mark.browser
def test_the_app_does_all_of_it(tmp_path: Path):
    need_chromium()
    code = "import sys; from tests.light.journey import everything; everything(sys.argv[1])"
    with serving(Path(sys.executable), ROOT, without_torch(), tmp_path / "log") as url:
        # in a process of its own: that of the tests may be driving a browser already
        subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=True)
        assert urllib.request.urlopen(f"{url}/health", timeout=30).status == 200
    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text, text[-3000:]
