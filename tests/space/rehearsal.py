"""The app as a Space has it: its files, requirements.txt and nothing more of ours, user 1000, ``python app.py``.

    python tests/space [--python PYTHON] [--venv FOLDER] [--keep]

Lays the repository's files out in a folder, installs requirements.txt and what a Space's builder adds (gradio as the
header says, spaces) in a new virtual environment, and starts the app twice as another user with the network cut: with
a home that can be written and with one that cannot. Each time a headless Chromium does the main job, by the Space's own
name: the first screen, two uploads and a run, a caption and a run. What it took is printed, and the exit status is 1
where anything failed. Must be started as root, as another user and a cut network need that. To install takes 6 GB and
minutes; ``--venv`` takes an environment that exists.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
USER = 1000
PORT = 7860
NAME = "who-what.hf.space"
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "who/what",
    "SPACE_HOST": NAME,
    "SPACE_AUTHOR_NAME": "who",
    "SPACE_REPO_NAME": "what",
    "ACCELERATOR": "none",
    "CPU_CORES": "2",
    "MEMORY": "16Gi",
    "GRADIO_SERVER_NAME": "0.0.0.0",  # nobody is there: the network is cut
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_SSR_MODE": "true",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_THEME": "huggingface",
    "PYTHONUNBUFFERED": "1",
}
"""What a Space's environment says, as far as Gradio or the app might look at it."""
HOMES = ("writable", "read-only")
START_SECONDS = 300
NOISE = re.compile(r"(?ms)^Exception ignored in: <function BaseEventLoop\.__del__.*?^ValueError: .*?$")
"""Gradio leaves event loops unclosed, which Python 3.12 minds when it clears them away; nothing comes of it."""


