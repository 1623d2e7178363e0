"""Networks on the CPU through OpenVINO, read as ONNX once and kept in the user's cache as OpenVINO writes them."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import CannotWrite, InvalidInput
from explorer.core.storage import cache_folder, file_hash

log = logging.getLogger(__name__)

HINTS = {"float32": "f32", "bfloat16": "bf16"}

UNFINISHED = ".unfinished-"
UNFINISHED_SECONDS = 3600
"""After which a temporary folder of the cache belongs to nobody."""


def import_openvino() -> Any:
    """OpenVINO, which without ``openvino_telemetry`` tells nobody that it is imported or converts a network."""
    reporter = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if reporter is None:
            del sys.modules["openvino_telemetry"]
        else:
            sys.modules["openvino_telemetry"] = reporter
    return openvino


class Network:
    """A compiled network; not thread-safe, callers hold their lock.

    Args:
        key: Names the network and its exact weights, e.g. ``"efficientnet-lite0-1a2b3c"``; with an empty one the
            network is not kept in the cache.
        build: Makes the network as an ONNX file; called only when not cached.
        precision: ``"float32"`` or ``"bfloat16"``.
        shape: Fixed shape of the only input, which runs faster; None keeps every size dynamic.
        output: The name of what is wanted of it, where it has several outputs; no more of it is run.

    Attributes:
        model: The network as OpenVINO read it, to compile in other ways.
        precision: As given.
        version: OpenVINO's.

    Raises:
        InvalidInput: This processor has no bfloat16 arithmetic.
    """

    def __init__(
        self,
        key: str,
        build: Callable[[], bytes],
        precision: str,
        shape: tuple[int, ...] | None = None,
        output: str | None = None,
    ) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise InvalidInput("This processor has no bfloat16 arithmetic; use precision float32.", code="bfloat16")
        name = f"{key}-openvino-{openvino.__version__.split('-')[0]}"
        model = _cached(core, name, build) if key else _built(core, build)
        if output is not None:
            model = openvino.Model([model.output(output)], model.get_parameters())
        if shape is not None:
            model.reshape(list(shape))
        self.version = f"openvino {openvino.__version__.split('-')[0]}"
        self.model, self.precision = model, precision
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
        self._request = core.compile_model(model, "CPU", hints).create_infer_request()

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network; returns a copy of its output as float32."""
        result = self._request.infer(list(inputs), share_inputs=True)
        return np.array(next(iter(result.values())), dtype=np.float32)

    def rest(self) -> None:
        """Give back the memory it needs while it runs, until it runs again."""
        self._request.get_compiled_model().release_memory()


def bfloat16_here() -> bool:
    """Whether this processor computes in bfloat16; where OpenVINO cannot be imported or started, nothing here does."""
    try:
        openvino = import_openvino()
        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ImportError, RuntimeError):
        return False


def cached_array(key: str, build: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """An array from the cache, or built and kept there."""
    path = _place("arrays", f"{key}.npy")
    if path is None:
        return build()
    if _intact(path):
        return np.asarray(np.load(path, allow_pickle=False))
    array = build()
    _keep(path.parent, lambda folder: np.save(folder / path.name, array, allow_pickle=False))
    return array


def _cached(core: Any, name: str, build: Callable[[], bytes]) -> Any:
    openvino = import_openvino()
    path = _place("networks", f"{name}.xml")
    if path is None:
        return _built(core, build)
    if _intact(path, path.with_suffix(".bin")):
        try:
            return core.read_model(path)
        except RuntimeError as error:  # kept when the disk was full, which OpenVINO does not always notice
            log.warning("The cached %s cannot be read; it is made again: %s", path.name, str(error).splitlines()[-1:])
    model = _built(core, build)
    _keep(path.parent, lambda folder: openvino.save_model(model, folder / path.name, compress_to_fp16=False))
    return model


def _built(core: Any, build: Callable[[], bytes]) -> Any:
    return core.read_model(build())


def _place(kind: str, name: str) -> Path | None:
    """Where something is kept; None for a user without a home folder, who does without."""
    try:
        return cache_folder() / kind / name
    except CannotWrite:
        _say_that_nothing_is_kept("this user has no home folder")
        return None


def _intact(*paths: Path) -> bool:
    """Whether cached files are what was written: any that is cut, edited, unreadable or alone is made anew."""
    try:
        if not os.path.lexists(paths[0]):
            return False
        if all(_digest(path).read_bytes() == file_hash(path).encode() for path in paths):
            return True
    except OSError as error:
        log.info("The cache: %s.", error.strerror)
    log.warning("The cached %s is not what was written there; it is made again.", paths[0].name)
    return False


def _digest(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _keep(folder: Path, write: Callable[[Path], None]) -> None:
    """Write files to a temporary folder and move them in, each whole, with its hash beside it; do without where not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED, ignore_cleanup_errors=True) as scratch:
            write(Path(scratch))
            for made in list(Path(scratch).iterdir()):
                digest = _digest(made)
                digest.write_text(file_hash(made))
                for file in (made, digest):
                    _move(file, folder / file.name)
    except (OSError, RuntimeError) as error:  # the latter is how OpenVINO says that the disk is full
        reason = getattr(error, "strerror", None) or "the disk may be full"
        _say_that_nothing_is_kept(f"{folder.parent}: {reason.lower()}")


@cache
def _say_that_nothing_is_kept(reason: str) -> None:
    """Once for each reason, though every network and array is tried."""
    log.warning(
        "Nothing can be kept in the cache (%s), so every start does this work again; free some space there, or set "
        "EXPLORER_CACHE to a folder that can be written to.",
        reason,
    )


def _move(file: Path, place: Path) -> None:
    """Put a file where it belongs, also in the place of a folder."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    os.replace(file, place)


def _sweep(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote."""
    for left in folder.glob(f"{UNFINISHED}*"):
        if time.time() - left.lstat().st_mtime > UNFINISHED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
