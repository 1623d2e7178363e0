"""ResNet50 and VGG16 from keras.applications, on whichever backend Keras is set to."""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import re
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.storage import file_hash
from explorer.encoders.gradients import Differentiable
from explorer.encoders.hub import TIMEOUT, absent
from explorer.encoders.keras_layers import KerasLayers, chain, cut, usual_keras
from explorer.encoders.labels import Labels, class_labels, softmax
from explorer.encoders.layers import Arrays, LayeredEncoder
from explorer.encoders.tensorflow_beside_torch import settle_triton

BATCH = 8
"""Rows at once: on two cores as fast as 16 and 32 or faster, on TensorFlow as on torch."""


@dataclass(frozen=True)
class Application:
    """Where keras.applications keeps a network and its weights.

    Attributes:
        module: The submodule with its ``preprocess_input``.
        url: Where Keras downloads the weights from; the file keeps its name in Keras' cache.
        md5: What Keras checks the file against.
        stages: The layers that end the last stage, the one before it, and the one before that.
    """

    module: str
    url: str
    md5: str
    stages: tuple[str, ...]

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
        ("conv5_block3_out", "conv4_block6_out", "conv3_block4_out"),
    ),
    "VGG16": Application(
        "vgg16",
        f"{_STORE}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "64373286793e3c8b2b4e3219cbf3544b",
        ("block5_pool", "block4_pool", "block3_pool"),
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
        stages = APPLICATIONS[card.weights].stages
        self._segments = cache(lambda: usual_keras(lambda: cut(self._layers().replaced({}), stages)))

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        inputs = self._preprocess(pixels.copy())  # the library changes what it is given
        return np.asarray(usual_keras(lambda: self._network.predict_on_batch(inputs)), np.float32)

    def describe(self, embeddings: NDArray[np.floating], k: int = 3) -> Labels | None:
        scores = self._network.layers[-1].activation is _import_keras().activations.linear
        return class_labels(softmax(embeddings) if scores else embeddings, k)

    def _layers(self) -> KerasLayers:
        return KerasLayers(self._network)

    def gives(self) -> tuple[str, ...]:
        return self.card.gives if _import_keras().config.backend() == "torch" else ()

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        if not self.gives():
            raise InvalidInput(
                f"{self.card.title} gives gradients {self.card.gives_when} only; or choose a method that only embeds "
                "pictures (Distance Explainer, RISE).",
                code="no_gradients",
            )
        segments = self._segments()
        stages = tuple(f"stages.{i}" for i in reversed(range(len(segments) - 1)))
        return Differentiable(chain(segments, self.zero_colour), stages)

    def classifier(self) -> KerasApplication:
        network = self._layers().replaced({})
        network.layers[-1].activation = _import_keras().activations.linear  # before it is first asked
        return KerasApplication(self.card, network, self._preprocess, f"{self.fingerprint}-scores")

    def _block(self, layer: str) -> str:
        """A layer by itself, as in the paper's table 1; of ResNet50 the stem and each of its blocks."""
        found = re.match(r"conv\d+(_block\d+)?(?=_)", layer)
        return found[0] if found else layer

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> KerasApplication:
        network = self._layers().replaced(weights)
        return KerasApplication(self.card, network, self._preprocess, f"{self.fingerprint}+{label}")


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
    path = weights or _cached_intact(application)
    if path is None:
        _knock(card, application)  # before Keras comes, which takes seconds and brings TensorFlow's remarks along
    keras = _import_keras()
    path = path or _download(card, application)
    network = usual_keras(lambda: _network(card.weights, path))
    preprocess = getattr(keras.applications, application.module).preprocess_input
    runtime = f"keras {keras.__version__} {keras.config.backend()}"
    return KerasApplication(
        card,
        network,
        lambda pixels: preprocess(pixels, data_format="channels_last"),
        f"keras:{card.weights}:{file_hash(path)[:12]}:{runtime}:{precision}",
    )


def _network(name: str, path: Path) -> Any:
    import keras

    if keras.config.backend() == "tensorflow" and not importlib.import_module("tensorflow").executing_eagerly():
        raise InvalidInput(
            "TensorFlow's eager execution is switched off in this process, without which Keras does not work; leave "
            "out tf.compat.v1.disable_eager_execution().",
            code="not_eager",
        )
    drawn = random.getstate()  # which Keras takes a seed from for numbers that the file's then replace
    network = getattr(keras.applications, name)(weights=None)
    random.setstate(drawn)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a hundred of them, before the error, for a wrong file
            network.load_weights(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInput(f"This file does not hold the weights of {name}.", code="weights_file") from error
    return network


def _check_kind(path: Path) -> None:
    """Refuse what is no HDF5 file before Keras is imported, and whole models, which could bring code along."""
    import h5py

    if path.suffix not in (".h5", ".hdf5") or not h5py.is_hdf5(path):
        raise InvalidInput("Keras reads its weights from .weights.h5 or .h5 files only.", code="weights_file")


def _import_keras() -> ModuleType:
    """Keras, its backend quiet and taking only the GPU memory it needs, where the user has not said otherwise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    settle_triton()
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
    own = Path(os.path.expanduser("~"))  # a mere "~" for a user without a home
    home = own if os.access(own, os.W_OK) else spare
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


def _knock(card: Card, application: Application) -> None:
    """See whether the weights' server answers; Keras would wait for ever on a dead network.

    Raises:
        WeightsMissing: It does not.
    """
    try:
        request = urllib.request.Request(application.url, method="HEAD")
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        raise absent(card, f"the server of its weights answered {error.code}") from error
    except OSError as error:
        raise absent(card) from error


def _download(card: Card, application: Application) -> Path:
    """The weights, brought by Keras.

    Raises:
        WeightsMissing: They cannot be had.
    """
    import keras

    try:
        path = keras.utils.get_file(origin=application.url, cache_subdir="models", file_hash=application.md5)
    except Exception as error:  # Keras says it in no other way
        raise absent(card, "the download broke off, or brought another file than it should") from error
    return Path(path)
