"""What one page asks about a sentence, and its answer for the browser."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..encoders.base import Encoder
from ..encoders.cards import load_encoder
from ..formats import jpeg
from ..images import Picture, resize
from ..probe import grow
from ..references import embed_reference
from ..schema import MaskSettings, Probe, SelectionSettings
from ..words import ALL_COUNT, MaskedSentence, WordsExplanation, prepare_words, rank_words, tries_all
from .session import Runner
from .waiting import Waiting
from .workbench import Step

THUMBNAIL = 160
ENDS = 4
"""Masked sentences shown from each end of the ranking."""
LOOKS = 50
"""Places of the ranking that are looked through for them: many masks leave the same sentence."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a page asks.

    Attributes:
        text: The sentence to explain.
        hide: What a hidden word becomes.
        encoder: A key of the cards.
        masking: How many masks, and how much they keep.
        picture: What it is compared with, where that is a picture.
        caption: The other sentence, otherwise.
    """

    text: str
    hide: str
    encoder: str
    masking: MaskSettings
    picture: Picture | None
    caption: str | None

    def key(self) -> tuple[object, ...]:
        """What the masked sentences depend on."""
        return self.text, self.hide, self.encoder, self.masking


class Worded(Runner):
    """What one open page has asked about a sentence, and got.

    Attributes:
        selection: Which masks count, also while a run goes on.
        rate: Sentences embedded in a second, by the last run that embedded any; None before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.selection: SelectionSettings = ALL_COUNT
        self.rate: float | None = None
        self._asked: Asked | None = None
        self._thumbnail: str | None = None

    def steps(self, asked: Asked, waiting: Waiting) -> Iterator[Step]:
        """Embed what is missing, batch by batch; the same sentence as before goes on where it stopped."""
        yield Step("Loading the encoder …")
        encoder = load_encoder(asked.encoder)
        start = self._start(asked, encoder)
        target = embed_reference(encoder, reference=asked.picture, caption=asked.caption)
        self._asked, self.target, self.probe = asked, target, start
        self._thumbnail = None if asked.picture is None else _thumbnail(asked.picture)
        known, before, began = len(start), self._embedded(), time.monotonic()
        try:
            for probe in grow(start):
                self.probe = probe
                done, seconds = len(probe), time.monotonic() - began
                if done > known:
                    waiting.expect(self, seconds / (done - known) * (probe.wanted - done))
                yield Step("", done, probe.wanted, seconds, done - known, final=probe.complete)
        finally:
            waiting.done(self)
            if self._embedded() > before:
                self.rate = (self._embedded() - before) / (time.monotonic() - began)

    def _start(self, asked: Asked, encoder: Encoder) -> Probe:
        if self._asked is not None and self.probe is not None and self._asked.key() == asked.key():
            return self.probe
        return prepare_words(asked.text, encoder=encoder, masking=asked.masking, hide=asked.hide)

    def _embedded(self) -> int:
        row = None if self.probe is None else self.probe.encoder
        return row.embedded if isinstance(row, MaskedSentence) else 0

    def answer(self) -> dict[str, Any] | None:
        """The words' values and what they were made from, as plain values; None before the first masks."""
        if self.probe is None or self.target is None or not len(self.probe):
            return None
        found = rank_words(self.probe, self.target, self.selection)
        order = found.distances.argsort(kind="stable")
        return {
            "words": found.words,
            "spaced": found.sentence.spaced,
            "cut": found.sentence.cut,
            "values": found.relative.tolist(),
            "chance": found.chance,
            "done": len(self.probe),
            "wanted": self.probe.wanted,
            "all": tries_all(len(found.words), self.probe.masking),
            "counted": [int((found.weights > 0).sum()), int((found.weights < 0).sum())],
            "noSignal": found.no_signal,
            "notices": found.notices,
            "whole": found.unmasked_distance,
            "near": _copies(found, order[:LOOKS]),
            "far": _copies(found, order[::-1][:LOOKS]),
            "reference": {"label": self.target.label, "picture": self._thumbnail},
            "encoder": self.probe.encoder.card.title,
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


def _thumbnail(picture: Picture) -> str:
    h, w = picture.pixels.shape[:2]
    factor = min(1.0, THUMBNAIL / max(h, w))
    small = resize(picture.pixels, (max(1, round(h * factor)), max(1, round(w * factor))))
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(small)).decode()}"
