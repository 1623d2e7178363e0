"""What the encoder sees in two items and in every masked copy, in words and small enough for a browser to keep."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.probe import Probe
from explorer.core.references import Reference
from explorer.encoders.base import Encoder
from explorer.encoders.labels import LIKELY, Labels, nearest_labels

MOST = 3
"""Labels of each."""
AT_ONCE = 512
_Small = tuple[NDArray[np.uint16], NDArray[np.uint8]]


class Seen:
    """The labels of a growing probe's copies; each copy is described once, whatever it is compared with.

    Args:
        names: Captions to tell an encoder's embeddings by that has no words of its own.
        named: (m, d) their embeddings.
    """

    def __init__(self, names: Sequence[str] = (), named: NDArray[np.floating] | None = None) -> None:
        self._names, self._named = names, named
        self._copies: list[_Small] = []

    def wire(self, probe: Probe, target: Reference) -> dict[str, Any] | None:
        """As plain values for JSON; None where there are no words for the encoder's embeddings.

        ``ids`` and ``scores`` are base64 of (2 + n, most) uint16 and uint8 (255 = 1): of the whole picture, of what it
        is compared with, and of the masked copies. ``names`` holds those that occur.
        """
        if not isinstance(encoder := probe.encoder, Encoder):
            return None
        labels = self._describe(encoder, np.stack([probe.unmasked(), target.embedding]))
        if labels is None:
            return None
        pairs = [_small(labels), *self._upto(encoder, probe)]
        ids, scores = np.concatenate([ids for ids, _ in pairs]), np.concatenate([scores for _, scores in pairs])
        ids, scores = ids[: 2 + len(probe)], scores[: 2 + len(probe)]
        return {
            "measure": labels.measure,
            "likely": labels.measure == LIKELY,
            "most": ids.shape[1],
            "names": {str(i): labels.names[i] for i in np.unique(ids).tolist()},
            "ids": base64.b64encode(ids.astype("<u2").tobytes()).decode(),
            "scores": base64.b64encode(scores.tobytes()).decode(),
        }

    def _describe(self, encoder: Encoder, rows: NDArray[np.floating]) -> Labels | None:
        labels = encoder.describe(rows, MOST)
        if labels is not None or self._named is None:
            return labels
        return nearest_labels(rows, self._named, self._names, MOST)

    def _upto(self, encoder: Encoder, probe: Probe) -> list[_Small]:
        """Those of the copies there are by now, and of as many as were described before."""
        copies = list(self._copies)
        for start in range(sum(len(ids) for ids, _ in copies), len(probe), AT_ONCE):
            labels = self._describe(encoder, probe.embeddings[start : start + AT_ONCE])
            assert labels is not None  # as the pair had some
            copies.append(_small(labels))
        self._copies = copies  # as a whole: two may ask at once
        return copies


def _small(labels: Labels) -> _Small:
    return labels.ids.astype(np.uint16), (255 * labels.scores).round().astype(np.uint8)
