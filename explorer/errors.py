"""Everything that can go wrong in a way a user can mend.

    ExplorerError
    ├── InvalidInput      a setting, picture, caption or array we cannot use   exit 2
    ├── UnusableEmbedding the encoder answered with something that is no embedding   exit 2
    ├── WeightsMissing    the encoder's weights are not on this machine        exit 3
    └── CannotWrite       a result could not be saved; nothing was kept        exit 4

Every message says what is wrong, what the limit is and what to do; it holds no
path of the server, no HTML and no text echoed from an untrusted caller.
"""

from __future__ import annotations


class ExplorerError(Exception):
    """Base of all errors meant to be read by a user.

    Attributes:
        code: A short stable slug, for programs.
        exit_status: What the command line exits with.
    """

    exit_status = 1

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


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
