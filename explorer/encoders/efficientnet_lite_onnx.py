"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946) as ONNX, out of the arrays of its weights file.

Lite: no squeeze and excitation, ReLU6 for swish; padded as TensorFlow does, more at the end where it is uneven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.encoders.onnx_graphs import Graph, folded

SIZE, CLASSES, STEM, HEAD = 224, 1000, 32, 1280
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first, expansion, channels."""
EPS = 1e-3
"""Of the normalisations, which follow TensorFlow."""
CENTRE, SPREAD = 127, 128
"""What is zero for the network, and what is one more."""
OUTPUTS: dict[str, int] = {"probabilities": CLASSES, "features": HEAD, "scores": CLASSES}
"""The 1000 class probabilities, the 1280 pooled features before the classifier, the 1000 numbers before the softmax."""

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

State = Mapping[str, NDArray[Any]]


def _blocks() -> Iterator[tuple[str, int, int, int, int, int]]:
    """Name, channels in, inside and out, kernel and stride of each block; names are timm's."""
    before = STEM
    for stage, (count, kernel, stride, expansion, channels) in enumerate(STAGES):
        for block in range(count):
            yield f"blocks.{stage}.{block}", before, before * expansion, channels, kernel, stride if block == 0 else 1
            before = channels


def _block_layers(before: int, inside: int, after: int, kernel: int) -> list[tuple[str, tuple[int, ...]]]:
    """The convolutions of a block and the shapes of their kernels; the first block does not expand."""
    depthwise = ("conv_dw", (inside, 1, kernel, kernel))
    if before == inside:
        return [depthwise, ("conv_pw", (after, inside, 1, 1))]
    return [("conv_pw", (inside, before, 1, 1)), depthwise, ("conv_pwl", (after, inside, 1, 1))]


def shapes() -> dict[str, tuple[int, ...]]:
    """Of all arrays of its state dict, under timm's names and in the order in which the package has them, too."""
    found: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, norm: str, shape: tuple[int, ...]) -> None:
        found[f"{name}.weight"] = shape
        found.update({f"{norm}.{part}": shape[:1] if part != "num_batches_tracked" else () for part in NORM})

    convolution("conv_stem", "bn1", (STEM, 3, 3, 3))
    for name, before, inside, after, kernel, _ in _blocks():
        for place, (layer, shape) in enumerate(_block_layers(before, inside, after, kernel), 1):
            convolution(f"{name}.{layer}", f"{name}.bn{place}", shape)
    convolution("conv_head", "bn2", (HEAD, STAGES[-1][-1], 1, 1))
    return found | {"classifier.weight": (CLASSES, HEAD), "classifier.bias": (CLASSES,)}


def named(given: State) -> dict[str, NDArray[Any]]:
    """The arrays of a state dict under timm's names: it has them, in any order, or others in the same order.

    Raises:
        ValueError: They are no EfficientNet-Lite0's.
    """
    wanted = shapes()
    arrays = [given[name] for name in wanted] if set(given) == set(wanted) else list(given.values())
    if [array.shape for array in arrays] != list(wanted.values()):
        raise ValueError("arrays of other shapes")
    return dict(zip(wanted, arrays, strict=True))


def build(state: State) -> bytes:
    """One network for all of OUTPUTS: pixels (n, 224, 224, 3) 0 to 255 in, as an ONNX file.

    Args:
        state: As ``named`` gives it.
    """
    graph = Graph()

    def convolution(x: str, name: str, norm: str, stride: int = 1, *, clip: bool = True) -> str:
        kernel = state[f"{name}.weight"]
        arrays = folded(kernel, [state[f"{norm}.{part}"] for part in NORM[:4]], EPS)
        group = len(kernel) if kernel.shape[1] == 1 else 1
        y = graph.add("Conv", x, *map(graph.constant, arrays), auto_pad="SAME_UPPER", group=group,
                      kernel_shape=kernel.shape[2:], strides=[stride, stride])  # fmt: skip
        return graph.add("Clip", y, low, high) if clip else y

    low, high = graph.constant(0), graph.constant(6)
    x = graph.add("Div", graph.add("Sub", "pixels", graph.constant(CENTRE)), graph.constant(SPREAD))
    x = convolution(graph.add("Transpose", x, perm=[0, 3, 1, 2]), "conv_stem", "bn1", 2)
    for name, before, inside, after, kernel, stride in _blocks():
        y = x
        layers = [layer for layer, _ in _block_layers(before, inside, after, kernel)]
        for place, layer in enumerate(layers, 1):
            strides = stride if layer == "conv_dw" else 1
            y = convolution(y, f"{name}.{layer}", f"{name}.bn{place}", strides, clip=layer != layers[-1])
        x = graph.add("Add", y, x) if stride == 1 and before == after else y
    x = graph.add("GlobalAveragePool", convolution(x, "conv_head", "bn2"))
    x = graph.add("Flatten", x, name="features")
    weights = (graph.constant(state[f"classifier.{part}"]) for part in ("weight", "bias"))
    x = graph.add("Gemm", x, *weights, transB=1, name="scores")
    graph.add("Softmax", x, axis=1, name="probabilities")
    return graph.model(
        {"pixels": (np.float32, ("n", SIZE, SIZE, 3))}, {name: ("n", size) for name, size in OUTPUTS.items()}
    )
