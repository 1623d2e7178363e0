"""What the code must not do, seen by reading it: measure time by a clock that jumps, block the server's one event
loop, take a network from a file as a whole; and what must be installed."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in (ROOT / "explorer").rglob("*.py")
}


def called(tree: ast.AST) -> Iterator[str]:
    """The names of all that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


# Clocks

WALL_CLOCK = {"time", "time_ns", "localtime", "now", "utcnow", "today"}
DATED = {
    "explorer/results/folders.py": "a manifest says when it was made",
    "explorer/results/probe_files.py": "and so does a kept probe",
    "explorer/studies/results.py": "and so does a study's",
    "explorer/ui/gate/upload_store.py": "files have dates",
    "explorer/ui/memory/temp_folder.py": "files have dates",
    "explorer/ui/memory/states.py": "Gradio dates its pages' states; after a jump they are asked for again, in words",
    "explorer/encoders/openvino_runtime.py": "files have dates",
}
"""Who may ask what time of day it is. Whoever measures how long something takes must not: that clock can jump."""


def test_nothing_is_timed_by_a_clock_that_jumps() -> None:
    clocks = {f"{module}.{name}" for module in ("time", "datetime", "datetime.datetime", "date") for name in WALL_CLOCK}
    asking = {name for name, tree in TREES.items() if clocks & set(called(tree))}
    assert asking <= set(DATED)
    assert "explorer/results/folders.py" in asking  # so that a reader of names that reads none fails


# The event loop

BLOCKING = {
    *("open", "time.sleep", "as_picture", "load_encoder", "embed_reference", "rank_against", "export_zip", "np.load"),
    *("Image.open", "json.load", "subprocess.run", "urllib.request.urlopen", "shutil.rmtree", "os.replace"),
}
BLOCKING_METHODS = {
    *("read_bytes", "read_text", "write_bytes", "write_text", "open", "read", "write", "flush", "stat", "is_file"),
    *("iterdir", "unlink", "mkdir", "result", "acquire"),
}
"""Of files, futures and locks."""


def blocking(tree: ast.AST) -> list[str]:
    """What coroutines call that would hold up every other visitor; awaited or sent to a thread it would not."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
            elsewhere = {id(call) for function in inner for call in ast.walk(function)}
            awaited = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Await)}
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and not {id(call)} & (elsewhere | awaited):
                    name = ast.unparse(call.func)
                    if name in BLOCKING or ("." in name and name.rsplit(".", 1)[1] in BLOCKING_METHODS):
                        found.append(f"{node.name}: {name}")
    return found


def test_coroutines_do_no_slow_work() -> None:
    """One event loop answers all visitors; decoding one picture on it would stop it for all of them."""
    assert {name: found for name, tree in TREES.items() if (found := blocking(tree))} == {}
    assert any(isinstance(node, ast.AsyncFunctionDef) for tree in TREES.values() for node in ast.walk(tree))


@pytest.mark.parametrize(
    "code",
    [
        "async def f(): time.sleep(1)",
        "async def f():\n  with open(p) as file: pass",
        "async def f(): return path.read_bytes()",
        "async def f(): return as_picture(path)",
    ],
)
def test_slow_work_is_seen(code: str) -> None:
    assert blocking(ast.parse(code))


def test_work_in_a_thread_is_none() -> None:
    code = "async def f():\n  def g(): return p.read_bytes()\n  await run(p.read_bytes)\n  await asyncio.sleep(1)"
    assert blocking(ast.parse(code)) == []


# Networks are made by code; files bring numbers

WHOLE_MODELS = {"load_model", "model_from_json", "model_from_config", "enable_unsafe_deserialization", "unsafe_load"}


def test_no_network_is_made_from_a_file() -> None:
    found = {name: {c for c in called(tree) if c.rsplit(".", 1)[-1] in WHOLE_MODELS} for name, tree in TREES.items()}
    assert {name: calls for name, calls in found.items() if calls} == {}
    makers = {name for name, tree in TREES.items() for c in called(tree) if c.endswith(("from_config", "clone_model"))}
    assert makers <= {"explorer/encoders/keras_layers.py"}  # of a network that runs here already
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "explorer" / "encoders").glob("*.py"))
    assert "safe_mode" not in text
    assert "custom_objects" not in text


# What is installed

SAFE = {"pillow": "12.3.0", "starlette": "1.0.1", "gradio": "6.25.0", "torch": "2.10", "keras": "3.14.1"}
"""The first releases without the holes of the threat list."""


def floors() -> dict[str, Version]:
    """Distribution -> the oldest release that may be used."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for group in project["optional-dependencies"].values() for line in group)]
    found = (re.match(r"([\w.-]+)>=([\w.]+)(?:,<[\w.]+)?$", line) for line in lines)
    return {match[1].lower(): Version(match[2]) for match in found if match}


def test_floors_lie_above_the_known_holes() -> None:
    low = floors()
    assert {name: version for name, version in SAFE.items() if low[name] < Version(version)} == {}


@pytest.mark.parametrize("name", sorted(floors()))
def test_what_is_installed_reaches_its_floor(name: str) -> None:
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    assert Version(installed) >= floors()[name]
