"""The visitors' pictures by their files: decoded when the pixels are needed, one at a time, and never kept whole.

A phone's photo is 36 MB once decoded and 4 MB as a file. What stays is what it is called, a copy for the screen, and
what each encoder sees of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Box
from explorer.core.errors import InvalidInput
from explorer.encoders.base import Encoder
from explorer.pictures.formats import read_file
from explorer.pictures.images import Picture, as_picture, read_only, shrink
from explorer.results.plots import LONG_SIDE
from explorer.ui.memory.kept import Kept, Memory

FACTS = 4096
"""Files whose facts are remembered, some 500 bytes each."""


@dataclass(frozen=True)
class Facts:
    """What is known of a file; ``refusal`` says why it is no picture, as message and code, if it is none."""

    sha256: str = ""
    notices: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    refusal: tuple[str, str] | None = None


class Pictures:
    """Opens pictures, and keeps what is small about them. Safe to share between threads.

    Args:
        memory: Where the copies for the screen and the encoders' views are counted.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._names: OrderedDict[tuple[str, int, int], str] = OrderedDict()
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._copies: dict[object, Kept[Any]] = {}
        self._guard, self._decoding = threading.Lock(), threading.Lock()

    def open(self, path: str | os.PathLike[str]) -> Upload:
        """The picture in a file; its pixels are decoded here only where nobody has opened the same one before.

        Raises:
            InvalidInput: It is gone, or no picture that can be used.
        """
        if not isinstance(path, str | os.PathLike):
            raise InvalidInput("The picture could not be read; add it again.", code="picture_kind")
        content = self._content(os.fspath(path))
        if (facts := self._recall(content)) is None:
            with self._decoding:
                facts = self._recall(content) or self._learn(os.fspath(path), content)
        if facts.refusal:
            message, code = facts.refusal
            raise InvalidInput(message, code=code)
        return Upload(self, os.fspath(path), facts)

    def whole(self, upload: Upload) -> Picture:
        """All its pixels, decoded anew."""
        with self._decoding:
            return self._decoded(upload)

    def screen(self, upload: Upload) -> NDArray[np.uint8]:
        """The copy for the screen."""
        return self._made(upload.sha256, lambda: self._decoded_small(self._decoded(upload)))  # type: ignore[no-any-return]

    def view(self, upload: Upload, encoder: Encoder) -> tuple[NDArray[Any], Box]:
        """What an encoder sees of it; encoders that prepare pictures in the same way share it."""
        key = upload.sha256, encoder.card.key, encoder.input_size, type(encoder)

        def make() -> Any:
            picture = self._decoded(upload)
            self._decoded_small(picture)
            return self._keep(key, picture.view(encoder))

        return self._made(key, make)  # type: ignore[no-any-return]

    def _made(self, key: object, make: Callable[[], Any]) -> Any:
        """A copy, which one at a time makes where none is kept."""
        if (copy := self._copy(key)) is None:
            with self._decoding:
                if (copy := self._copy(key)) is None:
                    copy = make()
        return copy

    def _content(self, path: str) -> str:
        """The hash of a file, which is read anew only where another has come to its place."""
        try:
            found = os.stat(path)
        except (OSError, ValueError) as error:
            raise _gone() from error
        name = path, found.st_size, found.st_ino
        with self._guard:
            known = self._names.get(name)
        if known is None:
            known = hashlib.sha256(read_file(path)).hexdigest()
            with self._guard:
                _put(self._names, name, known)
        return known

    def _recall(self, content: str) -> Facts | None:
        with self._guard:
            return self._facts.get(content)

    def _learn(self, path: str, content: str) -> Facts:
        try:
            picture = as_picture(read_file(path))
        except InvalidInput as error:
            facts = Facts(refusal=(str(error), error.code))
        else:
            facts = Facts(picture.sha256, picture.notices, picture.size)
            self._decoded_small(picture)
        with self._guard:
            _put(self._facts, content, facts)
        return facts

    def _decoded(self, upload: Upload) -> Picture:
        if not os.path.isfile(upload.path):
            raise _gone()
        picture = as_picture(read_file(upload.path))
        if picture.sha256 != upload.sha256:
            raise _gone()
        return picture

    def _decoded_small(self, picture: Picture) -> NDArray[np.uint8]:
        found = self._copy(picture.sha256)
        small = read_only(shrink(picture.pixels, LONG_SIDE)) if found is None else found
        return small if found is not None else self._keep(picture.sha256, small)

    def _copy(self, key: object) -> Any:
        with self._guard:
            kept = self._copies.get(key)
        return None if kept is None else kept.get()

    def _keep(self, key: object, value: Any) -> Any:
        kept = self._memory.keep(value)
        with self._guard:
            for old in [key for key, copy in self._copies.items() if copy.forgotten]:
                del self._copies[old]
            self._copies[key] = kept
        return value


class Upload(Picture):
    """A picture that stays in its file.

    Args:
        pictures: Opened it.
        path: Of the file.
        facts: About it.
    """

    def __init__(self, pictures: Pictures, path: str, facts: Facts) -> None:
        self._pictures, self.path = pictures, path
        self.notices, self.sha256, self._size = facts.notices, facts.sha256, facts.size

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) decoded anew."""
        return self._pictures.whole(self).pixels

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self._size

    @property
    def screen(self) -> NDArray[np.uint8]:
        """(h, w, 3) as large as the app ever shows it; read-only."""
        return self._pictures.screen(self)

    def view(self, encoder: Any) -> tuple[NDArray[Any], Box]:
        """What an encoder sees of the whole picture."""
        return self._pictures.view(self, encoder)


def _put(known: OrderedDict[Any, Any], key: object, value: object) -> None:
    known[key] = value
    while len(known) > FACTS:
        known.popitem(last=False)


def _gone() -> InvalidInput:
    return InvalidInput("The picture is no longer on the server; add it again.", code="picture_gone")
