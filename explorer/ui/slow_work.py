"""Waiting for what cannot be interrupted, without keeping still: whoever waits can say something, or leave."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
SECONDS = 0.5
"""Between two yields. Gradio looks whether its visitor has gone, and takes Stop, only when a run yields."""

ROOM = 32_000_000
"""Bytes that must be there for a thread to be started; they are asked for, not used."""


def patiently(work: Callable[[], T], aside: Executor | None = None) -> Generator[None, None, T]:
    """Do something costly in another thread, yielding twice a second until it is done.

    Whoever closes the generator does not wait for the thread, which goes on to the end of ``work``: an import or a
    network being compiled cannot be broken off.

    Args:
        work: Must touch nothing that a later run writes to, as it may end after one has begun.
        aside: Where it is done, e.g. to do one after another in the same thread; by default in a thread of its own.

    Returns:
        What it returns; its errors go on.

    Raises:
        MemoryError: There is not enough for a thread.
    """
    own = ThreadPoolExecutor(1, thread_name_prefix="patience") if aside is None else None
    try:
        bytearray(ROOM)  # raises; a thread that finds no memory as it starts would never tell the one that waits for it
        future = (own or aside).submit(contextvars.copy_context().run, work)  # type: ignore[union-attr]
        while True:
            try:
                return future.result(SECONDS)
            except TimeoutError:
                if future.done():  # the work's own
                    raise
            yield
    finally:
        if own is not None:
            own.shutdown(wait=False)


def patient(steps: Generator[T, None, R], aside: Executor) -> Generator[T | None, None, R]:
    """The same steps, each done by ``patiently``; None where one is taking long."""
    while True:
        found = yield from patiently(lambda: _next(steps), aside)
        if isinstance(found, StopIteration):
            return found.value  # type: ignore[no-any-return]
        yield found


def _next(steps: Generator[T, None, R]) -> T | StopIteration:
    try:
        return next(steps)
    except StopIteration as end:
        return end
