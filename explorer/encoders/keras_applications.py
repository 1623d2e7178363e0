"""ResNet50 and VGG16 from keras.applications, on whichever backend Keras is set to."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import tempfile
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import file_hash
from ..errors import InvalidInput, WeightsMissing
from .base import Card
from .layers import Arrays, LayeredEncoder

BATCH = 8
"""Rows at once: on two cores as fast as 16 and 32 or faster, on TensorFlow as on torch."""

TIMEOUT = 5.0
"""Seconds after which a silent network counts as none."""


@dataclass(frozen=True)
class Application:
    """Where keras.applications keeps a network and its weights.

    Attributes:
        module: The submodule with its ``preprocess_input``.
        url: Where Keras downloads the weights from; the file keeps its name in Keras' cache.
        md5: What Keras checks the file against.
    """

    module: str
    url: str
    md5: str

    @property
    def file(self) -> str:
        """The weights' file name."""
        return self.url.rpartition("/")[2]


_STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
APPLICATIONS = {
    "ResNet50": Application(
        "resnet50",
        f"{_STORE}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        "2cb95161c43110f7111970584f804107",
    ),
    "VGG16": Application(
        "vgg16",
        f"{_STORE}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "64373286793e3c8b2b4e3219cbf3544b",
    ),
}
"""By the name of the function that builds the architecture; a test compares them with the installed Keras."""


class KerasApplication(LayeredEncoder):
    """1000 ImageNet class probabilities at 224 x 224, as in the paper.

    Args:
        card: The facts.
        network: The architecture with its weights.
        preprocess: The library's own step from pixels (b, h, w, 3) to the network's input space.
        fingerprint: Names weights and run-time.
    """

    batch_size = BATCH

    def __init__(
        self,
        card: Card,
        network: Any,
        preprocess: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.card, self._network, self._preprocess, self.fingerprint = card, network, preprocess, fingerprint
        black = preprocess(np.zeros((1, 1, 1, 3), np.float32))
        self.zero_colour = -black[0, 0, 0, ::-1]  # these networks see blue first, and minus the mean colour

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        inputs = self._preprocess(pixels.copy())  # the library changes what it is given
        return np.asarray(self._network.predict_on_batch(inputs), np.float32)

    def _layers(self) -> KerasLayers:
        return KerasLayers(self._network)

    def _block(self, layer: str) -> str:
        """A layer by itself, as in the paper's table 1; of ResNet50 the stem and each of its blocks."""
        found = re.match(r"conv\d+(_block\d+)?(?=_)", layer)
        return found[0] if found else layer

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> KerasApplication:
        network = self._layers().replaced(weights)
        return KerasApplication(self.card, network, self._preprocess, f"{self.fingerprint}+{label}")


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


def missing(card: Card) -> str:
    """What is not on this machine; importing Keras would take seconds, so only the files are looked at."""
    return "" if _cached(APPLICATIONS[card.weights]) else "weights not downloaded"


def load(card: Card, *, precision: str, weights: Path | None) -> KerasApplication:
    """Load the encoder, fetching its weights if they are not here.

    Args:
        card: The facts.
        precision: ``"float32"``.
        weights: A ``.weights.h5`` or ``.h5`` file with the architecture's weights. Of a whole model
            in ``.h5`` only the weights are read.

    Raises:
        InvalidInput: The file is not the architecture's weights.
        WeightsMissing: The weights, or Keras' backend, are not here.
    """
    application = APPLICATIONS[card.weights]
    if weights is not None:
        _check_kind(weights)
    keras = _import_keras()
    if keras.config.image_data_format() != "channels_last":
        raise InvalidInput('Keras must be set to "image_data_format": "channels_last".', code="keras_channels")
    path = weights or _cached_intact(application) or _download(card, application)
    network = getattr(keras.applications, card.weights)(weights=None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a hundred of them, before the error, for a wrong file
            network.load_weights(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInput(f"This file does not hold the weights of {card.weights}.", code="weights_file") from error
    preprocess = getattr(keras.applications, application.module).preprocess_input
    runtime = f"keras {keras.__version__} {keras.config.backend()}"
    return KerasApplication(
        card,
        network,
        lambda pixels: preprocess(pixels, data_format="channels_last"),
        f"keras:{card.weights}:{file_hash(path)[:12]}:{runtime}:{precision}",
    )


def _check_kind(path: Path) -> None:
    """Refuse what is no HDF5 file before Keras is imported, and whole models, which could bring code along."""
    import h5py

    if path.suffix not in (".h5", ".hdf5") or not h5py.is_hdf5(path):
        raise InvalidInput("Keras reads its weights from .weights.h5 or .h5 files only.", code="weights_file")


def _import_keras() -> ModuleType:
    """Keras, its backend quiet and taking only the GPU memory it needs, where the user has not said otherwise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if importlib.util.find_spec("triton") is not None:
        # Both bring an LLVM: torch's compiler loaded after TensorFlow ends the whole process, before it not.
        importlib.import_module("triton")
    try:
        import keras
    except (ImportError, ValueError) as error:
        raise WeightsMissing(
            "Keras has no backend here; pip install tensorflow, or set KERAS_BACKEND to one that is installed.",
            code="packages_missing",
        ) from error
    return keras  # type: ignore[no-any-return]


def _cached(application: Application) -> Path | None:
    """The weights in Keras' cache, if they are there, by the rules Keras goes by."""
    spare = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # where home cannot be written
    home = Path.home() if os.access(Path.home(), os.W_OK) else spare
    folders = Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser(), spare / ".keras"
    paths = [folder / "models" / application.file for folder in folders]
    return next((path for path in paths if path.is_file()), None)


def _cached_intact(application: Application) -> Path | None:
    path = _cached(application)
    if path is None:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return path if digest.hexdigest() == application.md5 else None


def _download(card: Card, application: Application) -> Path:
    """The weights, brought by Keras; it would wait for ever on a dead network, so we knock first."""
    import keras

    try:
        request = urllib.request.Request(application.url, method="HEAD")
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    except OSError as error:
        raise WeightsMissing(
            f"{card.title} is not on this computer and there is no network; "
            f"run `explorer models fetch {card.key}` where there is one.",
            code="weights_offline",
        ) from error
    path = keras.utils.get_file(origin=application.url, cache_subdir="models", file_hash=application.md5)
    return Path(path)
