"""The same work from a terminal: ``explorer explain``, ``explain-words``, ``study``, ``benchmark`` and the rest.

Exit status: 0 done, 1 not enough memory, 2 bad input, 3 weights missing, 4 cannot write, 130 stopped by Ctrl-C or
SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from explorer.cli import (
    app,
    batch,
    bench,
    benchmark,
    examples,
    explain,
    explain_words,
    match,
    models,
    rank,
    results,
    study,
)
from explorer.cli.output import lasting_output
from explorer.cli.shared_options import STOPPED
from explorer.core.errors import CannotWrite, ExplorerError, InvalidInput, in_words
from explorer.core.version import VERSION
from explorer.pictures.formats import refuse_bombs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    with lasting_output() as output, _terminated_as_interrupted():
        try:
            options = _parser().parse_args(arguments)
            refuse_bombs()
            status = int(options.run(options))
            output.check()
        except ExplorerError as error:
            print(f"explorer: {error}", file=sys.stderr)
            return error.exit_status
        except (MemoryError, OSError, RuntimeError, ImportError, SystemError) as error:
            said = in_words(error)
            if said.code == "failed" and isinstance(error, OSError) and error.strerror and error.filename:
                file = Path(str(error.filename)).name
                said = CannotWrite(f"{file} cannot be used: {error.strerror.lower()}.", code="file")
            if said.code == "failed":
                raise
            print(f"explorer: {said}", file=sys.stderr)
            return said.exit_status
        except KeyboardInterrupt:
            print("\nexplorer: stopped.", file=sys.stderr)
            return STOPPED
    return status


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, by which queues of clusters end what has used up its time, be Ctrl-C: what is done is kept."""
    if threading.current_thread() is not threading.main_thread():  # only there can it be
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's usage and message."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(InvalidInput.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="explorer", description="Why are these two things close, or far, in an embedding space?")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verbs = (app, explain, explain_words, rank, match, batch, results, study, benchmark, bench, models, examples)
    for command in verbs:
        command.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
