"""What one page asks about a sentence, and its answer for the browser."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.probe import Probe, grow
from explorer.core.references import Reference, embed_reference
from explorer.core.selections import SelectionSettings
from explorer.core.sentences import ALL_COUNT, MaskedSentence, WordsExplanation, prepare_words, rank_words, tries_all
from explorer.encoders.base import Encoder
from explorer.pictures.images import Picture, shrink
from explorer.results.wire import data_url
from explorer.ui.jobs import TEXT, Job
from explorer.ui.memory.kept import GONE, Kept
from explorer.ui.probe_cache import ProbeCache, loaded
from explorer.ui.status import Step

THUMBNAIL = 160
ENDS = 4
"""Masked sentences shown from each end of the ranking."""
LOOKS = 50
"""Places of the ranking that are looked through for them: many masks leave the same sentence."""


@dataclass(frozen=True, eq=False)
class WordsRequest:
    """What a page asks: which words of a text speak for a picture, or for another sentence, the caption."""

    text: str
    hide: str
    encoder: str
    masking: MaskSettings
    picture: Picture | None
    caption: str | None

    def key(self) -> tuple[object, ...]:
        """What the masked sentences depend on."""
        return self.text, self.hide, self.encoder, self.masking


class Reading(NamedTuple):
    """What a run has made so far; ``texts`` are the embeddings by sentence, in which the probe looks."""

    asked: WordsRequest
    probe: Probe
    target: Reference
    thumbnail: str | None
    texts: Mapping[str, NDArray[np.floating]]


class Worded(Job):
    """What one open page has asked about a sentence, and got.

    Attributes:
        selection: Which masks count, also while a run goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.selection: SelectionSettings = ALL_COUNT
        self._kept: Kept[Reading] | None = None

    @property
    def probe(self) -> Probe | None:
        """The sentences embedded so far; None before any, and once there was no more room for them."""
        reading = self._reading()
        return None if reading is None else reading.probe

    def _reading(self) -> Reading | None:
        return None if self._kept is None else self._kept.get()

    def steps(self, asked: WordsRequest, probes: ProbeCache) -> Iterator[Step]:
        """Embed what is missing, batch by batch; the same sentence as before goes on where it stopped."""
        encoder = yield from loaded(asked.encoder)
        start = self._start(asked, encoder)
        target = embed_reference(encoder, reference=asked.picture, caption=asked.caption)
        assert isinstance(start.encoder, MaskedSentence)
        texts = start.encoder.known
        picture = None if asked.picture is None else data_url(shrink(asked.picture.screen, THUMBNAIL))
        reading = Reading(asked, start, target, picture, texts)
        self._kept = kept = probes.memory.keep(reading, busy=True)
        known, before, began = len(start), len(texts), time.monotonic()
        try:
            for probe in grow(start):
                reading = reading._replace(probe=probe)
                kept.swap(reading)
                done, seconds = len(probe), time.monotonic() - began
                yield Step("", done, probe.wanted, seconds, done - known, final=probe.complete)
        finally:
            kept.busy = False
            kept.set(reading)
            if len(texts) > before:
                probes.rates.note(asked.encoder, "", TEXT, (time.monotonic() - began) / (len(texts) - before))

    def _start(self, asked: WordsRequest, encoder: Encoder) -> Probe:
        if (reading := self._reading()) is not None and reading.asked.key() == asked.key():
            return reading.probe
        return prepare_words(asked.text, encoder=encoder, masking=asked.masking, hide=asked.hide)

    def answer(self) -> dict[str, Any] | None:
        """The words' values and what they were made from, as plain values; None before the first masks.

        Raises:
            InvalidInput: They are no longer here.
        """
        if (reading := self._reading()) is None and self._kept is not None:
            raise InvalidInput(GONE, code="result_gone")
        if reading is None or not len(reading.probe):
            return None
        probe, target = reading.probe, reading.target
        found = rank_words(probe, target, self.selection)
        order = found.distances.argsort(kind="stable")
        return {
            "words": found.words,
            "spaced": found.sentence.spaced,
            "cut": found.sentence.cut,
            "values": found.relative.tolist(),
            "chance": found.chance,
            "done": len(probe),
            "wanted": probe.wanted,
            "all": tries_all(len(found.words), probe.masking),
            "counted": [int((found.weights > 0).sum()), int((found.weights < 0).sum())],
            "noSignal": found.no_signal,
            "notices": found.notices,
            "whole": found.unmasked_distance,
            "near": _copies(found, order[:LOOKS]),
            "far": _copies(found, order[::-1][:LOOKS]),
            "reference": {"label": target.label, "picture": reading.thumbnail},
            "encoder": probe.encoder.card.title,
        }


def _copies(found: WordsExplanation, places: Iterable[Any]) -> list[dict[str, Any]]:
    """The first few different sentences among some masks."""
    probe, seen = found.ranked.probe, dict[str, float]()
    assert isinstance(probe.encoder, MaskedSentence)
    for i in map(int, places):
        (text,) = probe.encoder.copies(probe.masks.render(i, i + 1)[:, 0])
        seen.setdefault(text, float(found.distances[i]))
        if len(seen) == ENDS:
            break
    return [{"text": text, "distance": distance} for text, distance in seen.items()]
