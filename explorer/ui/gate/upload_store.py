"""The pictures that visitors upload: where they lie, which files an event may name, how much there is, when they go.

A picture is stored under a name of ours, in a folder named by its content and a secret of this process: the same
picture costs once, and nobody can guess where another's lies. Whatever else a visitor names, on this machine or on
another, is refused in the same words.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import stat
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.ui.gate.refusals import Refusal
from explorer.ui.memory import temp_folder

ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
NAMED = re.compile(r"uploads/[0-9a-f]{64}/picture\.(?:jpg|png|webp|gif)|examples/[A-Za-z0-9_-]+\.(?:jpg|jpeg|png)")
"""What an event may name, inside the root."""
SERVED = re.compile(rf"{NAMED.pattern}|exports/[0-9a-f]{{32}}/distance-explorer\.zip")
"""What a browser may load."""
REFUSED = "That file was not uploaded here; add it again."
SESSION_BYTES = 100_000_000
ADDRESS_BYTES = 1_600_000_000
"""A class behind one address has 50 MB a head. Where that fills the storage, it makes room for others."""
ALL_BYTES = 2_000_000_000
COMING = 40
"""Uploads on their way from one address: a class that is told to add a picture now."""
LEAST = 65_536
"""What a file counts at least, so that there can only be so many of them."""
SESSIONS = 10_000
UNCLAIMED, CLAIMED, EXPORTED = 600, 3600, 600
"""Seconds until a file goes: one no event has named, one after the last event that did, an export."""
EVERY = 60
PIECE = 65_536

log = logging.getLogger(__name__)


def find(text: object, pattern: re.Pattern[str] = NAMED, root: Path | None = None) -> Path:
    """The file of this server that a visitor names.

    Args:
        text: Its path, as it was given out.
        pattern: What it may be, inside the root.
        root: Of this server; ``folders.root()`` when None.

    Raises:
        InvalidInput: It is no such file; whether there is another is not said.
    """
    root = root or temp_folder.root()
    start = f"{root}/"
    if isinstance(text, str) and text.startswith(start) and pattern.fullmatch(text, len(start)):
        path = Path(text)
        above = path.parents[: len(path.relative_to(root).parts) - 1]
        if _is(stat.S_ISREG, path) and all(_is(stat.S_ISDIR, folder) for folder in above):
            return path
    raise InvalidInput(REFUSED, code="not_uploaded")


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    """Whether something is there and of that kind; a link is neither a file nor a folder."""
    facts = temp_folder.facts_of(path)
    return facts is not None and kind(facts.st_mode)


@dataclass
class _Kept:
    size: int
    address: str
    sessions: set[str] = field(default_factory=set)


class Uploads:
    """What was uploaded, until it goes. All methods may be called from any thread.

    Args:
        root: Of this server, as ``folders.root`` gives it.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._folder, self._exports = root, root / "uploads", root / "exports"
        self._salt = secrets.token_bytes(32)
        self._lock = threading.RLock()
        self._kept: dict[Path, _Kept] = {}
        self._claims: OrderedDict[str, OrderedDict[Path, None]] = OrderedDict()
        self._used: Counter[str] = Counter()
        self._coming: Counter[str] = Counter()
        self._ended = threading.Event()

    def resolve(self, text: object) -> Path:
        """The uploaded picture, or the example, that an event names.

        Raises:
            InvalidInput: It names something else.
        """
        return find(text, NAMED, self._root)

    def served(self, text: object) -> Path:
        """The file that a browser may load: an upload, an example or an export.

        Raises:
            InvalidInput: It names something else.
        """
        return find(text, SERVED, self._root)

    def claim(self, session: str, path: Path) -> None:
        """Keep a file for a page that has just named it; beyond its share the page's oldest files go.

        Args:
            session: Names the page.
            path: From ``resolve``.
        """
        with self._lock:
            kept = self._kept.get(path)
            if kept is None:  # an example
                return
            with suppress(OSError):
                os.utime(path)
            kept.sessions.add(session)
            mine = self._claims.setdefault(session, OrderedDict())
            self._claims.move_to_end(session)
            mine[path] = None
            mine.move_to_end(path)
            while len(mine) > 1 and sum(self._kept[file].size for file in mine) > SESSION_BYTES:
                self._let_go(session, next(iter(mine)))
            while len(self._claims) > SESSIONS:
                oldest, files = self._claims.popitem(last=False)
                for file in files:  # they stay for a while all the same
                    self._kept[file].sessions.discard(oldest)

    @contextmanager
    def room(self, address: str) -> Iterator[None]:
        """Hold the room for one more file while it is on its way.

        Args:
            address: Who sends it.

        Raises:
            Refusal: There is none, from this address or at all.
        """
        with self._lock:
            self._make_room(address)
            self._coming[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._coming[address] -= 1
                self._coming += Counter()  # drops the zeros

    def keep(self, file: BinaryIO, kind: str, address: str) -> Path:
        """Store a picture, or use the one that is there.

        Args:
            file: Its file, which is read piece by piece: ten megabytes at once would stay with the process.
            kind: One of ``formats.FORMATS``, its format.
            address: Whose share it counts against.

        Raises:
            CannotWrite: The storage is full.
        """
        name, size = hashlib.sha256(self._salt), 0
        for piece in _pieces(file):
            name.update(piece)
            size += len(piece)
        path = self._folder / name.hexdigest() / f"picture.{ENDINGS[kind]}"
        if not self._again(path):
            part = self._root / "coming" / secrets.token_hex(16)
            temp_folder.write(part, _pieces(file))
            try:
                with self._lock:  # or the sweeper could take the folder between two steps
                    path.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(part, path)
                    if path not in self._kept:
                        self._kept[path] = _Kept(max(size, LEAST), address)
                        self._used[address] += self._kept[path].size
            except OSError as error:
                raise temp_folder.cannot_store(error) from error
            finally:
                part.unlink(missing_ok=True)
        return path

    def _again(self, path: Path) -> bool:
        """Whether a picture is there already; it then counts as used now."""
        with self._lock:
            if path not in self._kept or not path.is_file():
                return False
            os.utime(path)
            return True

    def sweep(self, now: float) -> None:
        """Remove what has not been used for its time.

        Args:
            now: Seconds since 1970.
        """
        for path in temp_folder.files_in(self._folder):
            with self._lock:
                kept = self._kept.get(path)
                if _age(path, now) > (CLAIMED if kept and kept.sessions else UNCLAIMED):
                    self._forget(path)
        for path in list(self._kept):
            with self._lock:
                if not path.is_file():
                    self._forget(path)
        for path in temp_folder.files_in(self._exports):
            if _age(path, now) > EXPORTED:
                temp_folder.drop(path)

    def start(self) -> None:
        """Sweep every minute from now on."""
        self._ended.clear()
        threading.Thread(target=self._keep_sweeping, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Sweep no more."""
        self._ended.set()

    def _keep_sweeping(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                self.sweep(time.time())
            except OSError:
                log.exception("Old uploads could not be removed; this is tried again in a minute.")

    def _make_room(self, address: str) -> None:
        if self._coming[address] >= COMING or self._taken(address) + MAX_UPLOAD_BYTES > ADDRESS_BYTES:
            raise Refusal(429, "Too many pictures come from your network at once; try again in a few minutes.")
        while sum(map(self._taken, self._used | self._coming)) + MAX_UPLOAD_BYTES > ALL_BYTES:
            greediest = max(self._used, key=self._taken, default=address)
            theirs = [path for path, kept in self._kept.items() if kept.address == greediest]
            theirs.sort(key=lambda path: bool(self._kept[path].sessions))  # what no page has named goes first
            oldest = None if greediest == address else next(iter(theirs), None)
            if oldest is None:
                raise Refusal(507, temp_folder.FULL)
            self._forget(oldest)

    def _taken(self, address: str) -> int:
        return self._used[address] + self._coming[address] * MAX_UPLOAD_BYTES

    def _let_go(self, session: str, path: Path) -> None:
        """Take a file from a page, and remove it where no other page has it."""
        files = self._claims[session]
        del files[path]
        if not files:
            del self._claims[session]
        kept = self._kept[path]
        kept.sessions.discard(session)
        if not kept.sessions:
            self._forget(path)

    def _forget(self, path: Path) -> None:
        temp_folder.drop(path)
        kept = self._kept.pop(path, None)
        if kept is None:
            return
        self._used[kept.address] -= kept.size
        if self._used[kept.address] <= 0:
            del self._used[kept.address]
        for session in kept.sessions:
            files = self._claims[session]
            del files[path]
            if not files:
                del self._claims[session]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(PIECE), b"")


def _age(path: Path, now: float) -> float:
    """Seconds since a file was used; none for one that has just gone."""
    facts = temp_folder.facts_of(path)
    return now - facts.st_mtime if facts else 0
