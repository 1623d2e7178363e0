"""What torch networks keep besides their weights, such as what they have computed of them once and for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.encoders.gradients import as_tensor, private_copy
from explorer.encoders.torch_admission import ask
from explorer.encoders.torch_settings import settled

Place = tuple[int, str]
"""The number of a module in a network, and the name of an attribute or a buffer."""

WITHOUT: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "gone": lambda state, name: state.pop(name),
    "none": lambda state, name: state.update({name: None}),
    "empty": lambda state, name: state.update({name: type(state[name])()}),
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

        if not (kept := [*_kept(self._network)]):
            return
        before = ask(private_copy(self._network), as_tensor(self._network, pixels))

        def makes_again(places: Sequence[Place], way: str) -> bool:
            trial = private_copy(self._network)
            _take_out(trial, places, way)
            try:
                return bool(torch.equal(ask(trial, as_tensor(trial, pixels)), before))
            except (InvalidInput, UnusableEmbedding):
                return False

        for places in (kept, *([place] for place in kept)):
            if way := next((way for way in WITHOUT if makes_again(places, way)), ""):
                yield places, way
                if places is kept:
                    return


def _kept(network: Any) -> Iterator[Place]:
    """Where a network keeps numbers besides its parameters and the buffers that it saves."""
    import torch

    for place, part in enumerate(network.modules()):
        unsaved = {name: part._buffers.get(name) for name in sorted(part._non_persistent_buffers_set)}
        for name, value in (vars(part) | unsaved).items():
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,)
            tensors = [one for one in inner if isinstance(one, torch.Tensor) and one.is_floating_point()]
            if name != "_buffers" and not all(isinstance(one, torch.nn.Parameter) for one in tensors):
                yield place, name


def _take_out(network: Any, places: Iterable[Place], way: str) -> None:
    parts = [*network.modules()]
    for place, name in places:
        part = parts[place]
        WITHOUT[way](part._buffers if name in part._buffers else vars(part), name)
