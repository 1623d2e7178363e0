"""Who guesses passwords, and how many wait for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from explorer.ui.gate import logins
from explorer.ui.gate.refusals import Message, Refusal


async def stays() -> Message:
    """A client that waits for its answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def leaves() -> Message:
    """A client that closes its connection."""
    return {"type": "http.disconnect"}


def suspected(address: str = "1.2.3.4") -> logins.Logins:
    """An app at which an address has guessed as often as it may."""
    found = logins.Logins(SimpleNamespace(app=None))  # type: ignore[arg-type]

    async def guess() -> None:
        async def send(message: Message) -> None:
            pass

        for _ in range(logins.FREE):
            await found.noting(address, send)({"type": "http.response.start", "status": 400})

    asyncio.run(guess())
    return found


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens in place of the pause."""
    opened = asyncio.Event()

    async def sleep(_: float) -> None:
        await opened.wait()

    monkeypatch.setattr(logins, "sleep", sleep)
    return opened


def test_the_line_of_an_address_has_an_end(door):
    found = suspected()

    async def crowd() -> list[Any]:
        guesses = [asyncio.create_task(found.take_turn("1.2.3.4", stays)) for _ in range(150)]
        while sum(guess.done() for guess in guesses) < 140:
            await asyncio.sleep(0)
        await found.take_turn("5.6.7.8", stays)  # others do not wait
        door.set()
        return await asyncio.gather(*guesses, return_exceptions=True)

    answers = asyncio.run(asyncio.wait_for(crowd(), 20))
    assert answers[: logins.LONGEST_LINE] == [None] * logins.LONGEST_LINE
    refused = answers[logins.LONGEST_LINE :]
    assert {(answer.status, answer.text) for answer in refused} == {(429, logins.TOO_MANY)}


def test_who_leaves_does_not_stay_in_the_line(door):
    found = suspected()

    async def crowd() -> None:
        for _ in range(3 * logins.LONGEST_LINE):
            with pytest.raises(Refusal, match="ended before"):
                await found.take_turn("1.2.3.4", leaves)
        door.set()
        await found.take_turn("1.2.3.4", stays)

    asyncio.run(asyncio.wait_for(crowd(), 20))
