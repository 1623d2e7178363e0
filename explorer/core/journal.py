"""Finished things on disk: one line of JSON for each, written as soon as it is there, so that a stop costs no other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explorer.core.errors import CannotWrite, InvalidInput


class Journal:
    """A file of lines; a last one that was cut short, or is being written, does not count.

    Args:
        path: The file; it may not be there yet.
        kind: How the codes of its errors begin.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self._kind = path, kind

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each whole line, as where it begins and what it says.

        Raises:
            InvalidInput: A line is damaged, or the file cannot be read.
        """
        if not os.path.isfile(self.path):
            return
        start = 0
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        facts = json.loads(line)
                        if not isinstance(facts, dict):
                            raise self.damaged()
                        yield start, facts
                        start += len(line)
        except OSError as error:
            raise InvalidInput(
                f"Cannot read {self.path.name}: {(error.strerror or 'it failed').lower()}; name another folder with "
                "--out.",
                code=f"{self._kind}_unreadable",
            ) from error
        except ValueError as error:
            if isinstance(error, InvalidInput):
                raise
            raise self.damaged() from error

    def damaged(self) -> InvalidInput:
        """What to raise where a line says what nobody wrote."""
        return InvalidInput(
            f"{self.path.name} is damaged; begin anew with --overwrite, or name another folder with --out.",
            code=f"{self._kind}_damaged",
        )

    def cut(self) -> None:
        """Take away a last line that a stop cut short, so that the next is one of its own.

        Raises:
            CannotWrite: The file cannot be written.
        """
        with self.writing():
            if not os.path.isfile(self.path):
                return
            with self.path.open("rb+") as file:
                whole = sum(len(line) for line in file if line.endswith(b"\n"))
                if file.seek(0, os.SEEK_END) > whole:
                    file.truncate(whole)

    def append(self, *facts: Mapping[str, Any]) -> None:
        """Write things down, in one piece.

        Raises:
            CannotWrite: The file cannot be written.
        """
        lines = "".join(json.dumps(one) + "\n" for one in facts).encode()
        with self.writing(), self.path.open("ab", buffering=len(lines) + 1) as file:
            file.write(lines)

    @contextmanager
    def writing(self, what: str = "write") -> Iterator[None]:
        """Say which file could not be written."""
        try:
            yield
        except OSError as error:
            reason = (error.strerror or "it failed").lower()
            raise CannotWrite(f"Cannot {what} {self.path.name}: {reason}.", code="write") from error
