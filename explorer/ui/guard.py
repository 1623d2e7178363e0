"""Our errors become a message on the visitor's screen; every other error stays an error."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gradio as gr

from ..errors import ExplorerError

F = TypeVar("F", bound=Callable[..., Any])


def told(handler: F) -> F:
    """Decorate a handler so that an ExplorerError is shown to the visitor, as text."""

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


class _telling:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ExplorerError):
            # gr.Error shows HTML; print_exception is for faults of ours, not for a caption too long.
            raise gr.Error(html.escape(str(error)), title="Cannot do that", print_exception=False) from error
