"""What is kept of a row: a line of the table, and its map as files where they are asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.batch.items import Bank
from explorer.batch.plan import Ask
from explorer.batch.work import Explained
from explorer.core.agreement import expected_agreement, split_half
from explorer.core.embedder import Input
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.probe import Probe
from explorer.core.selections import MEANINGS
from explorer.pictures.formats import jpeg
from explorer.results.plots import ROUNDING, colour_limit, colour_map_of, paint, picture_of, shrink

MAPS = ("npy", "overlay")
"""Kinds of files a row may have: the map to the last bit, and the map over its picture."""
FILES = (*MAPS, *(f"second_{kind}" for kind in MAPS))
"""The same, and those of the second of two maps that tell two stories."""
UNKEPT = "The second is not kept: --maps keeps both."
SIDE = 336
"""Longest side of an overlay, in pixels."""


@dataclass(frozen=True)
class Recording:
    """Turns an explanation into plain values, and bytes by kind of file.

    Attributes:
        maps: Of ``MAPS``, what is asked for.
    """

    maps: tuple[str, ...] = ()

    def __call__(self, ask: Ask, explained: Explained, bank: Bank) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The line and the files of a row."""
        against = explained.reference
        seen = explained.probe if isinstance(explained, Explanation) else explained.seen
        sha256 = explained.probe.picture_sha256 if isinstance(explained, Explanation) else explained.seen.sha256
        height, width = explained.attribution.shape
        row, column = (None, None) if explained.no_signal else _peak(explained)
        second = explained.second if isinstance(explained, Explanation) else None
        line = {
            "distance": _distance(ask, explained, bank),
            "no_signal": explained.no_signal,
            "agreement": _agreement(explained),
            "peak_row": row,
            "peak_column": column,
            "map_height": height,
            "map_width": width,
            "sign": MEANINGS[explained.meaning].sign.format("region"),
            "n_masks": len(explained.probe) if isinstance(explained, Explanation) else None,
            "p_keep": explained.probe.masking.p_keep if isinstance(explained, Explanation) else None,
            "second_p_keep": None if second is None else second.probe.masking.p_keep,
            "notices": " ".join(explained.notices),
            "picture_sha256": sha256,
            "reference_sha256": against.picture_sha256,
        }
        files = self._files(explained, seen)
        if second is not None:
            files |= {f"second_{kind}": data for kind, data in self._files(second, seen).items()}
            if not self.maps:
                line["notices"] = f"{line['notices']} {UNKEPT}"
        return line, files

    def _files(self, explained: Explained, seen: Probe | Input) -> dict[str, bytes]:
        """A map as the files that are asked for."""
        files = {}
        if "npy" in self.maps:
            array = io.BytesIO()
            np.save(array, explained.attribution, allow_pickle=False)
            files["npy"] = array.getvalue()
        if "overlay" in self.maps:
            limit = colour_limit(
                explained.relative, rounding=0 if isinstance(explained, MethodExplanation) else ROUNDING
            )
            colours = colour_map_of(explained.meaning)
            picture = shrink(picture_of(seen), SIDE)
            files["overlay"] = jpeg(paint(explained.relative, picture, box=seen.box, limit=limit, colour_map=colours))
        return files


def _peak(explained: Explained) -> tuple[int, int]:
    """Where the map is highest, in its own pixels."""
    row, column = np.unravel_index(int(np.argmax(explained.relative)), explained.attribution.shape)
    return int(row), int(column)


def _distance(ask: Ask, explained: Explained, bank: Bank) -> float:
    """Of the whole picture, which was embedded with others."""
    from explorer.core.distances import measure

    assert ask.whole is not None
    own = bank[ask.whole].embedding
    return float(measure(ask.manner.selection.distance, own[None], explained.reference.embedding)[0])


def _agreement(explained: Explained) -> float | None:
    """To expect with the map of as many other masks; None where nothing is known of that."""
    if isinstance(explained, MethodExplanation):
        return None
    return expected_agreement(split_half(explained.probe, explained.reference, explained.selection))
