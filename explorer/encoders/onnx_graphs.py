"""Networks written down as ONNX, node by node, out of arrays: what OpenVINO reads without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 17
"""The first with layer normalisation."""
IR = 8
"""The format's version that goes with it, whatever version of onnx writes it."""


class Graph:
    """Nodes as they are added; each gives one output, whose name is what others take for it."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Numbers that the network has."""
        import onnx.numpy_helper

        name = f"constant_{len(self._arrays)}"
        self._arrays.append(onnx.numpy_helper.from_array(np.ascontiguousarray(np.asarray(values, dtype)), name))
        return name

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """A node of the ONNX operator ``kind``; ``name`` is that of its output where somebody asks for it."""
        import onnx.helper

        output = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def model(
        self, inputs: Mapping[str, tuple[type, Sequence[int | str]]], outputs: Mapping[str, Sequence[int | str]]
    ) -> bytes:
        """The network as an ONNX file.

        Args:
            inputs: Kind of numbers and shape of each; a word in a shape is a size that is not fixed.
            outputs: Shape of each, all of float32.
        """
        import onnx.helper

        def told(name: str, kind: type, shape: Sequence[int | str]) -> Any:
            number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
            return onnx.helper.make_tensor_value_info(name, number, list(shape))

        graph = onnx.helper.make_graph(
            self._nodes,
            "network",
            [told(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [told(name, np.float32, shape) for name, shape in outputs.items()],
            self._arrays,
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR)
        return bytes(model.SerializeToString())


def folded(kernel: NDArray[Any], norm: Sequence[NDArray[Any]], eps: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """A convolution's kernel (out, in, h, w) and the normalisation that follows it as one kernel and its bias.

    Args:
        kernel: Of the convolution, which has no bias of its own.
        norm: Scale, shift, mean and variance of each channel.
        eps: Added to the variance.
    """
    scale, shift, mean, variance = (np.asarray(array, np.float64) for array in norm)
    factor = scale / np.sqrt(variance + eps)
    return kernel * factor[:, None, None, None], shift - mean * factor
