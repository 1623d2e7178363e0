"""What a whole process shares and its user decides on, put aside while a network of ours is made or asked."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any


class PutAside:
    """Settings that all threads share: ours while any thread needs them, and then the user's again.

    Args:
        read: Gives the settings as they are.
        write: Sets them.
        ours: What they shall be.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], object], ours: Any) -> None:
        self._read, self._write, self._ours = read, write, ours
        self._lock = threading.Lock()
        self._inside = 0
        self._theirs: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Have ours."""
        with self._lock:
            if not self._inside:
                self._theirs = self._read()
                self._set(self._ours)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._set(self._theirs)

    def _set(self, settings: Any) -> None:
        if self._read() != settings:
            self._write(settings)


@cache
def default_dtype() -> PutAside:
    """Torch's default type of numbers: float32."""
    import torch

    return PutAside(torch.get_default_dtype, torch.set_default_dtype, torch.float32)


@contextmanager
def usual_torch(*, draws: bool = True) -> Iterator[None]:
    """Torch as it comes: float32 on the CPU and no autocast, whatever the user has set; their random numbers stay.

    Args:
        draws: Whether random numbers are drawn, as a network does that is made before it has its weights.
    """
    import torch

    with default_dtype()(), ExitStack() as stack:
        if torch.get_default_device() != torch.device("cpu"):
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if draws:
            stack.enter_context(torch.random.fork_rng(devices=()))
        yield


def settle_triton() -> None:
    """Load torch's compiler so that TensorFlow, there already or to come, does not end the process.

    Both bring an LLVM, and TensorFlow lays its own open to all that is loaded later: triton then calls into that,
    and crashes. Deep binding keeps it to its own. torchvision, and so timm and open_clip, would load it any other way.
    """
    if "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        importlib.import_module("triton")
    finally:
        sys.setdlopenflags(flags)
