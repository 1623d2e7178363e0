"""What a whole process shares and its user decides on, put aside while a network of ours is made or asked."""

from __future__ import annotations

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
def settled(*, gradients: bool) -> Iterator[None]:
    """Usual numbers, gradients on or off, and no hooks on what is saved for them, whatever was switched before.

    No inference mode even where there are no gradients, as a network may keep what it computes in it for later, when
    no gradient could be taken through it.
    """
    import torch

    with torch.inference_mode(False), torch.set_grad_enabled(gradients), _no_saving_hooks(), _usual_numbers():
        yield


@contextmanager
def usual_torch(*, draws: bool = True) -> Iterator[None]:
    """Usual numbers on the CPU, whatever the user has set; their random numbers stay.

    Args:
        draws: Whether random numbers are drawn, as a network does that is made before it has its weights.
    """
    import torch

    with _usual_numbers(), ExitStack() as stack:
        if torch.get_default_device() != torch.device("cpu"):
            stack.enter_context(torch.device("cpu"))
        if draws:
            stack.enter_context(same_random_numbers())
        yield


@contextmanager
def _usual_numbers() -> Iterator[None]:
    """float32 by default, and no autocast."""
    import torch

    with default_dtype()(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield


@contextmanager
def _no_saving_hooks() -> Iterator[None]:
    """Without the user's hooks on what torch saves for gradients (``save_on_cpu``), which may make other numbers of it.

    torch has no open way to see them; its own compiler does this.
    """
    import torch

    graph, theirs = torch._C._autograd, []
    while hooks := graph._top_saved_tensors_default_hooks(True):
        theirs.append(hooks)
        graph._pop_saved_tensors_default_hooks()
    try:
        yield
    finally:
        for hooks in reversed(theirs):
            graph._push_saved_tensors_default_hooks(*hooks)


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Put torch's generators back afterwards; other threads that draw meanwhile draw the same numbers again."""
    import torch

    with torch.random.fork_rng(range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()):
        yield


def random_numbers() -> bytes:
    """Where torch's generator on the CPU stands."""
    import torch

    return bytes(torch.get_rng_state().numpy())
