"""A progress bar for who asks for one: in a terminal, or a notebook's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from explorer.core.arguments import check_kind
from explorer.core.errors import InvalidInput
from explorer.core.probe import Progress

WANTED = "a function of two numbers: what is done, and how much there is"


def check_progress(on_progress: Any, progress: Any = False) -> None:
    """Refuse what cannot be told of progress.

    Raises:
        InvalidInput: Not a function that takes two numbers, or ``progress`` is neither True nor False.
    """
    check_kind("progress", progress, bool, "True, for a progress bar, or False")
    if on_progress is None:
        return
    check_kind("on_progress", on_progress, Callable, WANTED)
    try:
        inspect.signature(on_progress).bind(0, 1)
    except TypeError as error:
        raise InvalidInput(
            f"on_progress must be {WANTED}; it cannot be called with two ({error}).", code="on_progress_type"
        ) from error
    except ValueError:  # no signature
        return


@contextmanager
def told(on_progress: Progress | None, bar: bool, unit: str = "mask") -> Iterator[Progress | None]:
    """What tells both: the function given, and a bar where one is wanted; None where nobody listens."""
    if not bar:
        yield on_progress
        return
    from tqdm.auto import tqdm

    with tqdm(total=None, unit=unit) as shown:

        def tell(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)
            if on_progress is not None:
                on_progress(done, total)

        yield tell
