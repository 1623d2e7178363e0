"""The app's work without the app: what a visitor asks, and the probes all visitors share."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..agreement import expected_agreement, split_half
from ..captions import clean_caption
from ..encoders.base import Encoder
from ..encoders.cards import load_encoder
from ..images import Picture
from ..probe import enlarge, first, grow, prepare
from ..references import embed_reference
from ..schema import Probe, Reference, SelectionSettings
from .session import Question, Result, Session
from .waiting import Waiting

CACHE_BYTES = 512_000_000
CHECK_EVERY = 100
"""Masks between two looks at the agreement: by count, not by time, so that load never changes a result."""


@dataclass(frozen=True)
class Step:
    """One moment of a run, for the status line.

    Attributes:
        text: What is happening, when nothing can be shown yet.
        done: Masks embedded.
        wanted: Masks asked for.
        seconds: Time spent embedding in this run.
        embedded: Masks embedded in this run; the others were known.
        agreement: How far two runs like this one would agree, where the run ends on that.
        final: Whether the run is over.
    """

    text: str = ""
    done: int = 0
    wanted: int = 0
    seconds: float = 0.0
    embedded: int = 0
    agreement: float | None = None
    final: bool = False


class _Stability:
    """Looks at the agreement of every so many masks, and finds the first that reaches a target.

    It judges the first 100, 200, ... masks, never the batch at hand, so that what was known before, the size of a
    batch or a busy machine cannot change where a run ends.
    """

    def __init__(self, until: float, target: Reference, selection: SelectionSettings) -> None:
        self.agreement: float | None = None
        self._until, self._target, self._selection, self._next = until, target, selection, CHECK_EVERY

    def reached(self, probe: Probe) -> Probe | None:
        """The probe cut where the target was reached, or None."""
        while self._next <= len(probe):
            part = first(probe, self._next)
            self.agreement = expected_agreement(split_half(part, self._target, self._selection))
            if self.agreement >= self._until:
                return part
            self._next += CHECK_EVERY
        return None


class Workbench:
    """Runs questions and keeps the probes, oldest forgotten first. Shared by all visitors.

    Args:
        cache_bytes: How many bytes of embeddings are kept.

    Attributes:
        waiting: The runs that were asked for and have not ended.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        self._cache_bytes = cache_bytes
        self._probes: OrderedDict[tuple[object, ...], Probe] = OrderedDict()
        self._rates: dict[tuple[str, str], float] = {}
        self._guard = threading.Lock()
        self.waiting = Waiting()

    def run(self, question: Question, session: Session, selection: SelectionSettings) -> Iterator[Step]:
        """Answer a question step by step, leaving what is known so far in the session.

        A probe already made for the same picture, encoder and masks is continued or cut, never made again.

        Args:
            question: What is asked.
            session: Where the probe and the target are put.
            selection: Whose agreement ends the run, where the question says until when.
        """
        try:
            yield from self.embed(question, session, selection)
        finally:
            self.waiting.done(session)

    def embed(self, question: Question, session: Session, selection: SelectionSettings) -> Iterator[Step]:
        """``run`` for one of several that share a place in the queue, which the caller gives up after the last."""
        if question.caption is not None:
            clean_caption(question.caption)  # before the encoder is loaded for it
        turn = session.turn()
        yield Step(text="Loading the encoder …")
        encoder = load_encoder(question.encoder, precision=question.precision)
        target = self.embed_target(encoder, question.reference, question.caption)
        start = self._start(encoder, question)
        if not session.put(turn, Result(question, start, target)):
            return
        known, began = len(start), time.monotonic()
        stability = None if question.until is None else _Stability(question.until, target, selection)
        for probe in grow(start):
            self._keep(question, probe)
            stable = stability and stability.reached(probe)
            shown = stable or probe
            if not session.change(turn, probe=shown):
                return
            done, seconds = len(shown), time.monotonic() - began
            agreement = None if stability is None else stability.agreement
            if len(probe) > known:
                self.waiting.expect(session, seconds / (len(probe) - known) * (probe.wanted - done))
            yield Step("", done, probe.wanted, seconds, len(probe) - known, agreement, bool(stable) or probe.complete)
            if stable:
                break
        if len(probe) > known:
            self._rates[question.encoder, question.precision] = (len(probe) - known) / (time.monotonic() - began)

    def embed_target(self, encoder: Encoder, reference: Picture | None, caption: str | None) -> Reference:
        """Embed the picture or the caption to compare with."""
        return embed_reference(encoder, reference=reference, caption=caption)

    def seconds(self, encoder: str, precision: str, n_masks: int) -> float | None:
        """How long embedding so many masks takes here, or None before the first run."""
        rate = self._rates.get((encoder, precision))
        return None if rate is None else n_masks / rate

    def known(self, question: Question) -> int:
        """How many masks of a question are embedded already, whatever number it asks for."""
        with self._guard:
            return self._known(self._key(question))

    def _known(self, key: tuple[object, ...]) -> int:
        return len(self._probes[key]) if key in self._probes else 0

    def _start(self, encoder: Encoder, question: Question) -> Probe:
        with self._guard:
            known = self._probes.get(self._key(question))
        wanted = question.masking.n_masks
        if known is None:
            return prepare(question.picture, encoder=encoder, masking=question.masking)
        return first(known, wanted) if len(known) >= wanted else enlarge(known, wanted)

    def _keep(self, question: Question, probe: Probe) -> None:
        with self._guard:
            key = self._key(question)
            if len(probe) >= self._known(key):  # what was asked for may be cut from a longer one
                self._probes[key] = probe
            self._probes.move_to_end(key)
            while len(self._probes) > 1 and self._bytes() > self._cache_bytes:
                self._probes.popitem(last=False)

    def _bytes(self) -> int:
        return sum(
            p.embeddings.nbytes + p.pixels.nbytes + p.picture.nbytes
            for p in self._probes.values()
            if p.picture is not None
        )

    def _key(self, question: Question) -> tuple[object, ...]:
        settings = replace(question.masking, n_masks=10)  # masks of the philox scheme do not depend on their number
        return question.picture.sha256, question.encoder, question.precision, settings
