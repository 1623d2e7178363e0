"""Passwords, where the app is launched with ``auth``: who has given one, and how often one may be guessed."""

from __future__ import annotations

import inspect
import time
from asyncio import Lock, sleep
from collections import deque
from typing import NamedTuple

import gradio as gr
from starlette.requests import Request

from explorer.ui.gate.refusals import Message, Refusal, Scope, Send

FREE, SECONDS = 20, 60.0
"""How many wrong passwords an address may send in which time before it waits; a whole class may sit behind it."""
PAUSE = 3.0
MOST_ADDRESSES = 1000
LOG_IN = "Log in first; reload the page."


class Guesses(NamedTuple):
    """Of one address: when it sent its last wrong passwords, and who waits to send another."""

    wrong: deque[float]
    line: Lock


class Logins:
    """Gradio keeps the accounts and the tokens; this looks at them where an answer is ours and not Gradio's.

    Args:
        demo: The app, being served.
    """

    def __init__(self, demo: gr.Blocks) -> None:
        self._app = demo.app
        self._guesses: dict[str, Guesses] = {}

    @property
    def asked(self) -> bool:
        """Whether visitors log in on a page of the app's own."""
        return self._app.auth is not None

    async def check(self, scope: Scope) -> None:
        """Let through whom Gradio would.

        Raises:
            Refusal: Nobody has logged in there.
        """
        request = Request(scope)
        if (known := self._app.auth_dependency) is not None:
            user = known(request)
            user = await user if inspect.isawaitable(user) else user
        elif self.asked:
            names = (f"access-token-{self._app.cookie_id}", f"access-token-unsecure-{self._app.cookie_id}")
            tokens = [token for name in names if (token := request.cookies.get(name))]
            user = next((self._app.tokens[token] for token in tokens if token in self._app.tokens), None)
        else:
            return
        if user is None:
            raise Refusal(401, LOG_IN)

    async def take_turn(self, address: str) -> None:
        """Let an address that has sent many wrong passwords wait: one guess every few seconds, and in a line.

        It is not refused, since Gradio's page would say nothing of that.
        """
        guesses = self._guesses.get(address)
        if guesses is not None and sum(time.monotonic() - at < SECONDS for at in guesses.wrong) >= FREE:
            async with guesses.line:
                await sleep(PAUSE)

    def noting(self, address: str, send: Send) -> Send:
        """Send an answer on, counting it where it says that a password was wrong."""

        async def noted(message: Message) -> None:
            if message.get("status") == 400:
                self._guesses.setdefault(address, Guesses(deque(maxlen=FREE), Lock()))
                self._guesses[address].wrong.append(time.monotonic())
                if len(self._guesses) > MOST_ADDRESSES:
                    del self._guesses[next(iter(self._guesses))]
            await send(message)

        return noted
