"""The app's work without the app: what a visitor asks, and the probes all visitors share."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from explorer.core.captions import clean_caption
from explorer.core.embedder import Embedder
from explorer.core.fills import FILLS
from explorer.core.probe import Probe, enlarge, first, grow, prepare
from explorer.core.references import Reference, embed_reference
from explorer.core.selections import SelectionSettings
from explorer.core.settling import Stability
from explorer.encoders.base import Encoder
from explorer.encoders.cards import find_card
from explorer.pictures.images import Picture
from explorer.results.seen import Seen
from explorer.ui.jobs import MASKED, Desk
from explorer.ui.memory.kept import CACHE_BYTES, SESSION_SECONDS, Kept, Memory
from explorer.ui.memory.pictures import Pictures
from explorer.ui.session import Result, RunRequest, Session
from explorer.ui.slow_work import patiently
from explorer.ui.status import Step
from explorer.ui.zero_gpu import load_encoder


def loaded(key: str, precision: str = "float32") -> Generator[Step, None, Encoder]:
    """Load an encoder that visitors may name, saying so until it is there."""
    find_card(key)
    loading, step = patiently(lambda: load_encoder(key, precision=precision)), Step("Loading the encoder …")
    yield step
    while True:
        try:
            next(loading)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield step


class ProbeCache(Desk):
    """Runs questions and keeps the probes, least recently used forgotten first. Shared by all visitors.

    Args:
        cache_bytes: How many bytes are kept, of all that visitors made.
        seconds: How long something is kept that nobody uses.

    Attributes:
        memory: Counts them.
        pictures: Opens the visitors' pictures.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES, seconds: float = SESSION_SECONDS) -> None:
        super().__init__()
        self.memory = Memory(cache_bytes, seconds)
        self.pictures = Pictures(self.memory)
        self._probes: dict[tuple[object, ...], Kept[Probe]] = {}
        self._guard = threading.Lock()

    def run(self, question: RunRequest, session: Session, selection: SelectionSettings) -> Iterator[Step]:
        """Answer a question step by step, leaving what is known so far in the session.

        A probe already made for the same picture, encoder and masks is continued or cut, never made again. Where the
        question says until when, it is the agreement of the selection that ends the run.
        """
        self.check_open()
        if question.caption is not None:
            clean_caption(question.caption)  # before the encoder is loaded for it
        turn = session.turn()
        encoder = yield from loaded(question.encoder, question.precision)
        target = self.embed_target(encoder, question.reference, question.caption)
        start = self._start(encoder, question)
        result = Result(question, start, target, Seen())
        kept = self.memory.keep(result, busy=True)
        try:
            if session.put(turn, kept):
                yield from self._grow(result, session, turn, selection)
        finally:
            kept.busy = False

    def _grow(self, result: Result, session: Session, turn: int, selection: SelectionSettings) -> Iterator[Step]:
        question, start, target, _ = result
        known, began = len(start), time.monotonic()
        stability = None if question.until is None else Stability(question.until, [target], selection)
        for probe in grow(start):
            self.check_open()
            self._keep(question, probe)
            stable = stability and stability.reached(probe)
            shown = stable or probe
            if not session.change(turn, probe=shown):
                return
            done, seconds = len(shown), time.monotonic() - began
            agreement = None if stability is None else stability.agreement
            yield Step("", done, probe.wanted, seconds, len(probe) - known, agreement, bool(stable) or probe.complete)
            if stable:
                break
        if len(probe) > known and not FILLS[question.masking.fill].drops:  # whose passes cost less than those of others
            each = (time.monotonic() - began) / (len(probe) - known)
            self.rates.note(question.encoder, question.precision, MASKED, each)

    def embed_target(self, encoder: Embedder, reference: Picture | None, caption: str | None) -> Reference:
        """Embed the picture or the caption to compare with."""
        return embed_reference(encoder, reference=reference, caption=caption)

    def seconds(self, encoder: str, precision: str, n_masks: int) -> float | None:
        """How long embedding so many masks takes here, or None before the first run."""
        return self.rates.seconds(encoder, precision, n_masks, MASKED)

    def complete(self, question: RunRequest) -> Probe | None:
        """The probe of a question with all its masks, where they are embedded and still here."""
        wanted = question.masking.n_masks
        with self._guard:
            known = self._kept_probe(self._key(question))
        return None if known is None or len(known) < wanted else first(known, wanted)

    def known(self, question: RunRequest) -> int:
        """How many masks of a question are embedded already, whatever number it asks for."""
        with self._guard:
            return self._known(self._key(question))

    def _known(self, key: tuple[object, ...]) -> int:
        probe = self._kept_probe(key)
        return 0 if probe is None else len(probe)

    def _kept_probe(self, key: tuple[object, ...]) -> Probe | None:
        kept = self._probes.get(key)
        return None if kept is None else kept.get()

    def _start(self, encoder: Encoder, question: RunRequest) -> Probe:
        with self._guard:
            known = self._kept_probe(self._key(question))
        wanted = question.masking.n_masks
        if known is None:
            return prepare(question.picture, encoder=encoder, masking=question.masking)
        return first(known, wanted) if len(known) >= wanted else enlarge(known, wanted)

    def _keep(self, question: RunRequest, probe: Probe) -> None:
        with self._guard:
            key = self._key(question)
            if len(probe) < self._known(key):  # what was asked for may be cut from a longer one
                return
            if key in self._probes:
                self._probes[key].set(probe)
                return
            for old in [key for key, kept in self._probes.items() if kept.forgotten]:
                del self._probes[old]
            self._probes[key] = self.memory.keep(probe)

    def _key(self, question: RunRequest) -> tuple[object, ...]:
        settings = replace(question.masking, n_masks=10)  # masks of the philox scheme do not depend on their number
        return question.picture.sha256, question.encoder, question.precision, settings
