"""What results, pictures and reports take of this machine's memory: counted in bytes under one cap for all visitors.

Whoever needs something heavy for later keeps it here and holds what ``Memory.keep`` returns. Over the cap, the least
recently used is forgotten; so is what nobody has used for its time. What two hold is counted once.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import numpy as np

from explorer.pictures.images import Picture

T = TypeVar("T")

CACHE_BYTES = 160_000_000
"""Room for a class of thirty with a run of 1000 masks each, 4 MB."""
SESSION_SECONDS = 3600
"""How long what a page looks at is kept after its last use."""
GONE = "The server no longer has this result, which nobody had used for a while; press Run."


class Kept(Generic[T]):
    """Something heavy, for as long as there is room for it; made by ``Memory.keep``.

    Attributes:
        busy: Whether it is being worked at, and so must stay.
        used: When it was last read or set, by the monotonic clock.
        forgotten: Whether it had to go.
    """

    def __init__(self, value: T, memory: Memory | None = None, *, busy: bool = False) -> None:
        self._value: T | None = value
        self._memory, self.busy = memory, busy
        self.used, self.forgotten = time.monotonic(), False
        self.buffers: dict[int, int] = {} if memory is None else buffers(value)

    def get(self) -> T | None:
        """The value; None once it is forgotten."""
        self.used = time.monotonic()
        return self._value

    def set(self, value: T) -> None:
        """Keep this in place of what there was."""
        self._value, self.used, self.forgotten = value, time.monotonic(), False
        if self._memory is not None and (taken := buffers(value)) != self.buffers:
            self.buffers = taken
            self._memory.make_room(self)

    def swap(self, value: T) -> None:
        """The same for a moment of a run that is busy, not counted anew before it is ``set``."""
        self._value, self.used = value, time.monotonic()

    def forget(self) -> None:
        """Let go of the value."""
        self._value, self.forgotten, self.buffers = None, True, {}


class Memory:
    """The bytes of everything kept, and who goes when there are too many. Safe to share between threads.

    Args:
        most: Bytes.
        seconds: What has not been used for so long goes.
    """

    def __init__(self, most: int = CACHE_BYTES, seconds: float = SESSION_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._all: WeakSet[Kept[Any]] = WeakSet()
        self._guard = threading.RLock()

    def keep(self, value: T, *, busy: bool = False) -> Kept[T]:
        """Keep something for as long as the caller holds what this returns and there is room.

        Args:
            value: Arrays, texts, bytes, and containers and dataclasses of them.
            busy: Whether it has to stay until ``Kept.busy`` is unset.
        """
        kept = Kept(value, self, busy=busy)
        with self._guard:
            self._all.add(kept)
        self.make_room(kept)
        return kept

    def make_room(self, newest: Kept[Any] | None = None) -> None:
        """Forget what is too old, and what is too much; never the newest, nor what is being worked at.

        Args:
            newest: What there has to be room for.
        """
        with self._guard:
            stay = {kept for kept in self._all if kept is newest or kept.busy}
            idle = sorted(set(self._all) - stay, key=lambda kept: kept.used)
            while idle and time.monotonic() - idle[0].used > self._seconds:
                idle.pop(0).forget()
            needed = {name for kept in stay for name in kept.buffers}
            held = Counter(name for kept in idle for name in kept.buffers)
            total = self.bytes
            for kept in idle:
                if total <= self._most:
                    return
                own = {name: size for name, size in kept.buffers.items() if name not in needed}
                if own:  # or nothing would come of it
                    held.subtract(own.keys())
                    total -= sum(size for name, size in own.items() if not held[name])
                    kept.forget()

    @property
    def bytes(self) -> int:
        """How many are kept now."""
        with self._guard:
            sizes: dict[int, int] = {}
            for kept in self._all:
                sizes |= kept.buffers
            return sum(sizes.values())


def buffers(value: Any) -> dict[int, int]:
    """The bytes of everything heavy inside a value, by the identity of what owns them."""
    found: dict[int, int] = {}
    for part in _inside(value):
        owner = _owner(part) if isinstance(part, np.ndarray) else part
        found[id(owner)] = owner.nbytes if isinstance(owner, np.ndarray) else sys.getsizeof(owner)
    return found


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray | str | bytes | float):
        yield value
    elif isinstance(value, Mapping):
        yield value
        for key, part in value.items():
            yield from _inside(key)
            yield from _inside(part)
    elif isinstance(value, list | tuple):
        yield value
        for part in value:
            yield from _inside(part)
    elif isinstance(value, Picture):
        yield from _inside([part for part in vars(value).values() if isinstance(part, np.ndarray)])
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _inside(getattr(value, field.name))


def _owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array whose memory a view looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
