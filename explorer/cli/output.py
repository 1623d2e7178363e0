"""What a command writes to its terminal: a line that cannot be shown, or that nobody reads, ends no work."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TextIO

from explorer.core.errors import CannotWrite

OUT, ERR = 1, 2
USUAL_SIZE = {"ncols": 80, "nrows": 20}


class _Lasting(io.TextIOWrapper):
    """Writes to a file that may close, or be full, before all is said; what comes after that is dropped.

    Args:
        number: The file's.
        encoding: The text's; what it lacks is spelled, as in an escape.

    Attributes:
        failed: Why something could not be written, other than that nobody read on.
    """

    failed: OSError | None = None

    def __init__(self, number: int, encoding: str) -> None:
        file = os.fdopen(number, "wb", closefd=False)
        super().__init__(file, encoding, errors="backslashreplace", line_buffering=True)
        self._number = number

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Let the rest, which Python tries to write once more at its end, go nowhere."""
        if not isinstance(error, BrokenPipeError):
            self.failed = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._number)
        os.close(nowhere)
        super().flush()


@dataclass(frozen=True)
class Output:
    """The standard output while a command runs; None where somebody has put another stream in its place."""

    stream: _Lasting | None

    def check(self) -> None:
        """Raise CannotWrite where not all could be said."""
        if self.stream is None:
            return
        self.stream.flush()
        if (failed := self.stream.failed) is not None:
            reason = (failed.strerror or "it failed").lower()
            raise CannotWrite(
                f"Not all could be written to the standard output: {reason}; the files of the results are complete.",
                code="output",
            )


@contextmanager
def lasting_output() -> Iterator[Output]:
    """Let the two streams of the terminal be ones that last."""
    _fill_gaps()
    with ExitStack() as stack:
        out = _replaced(stack, "stdout", OUT)
        _replaced(stack, "stderr", ERR)
        yield Output(out)


def bar_size() -> dict[str, int]:
    """Columns and rows for tqdm where the terminal says 0 of both, so that it would draw nothing."""
    try:
        return {} if os.get_terminal_size(sys.stderr.fileno()).columns else USUAL_SIZE
    except (OSError, ValueError):  # no terminal
        return {}


def _fill_gaps() -> None:
    """Open what was closed before we began: the next file that is opened would take its number, and our words."""
    for number in (OUT, ERR):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)


def _replaced(stack: ExitStack, name: str, number: int) -> _Lasting | None:
    before: TextIO | None = getattr(sys, name)
    if before is not getattr(sys, f"__{name}__"):
        return None
    if before is not None:
        before.flush()
    lasting = _Lasting(number, "utf-8" if before is None else before.encoding)
    setattr(sys, name, lasting)
    stack.callback(setattr, sys, name, before)
    stack.callback(lasting.flush)
    return lasting
