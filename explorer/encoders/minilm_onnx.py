"""The sentence model all-MiniLM-L6-v2 (a BERT, Devlin et al. 2019, arXiv:1810.04805) as ONNX, out of its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.encoders.onnx_graphs import Graph

LAYERS, HEADS, WIDTH = 6, 12, 384
EPS = 1e-12
"""Of the normalisations."""
FAR = float(np.finfo(np.float32).min)
"""Added to the attention to where no token is."""


class _Bert:
    """The parts of the network, by the names of its arrays."""

    def __init__(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.graph, self._state = Graph(), state

    def array(self, name: str) -> str:
        return self.graph.constant(self._state[name])

    def linear(self, x: str, name: str) -> str:
        weights = self.graph.constant(self._state[f"{name}.weight"].T)
        return self.graph.add("Add", self.graph.add("MatMul", x, weights), self.array(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        arrays = (self.array(f"{name}.{part}") for part in ("weight", "bias"))
        return self.graph.add("LayerNormalization", x, *arrays, axis=-1, epsilon=EPS)

    def heads(self, x: str, perm: list[int]) -> str:
        """(n, t, width) -> (n, heads, t, width / heads), or as ``perm`` says."""
        apart = self.graph.constant([0, 0, HEADS, WIDTH // HEADS], np.int64)
        return self.graph.add("Transpose", self.graph.add("Reshape", x, apart), perm=perm)

    def attention(self, x: str, absent: str, name: str) -> str:
        add = self.graph.add
        query, key, value = (self.linear(x, f"{name}.self.{part}") for part in ("query", "key", "value"))
        likeness = add("MatMul", self.heads(query, [0, 2, 1, 3]), self.heads(key, [0, 2, 3, 1]))
        likeness = add("Mul", likeness, self.graph.constant((WIDTH // HEADS) ** -0.5))
        weights = add("Softmax", add("Add", likeness, absent), axis=-1)
        mixed = add("Transpose", add("MatMul", weights, self.heads(value, [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        mixed = add("Reshape", mixed, self.graph.constant([0, 0, WIDTH], np.int64))
        return self.norm(add("Add", self.linear(mixed, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def feed_forward(self, x: str, name: str) -> str:
        add = self.graph.add
        inside = self.linear(x, f"{name}.intermediate.dense")
        bell = add("Erf", add("Mul", inside, self.graph.constant(2**-0.5)))
        gelu = add("Mul", inside, add("Mul", add("Add", bell, self.graph.constant(1)), self.graph.constant(0.5)))
        return self.norm(add("Add", self.linear(gelu, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def embeddings(self) -> str:
        """The first numbers of each token: of its piece of a word, of its place, of the first of two sentences."""
        add, constant = self.graph.add, self.graph.constant
        name = "embeddings"
        count = add("Slice", add("Shape", "ids"), *(constant(number, np.int64) for number in ([1], [2])))
        places = add("Slice", self.array(f"{name}.position_embeddings.weight"), constant([0], np.int64), count)
        x = add("Add", add("Gather", self.array(f"{name}.word_embeddings.weight"), "ids"), places)
        kind = constant(self._state[f"{name}.token_type_embeddings.weight"][0])
        return self.norm(add("Add", x, kind), f"{name}.LayerNorm")


def build(state: Mapping[str, NDArray[Any]]) -> bytes:
    """Token ids and mask (n, t) -> unit sentence vectors: mean over the tokens, as the model's card says.

    Args:
        state: The arrays of its file.
    """
    bert = _Bert(state)
    add, constant = bert.graph.add, bert.graph.constant
    present = add("Cast", "mask", to=1)
    absent = add("Mul", add("Sub", constant(1), present), constant(FAR))
    absent = add("Unsqueeze", absent, constant([1, 2], np.int64))
    x = bert.embeddings()
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        x = bert.feed_forward(bert.attention(x, absent, f"{name}.attention"), name)
    present = add("Unsqueeze", present, constant([2], np.int64))
    over = constant([1], np.int64)
    total = add("ReduceSum", add("Mul", x, present), over, keepdims=0)
    mean = add("Div", total, add("ReduceSum", present, over, keepdims=0))
    length = add("ReduceL2", mean, axes=[1], keepdims=1)
    add("Div", mean, length, name="sentences")
    inputs = dict.fromkeys(("ids", "mask"), (np.int64, ("n", "t")))
    return bert.graph.model(inputs, {"sentences": ("n", WIDTH)})
