"""What registries are: named things of one kind.

A registry stands beside the class of its entries. Where those fill files of their own, looking anything up imports
them first, so that choices can be listed without anyone importing the strategies by hand.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from explorer.core.errors import InvalidInput

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind, in the order they were registered.

    Args:
        kind: What an entry is called in messages, e.g. ``"distance"``.
        home: The module whose import fills the registry, where that is not the one it stands in.
    """

    def __init__(self, kind: str, home: str = "") -> None:
        self.kind = kind
        self._home = home
        self._entries: dict[str, T] = {}

    def add(self, key: str, entry: T) -> T:
        """Add an entry.

        Raises:
            KeyError: The key is taken; two strategies must not share a name.
        """
        if key in self._entries:
            raise KeyError(f"{self.kind} {key!r} is registered twice")
        self._entries[key] = entry
        return entry

    def register(self, key: str) -> Callable[[T], T]:
        """Decorate a function or class to add it under ``key``."""
        return lambda entry: self.add(key, entry)

    def __getitem__(self, key: str) -> T:
        return self._filled()[self.check(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._filled())

    def __len__(self) -> int:
        return len(self._filled())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._filled()

    def items(self) -> list[tuple[str, T]]:
        """Keys and entries, in order."""
        return list(self._filled().items())

    def check(self, key: object) -> str:
        """Return ``key`` if it names an entry.

        Raises:
            InvalidInput: It does not; the message lists the choices and the nearest.
        """
        entries = self._filled()
        if isinstance(key, str) and key in entries:
            return key
        near = difflib.get_close_matches(key[:80], entries, n=1) if isinstance(key, str) else []
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"Unknown {self.kind}; choose one of: {', '.join(entries)}{hint}", code=f"unknown_{self.kind}"
        )

    def _filled(self) -> dict[str, T]:
        if self._home:
            importlib.import_module(self._home)
        return self._entries
