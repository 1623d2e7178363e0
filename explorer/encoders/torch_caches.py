"""What torch networks keep besides their weights, such as what they have computed of them once and for all."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.encoders.gradients import as_tensor, private_copy
from explorer.encoders.torch_admission import ask
from explorer.encoders.torch_copies import entries, leaves
from explorer.encoders.torch_settings import settled

Place = tuple[int, tuple[Any, ...]]
"""The number of a module in a network, and the way from there: an attribute or a buffer, then keys in what it holds."""

WITHOUT: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "gone": lambda state, name: state.pop(name),
    "none": lambda state, name: state.update({name: None}),
    "empty": lambda state, name: state.update({name: _emptied(state[name])}),
}
"""Ways to take something out of a module, called with what holds it and its name."""


class Caches:
    """What a network keeps and makes again where it is taken out; other weights would make something else of it.

    Args:
        network: A private copy, which nobody runs.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._found: list[tuple[Sequence[Place], str]] | None = None

    def take_from(self, twin: Any, pixels: NDArray[Any]) -> None:
        """Take it out of a copy that has got other weights.

        Args:
            twin: It is changed.
            pixels: (h, w, c) of a picture, which the network is tried with when this is first called.
        """
        if self._found is None:
            with settled(gradients=False):
                self._found = [*self._find(pixels[None])]
        for places, way in self._found:
            _take_out(twin, places, way)

    def _find(self, pixels: NDArray[Any]) -> Iterator[tuple[Sequence[Place], str]]:
        """All of it at once if that goes, else one thing after another."""
        import torch

        twin = private_copy(self._network)
        # what has no copy is shared with the user's network, and left alone
        kept = [place for place in _kept(self._network) if _holder(twin, place) is not _holder(self._network, place)]
        if not kept:
            return
        before = ask(twin, as_tensor(self._network, pixels))

        def makes_again(places: Sequence[Place], way: str) -> bool:
            trial = private_copy(self._network)
            _take_out(trial, places, way)
            try:
                return bool(torch.equal(ask(trial, as_tensor(trial, pixels)), before))
            except (InvalidInput, UnusableEmbedding):
                return False

        found: set[Place] = set()
        for places in (kept, *([place] for place in kept)):
            number, path = places[0]
            if any((number, path[:end]) in found for end in range(len(path))):
                continue  # what it lies in is taken out
            if way := next((way for way in WITHOUT if makes_again(places, way)), ""):
                yield places, way
                found.update(places)
                if places is kept:
                    return


def _kept(network: Any) -> Iterator[Place]:
    """Where a network keeps numbers besides its parameters and the buffers that it saves: each, and what it lies in."""
    import torch

    for number, part in enumerate(network.modules()):
        unsaved = {name: part._buffers.get(name) for name in sorted(part._non_persistent_buffers_set)}
        held = {name: value for name, value in vars(part).items() if name not in ("_buffers", "_parameters")}
        paths = [
            path
            for path, value in leaves(held | unsaved)
            if isinstance(value, torch.Tensor)
            and (value.is_floating_point() or value.is_complex())
            and not isinstance(value, torch.nn.Parameter)
        ]
        for place in dict.fromkeys((number, path[:end]) for path in paths for end in range(1, len(path) + 1)):
            holder = _holder(network, place)
            if holder is not None and isinstance(holder[place[1][-1]], torch.Tensor | dict | list | tuple | deque):
                yield place


def _holder(network: Any, place: Place) -> dict[Any, Any] | None:
    """The dict that holds what is at a place; None where there is none (any more), or it is in a list."""
    number, path = place
    part = [*network.modules()][number]
    state: Any = part._buffers if path[0] in part._buffers else vars(part)
    for step in path[:-1]:
        state = (entries(state) or {}).get(step)
    if not isinstance(state, dict):
        sequence = isinstance(state, list | tuple | deque | set | frozenset)
        state = None if sequence else getattr(state, "__dict__", None)
    return state if state is not None and path[-1] in state else None


def _emptied(value: Any) -> Any:
    """A container of the same kind with nothing in it."""
    if isinstance(value, dict | list | deque):
        made = copy.copy(value)
        made.clear()
        return made
    return () if isinstance(value, tuple) else type(value)()


def _take_out(network: Any, places: Iterable[Place], way: str) -> None:
    for place in places:
        holder = _holder(network, place)
        if holder is not None:  # else it went with what it lay in
            WITHOUT[way](holder, place[1][-1])
