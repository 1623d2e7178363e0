"""Who may import whom, what importing costs, and what must not appear in the code at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "explorer"
FILES = [*sorted(PACKAGE.rglob("*.py")), ROOT / "app.py"]
HEAVY = ("torch", "tensorflow", "keras", "openvino", "onnx", "gradio", "matplotlib", "PIL", "timm", "transformers",
         "open_clip", "tokenizers", "scipy", "sklearn", "skimage", "pandas", "ray", "tqdm")  # fmt: skip

FLOORS = (
    {"core"},
    {"pictures"},
    {"encoders"},
    {"attributions", "results"},
    {"verbs"},
    {"evaluation", "datasets", "reports"},
    {"studies", "benchmark", "batch"},
    {"ui"},
    {"cli"},  # one of its commands opens the app
)
"""The rooms from the ground up; each may import those below it and itself."""

ENCODERS, UI = "encoders.", "ui."
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("tensorflow", "keras", "openvino", "onnx", "open_clip"), (ENCODERS,)),
    "timm": (ENCODERS, "datasets."),
    **dict.fromkeys(("transformers", "tokenizers", "safetensors", "huggingface_hub"), (ENCODERS,)),
    "torch": (ENCODERS, "attributions.", "benchmark.contenders"),
    "captum": ("attributions.", "benchmark.contenders"),
    **dict.fromkeys(("distance_explainer", "dianna", "xaitk_saliency"), ("benchmark.contenders",)),  # our peers
    "scipy": ("evaluation.information", "evaluation.road"),
    "h5py": (ENCODERS, "datasets."),
    **dict.fromkeys(("pycocotools", "torchvision"), ("datasets.",)),
    **dict.fromkeys(("gradio", "starlette", "fastapi", "uvicorn"), (UI,)),
    "spaces": ("ui.zero_gpu",),
    # of export only its SVG's salt; of views below only the type of what they give
    "matplotlib": (
        "results.plots",
        "results.lettering",
        "results.export",
        "results.views",
        "reports.drawing",
        "core.views",
    ),
    "PIL": (
        "pictures.",
        UI,
        "encoders.preprocessing",
        "datasets.scenes",
    ),  # libraries preprocess PIL images
    "tqdm": ("cli.", "core.bars"),
    **dict.fromkeys(("pooch", "requests"), ("pictures.examples",)),
    "platformdirs": ("core.storage",),
    "jinja2": ("reports.page",),
    "pyarrow": ("batch.tables",),
    "ray": ("batch.ray_engine",),
    "numpy": ("",),
}
"""Where a package from outside may be imported; a trailing dot means the whole folder."""


def module_name(path: Path) -> str:
    """``explorer/encoders/base.py`` -> ``encoders.base``; the package itself is the empty name."""
    if not path.is_relative_to(PACKAGE):
        return path.stem
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path) for path in FILES}
TREES = {module_name(path): (path, ast.parse(path.read_text(encoding="utf-8"), str(path))) for path in FILES}


def imported(name: str) -> set[str]:
    """The full names of the modules that a module imports: at once, in a function, or for its types only."""
    path, tree = TREES[name]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ["explorer", *name.split(".")] if name else ["explorer"]
            if path.name != "__init__.py":
                package = package[:-1]
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                # `from . import conse` names a module, `from .conse import ConSE` something in one.
                inner = f"{source}.{alias.name}"
                found.add(inner if inner.removeprefix("explorer.") in MODULES else source)
    return found


def inner_edges(name: str) -> set[str]:
    return {
        target.removeprefix("explorer").removeprefix(".")
        for target in imported(name)
        if target == "explorer" or target.startswith("explorer.")
    }


def room(name: str) -> str:
    """The room of a module; the public names and the command stand above all but the app."""
    return name.split(".")[0]


def floor(name: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if room(name) in rooms), len(FLOORS))


@pytest.mark.parametrize("name", sorted(MODULES - {"app"}))
def test_imports_run_downwards(name: str) -> None:
    upward = {edge for edge in inner_edges(name) if floor(edge) >= floor(name) and room(edge) != room(name)}
    assert upward == set()


def test_no_circle_of_files() -> None:
    """Not even for types or inside functions."""
    TopologicalSorter({name: inner_edges(name) - {name} for name in MODULES}).prepare()


def test_every_room_has_a_floor() -> None:
    assert set().union(*FLOORS) == {room(name) for name in MODULES} - {"", "__main__", "app"}


def test_nobody_imports_the_app_but_its_entry_point() -> None:
    assert inner_edges("app") == {"ui"}
    importers = {name for name in MODULES for edge in inner_edges(name) if edge == "ui" or edge.startswith(UI)}
    assert {name for name in importers if not (name == "ui" or name.startswith(UI))} == {"app", "cli.app"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_packages_from_outside_stay_where_they_belong(name: str) -> None:
    outside = {target.split(".")[0] for target in imported(name)} - sys.stdlib_module_names - {"explorer"}
    for package in outside:
        assert package in THIRD_PARTY, f"{package} is new: say in the table where it may be imported"
        homes = THIRD_PARTY[package]
        assert any(name.startswith(home) if home.endswith(".") or not home else name == home for home in homes), package


def test_the_reader_of_imports_reads_imports(tmp_path: Path) -> None:
    """A gate that finds nothing would pass forever."""
    assert inner_edges("core.rank") >= {"core.distances", "core.selections", "core.probe"}
    assert "encoders.efficientnet_lite" in inner_edges("encoders.conse")
    assert "matplotlib.figure" in imported("results.plots")  # inside a function
    assert "torch" in imported("encoders.efficientnet_lite")


def test_names_of_modules() -> None:
    for path in FILES:
        stem = path.stem
        assert stem not in {"utils", "util", "helpers", "common", "manager", "misc"}
        assert stem in ("__init__", "__main__") or stem not in sys.stdlib_module_names


# A fresh process


def loaded_after(code: str) -> set[str]:
    """Which heavy packages a fresh process has loaded after running some code."""
    script = f"import sys\n{code}\nprint('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(answer.stdout.split("loaded:")[1].split())


def test_importing_loads_no_framework() -> None:
    assert loaded_after("import explorer") == set()


def test_settings_and_cards_load_no_framework() -> None:
    code = "import explorer; explorer.MaskSettings(fill='blur'); explorer.SelectionSettings(distance='dot')"
    assert loaded_after(f"{code}; explorer.encoders()") == set()


def test_explaining_a_function_loads_no_framework() -> None:
    code = (
        "import numpy as np, explorer\n"
        "encoder = explorer.from_function(lambda batch: batch.mean(axis=(1, 2)))\n"
        "image = np.random.default_rng(0).random((20, 30, 3))\n"
        "assert explorer.explain(image, reference=image[::-1], encoder=encoder).attribution.any()"
    )
    assert loaded_after(code) == set()


def test_the_watch_notices_a_framework() -> None:
    assert loaded_after("import explorer, PIL.Image") == {"PIL"}


def test_encoders_is_a_function_whatever_was_imported_first() -> None:
    """It is also the name of a room."""
    for first in ("explorer.core.rank", "explorer.verbs", "explorer.encoders.cards"):
        loaded_after(f"import {first}, explorer; assert callable(explorer.encoders) and callable(explorer.rank)")
        loaded_after(f"import explorer, {first}; assert callable(explorer.encoders) and callable(explorer.rank)")


# What must not appear


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def dotted(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def keyword(call: ast.Call, name: str) -> object:
    """The constant given for a keyword, or None."""
    return next((k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None)


GLOBAL_RANDOM = {
    f"{numpy}.random.{name}"
    for numpy in ("np", "numpy")
    for name in (*np.random.__all__, "test")
    if name not in {"Generator", "Philox", "RandomState"}
}
"""All of ``numpy.random`` but what is built from an explicit seed."""


def offences(tree: ast.AST) -> list[str]:
    """Everything in some code that the house rules forbid."""
    found = []
    for name, call in calls(tree):
        if keyword(call, "allow_pickle") is True:
            found.append("allow_pickle=True")
        if name.endswith("torch.load") and keyword(call, "weights_only") is not True:
            found.append("torch.load without weights_only=True")
        if name.endswith(("np.load", "numpy.load")) and keyword(call, "allow_pickle") is not False:
            found.append("np.load without allow_pickle=False")
        if name.split(".")[-1] in {"manual_seed", "set_seed", "set_random_seed", "eval_str", "load_url"} or name in {
            "eval",
            "exec",
        }:
            found.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            last = node.body[-1]  # lets the error go on, or says it in words of ours, with the error behind them
            tells = isinstance(last, ast.Raise) and (last.exc is None or ast.unparse(last.cause or last) == node.name)
            if caught in {"everything", "Exception", "BaseException"} and not tells:
                found.append(f"except {caught}")
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            found.append("trust_remote_code")
        if isinstance(node, ast.Import) and {alias.name for alias in node.names} & {
            "random",
            "dill",
            "joblib",
            "cloudpickle",
        }:
            found.append(ast.unparse(node))
        if isinstance(node, ast.ImportFrom) and node.module in {"random", "pickle", "numpy.random"}:
            found.append(ast.unparse(node))
    for name in dotted(tree):
        if name in GLOBAL_RANDOM:
            found.append(name)
        if name.startswith("pickle.") and name != "pickle.UnpicklingError":  # the error, so that it can be caught
            found.append(name)
        if name.endswith("LOAD_TRUNCATED_IMAGES"):
            found.append(name)
        if name.startswith(("tf.image.decode", "tf.io.decode", "torchvision.io", "cv2.imread")):
            found.append(name)  # a user's bytes are decoded by Pillow alone
    return found


PERMITTED = {
    "encoders.keras_applications": ["import random"],
    "batch.ray_engine": ["pickle.Pickler", "pickle.HIGHEST_PROTOCOL", "pickle.Unpickler"],
}
"""Keras draws from Python's global generator, and the module puts it back where it was. Between a driver and its own
workers Ray pickles whatever goes over; here it goes without the encoder, which is at both ends."""


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_forbidden(name: str) -> None:
    assert offences(TREES[name][1]) == PERMITTED.get(name, [])


@pytest.mark.parametrize(
    "code",
    [
        "np.load(path, allow_pickle=True)",
        "np.load(path)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "import pickle; pickle.loads(data)",
        "from pickle import load",
        "ImageFile.LOAD_TRUNCATED_IMAGES = True",
        "from_pretrained(name, trust_remote_code=True)",
        "try: f()\nexcept Exception: pass",
        "try: f()\nexcept: pass",
        "try: f()\nexcept Exception: raise Ours",
        "try: f()\nexcept Exception as error: raise Ours from None",
        "np.random.seed(0)",
        "np.random.rand(3)",
        "np.random.default_rng()",
        "import random",
        "torch.manual_seed(0)",
        "tf.image.decode_jpeg(data)",
        "eval(text)",
    ],
)
def test_the_gate_catches(code: str) -> None:
    assert offences(ast.parse(code))


def test_the_gate_lets_honest_code_through() -> None:
    code = "np.load(p, allow_pickle=False); np.random.RandomState(3).choice(2); torch.load(p, weights_only=True)"
    assert offences(ast.parse(code)) == []
    assert offences(ast.parse("try: f()\nexcept BaseException:\n    tidy()\n    raise")) == []
    assert offences(ast.parse("try: f()\nexcept Exception as error: raise Ours from error")) == []
