"""``explorer app`` and ``explorer --version``; and what is said where another package has our name."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import explorer
import explorer.ui
from explorer.cli import app
from explorer.cli.main import main
from tests.ui.gate.test_lifecycle import ENDED, serving
from tests.ui.talk import ask

ROOT = Path(__file__).parents[2]


def test_the_command_serves_the_app_and_ends_politely(tmp_path: Path) -> None:
    with serving(tmp_path, command=("-m", "explorer", "app")) as process:
        status, page, *_ = ask(process.url)
        assert status == 200
        assert "Distance Explorer" in str(page)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(ENDED) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_host_and_port_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(explorer.ui, "build_app", lambda: "the app")
    monkeypatch.setattr(explorer.ui, "launch", lambda demo, **chosen: asked.append(chosen))
    assert main(["app"]) == 0
    assert main(["app", "--host", "0.0.0.0", "--port", "7999", "--open"]) == 0
    assert asked == [{}, {"server_name": "0.0.0.0", "server_port": 7999, "inbrowser": True}]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "eighty", "8e3", "9" * 5000])
def test_no_such_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["app", f"--port={port}"])
    assert end.value.code == 2
    assert "a port is a whole number from 1 to 65535" in capsys.readouterr().err


def test_a_taken_port_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def taken(demo: Any, **_: Any) -> None:
        raise OSError("Cannot find empty port in range: 80-80.")

    monkeypatch.setattr(explorer.ui, "build_app", lambda: "the app")
    monkeypatch.setattr(explorer.ui, "launch", taken)
    assert main(["app"]) == 2
    assert capsys.readouterr().err == "explorer: Cannot listen there: Cannot find empty port in range: 80-80.\n"


def test_without_gradio_it_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "not_importable", lambda names: tuple(names))
    assert main(["app"]) == 3
    assert 'pip install "distance-explorer[app,lite]"' in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"explorer {explorer.__version__}\n"


def test_another_package_of_our_name_is_refused_in_words(tmp_path: Path) -> None:
    """Both put their files in one folder, and what was installed last has the first word."""
    package = tmp_path / "explorer"
    package.mkdir()
    for part in (ROOT / "explorer").iterdir():
        if part.name != "__init__.py":
            (package / part.name).symlink_to(part)
    (package / "__init__.py").write_text('"""SQL for everybody."""\n')
    for code in ("from explorer.cli.main import main", "import explorer.encoders.cards"):
        said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert said.returncode
        assert "Another package is imported as `explorer` in place of Distance Explorer" in said.stderr


def test_our_own_package_is_known_without_docstrings() -> None:
    said = subprocess.run([sys.executable, "-OO", "-c", "import explorer"], cwd=ROOT, capture_output=True, check=False)
    assert not said.returncode, said.stderr
