"""Evidence worked out without an app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from explorer.core.errors import ExplorerError
from explorer.ui.jobs import Desk, Job, stream
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.tabs.evidence.evidence import Evidence
from explorer.ui.tabs.evidence.trial import Ledger, Trial


def trial_of(evidence: Evidence, ledger: Ledger | None = None) -> Trial:
    return Trial(lambda: evidence, evidence.key, 1, ledger or Ledger(ProbeCache()))


def news_of(trial: Trial, job: Job | None = None, desk: Desk | None = None) -> Iterator[dict[str, Any]]:
    """What the browser is told of it."""
    for _, view in stream(trial, job or Job(), desk or Desk(), 1):
        if view != gr.skip():
            yield view


def last_news_of(trial: Trial, desk: Desk | None = None) -> tuple[list[dict[str, Any]], ExplorerError]:
    """What is told from the last words on, and the error that ended it."""
    news: list[dict[str, Any]] = []
    try:
        news += news_of(trial, desk=desk)  # what was told before an error stays
    except ExplorerError as error:
        rests = [i for i, told in enumerate(news) if told.get("progress", {}).get("rest")]
        return news[rests[-1] :], error
    raise AssertionError("nothing ended it")
