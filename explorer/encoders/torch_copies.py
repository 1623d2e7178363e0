"""Private copies of torch networks: modules of their own, so that what is done to a copy reaches nobody else.

``copy.deepcopy`` fails at much that networks hold (a stored activation, a lock, an open file, many nested modules),
and leaves functions as they are, even those that call a module of the network they belong to.
"""

from __future__ import annotations

import copy
import functools
import weakref
from collections import ChainMap, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from logging import Logger
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

UNCOPIED = (TypeError, ValueError, RuntimeError, AttributeError, LookupError, OSError, copy.Error)
"""How an object says that it cannot be copied."""

CLOSED = (dict, list)
"""What a function closes over that has a copy of its own, since it may write there, besides modules of the network."""


def copied(network: Any, numbers: Callable[[Any], Any]) -> Any:
    """A copy of a network.

    Args:
        network: A torch module; it stays as it is.
        numbers: Says what stands for each tensor, and for each torch.dtype.
    """
    return _Copying(numbers).network(network)


class _Copying:
    """One copy being made; an object that is met twice has one copy."""

    def __init__(self, numbers: Callable[[Any], Any]) -> None:
        self._numbers = numbers
        self._made: dict[int, Any] = {}
        self._met: list[Any] = []  # kept alive, as ids would be given anew
        self._cells: list[tuple[CellType, Any]] = []

    def network(self, network: Any) -> Any:
        """The copy; first all modules, then what is in them, as they may be nested deeply."""
        compiled = {part for part in network.modules() if "_orig_mod" in part._modules}
        parts = [part for part in network.modules() if part not in compiled and not _copies_itself(part)]
        for part in parts:
            self._keep(part, object.__new__(type(part)))
        for part in compiled:
            self._keep(part, self.of(part._modules["_orig_mod"]))
        for tensor in (*network.parameters(), *network.buffers()):
            self.of(tensor)
        for part in parts:
            state = {key: value for key, value in vars(part).items() if key != "_compiled_call_impl"}
            vars(self._made[id(part)]).update({key: self.of(value) for key, value in state.items()})
            whole = object.__getstate__(part)  # a pair where there are slots
            for name, value in (whole[1] if isinstance(whole, tuple) else {}).items():
                object.__setattr__(self._made[id(part)], name, self.of(value))
        found = self.of(network)
        for cell, content in self._cells:
            cell.cell_contents = (
                self.of(content) if isinstance(content, CLOSED) else self._made.get(id(content), content)
            )
        return found

    def of(self, value: Any) -> Any:
        """The copy of whatever it may be."""
        if value is None or isinstance(value, str | int | float | type):
            return value
        if id(value) not in self._made:
            self._keep(value, self._copy(value))
        return self._made[id(value)]

    def _keep(self, value: Any, made: Any) -> Any:
        self._met.append(value)
        self._made[id(value)] = made
        return made

    def _copy(self, value: Any) -> Any:
        import torch

        exactly: dict[type, Callable[[Any], Any]] = {
            **dict.fromkeys((dict, OrderedDict, defaultdict), self._dict),
            list: self._list,
            tuple: lambda value: tuple(self.of(one) for one in value),
            MethodType: lambda value: MethodType(self.of(value.__func__), self.of(value.__self__)),
            FunctionType: self._function,
            functools.partial: self._partial,
            type(functools.lru_cache(repr)): self._cached,
            weakref.ref: self._reference,
        }
        if isinstance(value, torch.Tensor | torch.dtype):
            return self._numbers(value)
        if isinstance(value, torch.nn.Module) and not _copies_itself(value):  # one that is in a plain list, say
            return self.network(value)
        return exactly.get(type(value), self._object)(value)

    def _dict(self, value: Any) -> Any:
        made = self._keep(value, copy.copy(value))
        made.clear()
        made.update({self.of(key): self.of(one) for key, one in value.items()})
        return made

    def _list(self, value: list[Any]) -> list[Any]:
        made: list[Any] = self._keep(value, copy.copy(value))
        made[:] = [self.of(one) for one in value]
        return made

    def _reference(self, value: Any) -> Any:
        made = self._made.get(id(value()))
        return value if made is None else weakref.ref(made)

    def _function(self, function: FunctionType) -> FunctionType:
        """A function that calls the copy where it calls a module of the network.

        Lists and dicts it closes over are the copy's own; what it knows by a global name, other than modules of the
        network, is shared with the original.
        """
        import torch

        cells = tuple(CellType() for _ in function.__closure__ or ())
        for cell, old in zip(cells, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # not filled yet
                self._cells.append((cell, old.cell_contents))
        named = {name: function.__globals__.get(name) for name in function.__code__.co_names}
        modules = {name: value for name, value in named.items() if isinstance(value, torch.nn.Module)}
        ours = {name: self._made[id(value)] for name, value in modules.items() if id(value) in self._made}
        if not cells and not ours:
            return function
        names = {**function.__globals__, **ours} if ours else function.__globals__
        made = FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells)
        made.__kwdefaults__ = function.__kwdefaults__
        vars(made).update(vars(function))
        return made

    def _partial(self, value: functools.partial[Any]) -> functools.partial[Any]:
        named = {name: self.of(one) for name, one in value.keywords.items()}
        return functools.partial(self.of(value.func), *map(self.of, value.args), **named)

    def _cached(self, value: Any) -> Any:
        """An empty cache: what is in the old one may come of a module of the network."""
        return functools.lru_cache(**value.cache_parameters())(self.of(value.__wrapped__))

    def _object(self, value: Any) -> Any:
        """Any other object: whole, or else piece by piece; what has no copy, such as a lock, is shared."""
        memo: dict[int, Any] = {}
        trial = ChainMap(memo, self._made)
        try:
            made = copy.deepcopy(value, trial)  # type: ignore[arg-type]
        except UNCOPIED:
            return self._piecewise(value)
        self._met.append(memo.pop(id(trial), None))  # what copy keeps alive
        self._made.update(memo)
        return made

    def _piecewise(self, value: Any) -> Any:
        try:
            made = self._keep(value, copy.copy(value))
        except UNCOPIED:
            return value
        if made is not value and hasattr(value, "__dict__"):
            vars(made).update({key: self.of(one) for key, one in vars(value).items()})
        return made


