"""What an embedding looks like to the network that made it, in words: the classes or captions it lies nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIKELY = "probability of each class"
NEAREST = "cosine similarity of each name, 1 = the same"


@dataclass(frozen=True, eq=False)
class Labels:
    """The strongest labels of embeddings.

    Attributes:
        names: Of all labels there are.
        ids: (n, k) places in ``names``, the strongest first.
        scores: (n, k) float32, 0 to 1.
        measure: What the scores are.
    """

    names: Sequence[str]
    ids: NDArray[np.intp]
    scores: NDArray[np.float32]
    measure: str

    def named(self) -> list[list[tuple[str, float]]]:
        """The same as names with their scores, for each embedding."""
        rows = zip(self.ids, self.scores, strict=True)
        return [[(self.names[i], float(score)) for i, score in zip(*row, strict=True)] for row in rows]


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 names, in the order of networks' outputs."""
    lines = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def strongest(scores: NDArray[np.floating], names: Sequence[str], k: int, measure: str) -> Labels:
    """The k largest of scores (n, m)."""
    k = min(k, scores.shape[1])
    ids = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    ids = np.take_along_axis(ids, np.argsort(-np.take_along_axis(scores, ids, 1), axis=1, kind="stable"), 1)
    return Labels(names, ids, np.take_along_axis(scores, ids, 1).clip(0, 1).astype(np.float32), measure)


def class_labels(probabilities: NDArray[np.floating], k: int) -> Labels | None:
    """The likeliest classes of ImageNet; None where the classes (n, m) are others."""
    names = imagenet_classes()
    return strongest(probabilities, names, k, LIKELY) if probabilities.shape[1] == len(names) else None


def nearest_labels(
    embeddings: NDArray[np.floating], named: NDArray[np.floating], names: Sequence[str], k: int
) -> Labels:
    """The names whose own embeddings (m, d) are most like each of (n, d), by the cosine."""
    return strongest(_unit(embeddings) @ _unit(named).T, names, k, NEAREST)


def softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n, m) scores -> probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))
