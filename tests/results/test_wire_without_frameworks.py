"""A machine with no framework at all shows the presets: the app starts, serves them, and the library reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = (
    *("torch", "tensorflow", "keras", "openvino", "timm", "transformers", "open_clip", "tokenizers"),
    *("safetensors", "h5py"),
)

BLOCKED = f"""
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FRAMEWORKS!r}:
            raise ImportError(f"{{name}} is not here")

sys.meta_path.insert(0, Blocker())
"""

SERVE = """
import json, urllib.request
from explorer.ui import build_app, launch

demo = build_app()
launch(demo, prevent_thread_lock=True, quiet=True)

def get(path):
    with urllib.request.urlopen(demo.local_url.rstrip("/") + path, timeout=60) as answer:
        return answer.read()

try:
    assert b"Distance Explorer" in get("/")
    assert b"export" in get("/browser/instrument/maths.js")
    wire = json.loads(get("/replay/two-espresso.json"))
finally:
    demo.close()
"""

READ = """
import sys
from explorer import SelectionSettings
from explorer.pictures.examples import asset_path
from explorer.core.rank import rank_against
from explorer.results.wire import load_replay, replay_of, unpack

wire = load_replay(replay_of("two-espresso"))
e = rank_against(*unpack(wire, picture=asset_path("cat_and_espresso.jpg")), SelectionSettings())
e.save(sys.argv[1])
"""


def in_a_fresh_process(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_blocker_blocks(name: str) -> None:
    code = f"try:\n    import {name}\nexcept ImportError:\n    print('blocked')"
    assert in_a_fresh_process(code) == "blocked\n"


def test_the_app_starts_and_serves_the_presets(tmp_path: Path) -> None:
    code = "print(json.dumps([wire['id'], sorted(set(sys.modules) & " + f"set({FRAMEWORKS!r}))]))"
    name, loaded = json.loads(in_a_fresh_process(SERVE + READ + code, str(tmp_path / "out")).splitlines()[-1])
    assert len(name) == 16
    assert loaded == []
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["no_signal"] == ""
    assert facts["masks_done"] == 1000
    assert (tmp_path / "out" / "overlay.png").stat().st_size > 10_000


def test_the_library_reads_them_without_the_app_too(tmp_path: Path) -> None:
    code = "print('gradio' in sys.modules)"
    assert in_a_fresh_process(READ + code, str(tmp_path / "out")) == "False\n"


def test_without_openvino_there_is_no_bfloat16() -> None:
    code = "from explorer.encoders.openvino_runtime import bfloat16_here\nprint(bfloat16_here())"
    assert in_a_fresh_process(code) == "False\n"
