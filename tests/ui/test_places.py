"""The app and the command where the world is not as usual: no network, no home, another locale. It starts all the
same, or says why in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.core.storage import cache_folder

ROOT = Path(__file__).parents[2]
CAT = str(ROOT / "assets" / "cat.jpg")
CUP = str(ROOT / "assets" / "espresso.jpg")

NO_NETWORK = """
import socket, sys, time
asked = []
connect, look_up = socket.socket.connect, socket.getaddrinfo

def only_here(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        asked.append(address)
        raise OSError(101, "Network is unreachable")
    return connect(self, address)

def only_names_here(host, *rest, **named):
    if host not in ("127.0.0.1", "::1", "localhost", "0.0.0.0", None, ""):
        asked.append(host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")
    return look_up(host, *rest, **named)

socket.socket.connect, socket.getaddrinfo = only_here, only_names_here
"""
"""Before anything else is imported: connections to other machines fail, and are noted."""

SERVE = """
began = time.monotonic()
from explorer.ui import build_app, launch
demo = build_app()
launch(demo, prevent_thread_lock=True, quiet=True)
from tests.ui.talk import ASSETS, ask, press_run, upload
url = demo.local_url.rstrip("/")
assert ask(url)[0] == 200
print("ready after", time.monotonic() - began)
assert '"plane"' in press_run(demo, url, picture=upload(url, (ASSETS / "cat.jpg").read_bytes()), n_masks=10)
demo.close()
print("asked", asked)
"""


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, with other variables."""
    kept = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=kept | environ, capture_output=True, timeout=240, check=False,
        encoding="utf-8", errors="replace",
    )  # fmt: skip


HOMELESS = {"HOME": "{file}", "XDG_CACHE_HOME": "{file}", "XDG_CONFIG_HOME": "{file}", "EXPLORER_CACHE": "{cache}"}
"""No folder to keep anything in but our cache, which would take long to make again."""
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def places(environ: dict[str, str], folder: Path) -> dict[str, str]:
    (folder / "file").touch()
    return {name: value.format(file=folder / "file", cache=cache_folder()) for name, value in environ.items()}


def test_without_a_network_a_home_and_a_locale_the_app_starts_and_asks_nobody(tmp_path: Path):
    done = command("-c", f"{NO_NETWORK}{SERVE}", **places(HOMELESS | PLAIN, tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "asked []" in done.stdout
    assert float(done.stdout.split("ready after")[1].split()[0]) < 30


ODD = {
    "no home": HOMELESS,
    "plain locale": PLAIN,
    "far away": {"LC_ALL": "xx_XX.ISO-8859-15", "TZ": "Pacific/Kiritimati"},
}


@pytest.mark.parametrize("environ", ODD.values(), ids=list(ODD))
def test_the_command_works_in_odd_places(tmp_path: Path, environ: dict[str, str]):
    out = tmp_path / "out"
    options = ["--n-masks", "10", "--out", str(out), "--quiet"]
    done = command("-m", "explorer", "explain", CAT, "--reference", CUP, *options, **places(environ, tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    assert (out / "attribution.npy").is_file()
    assert "Traceback" not in done.stderr


def test_what_people_type_in_a_plain_locale_is_read_or_refused_in_one_line(tmp_path: Path):
    for arguments in (
        ("explain-words", "“a café” – 猫", "--sentence", "a cat", "--out", str(tmp_path / "words")),
        ("explain", "café.jpg", "--reference", CUP, "--out", str(tmp_path / "out")),
        ("models",),
        ("explain", "--help"),
    ):
        done = command("-m", "explorer", *arguments, **PLAIN)
        assert "Traceback" not in done.stderr, arguments
        assert done.returncode in (0, 2), (arguments, done.stderr[-500:])
        assert done.stderr.count("\n") <= 1


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    kept = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "file" / "inner")}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode > 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