def _copies_itself(part: Any) -> bool:
    """Whether a module's class says how it is copied; what torch.nn.utils.parametrize says is what we do."""
    return hasattr(type(part), "__deepcopy__") and "parametrizations" not in part._modules


def a_copy(given: Any) -> Any:
    """A tensor with the same numbers, by itself; a torch.dtype as it is."""
    return given.detach().clone() if hasattr(given, "detach") else given


def leaves(given: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """What lies in attributes, and in the containers and objects there, with the way to it, the shortest ways first.

    Modules and functions are not gone into; what is met twice is gone into once.
    """
    waiting: deque[tuple[tuple[Any, ...], Any]] = deque(((name,), value) for name, value in given.items())
    met: set[int] = set()
    while waiting:
        path, value = waiting.popleft()
        inner = entries(value)
        if inner is None:
            yield path, value
        elif id(value) not in met:
            met.add(id(value))
            waiting.extend(((*path, name), one) for name, one in inner.items())


def entries(value: Any) -> dict[Any, Any] | None:
    """What a container or an object holds, by key, place or name; None for whatever holds nothing or is left alone."""
    import torch

    if isinstance(value, functools.partial):
        value = (value.func, value.args, value.keywords)
    if isinstance(value, dict):
        return value
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple | deque):
        return dict(enumerate(value))
    alone = (torch.nn.Module, torch.Tensor, type, FunctionType, MethodType, ModuleType, Logger)
    return None if isinstance(value, alone) else getattr(value, "__dict__", None)
