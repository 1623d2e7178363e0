"""What the encoder sees in two items and in every masked copy, in words and small enough for a browser to keep."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.probe import Probe
from explorer.core.references import Reference
from explorer.encoders.base import Encoder
from explorer.encoders.labels import LIKELY, Labels

MOST = 3
"""Labels of each."""
AT_ONCE = 512


class Seen:
    """The labels of a growing probe's copies; each copy is described once, whatever it is compared with."""

    def __init__(self) -> None:
        self._copies: tuple[NDArray[np.uint16], NDArray[np.uint8]] | None = None

    def wire(self, probe: Probe, target: Reference) -> dict[str, Any] | None:
        """As plain values for JSON; None where the encoder has no words for its embeddings.

        ``ids`` and ``scores`` are base64 of (2 + n, k) uint16 and uint8 (255 = 1): of the whole picture, of what it
        is compared with, and of the masked copies. ``names`` holds those that occur.
        """
        if not isinstance(encoder := probe.encoder, Encoder):
            return None
        labels = encoder.describe(np.stack([probe.unmasked(), target.embedding]), MOST)
        if labels is None:
            return None
        pair, copies = _small(labels), self._upto(encoder, probe)
        ids, scores = np.concatenate([pair[0], copies[0]]), np.concatenate([pair[1], copies[1]])
        return {
            "measure": labels.measure,
            "likely": labels.measure == LIKELY,
            "most": ids.shape[1],
            "names": {str(i): labels.names[i] for i in np.unique(ids).tolist()},
            "ids": base64.b64encode(ids.astype("<u2").tobytes()).decode(),
            "scores": base64.b64encode(scores.tobytes()).decode(),
        }

    def _upto(self, encoder: Encoder, probe: Probe) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """Those of the copies there are by now."""
        k, known = MOST, self._copies
        parts = [(np.empty((0, k), np.uint16), np.empty((0, k), np.uint8)) if known is None else known]
        for start in range(len(parts[0][0]), len(probe), AT_ONCE):
            labels = encoder.describe(probe.embeddings[start : start + AT_ONCE], k)
            assert labels is not None  # as it described the pair
            parts.append(_small(labels))
        ids, scores = np.concatenate([ids for ids, _ in parts]), np.concatenate([scores for _, scores in parts])
        self._copies = ids, scores
        return ids[: len(probe)], scores[: len(probe)]


def _small(labels: Labels) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    return labels.ids.astype(np.uint16), (255 * labels.scores).round().astype(np.uint8)
