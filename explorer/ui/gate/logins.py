"""Passwords, where the app is launched with ``auth``: who has given one, and how often one may be guessed."""

from __future__ import annotations

import inspect
import time
from asyncio import FIRST_COMPLETED, Lock, ensure_future, sleep, wait
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gradio as gr
from starlette.requests import Request

from explorer.ui.gate.refusals import Message, Receive, Refusal, Scope, Send

FREE, SECONDS = 20, 60.0
"""How many wrong passwords an address may send in which time before it waits; a whole class may sit behind it."""
PAUSE = 3.0
LONGEST_LINE = 10
"""Of those who wait of one address; the last waits half a minute."""
MOST_ADDRESSES = 1000
LOG_IN = "Log in first; reload the page."
TOO_MANY = "Too many passwords are being tried from this network; try again in a minute."
LEFT = "The request ended before it was answered."


@dataclass
class Guesses:
    """Of one address: when it sent its last wrong passwords, and how many wait to send another."""

    wrong: deque[float] = field(default_factory=lambda: deque(maxlen=FREE))
    line: Lock = field(default_factory=Lock)
    waiting: int = 0

    @contextmanager
    def queueing(self) -> Iterator[None]:
        """Be one of those who wait.

        Raises:
            Refusal: There are enough.
        """
        if self.waiting >= LONGEST_LINE:
            raise Refusal(429, TOO_MANY)
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    async def turn(self) -> None:
        """One after the other."""
        async with self.line:
            await sleep(PAUSE)


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

    async def take_turn(self, address: str, receive: Receive) -> None:
        """Let an address that has sent many wrong passwords wait: one guess every few seconds, and in a line.

        It is refused only where the line is full, since Gradio's page would say nothing of that.

        Args:
            address: Who asks.
            receive: Of a request whose body has been read: it says next when the client has gone.

        Raises:
            Refusal: The line is full, or the client has gone.
        """
        guesses = self._guesses.get(address)
        if guesses is None or sum(time.monotonic() - at < SECONDS for at in guesses.wrong) < FREE:
            return
        with guesses.queueing():
            turn, gone = ensure_future(guesses.turn()), ensure_future(receive())
            try:
                await wait((turn, gone), return_when=FIRST_COMPLETED)
                if not turn.done():
                    raise Refusal(400, LEFT)
            finally:
                turn.cancel()
                gone.cancel()

    def noting(self, address: str, send: Send) -> Send:
        """Send an answer on, counting it where it says that a password was wrong."""

        async def noted(message: Message) -> None:
            if message.get("status") == 400:
                self._guesses.setdefault(address, Guesses()).wrong.append(time.monotonic())
                if len(self._guesses) > MOST_ADDRESSES:
                    del self._guesses[next(iter(self._guesses))]
            await send(message)

        return noted
