"""Where things that can be had again are kept on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from explorer.core.errors import NO_SPACE, CannotWrite, InvalidInput


def cache_folder() -> Path:
    """The user's cache folder of this project; it may not exist yet.

    ``$EXPLORER_CACHE`` when set; otherwise where this system keeps such things.

    Raises:
        CannotWrite: No variable is set and the user has no home folder.
    """
    if own := os.environ.get("EXPLORER_CACHE"):
        return Path(own).absolute()
    from platformdirs import user_cache_path

    try:
        return user_cache_path("distance-explorer", appauthor=False)
    except RuntimeError as error:
        raise CannotWrite(
            "This user has no home folder to cache files in; set EXPLORER_CACHE to a folder.", code="no_cache_folder"
        ) from error


def file_hash(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path) -> str:
    """The text of a user's file, with or without a byte order mark.

    Raises:
        InvalidInput: It cannot be read, or is no text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not text in UTF-8; save it as UTF-8.", code="text_encoding") from error
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        raise InvalidInput(f"Cannot read {path.name}: {reason}.", code="text_unreadable") from error


def write_whole(folder: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a scratch folder, then move its files into ``folder``; on failure nothing is kept.

    Raises:
        CannotWrite: Not writable, or the disk is full.
    """
    made: list[Path] = []
    scratch = None
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        write(scratch)
        _move_all(scratch, folder)
    except OSError as error:
        reason = (error.strerror or "it broke off").lower()  # as numpy says it of a file that it cannot write whole
        full = error.errno is None or error.errno in NO_SPACE
        remedy = "Free some space, or name another folder." if full else "Name a folder that can be written to."
        raise CannotWrite(
            f"Cannot write to {folder.name or str(folder):.80}: {reason}; nothing was kept. {remedy}", code="write"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for place in made:
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def check_writable(folder: Path) -> None:
    """Find out whether results can go into a folder before they cost anything; leaves nothing behind.

    Raises:
        CannotWrite: As ``write_whole``.
    """
    write_whole(folder, lambda scratch: None)  # what a scratch folder can be made in, a file can


def _move_all(scratch: Path, folder: Path) -> None:
    """Move every file, or put back what was there."""
    new, old = sorted(scratch.iterdir()), scratch / ".replaced"
    old.mkdir()
    moved = []
    try:
        for file in new:
            target = folder / file.name
            if target.exists():
                shutil.copy2(target, old / file.name)
            os.replace(file, target)
            moved.append(target)
    except OSError:
        for target in moved:
            if (old / target.name).exists():
                (old / target.name).rename(target)
            else:
                target.unlink()
        raise
