"""What users give as arguments: of the right kind, or an error that says which, what it must be and what it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidInput


def described(value: Any) -> str:
    """What somebody gave, in a few words, without what was in it."""
    if value is None:
        return "nothing"
    shape = getattr(value, "shape", None)
    name = "array" if type(value).__name__ == "ndarray" else type(value).__name__[:40]
    dtype = getattr(value, "dtype", None)
    return (
        f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
        + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")
        + (f" and type {dtype!s:.40}" if dtype is not None else "")
    )


def check_kind(name: str, value: Any, kinds: Any, wanted: str) -> None:
    """Refuse an argument of another kind.

    Args:
        name: Of the argument.
        value: What was given for it.
        kinds: As for ``isinstance``.
        wanted: What it must be, in words.

    Raises:
        InvalidInput: It is of none of the kinds.
    """
    if not isinstance(value, kinds):
        raise InvalidInput(f"{name} must be {wanted}; got {described(value)}.", code=f"{name}_type")


def path_text(name: str, path: str | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A path as text, also one that has itself as bytes.

    Raises:
        InvalidInput: It is neither.
    """
    try:
        return os.fsdecode(path)
    except TypeError as error:
        raise InvalidInput(f"{name} must be text or bytes; its __fspath__ gives neither.", code="path_type") from error


def as_folder(folder: Any) -> Path:
    """Where results go.

    Raises:
        InvalidInput: Not a name of a folder.
    """
    return _as_path("folder", folder, "a folder")


def as_file(path: Any) -> Path:
    """Where one file goes, or comes from; as ``as_folder``."""
    return _as_path("path", path, "a file")


def _as_path(name: str, given: Any, what: str) -> Path:
    check_kind(name, given, str | os.PathLike, f"the name or path of {what}")
    text = path_text(name, given)
    if not text or "\0" in text:
        raise InvalidInput(f"{name} must be the name or path of {what}: not empty, no NUL in it.", code=f"{name}_type")
    return Path(text)