def header(field: str) -> str:
    """What the README's header says."""
    found = re.search(rf"^{field}: (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"the README's header has no {field}"
    return found[1]


def lay_out(folder: Path) -> Path:
    """The files that a push to a Space would bring."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    app = folder / "app"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (app / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, app / name)
    for path in (folder, app, *app.rglob("*")):
        os.chown(path, USER, USER)
    return app


def install(folder: Path, python: str) -> Path:
    """A new environment of requirements.txt, solved together with what a Space's builder adds; its Python."""
    place = folder / "venv"
    subprocess.run([python, "-m", "venv", place], check=True)
    added = [f"gradio[oauth,mcp]=={header('sdk_version')}", "spaces"]
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", ROOT / "requirements.txt", *added]
    subprocess.run(pip, check=True)
    return place / "bin" / "python"


def loopback_up() -> None:
    """Let this machine reach itself, which a new network cannot."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        asked = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(sock, 0x8913, asked))[1]
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", flags | 1))


class Memory(threading.Thread):
    """The most that a process and its children held at a time, in bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.most = pid, 0
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.most = max(self.most, sum(map(_resident, self._family(self._pid))))
                time.sleep(0.1)

    def _family(self, pid: int) -> list[int]:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(each for child in children for each in self._family(int(child)))]


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(python: Path, app: Path, home: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The app, and the seconds it took until it answered."""
    environ = SPACE | {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [python, "app.py"], cwd=app, env=environ, stdout=file, stderr=file, user=USER, group=USER, extra_groups=[]
        )
    try:
        while time.monotonic() - began < START_SECONDS and process.poll() is None:
            with contextlib.suppress(OSError):
                if _healthy():
                    break
            time.sleep(0.1)
        else:
            raise SystemExit(f"The app did not start:\n{log.read_text()[-3000:]}")
        yield process, time.monotonic() - began
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _healthy() -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5) as answer:
        return bool(json.load(answer)["status"] == "ok")


def main_job() -> dict[str, float]:
    """The first screen, two pictures and a caption, each run; the seconds of each."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import CHROMIUM, FINISHED, FLAGS
    from tests.browser.driving import ink, press_run, wait_done

    flags = [*FLAGS, f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
    seconds, complaints = {}, []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(180_000)
        page.on(
            "console", lambda m: complaints.append(f"{m.text} ({m.location['url']})") if m.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        began = time.monotonic()
        page.goto(f"http://{NAME}:{PORT}/")
        page.wait_for_function(FINISHED)
        seconds["first screen"] = time.monotonic() - began
        for place, name in (("#picture", "rocket.jpg"), ("#reference", "cat.jpg")):
            page.locator(f"{place} button[aria-label='Remove Image']").first.click()
            page.locator(f"{place} input[type=file]").set_input_files(ROOT / "assets" / name)
            page.wait_for_function("p => document.querySelector(p + ' img')?.complete", arg=place)
        before = ink(page)
        seconds["first run, two uploads, 120 masks"] = _timed(lambda: (press_run(page, 120), wait_done(page, 120)))
        assert ink(page) != before, "the map did not change"
        page.get_by_role("radio", name="a caption").check()
        caption = page.locator("#caption textarea, #caption input").first
        caption.fill("a rocket")
        caption.press("Enter")
        before = ink(page)
        seconds["first run, a caption, 60 masks"] = _timed(lambda: (press_run(page, 60), wait_done(page, 60)))
        assert ink(page) != before, "the map did not change"
        browser.close()
    asked = "https://huggingface.co/api/spaces/by-subdomain/"  # Gradio's page, at a Space's name: does the Space run?
    complaints = [text for text in complaints if asked not in text and "Space not found" not in text]
    assert not complaints, complaints
    return seconds


def _timed(work: Any) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def rehearse(python: Path, app: Path, home: Path) -> dict[str, str]:
    """One start of the app and the main job, in words."""
    log = home.with_name(f"{home.name}.log")
    with running(python, app, home, log) as (process, cold):
        memory, at_first = Memory(process.pid), _resident(process.pid)
        took = main_job()
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=30)
    text = NOISE.sub("", log.read_text(errors="replace"))
    assert status == 0, f"the app ended with {status}:\n{text[-2000:]}"
    assert "Traceback" not in text, text[-3000:]
    return {
        "cold start": f"{cold:.1f} s",
        **{name: f"{seconds:.1f} s" for name, seconds in took.items()},
        "memory at the start": f"{at_first / 1e6:.0f} MB",
        "peak memory": f"{memory.most / 1e6:.0f} MB",
    }


def make_home(folder: Path, kind: str) -> Path:
    """A home of the user's, or of nobody's."""
    home = folder / f"home-{kind}"
    home.mkdir()
    if kind == "writable":
        os.chown(home, USER, USER)
    else:
        home.chmod(0o555)
    return home


def inside(python: Path, app: Path, folder: Path) -> None:
    """Both rounds, in a network of their own; prints what they took."""
    loopback_up()
    with contextlib.suppress(OSError), socket.create_connection(("1.1.1.1", 53), timeout=2):
        raise SystemExit("The network is not cut.")
    for kind in HOMES:
        print(f"\nA {kind} home:")
        for name, words in rehearse(python, app, make_home(folder, kind)).items():
            print(f"  {name}: {words}", flush=True)


def version_for_user(python: Path) -> str:
    """The version of a Python, as the user runs it; empty where they cannot."""
    show = [python, "-c", "import sys; print(sys.version.split()[0])"]
    try:
        return subprocess.run(show, user=USER, group=USER, extra_groups=[], capture_output=True, text=True, cwd="/",
                              check=True).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""


def checked(python: Path) -> None:
    """Say what is missing here, before anything is done."""
    if os.geteuid():
        raise SystemExit("Start this as root: another user and a cut network need that.")
    if not (version := version_for_user(python)):
        raise SystemExit(f"User {USER} cannot run {python}; name one that everybody may run with --python or --venv.")
    print(f"Python {version}; the Space asks for {header('python_version')}.", flush=True)


def main() -> int:
    """Rehearse; the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/space", description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="makes the new environment")
    parser.add_argument("--venv", type=Path, help="an environment that exists, in place of a new one")
    parser.add_argument("--keep", action="store_true", help="leave the folder behind")
    parser.add_argument("--inside", nargs=2, type=Path, metavar=("APP", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(Path(options.python), *options.inside)
        return 0
    python = options.venv.absolute() / "bin" / "python" if options.venv else Path(options.python)
    checked(python)
    folder = Path(tempfile.mkdtemp(prefix="distance-explorer-space-"))
    folder.chmod(0o755)
    try:
        app = lay_out(folder)
        if options.venv:
            print(f"Nothing is installed: {options.venv} is used as it is.")
        else:
            began = time.monotonic()
            python = install(folder, options.python)
            print(f"requirements.txt was installed in {time.monotonic() - began:.0f} s.", flush=True)
        again = [sys.executable, Path(__file__).parent, "--python", python, "--inside", app, folder]
        return subprocess.run(["unshare", "--net", *map(str, again)], cwd=ROOT, check=False).returncode
    finally:
        if not options.keep:
            shutil.rmtree(folder)
