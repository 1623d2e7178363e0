"""The one folder for everything that a server writes for the moment: uploads, copies of the examples, exports.

Each process has its own, which only its user can read. It goes when the process ends; a process that is killed
leaves it behind, and the next one to start removes it: whoever lives holds a lock on their folder.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import functools
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from explorer.core.errors import NO_SPACE, CannotWrite
from explorer.pictures.examples import asset_path

PREFIX = "distance-explorer-server-"
VARIABLE = "GRADIO_TEMP_DIR"
"""Where Gradio looks for its folder; a user may set it, and gets our folder inside theirs."""

EXPORTS_BYTES = 200_000_000
LEAST_FREE = 1_000_000
"""Bytes without which no server starts: the examples of a first screen."""
FULL = "The server's storage is full; try again later."


def prepare() -> None:
    """Remove what killed servers left, make the folder, and give a user without a home one in it.

    To be called before anything imports gradio, which fixes its folder then.

    Raises:
        CannotWrite: Nothing can be written where temporary files go.
    """
    own = root()
    if not _home().is_dir():  # libraries ask for one when they are imported
        home = own / "home"
        home.mkdir(exist_ok=True, mode=0o700)
        os.environ["HOME"] = str(home)


def root() -> Path:
    """This process' folder.

    Raises:
        CannotWrite: It cannot be made.
    """
    if _own().pid != os.getpid():  # a fork gets its own
        _own.cache_clear()
    return _own().path


def remove() -> None:
    """Remove this process' folder with all that is in it; again is no harm."""
    if _own.cache_info().currsize and _own().pid == os.getpid():
        shutil.rmtree(_own().path, ignore_errors=True)


def example_copy(name: str) -> Path:
    """An example picture where pages can load it, the same file for all of them.

    Args:
        name: For ``presets.asset_path``.

    Raises:
        InvalidInput: There is no such example.
        WeightsMissing: It has not been fetched.
        CannotWrite: The storage is full.
    """
    source = asset_path(name)
    copy = root() / "examples" / name
    if not copy.is_file():
        write(copy, [source.read_bytes()])
    return copy


def keep_export(packed: bytes) -> Path:
    """Store a ZIP for its visitor to load; the oldest go where there are too many.

    Returns:
        Its path, which nobody can guess.

    Raises:
        CannotWrite: The storage is full.
    """
    place = root() / "exports"
    facts = {file: found for file in files_in(place) if (found := facts_of(file))}
    total = len(packed) + sum(found.st_size for found in facts.values())
    for file, found in sorted(facts.items(), key=lambda item: item[1].st_mtime):
        if total > EXPORTS_BYTES:
            drop(file)
            total -= found.st_size
    path = place / secrets.token_hex(16) / "distance-explorer.zip"
    write(path, [packed])
    return path


def write(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole or not at all, and its folder where there is none.

    Raises:
        CannotWrite: The storage is full, or not writable.
    """
    part = path.with_name(f".{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with part.open("xb") as file:
            file.writelines(chunks)
        os.replace(part, path)
    except OSError as error:
        raise cannot_store(error) from error
    finally:
        drop(part)


def cannot_store(error: OSError) -> CannotWrite:
    """What to tell a visitor whose file could not be written."""
    if isinstance(error, CannotWrite):
        return error
    full = error.errno in NO_SPACE
    return CannotWrite(FULL if full else "The server cannot store files now; try again later.", code="storage_full")


def files_in(folder: Path) -> list[Path]:
    """What lies in the folders of a folder, as far as it is still there."""
    return [path for inner in _entries(folder) for path in _entries(inner)]


def facts_of(file: Path) -> os.stat_result | None:
    """A file's size and times; None for one that has just gone."""
    try:
        return file.lstat()
    except OSError:
        return None


def drop(file: Path) -> None:
    """Remove a file, and its folder if that leaves it empty; others may have been faster."""
    for act in (file.unlink, file.parent.rmdir):
        try:
            act()
        except OSError:
            continue


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # gone meanwhile, or no folder
        return []


class _Own(NamedTuple):
    pid: int
    path: Path


@functools.cache
def _own() -> _Own:
    base = _base()
    try:
        base.mkdir(parents=True, exist_ok=True)
        _sweep(base)  # first, as it may make the room that is needed
        folder = _locked(base)
    except OSError as error:
        raise _unusable(error) from error
    try:
        (folder / "started").write_text(f"{os.getpid()}\n", encoding="utf-8")  # a full disk takes an empty folder
        if shutil.disk_usage(folder).free < LEAST_FREE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise _unusable(error) from error
    os.environ[VARIABLE] = str(folder)
    atexit.register(remove)
    return _Own(os.getpid(), folder)


def _locked(base: Path) -> Path:
    """A new folder that nobody else will take for one left behind."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base)).resolve()
        try:
            if _lock(folder) is not None:
                return folder
        except OSError:  # a file system without locks, where nobody sweeps either
            return folder


def _base() -> Path:
    """Where the folder goes: where the user says, or else where temporary files go."""
    said = os.environ.get(VARIABLE)
    if said:
        path = Path(said).absolute()
        return path.parent if path.name.startswith(PREFIX) else path  # a parent process' own is not for its children
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> CannotWrite:
    where = VARIABLE if os.environ.get(VARIABLE) else "TMPDIR, or /tmp where that is not set"
    reason = (error.strerror or "no usable folder").lower()
    return CannotWrite(
        f"The server cannot write its temporary files ({reason}). Make room in the folder of {where}, "
        "or name another that you may write to.",
        code="temp_unusable",
    )


def _lock(folder: Path) -> int | None:
    """Lock a folder for as long as the process lives; None where somebody else has it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.stat(folder, follow_symlinks=False).st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        held = False
    if held:
        return descriptor
    os.close(descriptor)
    return None


def _sweep(base: Path) -> None:
    """Remove the folders of processes that are gone; nothing that is another user's, and no link."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            facts = folder.stat(follow_symlinks=False)
            if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
                continue
            lock = _lock(folder)
        except OSError:  # gone meanwhile, or on a file system without locks: then nobody can know
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _home() -> Path:
    """The user's home; the mere sign for it where neither a variable nor the list of users names one."""
    return Path(os.path.expanduser("~"))
