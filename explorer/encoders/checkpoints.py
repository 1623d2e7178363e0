"""The arrays of a weights file, out of whatever a training loop wrapped around them, without running anything in it."""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidInput

HOLDERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema"),
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "module", "params", "weights"),
)
"""What training loops call the arrays of the network among the rest. Averaged ones come first, as in timm."""

WRAPPERS = ("module.", "model.", "net.", "ema_model.")
"""What DataParallel, AveragedModel and training loops put before the name of every array."""

COMPILED = re.compile(r"(^|\.)_orig_mod\.")
"""What torch.compile puts before the names of all that it compiled."""

DEPTH = 3
"""How far inside each other the holders may be."""


class NoWeights(ValueError):
    """A file that holds no arrays of a network; says why."""


def read_state(path: Path) -> dict[str, Any]:
    """The arrays of a network by name, out of a weights file.

    Args:
        path: A .safetensors file, or what ``torch.save`` wrote: a state dict, bare or as a training loop keeps it
            beside its epoch and its optimizer, where ``HOLDERS`` has its name or there is no other.

    Raises:
        NoWeights: There are none, or of more than one network.
    """
    return unwrap(read_content(path))


def read_content(path: Path) -> Mapping[str, Any]:
    """All that a weights file holds.

    Raises:
        NoWeights: It is none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        return _read_torch_file(path)
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise NoWeights("it is no .safetensors file, or cut short") from error


def unwrap(content: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of the network under the names it gives them itself.

    Raises:
        NoWeights: There are none, or of more than one network.
    """
    arrays = {name: array for name, array in _inside(content).items() if _is_array(array)}
    state = {COMPILED.sub(r"\1", name): array for name, array in arrays.items()}
    if len(state) > 1:
        state.pop("n_averaged", None)  # AveragedModel's count
    while prefix := next((one for one in WRAPPERS if state and all(name.startswith(one) for name in state)), ""):
        state = {name.removeprefix(prefix): array for name, array in state.items()}
    if not state:
        raise NoWeights("there are no arrays in it")
    return state


def wrong_weights(network: str, error: Exception) -> InvalidInput:
    """What is said of a file that does not fit a network."""
    why = f" ({error})" if isinstance(error, NoWeights) else ""
    return InvalidInput(
        f"This file does not hold the weights of {network}{why}; give its .safetensors, or a torch state dict.",
        code="weights_file",
    )


def _read_torch_file(path: Path) -> Mapping[str, Any]:
    import torch

    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # of what it finds in files that are none
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except MemoryError:
        raise
    except Exception as error:  # torch's reader trips over what is no state dict in as many ways as there are files
        raise NoWeights("it is no torch state dict, or holds objects besides arrays, which are not run") from error
    if not isinstance(content, dict):
        raise NoWeights("it is no torch state dict")
    return content


def _inside(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arrays of the network among all that a checkpoint holds."""
    for _ in range(DEPTH):
        nested = {name: value for name, value in content.items() if _holds_arrays(value)}
        if not nested:
            break
        named = [name for name in HOLDERS if name in nested]
        if not named and len(nested) > 1:
            raise NoWeights("it holds more than one network, none of them called state_dict or model; save one alone")
        content = nested[named[0] if named else next(iter(nested))]
    return content


def _holds_arrays(value: Any, depth: int = DEPTH) -> bool:
    """Whether something is named arrays, or holds some; the state of an optimizer has numbers for names."""
    if not isinstance(value, dict) or not depth or not all(isinstance(name, str) for name in value):
        return False
    return any(_is_array(inner) or _holds_arrays(inner, depth - 1) for inner in value.values())


def _is_array(value: Any) -> bool:
    """Whether something is an array of torch's or of numpy's."""
    return hasattr(value, "dtype") and hasattr(value, "ndim")
