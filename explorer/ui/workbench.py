"""The app's work without the app: what a visitor asks, and the probes all visitors share."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..agreement import expected_agreement, split_half
from ..caps import N_MASKS
from ..captions import clean_caption
from ..config import Config, example_named
from ..encoders.base import Encoder
from ..encoders.cards import load_encoder
from ..errors import InvalidInput
from ..images import Picture, as_picture
from ..links import preset_config
from ..presets import asset_path, preset_named
from ..probe import enlarge, first, grow, prepare
from ..rank import rank_against
from ..references import embed_reference
from ..replay import replay_of, rows
from ..schema import Explanation, MaskSettings, Probe, Reference, SelectionSettings
from ..unpacking import load_replay, unpack
from .waiting import Waiting

CACHE_BYTES = 512_000_000
CHECK_EVERY = 100
"""Masks between two looks at the agreement: by count, not by time, so that load never changes a result."""


@dataclass(frozen=True, eq=False)
class Question:
    """Everything a visitor asked for, read from the controls and checked.

    Attributes:
        picture: The picture to explain.
        reference: The picture to compare with, where that is what was asked.
        caption: The caption to compare with, otherwise.
        encoder: A key of the cards.
        precision: The encoder's arithmetic.
        masking: The costly settings.
        until: End early, once this agreement is reached.
    """

    picture: Picture
    reference: Picture | None
    caption: str | None
    encoder: str
    precision: str
    masking: MaskSettings
    until: float | None = None

    def against(self, reference: Picture | None, caption: str | None) -> Question:
        """The same question of another reference."""
        return replace(self, reference=reference, caption=caption)

    def config(self, n_masks: int, selection: SelectionSettings) -> Config:
        """What names the result after so many masks."""
        compared = None if self.reference is None else self.reference.sha256
        return Config(
            picture=example_named(self.picture.sha256),
            picture_sha256=self.picture.sha256,
            reference=None if compared is None else example_named(compared),
            reference_sha256=compared,
            caption=self.caption,
            encoder=self.encoder,
            precision=self.precision,
            masking=replace(self.masking, n_masks=max(int(N_MASKS.low), n_masks)),
            selection=selection,
        )


class Session:
    """What one open page is looking at. A running probe and a moved control both write here.

    Attributes:
        question: What the result on screen answers; None before any, and for an example's replay.
        probe: What has been embedded so far.
        target: The reference it is ranked against.
        replay: The key of the example shown without a model, if one is.
        stopping: Whether Stop was pressed since the run began. Gradio cancels the run too, but the run's last
            words could then come after those of Stop.
        running: Whether a run began that neither ended nor was stopped.
        over: When the last run came to its end, by the monotonic clock.
        asked: What the costly controls said when the result on screen was asked for.
    """

    def __init__(self) -> None:
        self.question: Question | None = None
        self.probe: Probe | None = None
        self.target: Reference | None = None
        self.replay: str | None = None
        self.stopping = self.running = False
        self.over = -math.inf
        self.asked: tuple[object, ...] = ()

    def ended(self) -> bool:
        """Whether Stop was pressed, which can happen between any two lines of a run."""
        return self.stopping

    def replayed(self) -> bool:
        """Whether an example is on screen, which can be chosen between any two lines of a run."""
        return self.replay is not None

    def show_replay(self, key: str, asked: tuple[object, ...]) -> None:
        """An example takes the place of whatever was on screen, and of a run that goes on."""
        self.question = self.probe = self.target = None
        self.stopping, self.running = True, False
        self.replay, self.asked = key, asked

    def config(self, selection: SelectionSettings) -> Config:
        """What names the result on screen.

        Raises:
            InvalidInput: Nothing is there yet.
        """
        if self.replay is not None:
            return replace(preset_config(self.replay), selection=selection)
        if self.question is None or self.probe is None:
            raise InvalidInput("There is nothing to show yet; press Run.", code="nothing_yet")
        return self.question.config(len(self.probe), selection)

    def shown(self) -> str | None:
        """The ``id`` of the result on screen, as ``replay.rows`` makes it; None before there is one."""
        if self.replay is not None and (path := replay_of(self.replay)):
            return str(load_replay(path)["id"])
        if self.probe is None or self.target is None:
            return None
        return str(rows(self.probe, self.target)["id"])

    def explanation(self, selection: SelectionSettings) -> Explanation:
        """What is on screen, ranked.

        Raises:
            InvalidInput: Nothing is there yet.
        """
        if self.replay is not None:
            path = replay_of(self.replay)
            assert path is not None
            picture = asset_path(preset_named(self.replay).image)  # larger than the replay's own
            return rank_against(*unpack(load_replay(path), picture=picture), selection)
        if self.probe is None or self.target is None or not len(self.probe):
            raise InvalidInput("There is nothing to show yet; press Run.", code="nothing_yet")
        return rank_against(self.probe, self.target, selection)


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


def on_screen(session: Session) -> Question:
    """What the result on screen answers, with the masks it has.

    Raises:
        InvalidInput: Nothing is there yet.
    """
    if session.probe is not None and session.question is not None:
        count = max(int(N_MASKS.low), len(session.probe))
        masking = replace(session.question.masking, n_masks=count)
        return replace(session.question, masking=masking, until=None)
    if session.replay is None:
        raise InvalidInput("There is nothing to explain yet; press Run.", code="nothing_yet")
    preset = preset_named(session.replay)
    reference = None if preset.reference is None else as_picture(asset_path(preset.reference))
    return Question(
        as_picture(asset_path(preset.image)), reference, preset.caption, preset.encoder, "float32", MaskSettings()
    )


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
        yield Step(text="Loading the encoder …")
        encoder = load_encoder(question.encoder, precision=question.precision)
        target = self.embed_target(encoder, question.reference, question.caption)
        start = self._start(encoder, question)
        session.question, session.probe, session.target, session.replay = question, start, target, None
        known, began = len(start), time.monotonic()
        stability = None if question.until is None else _Stability(question.until, target, selection)
        for probe in grow(start):
            self._keep(question, probe)
            if session.replayed():
                return
            session.probe = probe
            stable = stability and stability.reached(probe)
            if stable:
                session.probe = stable
            done, seconds = len(session.probe), time.monotonic() - began
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
