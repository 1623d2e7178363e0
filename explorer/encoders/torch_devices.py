"""Where a user's network runs and what numbers it computes with, as they say it."""

from __future__ import annotations

from typing import Any

from explorer.core.errors import InvalidInput

DTYPES = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda", "mps")


def as_dtype(given: Any) -> Any:
    """A torch.dtype by its name, or as it is; None for the network's own.

    Raises:
        InvalidInput: It is none of ``DTYPES``.
    """
    if given is None:
        return None
    import torch

    name = str(given).removeprefix("torch.")
    if not isinstance(given, str | torch.dtype) or name not in DTYPES:
        raise InvalidInput(f"dtype must be one of {', '.join(DTYPES)}; got {given!r:.40}.", code="dtype")
    return getattr(torch, name)


def as_device(given: Any) -> Any:
    """A torch.device by its name, or as it is; None for wherever the network is.

    Raises:
        InvalidInput: It is none of ``DEVICES``, or not on this machine.
    """
    if given is None:
        return None
    import torch

    try:
        device = torch.device(given)
    except (RuntimeError, TypeError, ValueError):
        device = None
    if device is None or isinstance(given, bool | int) or device.type not in DEVICES:
        raise InvalidInput(
            f"device must be one of {', '.join(DEVICES)}, or cuda:1 and so on; got {given!r:.40}.", code="device"
        )
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }[device.type]
    if (device.index or 0) >= count:
        there = f"{count} of them, counted from 0" if count else "no such device that torch can use"
        raise InvalidInput(f"There is no {device} here: this machine has {there}; device=\"cpu\" always goes.",
                           code="device_missing")  # fmt: skip
    return device


def other_dtype(network: Any, dtype: Any) -> Any:
    """A dtype, where a network's numbers are of another.

    Raises:
        InvalidInput: Some are complex, which no dtype holds.
    """
    kinds = {array.dtype for array in (*network.parameters(), *network.buffers())}
    if dtype is not None and any(kind.is_complex for kind in kinds):
        raise InvalidInput("The network has complex numbers, so it cannot have a dtype; leave it out.", code="dtype")
    return dtype if any(kind.is_floating_point and kind != dtype for kind in kinds) else None
