"""The app's work without the app: what a visitor asks, and the probes all visitors share."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..captions import clean_caption
from ..encoders.base import Encoder
from ..encoders.cards import load_encoder
from ..errors import InvalidInput
from ..images import Picture
from ..probe import enlarge, first, grow, prepare
from ..rank import rank_against
from ..references import embed_reference
from ..schema import Explanation, MaskSettings, Probe, Reference, SelectionSettings

CACHE_BYTES = 512_000_000
SHOWN_MODES = ("closest", "farthest", "mirror")
"""The three maps always on screen; another chosen mode joins them."""


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
        selection: The free settings.
    """

    picture: Picture
    reference: Picture | None
    caption: str | None
    encoder: str
    precision: str
    masking: MaskSettings
    selection: SelectionSettings


class Session:
    """What one open page is looking at. A running probe and a moved slider both write here.

    Attributes:
        probe: What has been embedded so far.
        target: The reference it is ranked against.
        selection: The free settings now.
        stopping: Whether Stop was pressed since the run began. Gradio cancels the run too, but the run's last
            words could then come after those of Stop.
        asked: What the costly controls said when the last run began.
    """

    def __init__(self) -> None:
        self.probe: Probe | None = None
        self.target: Reference | None = None
        self.selection = SelectionSettings()
        self.stopping = False
        self.asked: tuple[object, ...] = ()

    def ended(self) -> bool:
        """Whether Stop was pressed, which can happen between any two lines of a run."""
        return self.stopping

    def explanations(self) -> dict[str, Explanation]:
        """The maps to show by mode, the chosen mode last when it is none of the three.

        Raises:
            InvalidInput: Nothing has been embedded yet.
        """
        if self.probe is None or self.target is None or not len(self.probe):
            raise InvalidInput("There is nothing to show yet; press Run.", code="nothing_yet")
        modes = dict.fromkeys((*SHOWN_MODES, self.selection.mode))
        return {mode: rank_against(self.probe, self.target, replace(self.selection, mode=mode)) for mode in modes}


@dataclass(frozen=True)
class Step:
    """One moment of a run, for the status line.

    Attributes:
        text: What is happening, when nothing can be shown yet.
        done: Masks embedded.
        wanted: Masks asked for.
        seconds: Time spent embedding in this run.
        embedded: Masks embedded in this run; the others were known.
    """

    text: str = ""
    done: int = 0
    wanted: int = 0
    seconds: float = 0.0
    embedded: int = 0


class Workbench:
    """Runs questions and keeps the probes, oldest forgotten first. Shared by all visitors.

    Args:
        cache_bytes: How many bytes of embeddings are kept.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        self._cache_bytes = cache_bytes
        self._probes: OrderedDict[tuple[object, ...], Probe] = OrderedDict()
        self._rates: dict[tuple[str, str], float] = {}
        self._guard = threading.Lock()

    def run(self, question: Question, session: Session) -> Iterator[Step]:
        """Answer a question step by step, leaving what is known so far in the session.

        A probe already made for the same picture, encoder and masks is continued or cut, never made again.
        """
        if question.caption is not None:
            clean_caption(question.caption)  # before the encoder is loaded for it
        yield Step(text="Loading the encoder …")
        encoder = load_encoder(question.encoder, precision=question.precision)
        target = self.embed_target(encoder, question.reference, question.caption)
        start = self._start(encoder, question)
        session.probe, session.target, session.selection = start, target, question.selection
        known, began = len(start), time.monotonic()
        if start.complete:
            yield Step(done=known, wanted=start.wanted)
            return
        for probe in grow(start):
            session.probe = probe
            self._keep(question, probe)
            yield Step("", len(probe), probe.wanted, time.monotonic() - began, len(probe) - known)
        self._rates[question.encoder, question.precision] = (start.wanted - known) / (time.monotonic() - began)

    def embed_target(self, encoder: Encoder, reference: Picture | None, caption: str | None) -> Reference:
        """Embed the picture or the caption to compare with."""
        return embed_reference(encoder, reference=reference, caption=caption)

    def seconds(self, encoder: str, precision: str, n_masks: int) -> float | None:
        """How long embedding so many masks takes here, or None before the first run."""
        rate = self._rates.get((encoder, precision))
        return None if rate is None else n_masks / rate

    def _start(self, encoder: Encoder, question: Question) -> Probe:
        with self._guard:
            known = self._probes.get(self._key(question))
        wanted = question.masking.n_masks
        if known is None:
            return prepare(question.picture, encoder=encoder, masking=question.masking)
        return first(known, wanted) if len(known) >= wanted else enlarge(known, wanted)

    def _keep(self, question: Question, probe: Probe) -> None:
        with self._guard:
            self._probes[self._key(question)] = probe
            self._probes.move_to_end(self._key(question))
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
