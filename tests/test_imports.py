"""Who may import whom, what importing costs, and what must not appear in the code at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "explorer"
FILES = [*sorted(PACKAGE.rglob("*.py")), ROOT / "app.py"]
HEAVY = ("torch", "tensorflow", "keras", "openvino", "gradio", "matplotlib", "PIL", "timm", "transformers", "open_clip",
         "tokenizers", "scipy", "sklearn", "skimage", "pandas", "ray")  # fmt: skip

COMMON = {"caps", "errors", "registry", "schema"}
"""What everything may import; these four themselves have rows in the table."""

BENCHMARK_COMMAND = ("cells", "plan", "price", "report", "run")
STUDY_COMMAND = ("bench", "report", "runner", "study", "subjects")
FAMILY = {
    "encoders.base",
    "encoders.gradients",
    "encoders.layers",
    "encoders.openvino_runtime",
    "encoders.torch_layers",
    "cache",
}
"""What a family of encoders may import."""

ALLOWED: dict[str, set[str]] = {
    "": {
        "encoders.base",
        "encoders.cards",
        "encoders.functions",
        "encoders.torch_layers",
        "masks",
        "probe",
        "rank",
        "words",
    },  # the public API
    "__main__": {"cli"},
    "errors": set(),
    "caps": {"errors"},
    "registry": {"errors"},
    # An explanation measures its unmasked distance and saves itself: both when asked, long after the import.
    "schema": {"caps", "errors", "registry", "distances", "files"},
    "agreement": {"masks", "rank"},
    "cache": set(),
    "case": {
        "distances",
        "encoders.base",
        "encoders.functions",
        "fills",
        "images",
        "masks",
        "probe",
        "rank",
        "references",
    },
    "captions": set(),
    "describe": set(),
    "distances": set(),
    "examples": {"cache"},
    "fills": set(),
    "formats": set(),
    "arrays": {"formats"},
    "images": {"arrays", "formats"},
    "masks": {"schemes"},
    "schemes": set(),
    "sentences": {"captions", "encoders.base"},
    "words": {"agreement", "encoders.base", "files", "masks", "probe", "rank", "references", "sentences"},
    "words_command": {"files", "sentences", "words"},
    "benchmark_command": {
        "encoders.base",
        "encoders.cards",
        "studies.runner",
        *map("benchmark.{}".format, BENCHMARK_COMMAND),
    },
    "study_command": {"encoders.base", "encoders.cards", *map("studies.{}".format, STUDY_COMMAND)},
    "presets": {"examples"},
    "selections": set(),
    "references": {"captions", "encoders.base", "encoders.functions", "images"},
    "probe": {"encoders.base", "encoders.functions", "fills", "images", "masks"},
    "rank": {"distances", "encoders.base", "images", "probe", "references", "selections"},
    "plots": {"images"},
    "files": {"images", "masks", "plots", "probe"},
    "config": {"captions", "encoders.cards", "examples", "images", "masks", "presets"},
    "links": {"config", "encoders.base", "presets"},
    "export": {"config", "files", "masks", "plots", "presets"},
    "replay": {
        "distances",
        "encoders.cards",
        "files",
        "formats",
        "images",
        "masks",
        "plots",
        "presets",
        "probe",
        "references",
        "unpacking",
    },
    "unpacking": {"encoders.base", "encoders.cards", "images", "masks"},
    "cli": {
        "describe",
        "encoders.base",
        "encoders.cards",
        "files",
        "formats",
        "presets",
        "probe",
        "rank",
        "references",
        "replay",
        "benchmark_command",
        "study_command",
        "words_command",
    },
    "encoders": set(),
    "encoders.base": {"encoders.cards", "images"},
    "encoders.attention": set(),
    "encoders.functions": {"encoders.base"},
    "encoders.gradients": {"encoders.attention"},
    "encoders.keras_layers": {"encoders.base", "encoders.gradients", "encoders.layers"},
    "encoders.cards": {"encoders.base"},
    "encoders.openvino_runtime": {"cache"},
    "encoders.efficientnet_lite": FAMILY | {"encoders.hub"},
    "encoders.keras_applications": FAMILY | {"encoders.hub", "encoders.keras_layers"},
    "encoders.layers": {"encoders.base"},
    "encoders.torch_layers": {"encoders.base", "encoders.functions", "encoders.gradients", "encoders.layers"},
    "encoders.hub": {"encoders.base"},
    "encoders.preprocessing": set(),
    "encoders.openclip": FAMILY | {"encoders.hub", "encoders.openclip_weights", "encoders.preprocessing"},
    "encoders.openclip_weights": {"encoders.hub"},
    "encoders.timm_models": FAMILY | {"encoders.hub", "encoders.preprocessing"},
    "encoders.conse": FAMILY | {"encoders.efficientnet_lite"},
}

UI_USES = {"agreement", "captions", "case", "config", "encoders.base", "encoders.cards", "export", "formats", "images",
           "links", "plots", "presets", "probe", "rank", "references", "replay", "sentences", "studies.pilot",
           "studies.sweeps", "unpacking", "words",
           "encoders.openvino_runtime"}  # the last to ask whether there is bfloat16  # fmt: skip

EVALUATION = {"agreement", "case", "distances", "encoders.base", "encoders.layers", "fills", "formats", "images",
              "masks", "presets", "probe", "rank"}  # fmt: skip
ATTRIBUTIONS = {"case", "distances", "encoders.attention", "encoders.base", "encoders.gradients", "fills", "masks"}
DATASETS = {"captions", "files", "images", "formats"}
BENCHMARK = {"case", "distances", "encoders.base", "encoders.cards", "files", "formats", "images", "plots",
             "references", "studies.drawing", "studies.report_style"}  # fmt: skip
STUDIES = EVALUATION | {"describe", "examples", "files", "plots", "references", "words"}
FOLDERS: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "ui": (UI_USES, ("evaluation", "attributions")),
    "attributions": (ATTRIBUTIONS, ()),
    "evaluation": (EVALUATION, ()),
    "datasets": (DATASETS, ()),
    "studies": (STUDIES, ("evaluation",)),
    "benchmark": (BENCHMARK, ("evaluation", "attributions", "datasets")),
}
"""What the modules of a folder may import besides each other: single modules, and whole other folders."""

ENCODERS, UI = "encoders.", "ui."
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("tensorflow", "keras", "openvino", "open_clip"), (ENCODERS,)),
    "timm": (ENCODERS, "datasets."),
    **dict.fromkeys(("transformers", "tokenizers", "safetensors", "huggingface_hub"), (ENCODERS,)),
    "torch": (ENCODERS, "attributions."),
    "captum": ("attributions.",),
    "scipy": ("evaluation.information",),
    "h5py": (ENCODERS, "datasets."),
    **dict.fromkeys(("pycocotools", "torchvision"), ("datasets.",)),
    **dict.fromkeys(("gradio", "starlette", "uvicorn"), (UI,)),
    "matplotlib": ("plots", "export", "studies.drawing"),  # export for the salt of its SVG
    "PIL": ("images", "formats", UI, "encoders.preprocessing"),  # libraries' own preprocessing takes PIL images
    "tqdm": ("benchmark_command", "cli", "study_command", "words_command"),
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


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, except what only a type checker sees."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from runtime_nodes(child)


def imported(name: str, *, types_too: bool = False) -> set[str]:
    """The full names of the modules that a module imports, at once or in a function."""
    path, tree = TREES[name]
    found = set()
    for node in ast.walk(tree) if types_too else runtime_nodes(tree):
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


def within(folder: str) -> set[str]:
    """The modules of a folder."""
    return {name for name in MODULES if name.split(".")[0] == folder}


@pytest.mark.parametrize("name", sorted(MODULES - {"app"}))
def test_only_allowed_edges(name: str) -> None:
    folder = name.split(".")[0]
    if folder in FOLDERS:
        modules, folders = FOLDERS[folder]
        allowed = modules | COMMON | set().union(*map(within, (folder, *folders)))
    else:
        assert name in ALLOWED, f"{name} is new: say in the table what it may import"
        allowed = ALLOWED[name] if name in COMMON else ALLOWED[name] | COMMON
    assert inner_edges(name) <= allowed


def test_nobody_imports_the_app_but_its_entry_point() -> None:
    assert inner_edges("app") == {"ui"}
    importers = {name for name in MODULES for edge in inner_edges(name) if edge == "ui" or edge.startswith(UI)}
    assert {name for name in importers if not (name == "ui" or name.startswith(UI))} == {"app"}


def test_the_table_has_no_dead_rows() -> None:
    assert set(ALLOWED) <= MODULES
    assert {
        edge for row in (*ALLOWED.values(), *(modules for modules, _ in FOLDERS.values())) for edge in row
    } <= MODULES


@pytest.mark.parametrize("name", sorted(MODULES))
def test_packages_from_outside_stay_where_they_belong(name: str) -> None:
    outside = (
        {target.split(".")[0] for target in imported(name, types_too=True)} - sys.stdlib_module_names - {"explorer"}
    )
    for package in outside:
        assert package in THIRD_PARTY, f"{package} is new: say in the table where it may be imported"
        homes = THIRD_PARTY[package]
        assert any(name.startswith(home) if home.endswith(".") or not home else name == home for home in homes), package


def test_the_reader_of_imports_reads_imports(tmp_path: Path) -> None:
    """A gate that finds nothing would pass forever."""
    assert inner_edges("rank") >= {"distances", "selections", "probe"}
    assert "encoders.efficientnet_lite" in inner_edges("encoders.conse")  # from . import
    assert "files" in inner_edges("schema")  # inside a method
    assert "encoders.base" not in inner_edges("fills")  # for the type checker only
    assert "matplotlib.figure" in imported("plots")
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


def test_the_verbs_are_functions_whatever_was_imported_first() -> None:
    """`explorer.probe` and `explorer.rank` name both a verb and the module it lives in."""
    for first in ("explorer.rank", "explorer.probe", "explorer.files", "explorer.encoders.cards"):
        loaded_after(f"import {first}, explorer; assert callable(explorer.probe) and callable(explorer.rank)")
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


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_forbidden(name: str) -> None:
    assert offences(TREES[name][1]) == []


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
