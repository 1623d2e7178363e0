"""The layers of Keras networks, and Keras networks on torch cut where attribution methods look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.encoders.layers import Arrays
from explorer.encoders.torch_settings import PutAside, usual_torch

T = TypeVar("T")


def usual_keras(function: Callable[[], T]) -> T:
    """Call something with Keras as it comes, whatever the user has set; what they have set stays.

    Precision policies, scopes and devices of Keras, TensorFlow and torch belong to a thread, so a new one has none.
    """
    with _keras_settings()(), ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


@cache
def _keras_settings() -> PutAside:
    """What all threads share."""
    from keras import config

    def read() -> Any:
        return config.floatx(), config.image_data_format()

    def write(settings: Any) -> None:
        config.set_floatx(settings[0])
        config.set_image_data_format(settings[1])

    return PutAside(read, write, ("float32", "channels_last"))


class KerasLayers:
    """The layers of a Keras network, as far as they have weights."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.names = tuple(layer.name for layer in network.layers if layer.weights)

    def arrays(self, layer: str) -> dict[str, NDArray[Any]]:
        """Copies of a layer's arrays."""
        found = self._network.get_layer(layer)
        return {weight.name: np.array(array) for weight, array in zip(found.weights, found.get_weights(), strict=True)}

    def fresh(self, layer: str, random: np.random.Generator) -> dict[str, NDArray[Any]]:
        """What the layer's own initialisers give."""
        return usual_keras(lambda: self._fresh(layer, random))

    def _fresh(self, layer: str, random: np.random.Generator) -> dict[str, NDArray[Any]]:
        old = self._network.get_layer(layer)
        config = old.get_config()
        for name in _initialisers(config):
            if "seed" in config[name]["config"]:
                config[name]["config"]["seed"] = int(random.integers(2**31))
        new = type(old).from_config(config)
        new.build_from_config(old.get_build_config())
        return {weight.name: np.array(array) for weight, array in zip(new.weights, new.get_weights(), strict=True)}

    def row_axis(self, layer: str, name: str) -> int:
        """The first, since Keras puts it first."""
        return 0

    def replaced(self, weights: Mapping[str, Arrays]) -> Any:
        """A copy of the network with other arrays in some layers."""
        return usual_keras(lambda: self._replaced(weights))

    def _replaced(self, weights: Mapping[str, Arrays]) -> Any:
        import keras

        twin = keras.models.clone_model(self._network, clone_function=_without_drawing)
        for layer in self.names:  # a clone starts with weights of its own
            old, new = self._network.get_layer(layer), twin.get_layer(layer)
            if layer in weights:
                new.set_weights(list({**self.arrays(layer), **weights[layer]}.values()))
            else:
                for target, weight in zip(new.weights, old.weights, strict=True):
                    target.assign(weight)
            for name in _initialisers(old.get_config()):
                setattr(new, name, getattr(old, name))
        return twin


def _without_drawing(layer: Any) -> Any:
    """A new layer that does not draw numbers only for them to be replaced: for VGG16 that takes ten seconds."""
    config = layer.get_config()
    return type(layer).from_config({**config, **dict.fromkeys(_initialisers(config), "zeros")})


def _initialisers(config: Mapping[str, Any]) -> list[str]:
    return [name for name in config if name.endswith("_initializer")]


def cut(network: Any, stages: tuple[str, ...]) -> list[Any]:
    """A network cut after its stages, from the input to the output; it must be a copy, whose layers note their uses."""
    import keras

    cuts = [network.input, *(network.get_layer(name).output for name in reversed(stages)), network.output]
    segments = [keras.Model(start, end) for start, end in pairwise(cuts)]
    for array in network.parameters():
        array.requires_grad_(False)
    return segments


def chain(segments: Sequence[Any], zero_colour: NDArray[np.float32]) -> Any:
    """The segments as one torch module from pixels, with a module for each cut that the map (b, c, h, w) passes.

    Keras' own layers have their channels last and belong to all chains, so that nothing should be hooked to them.
    """
    import torch

    class Chain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.segments = torch.nn.ModuleList(segments)
            self.stages = torch.nn.ModuleList(torch.nn.Identity() for _ in segments[1:])
            zero = torch.from_numpy(zero_colour).to(next(self.segments.parameters()).device)
            self.register_buffer("zero", zero, persistent=False)

        def forward(self, pixels: Any) -> Any:
            with usual_torch(draws=False):
                rows = (pixels - self.zero).flip(3)  # these networks see blue first
                first, *others = self.segments
                rows = first(rows, training=False)
                for stage, segment in zip(self.stages, others, strict=True):
                    rows = segment(stage(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), training=False)
                return rows

    return Chain().eval()
