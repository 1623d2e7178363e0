"""What is installed: the wheel holds what the package needs, type checkers understand it, the source's tests run."""

from __future__ import annotations

import ast
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import typing
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import explorer
from explorer.core.distances import DISTANCES, DistanceKey
from explorer.core.fills import FILLS, FillKey
from explorer.core.masks import SCHEMES, SchemeKey
from explorer.core.selections import MODES, ModeKey
from explorer.core.sentences import HIDINGS, HideKey

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A wheel and a source distribution, made from a copy, so that nothing is left in the project."""
    pytest.importorskip("build")
    copy = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns(
        "__pycache__", "*.egg-info", "build", "dist", "reference", ".git", ".venv", ".*_cache"
    )
    shutil.copytree(ROOT, copy, ignore=ignored, dirs_exist_ok=True)
    made = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(made), str(copy)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-3000:]
    yield made
    shutil.rmtree(made)
    shutil.rmtree(copy)


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, and borrows everything else from this one."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    site = next(place.glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    return place / "bin" / "python"


def test_the_wheel_holds_what_the_package_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [
        path for path in (ROOT / "explorer").rglob("*") if path.suffix in (".py", ".js", ".css", ".txt", ".html")
    ]
    wanted = {path.relative_to(ROOT).as_posix() for path in sources if "__pycache__" not in path.parts}
    assert wanted - names == set()
    assert {"explorer/py.typed", "explorer/assets/cat.jpg", "explorer/assets/MANIFEST.json"} <= names
    assert any(name.startswith("explorer/assets/replay/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "app.py"))]


def test_the_package_page_stands_by_itself(wheel: Path) -> None:
    """It is read where none of our files are, so each of its links has an address."""
    archive = zipfile.ZipFile(wheel)
    facts = email.message_from_bytes(
        archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA")))
    )
    page = str(facts.get_payload())
    assert facts["Version"] == explorer.__version__
    assert all(facts[name] for name in ("Author", "Keywords", "Classifier", "Project-URL"))
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert all(link.startswith("https://") for link in links)
    assert not page.startswith("---")  # the front matter of a Space is nobody's business here
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        ast.parse(block)
    assert set(re.findall(r"`([a-z]+)`", page)) <= {*facts.get_all("Provides-Extra"), "explorer"}


USER = """
import numpy as np
from numpy.typing import NDArray
from matplotlib.figure import Figure

import explorer
from explorer import Explanation, MaskSettings, Probe, SelectionSettings


def told(done: int, total: int) -> None: ...


masking = MaskSettings(n_masks="auto", p_keep="auto", fill="blur", scheme="philox")
e = explorer.explain("a.jpg", reference="b.jpg", masking=masking, on_progress=told, progress=True)
explained: Explanation = e
attribution: NDArray[np.float32] = e.attribution
figure: Figure = e.plot()
overlay: NDArray[np.uint8] = e.overlay(alpha=0.5)
masks: int = e.probe.masking.n_masks
share: float = e.probe.masking.p_keep
other = explorer.explain("a.jpg", caption="a bee", method="rise", selection=SelectionSettings(distance="dot"))
title: str = other.meaning
probe: Probe = explorer.extend(explorer.probe("a.jpg"), n_masks=2000)
keys: list[str] = [card.key for card in explorer.encoders()]
rows = explorer.load_encoder("conse-lite0").embed_texts(["a bee"])
words: tuple[str, ...] = explorer.explain_words("a bee", caption="a wasp", hide="ellipsis").words
restored: MaskSettings = MaskSettings.from_dict({"n_masks": 20})
MaskSettings(scheme="philos")  # wrong
SelectionSettings(mode="mirorr")  # wrong
e.atribution  # wrong
"""


def test_a_users_script_is_checked_against_what_is_installed(installed: Path, tmp_path: Path) -> None:
    script, settings = tmp_path / "script.py", tmp_path / "mypy.ini"
    script.write_text(USER)
    frameworks = "torch.*,openvino.*,tensorflow.*,keras.*,gradio.*,timm.*,transformers.*,open_clip.*,PIL.*,jinja2.*"
    skipped = f"[mypy-{frameworks}]\nfollow_imports = skip\nignore_missing_imports = True\n"
    settings.write_text(f"[mypy]\nstrict = True\ncache_dir = {tmp_path / 'cache'}\n{skipped}")
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--python-executable", str(installed)]
    said = subprocess.run([*command, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    wrong = [number for number, line in enumerate(USER.splitlines(), 1) if line.endswith("# wrong")]
    assert [int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line] == wrong, said


def test_what_is_installed_does_its_job_without_the_source(installed: Path, tmp_path: Path) -> None:
    cat = ROOT / "assets" / "cat.jpg"
    code = (
        "import explorer, sys; from pathlib import Path\n"
        f"assert {str(installed.parents[1])!r} in explorer.__file__, explorer.__file__\n"
        "from explorer.pictures.examples import shipped_presets\n"
        "assert shipped_presets()\n"
        "from explorer.cli.main import main\n"
        f"sys.exit(main(['explain', {str(cat)!r}, '--reference', {str(cat)!r}, '--n-masks', '10', '--out', 'out']))"
    )
    ran = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "overlay.png").is_file()


def test_the_tests_of_the_source_distribution_run(built: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    few = ["tests/contracts/test_project.py", "tests/core/test_streams.py", "tests/results/test_summary.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *few]
    ran = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:]
    tracked = subprocess.run(["git", "ls-files", "tests"], cwd=ROOT, capture_output=True, text=True, check=False)
    missing = [
        line for line in tracked.stdout.splitlines() if not (source / line).is_file() and (ROOT / line).is_file()
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("keys", "registry"),
    [(FillKey, FILLS), (SchemeKey, SCHEMES), (ModeKey, MODES), (DistanceKey, DISTANCES), (HideKey, HIDINGS)],
)
def test_typed_keys_are_those_that_there_are(keys: object, registry: object) -> None:
    assert list(typing.get_args(keys)) == list(registry)  # type: ignore[call-overload]


def test_no_name_hides_a_module() -> None:
    """``import explorer.encoders.base`` must go on working whatever the functions are called."""
    code = (
        "import explorer, importlib, pkgutil\n"
        "hidden = []\n"
        "def walk(package):\n"
        "    for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        if found.name.startswith('explorer.ui') or found.name.endswith('__main__'):\n"
        "            continue\n"
        "        module = importlib.import_module(found.name)\n"
        "        if getattr(package, found.name.rpartition('.')[2]) is not module:\n"
        "            hidden.append(found.name)\n"
        "        if found.ispkg:\n"
        "            walk(module)\n"
        "walk(explorer)\n"
        "import explorer.encoders.base as base\n"
        "assert base.Encoder is explorer.Encoder and explorer.encoders.base is base\n"
        "assert [card.key for card in explorer.encoders()]\n"
        "assert not hidden, hidden\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_reference_is_made_from_docstrings(tmp_path: Path) -> None:
    """By what ``make reference`` runs."""
    recipe = (ROOT / "Makefile").read_text().split("\nreference:")[1].split("\n\n")[0]
    modules = re.findall(r"explorer[\w.]*", recipe.split("-m pydoc -w")[1])
    assert "explorer" in modules
    command = [sys.executable, "-m", "pydoc", "-w", *modules]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert {path.stem for path in tmp_path.iterdir()} == set(modules)
    page = (tmp_path / "explorer.html").read_text()
    assert all(name in page for name in explorer.__all__ if name != "encoders")
