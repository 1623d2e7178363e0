"""Randomised layers: what they become, and encoders whose layers can be had.

A layer is the smallest part of a network that owns arrays: a convolution with its bias, a normalisation with its
running statistics, one bare parameter (a class token, a positional embedding), the joint input projection of an
attention. Together the layers of an encoder hold every number that an embedding depends on. Running statistics
belong to their layer and are randomised with it, as they are by torch's ``reset_parameters`` and by Quantus'
permutation of what Keras' ``get_weights`` gives.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import check_kind
from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput
from explorer.encoders.base import Encoder

Arrays = Mapping[str, NDArray[Any]]
"""The arrays of one layer, by name."""

HOW = {
    "shuffle": "every array's numbers in random order, which is how the paper describes its test (section 4.3)",
    "shuffle_rows": (
        "every array in random order along its first axis in Keras' layout: a convolution only swaps the rows of "
        "its kernels, and one of 1 x 1 stays as it is; what the paper's software does to Keras networks"
    ),
    "reinitialise": "the numbers the framework starts a new layer with (Adebayo et al. 2018, arXiv:1810.03292)",
}
"""Ways to randomise a layer."""


class Layers(Protocol):
    """Access to the layers of one network."""

    @property
    def names(self) -> tuple[str, ...]:
        """From input to output."""

    def arrays(self, layer: str) -> dict[str, NDArray[Any]]:
        """Copies of a layer's arrays."""

    def fresh(self, layer: str, random: np.random.Generator) -> dict[str, NDArray[Any]]:
        """What the framework would start the layer with."""

    def row_axis(self, layer: str, name: str) -> int:
        """The axis of an array that comes first in Keras' layout."""


class LayeredEncoder(Encoder):
    """An encoder whose layers can be had."""

    @abstractmethod
    def _layers(self) -> Layers:
        """The network's layers; called often, so kept by whoever makes them."""

    @abstractmethod
    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> LayeredEncoder:
        """A fresh encoder with other arrays, all of them checked, and the label at the end of its fingerprint."""

    def _block(self, layer: str) -> str:
        """The group a layer belongs to."""
        return layer

    def layers(self) -> tuple[str, ...]:
        return () if self.card.inside_missing else self._layers().names

    def blocks(self) -> dict[str, tuple[str, ...]]:
        groups: dict[str, tuple[str, ...]] = {}
        for layer in self.layers():
            group = self._block(layer)
            groups[group] = (*groups.get(group, ()), layer)
        return groups

    def weights(self, layer: str) -> dict[str, NDArray[Any]]:
        check_kind("layer", layer, str, "the name of a layer; layers() lists those there are")
        self._check((layer,))
        return self._layers().arrays(layer)

    def replaced(self, weights: Mapping[str, Arrays], label: str) -> Encoder:
        check_kind("weights", weights, Mapping, "arrays by layer and name, as weights() gives those of a layer")
        for arrays in weights.values():
            check_kind("weights", arrays, Mapping, "arrays by layer and name, as weights() gives those of a layer")
        self._check(self._named(weights))
        weights = {layer: {key: as_numpy(array) for key, array in arrays.items()} for layer, arrays in weights.items()}
        for layer, arrays in weights.items():
            shapes = {name: array.shape for name, array in self._layers().arrays(layer).items()}
            for name, array in arrays.items():
                if shapes.get(name) != array.shape:
                    raise InvalidInput(
                        f"The new {name:.40} of a layer has shape {array.shape}, its own {shapes.get(name)}.",
                        code="layer_shape",
                    )
        return self._replaced(weights, label)

    def randomised(self, names: Sequence[str], how: str = "shuffle", seed: int = 0) -> Encoder:
        if not isinstance(how, str) or how not in HOW:
            raise InvalidInput(f"Unknown way to randomise; choose one of: {', '.join(HOW)}.", code="unknown_how")
        check_kind("seed", seed, int | np.integer, "a whole number")
        self._check_inside()
        if not self.layers():
            raise self._no_layers()
        chosen = self._expand(names)
        digest = hashlib.sha256("\n".join(chosen).encode()).hexdigest()[:12]
        access = self._layers()
        weights = {layer: _randomised(access, layer, how, seed) for layer in chosen}
        return self._replaced(weights, f"{how}:{seed}:{digest}")

    def _expand(self, names: Sequence[str]) -> tuple[str, ...]:
        """Layers by name, groups replaced by their layers, each once, from input to output."""
        names = self._named(names)
        known, blocks = self.layers(), self.blocks()
        wanted = {layer for name in names for layer in ((name,) if name in known else blocks.get(name, (name,)))}
        self._check(wanted)
        return tuple(layer for layer in known if layer in wanted)

    def _named(self, names: Any) -> tuple[str, ...]:
        """One name, or some."""
        wanted = "the name of a layer or group, or a list of them; layers() and blocks() list those there are"
        check_kind("names", names, Iterable, wanted)
        found = (names,) if isinstance(names, str) else tuple(names)
        for name in found:
            check_kind("names", name, str, wanted)
        return found

    def _check(self, names: Iterable[str]) -> None:
        self._check_inside()
        if unknown := sorted(set(names) - set(self.layers())):
            raise InvalidInput(
                f"{self.card.title} has no layer {unknown[0]!r:.60}; layers() and blocks() list those there are.",
                code="unknown_layer",
            )


def layer_key(layer: str, seed: int) -> int:
    """The 128-bit key of a layer's own random stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{layer}".encode()).digest()[:16])


def _randomised(access: Layers, layer: str, how: str, seed: int) -> dict[str, NDArray[Any]]:
    random = np.random.Generator(np.random.Philox(key=layer_key(layer, seed)))
    if how == "reinitialise":
        return access.fresh(layer, random)
    arrays = access.arrays(layer)
    if how == "shuffle":
        return {name: random.permuted(array, axis=None) for name, array in arrays.items()}
    return {name: random.permutation(array, axis=access.row_axis(layer, name)) for name, array in arrays.items()}
