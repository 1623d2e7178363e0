"""Errors as they cross from one process to another."""

from __future__ import annotations

import pickle

import pytest

from explorer.core.errors import CannotWrite, Exhausted, ExplorerError, InvalidInput, Restarting, UnusableEmbedding


@pytest.mark.parametrize(
    "error",
    [kind("Too bad; do this.", code="bad") for kind in (InvalidInput, UnusableEmbedding, CannotWrite, Exhausted)]
    + [Restarting()],
    ids=lambda error: type(error).__name__,
)
def test_an_error_reaches_the_process_that_asked(error: ExplorerError) -> None:
    """As joblib and multiprocessing send it; the probe stays behind, as its encoder may be one that cannot be sent."""
    error.probe = lambda: "cannot be pickled"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert (type(again), str(again), again.code) == (type(error), str(error), error.code)
    assert again.exit_status == error.exit_status
    assert again.probe is None
