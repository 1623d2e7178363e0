"""Everything that can go wrong in a way a user can mend.

    ExplorerError
    ├── InvalidInput      a setting, picture, caption or array we cannot use   exit 2
    ├── UnusableEmbedding the encoder answered with something that is no embedding   exit 2
    ├── WeightsMissing    the encoder's weights are not on this machine        exit 3
    ├── CannotWrite       a result could not be saved; nothing was kept        exit 4
    ├── Exhausted         the machine ran out of memory or of open files       exit 1
    ├── Restarting        the server is going down and takes no work           exit 1
    └── Failed            anything else, which only the log can explain        exit 1

``in_words`` makes one of these of any error.

Every message says what is wrong, what the limit is and what to do; it holds no
path of the server, no HTML and no text echoed from an untrusted caller.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""A full disk, a used up share of it, and a file over the limit (``ulimit -f``)."""
NO_FILES = {errno.EMFILE, errno.ENFILE}
NO_MEMORY = (
    "out of memory",
    "allocate memory",
    "failed to allocate",
    "can't alloc",
    "can not alloc",
    "bad_alloc",
    "bad allocation",
    "start new thread",
    "failed to map segment",
    "error return without exception set",
)
"""How torch, OpenVINO, Python, the loader and a torn extension say it in errors that are no MemoryError."""
LONGEST_CHAIN = 20


class ExplorerError(Exception):
    """Base of all errors meant to be read by a user.

    Attributes:
        code: A short stable slug, for programs.
        exit_status: What the command line exits with.
        probe: What had been embedded when an encoder failed in mid-run, to be given to ``explorer.extend``, or when
            its embeddings could not be ranked, to be given to ``explorer.rank`` otherwise; else None.
    """

    exit_status = 1
    probe: Any = None

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """How it crosses from one process to another; without its probe, whose encoder may not."""
        return _again, (type(self), str(self), self.code)


def _again(kind: type[ExplorerError], message: str, code: str) -> ExplorerError:
    error = kind.__new__(kind, message)
    error.args, error.code = (message,), code
    return error


class InvalidInput(ExplorerError, ValueError):
    """A setting, picture, caption or array that cannot be used as it is."""

    exit_status = 2


class UnusableEmbedding(ExplorerError, ValueError):
    """An encoder returned the wrong shape, non-finite values or zero-length vectors."""

    exit_status = 2


class WeightsMissing(ExplorerError, RuntimeError):
    """The encoder needs weights or a package that this machine does not have."""

    exit_status = 3


class CannotWrite(ExplorerError, OSError):
    """A result could not be written whole, so none of it was kept."""

    exit_status = 4


class Exhausted(ExplorerError, RuntimeError):
    """The machine ran out of something that may be there again later."""


class Restarting(ExplorerError, RuntimeError):
    """The server is about to end."""

    def __init__(self) -> None:
        super().__init__("The server is restarting; press Run again in a minute.", code="restarting")


class Failed(ExplorerError, RuntimeError):
    """Something that nobody expected; what it was is for the log."""


def in_words(error: BaseException) -> ExplorerError:
    """What any error is for a user: itself where it is ours, else the nearest of ours."""
    if isinstance(error, ExplorerError):
        return error
    chain = list(_behind(error))
    if any(_wants_memory(cause) for cause in chain):
        return Exhausted(
            "There is not enough memory for this; use fewer masks or a smaller picture, or try again later.",
            code="memory",
        )
    numbers = {cause.errno for cause in chain if isinstance(cause, OSError)}
    if numbers & NO_SPACE:
        return CannotWrite("The storage is full; free some space, or try again later.", code="storage_full")
    if numbers & NO_FILES:
        return Exhausted("Too many files are open at once; try again in a minute.", code="open_files")
    return Failed("The server failed at this; it has been noted.", code="failed")


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it, which a library may have wrapped."""
    found: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _wants_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError | ImportError | OSError) and any(
        sign in str(error).lower() for sign in NO_MEMORY
    )
