"""Costly work in pieces, so that whoever asked for it can show progress, or stop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")
Steps = Generator[int, None, T]
"""Costly work in pieces: yields how many pictures were embedded since it last yielded, and returns its result.
Whoever iterates can show progress, or stop."""
Parts = Generator[int | T, None, T]
"""The same, also yielding what there is of the result so far."""


class Work(Generic[T]):
    """Costly work to iterate over once, which has its ``result`` afterwards."""

    result: T

    def __init__(self, steps: Steps[T] | Parts[T]) -> None:
        self._steps = steps

    def __iter__(self) -> Generator[int | T, None, None]:
        self.result = yield from self._steps


def run(steps: Steps[T] | Parts[T], on_progress: Callable[[int], None] | None = None) -> T:
    """Do costly work to its end.

    Args:
        steps: From a method or an evaluation.
        on_progress: Called with the number of pictures embedded so far.
    """
    done, work = 0, Work(steps)
    for step in work:
        if isinstance(step, int):
            done += step
            if on_progress is not None:
                on_progress(done)
    return work.result
