"""Every error becomes a message on the visitor's screen; one that is none of ours goes to the log as well."""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gradio as gr

from explorer.core.errors import ExplorerError, InvalidInput, Restarting, in_words

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
REASONS = {
    "memory": "there was not enough memory",
    "storage_full": "the storage is full",
    "open_files": "too many files are open",
    "restarting": "the server is restarting",
}
"""Why something ended, by the code of its error, in half a sentence."""


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


def reason(error: Exception, doer: str) -> str:
    """Why a run ended, in half a sentence; ``doer`` is who failed, where the error itself does not tell."""
    said = in_words(error)
    if said.code == "failed":
        return f"{doer} failed ({type(error).__name__})"
    return REASONS.get(said.code) or f"{doer} could not go on; see the message"


def broken_off(done: str, error: Exception, again: str) -> str:
    """The last words of a run that an error ended.

    Args:
        done: How far it came, e.g. ``Stopped at 8 of 800 masks``; empty where it had not begun.
        error: What ended it.
        again: What becomes of what was done, as a sentence.
    """
    if isinstance(error, Restarting):
        return f"{done}. {error}" if done else str(error)
    if done:
        return f"{done}: {reason(error, 'the encoder')}. {again}"
    if isinstance(error, InvalidInput):
        return "That could not be run; see the message."
    return f"That could not be run: {reason(error, 'the encoder')}."


class _telling:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, gr.Error):
            # gr.Error shows HTML; print_exception is off as a caption too long is no fault, and faults are logged.
            raise gr.Error(html.escape(str(noted(error))), title="Cannot do that", print_exception=False) from error
