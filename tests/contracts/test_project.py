"""The project's own papers: README, requirements and layout agree with the code."""

from __future__ import annotations

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest

import explorer

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    "app.py", "explorer", "assets", "tests", "pyproject.toml", "requirements.txt", "README.md",
    "LICENSE", "CHANGELOG.md", "Makefile",
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


def test_readme_names_only_files_that_exist():
    for path in re.findall(r"\((assets/[^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / path).is_file(), path


RUN_GROUPS = ("app", "lite", "clip", "keras", "methods")
"""What the app needs."""


def test_requirements_are_those_of_the_project(pyproject):
    project = pyproject["project"]
    groups = [project["dependencies"]] + [project["optional-dependencies"][g] for g in RUN_GROUPS]
    declared: dict[str, str] = {}
    for name, floor in (pair for group in groups for pair in floors(group).items()):
        assert declared.setdefault(name, floor) == floor, f"{name} has two floors"
    assert floors((ROOT / "requirements.txt").read_text().splitlines()) == declared


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
