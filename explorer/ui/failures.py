"""Every error becomes a message on the visitor's screen; one that is none of ours goes to the log as well.

A run says it where it says everything else, beside its button, and it stays there. What has no such place is told in a
box, which stays until it is closed.
"""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gradio as gr
from gradio.context import LocalContext

from explorer.core.errors import ExplorerError, Restarting, WeightsMissing, in_words

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
REASONS = {
    "memory": "there was not enough memory",
    "storage_full": "the storage is full",
    "open_files": "too many files are open",
    "restarting": "the server is restarting",
}
"""Why something ended, by the code of its error, in half a sentence."""
IN_PLACE = "said in its place"
"""Noted on an error whose words are on screen already."""
HOME = ("localhost", "127.0.0.1", "[::1]")
"""Names by which a server is reached from its own machine."""


def told(handler: F) -> F:
    """Decorate a handler so that any error is shown to the visitor, as text."""

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _telling():
            return handler(*args, **kwargs)

    return call  # type: ignore[return-value]


def told_stepwise(handler: F) -> F:
    """The same for a handler that yields."""

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _telling():
            yield from handler(*args, **kwargs)

    return call  # type: ignore[return-value]


def noted(error: Exception) -> ExplorerError:
    """What to tell the visitor of an error; one that is none of ours is logged, once."""
    said = in_words(error)
    if said is not error:
        log.error("%s", type(error).__name__, exc_info=error)
    return said


def words_of(error: Exception) -> str:
    """An error as this visitor can use it: only who runs the server can fetch what it lacks."""
    said = str(in_words(error))
    if isinstance(error, WeightsMissing) and not at_home():
        return f"Only the host of this page can mend this; choose another encoder, or tell them: {said}"
    return said


def at_home() -> bool:
    """Whether who asks sits at the server's own machine, by the name in the address bar; so outside of any request."""
    request = LocalContext.request.get(None)
    host = request.headers.get("host", "") if request is not None else ""
    return not host or host.rsplit(":", 1)[0] in HOME or host in HOME


def _reason(error: Exception) -> str:
    """Why a run ended, as half a sentence, or as one of its own."""
    said = in_words(error)
    if said.code == "failed":
        return f"the encoder failed ({type(error).__name__})."
    return f"{REASONS[said.code]}." if said.code in REASONS else words_of(error)


def broken_off(done: str, error: Exception, again: str) -> str:
    """The last words of a run that an error ended.

    Args:
        done: How far it came, e.g. ``Stopped at 8 of 800 masks``; empty where it had not begun.
        error: What ended it.
        again: What becomes of what was done, as a sentence.
    """
    error.add_note(IN_PLACE)
    if isinstance(error, Restarting):
        return f"{done}. {error}" if done else str(error)
    if done:
        return f"{done}: {_reason(error)} {again}"
    return f"That could not be run: {_reason(error)}"


class _telling:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, gr.Error):
            in_place = any(IN_PLACE in getattr(each, "__notes__", ()) for each in (error, error.__cause__))
            # gr.Error shows HTML; print_exception is off as a caption too long is no fault, and faults are logged.
            raise gr.Error(
                html.escape(words_of(noted(error))),
                duration=None,  # until it is closed
                visible=not in_place,
                title="Cannot do that",
                print_exception=False,
            ) from error
