"""What the README shows runs: its Python, its notebook, its commands, and the same job in other packages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer import MaskSettings
from explorer.cli.main import _parser
from explorer.core.version import VERSION
from explorer.results.export import CITATION

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:<!-- (\w+)(?:: (\w+))? -->\n)?```python\n(.*?)```", README, re.DOTALL)
"""(mark, package, code) of each block of Python."""
PLAIN = [code for mark, _, code in BLOCKS if mark != "migration"]
MIGRATION = {package: code for mark, package, code in BLOCKS if mark == "migration"}
NOTEBOOK = next(code for mark, _, code in BLOCKS if mark == "notebook")
FEW = 40


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped pictures, in which the defaults are quick."""
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    defaults = MaskSettings.__init__.__defaults__
    assert defaults
    monkeypatch.setattr(MaskSettings.__init__, "__defaults__", (FEW, *defaults[1:]))
    return tmp_path


@pytest.mark.parametrize("code", PLAIN, ids=lambda code: code.splitlines()[-1][:40])
def test_its_python_runs(code: str, here: Path) -> None:
    if "Dix1" in code:
        pytest.importorskip("timm", reason="timm is not installed; pip install timm")
    exec(compile(code, "README.md", "exec"), {})


def test_its_notebook_shows_a_map(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = (
        pytest.importorskip(name, reason=f"{name} is not installed; pip install {name}")
        for name in ("nbformat", "nbclient")
    )
    pytest.importorskip("ipykernel", reason="ipykernel is not installed; pip install ipykernel")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(here / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    small = (
        f"from explorer import MaskSettings\nMaskSettings.__init__.__defaults__ = ({FEW}, 8, 0.5, 0, 'auto', 'philox')"
    )
    cells = [nbformat.v4.new_code_cell(code) for code in (small, *NOTEBOOK.strip().split("\n\n"))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [set(output.get("data", {})) for cell in notebook.cells for output in cell.outputs]
    assert any({"image/png", "text/html", "text/plain"} <= kinds for kinds in shown)
    assert not [output for cell in notebook.cells for output in cell.outputs if output.output_type == "error"]


ALIKE: dict[str, Callable[[Any, Any], bool]] = {
    "distance_explainer": lambda theirs, ours: float(np.abs(theirs - ours).max()) < 1e-5,
    "dianna": lambda theirs, ours: correlation(theirs, ours) > 0.999,
    "pytorch_grad_cam": lambda theirs, ours: correlation(theirs, ours) > 0.999,
    "captum": lambda theirs, ours: correlation(theirs, ours) > 0.999,
    "xaitk_saliency": lambda theirs, ours: theirs.shape == ours.shape,  # another method, after all
}


def correlation(one: Any, other: Any) -> float:
    return float(np.corrcoef(np.ravel(one), np.ravel(other))[0, 1])


@pytest.mark.parametrize("package", ALIKE)
def test_the_same_job_elsewhere(package: str, here: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed; pip install torch")
    pytest.importorskip(package, reason=f"{package} is not installed; pip install {package.replace('_', '-')}")
    names: dict[str, Any] = {}
    state = np.random.get_state()
    try:
        for code in (MIGRATION["begin"], MIGRATION[package]):
            exec(compile(code, "README.md", "exec"), names)
    finally:
        np.random.set_state(state)
    assert names["ours"].shape == (224, 224)
    assert ALIKE[package](np.asarray(names["theirs"]), names["ours"])


def test_every_peer_is_shown() -> None:
    assert MIGRATION.keys() == {"begin", *ALIKE}


def test_its_commands_are_understood() -> None:
    lines = [
        line.split("#")[0] for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
    ]
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("explorer ")]
    assert len(commands) > 10
    for command in commands:
        _parser().parse_args(command)


def test_it_cites_the_paper_as_exports_do() -> None:
    assert CITATION in README
    cff = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert "Explainable embeddings with Distance Explainer" in cff
    assert "https://arxiv.org/abs/2505.15516" in cff
    assert f"version: {VERSION}\n" in cff
