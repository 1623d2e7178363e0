"""Several captions at once: ranked for the picture, and one click to compare with another of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from explorer.core.captions import clean_caption
from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_CAPTION, MAX_CAPTIONS
from explorer.core.references import Reference
from explorer.encoders.base import Encoder
from explorer.pictures.images import Picture
from explorer.results.seen import Seen
from explorer.results.wire import plane, rows
from explorer.ui.controls import Values
from explorer.ui.failures import broken_off, told, told_stepwise
from explorer.ui.page import LIGHT, Page
from explorer.ui.probe_cache import loaded
from explorer.ui.session import Result, Session
from explorer.ui.status import Step, status_panel
from explorer.ui.tabs.events import named
from explorer.ui.tabs.explore.handlers import Handlers


def wire_captions(page: Page, handlers: Handlers) -> None:
    """Wire the list of captions."""
    ranking, view = CaptionRanking(page), page.controls.captions
    view.asked(ranking.rank, page.everything(), [page.status, view, page.view], **LIGHT)
    chosen = view.chosen(ranking.choose, None, [page.controls.caption], **LIGHT)
    handlers.hold_against(chosen.success(handlers.compare, page.everything(), [page.status, page.view], **LIGHT))


class CaptionRanking:
    """The events of the list of captions."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @told_stepwise
    def rank(self, values: Values, event: gr.EventData) -> Iterator[tuple[Any, Any, Any]]:
        """Embed the captions, and the whole picture where no run has; no masked copy is embedded.

        A line that is no caption, or none that the encoder can read, says why in its row; the others are ranked.
        """
        lines, controls = _lines(named(event._data).get("text")), self._page.controls
        network, picture = controls.network(values), controls.picture_of(values)
        try:
            encoder = yield from self._loaded(*network)
            yield self._ranked(lines, encoder, values[self._page.session], network, picture)
        except Exception as error:  # the last word must not be that the encoder is loading
            yield status_panel(Step(broken_off("", error, ""))), gr.skip(), gr.skip()
            raise

    def _loaded(self, key: str, precision: str) -> Generator[tuple[Any, Any, Any], None, Encoder]:
        loading = loaded(key, precision)
        while True:
            try:
                yield status_panel(next(loading)), gr.skip(), gr.skip()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def _ranked(
        self, lines: list[str], encoder: Encoder, session: Session, network: tuple[str, str], picture: Picture
    ) -> tuple[Any, Any, Any]:
        targets, refused = self._read(lines, encoder)
        result = session.made_by(*network, picture)
        whole = _embedded(encoder, picture) if result is None else result.probe.unmasked()
        ranked = [
            {
                "caption": caption,
                "whole": plane(whole[None], target.embedding)[0].tolist(),
                "reference_length": float(np.linalg.norm(target.embedding.astype(np.float64))),
                "notices": list(target.notices),
            }
            for caption, target in targets.items()
        ]
        answer = {"picture_sha256": picture.sha256, "encoder": network[0], "rows": ranked, "refused": refused}
        others = f", {len(refused)} could not be: each says why in the list" if refused else ""
        done = Step(f"{len(ranked)} of {len(lines)} captions ranked for this picture{others}. No mask was embedded.")
        return status_panel(done), gr.update(ranked=answer), self._labelled(session, result, targets)

    def _read(self, lines: list[str], encoder: Encoder) -> tuple[dict[str, Reference], list[dict[str, str]]]:
        """The captions embedded, and the lines that cannot be, with the reasons."""
        targets, refused = {}, []
        for line in lines:
            try:
                caption = clean_caption(line)
                targets[caption] = self._page.probes.embed_target(encoder, None, caption)
            except InvalidInput as error:
                shown = line[:MAX_CAPTION].encode(errors="replace").decode()  # half a character cannot be sent
                refused.append({"caption": shown, "reason": str(error)})
        return targets, refused

    def _labelled(self, session: Session, result: Result | None, targets: dict[str, Reference]) -> Any:
        """The copies' nearest captions, where the encoder has no words of its own for what it sees."""
        if not targets or result is None or not isinstance(encoder := result.probe.encoder, Encoder):
            return gr.skip()
        named = np.stack([target.embedding for target in targets.values()])
        if encoder.describe(named) is not None:
            return gr.skip()
        seen = Seen(tuple(targets), named)
        if not session.change(session.turn(), seen=seen):
            return gr.skip()
        return gr.update(rows=rows(result.probe, result.target) | {"seen": seen.wire(result.probe, result.target)})

    @told
    def choose(self, event: gr.EventData) -> str:
        """Compare with this caption from now on."""
        caption = named(event._data).get("caption")
        if not isinstance(caption, str):
            raise InvalidInput("The choice could not be read; reload the page.", code="page_data")
        return caption


def _lines(text: Any) -> list[str]:
    """The lines of a text that are not blank, each once."""
    lines = [line.strip() for line in text.splitlines()] if isinstance(text, str) else []
    captions = list(dict.fromkeys(" ".join(line.split()) for line in lines if line))
    if not captions:
        raise InvalidInput("There is no caption yet; write one on each line.", code="captions_missing")
    if len(captions) > MAX_CAPTIONS:
        raise InvalidInput(
            f"At most {MAX_CAPTIONS} captions are ranked at once, got {len(captions)}; leave some out.",
            code="captions_count",
        )
    return captions


def _embedded(encoder: Encoder, picture: Picture) -> NDArray[np.floating]:
    rows = encoder.embed_pixels(encoder.read(picture).pixels[None])
    return np.asarray(rows[0])
