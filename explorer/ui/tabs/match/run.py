"""What one page matches: the probes of both things on screen, and the answer for the browser."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

from explorer.core.match import match
from explorer.core.probe import Probe, grow
from explorer.core.selections import SelectionSettings
from explorer.core.sentences import prepare_words
from explorer.results.match_wire import pack_match
from explorer.ui.jobs import TEXT
from explorer.ui.probe_cache import ProbeCache, loaded
from explorer.ui.session import RunRequest, Session, on_screen
from explorer.ui.status import Step

PLAIN = SelectionSettings()


class Matching(Session):
    """What a page's match is made on, so that the result on screen is left alone.

    Attributes:
        of: The ``id`` of the result whose two things are matched.
        found: The answer; None until it is there.
    """

    of: str | None = None
    found: dict[str, Any] | None = None

    def steps(self, session: Session, probes: ProbeCache) -> Iterator[Step]:
        """Embed what is missing of either thing, and match them."""
        of, self.found = session.shown(), None
        question, result = on_screen(session), session.result
        if result is not None:
            one = result.probe
        else:
            yield from probes.run(question, self, PLAIN)
            one = self._embedded()
        if question.reference is None:
            other = yield from _words(question, probes)
        else:
            yield from probes.run(swapped(question), self, PLAIN)
            other = self._embedded()
        yield Step("Matching the two …")
        self.of, self.found = of, pack_match(match(one, other)) | {"of": of}
        session.matched = self.found
        yield Step("", len(other), len(other), final=True)

    def _embedded(self) -> Probe:
        assert self.result is not None  # or the run would have failed
        return self.result.probe


def _words(question: RunRequest, probes: ProbeCache) -> Generator[Step, None, Probe]:
    """The probe of the caption's words."""
    encoder = yield from loaded(question.encoder, question.precision)
    start = probe = prepare_words(str(question.caption), encoder=encoder)
    began = time.monotonic()
    for probe in grow(start):
        probes.check_open()
        seconds = time.monotonic() - began
        yield Step("", len(probe), probe.wanted, seconds, len(probe))
    probes.rates.note(question.encoder, question.precision, TEXT, (time.monotonic() - began) / len(probe))
    return probe


def swapped(question: RunRequest) -> RunRequest:
    """The same question with its two pictures swapped."""
    assert question.reference is not None
    return replace(question, picture=question.reference, reference=question.picture)


def missing(session: Session, probes: ProbeCache) -> int:
    """How many masked pictures have to be embedded yet for a match of what is on screen."""
    question = on_screen(session)
    asked = [] if session.result is not None else [question]
    if question.reference is not None:
        asked.append(swapped(question))
    return sum(max(0, one.masking.n_masks - probes.known(one)) for one in asked)
