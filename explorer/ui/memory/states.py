"""What Gradio keeps of each open page: its ``gr.State`` values, for as long as the page is used, and nothing else.

By itself it also copies the settings of every component for each page, remembers everything each was ever sent, and
sums up all events in a table after each of them: for deep links, which are closed here, and for a dashboard that is
switched off. That is megabytes a page. Checked against the source of gradio 6.31.
"""

from __future__ import annotations

import datetime
import time
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from explorer.ui.memory.kept import SESSION_SECONDS


class PageState(SessionState):
    """The values of one page.

    A component that an event changes is the page's only until Gradio has read from it what to send: whether a value
    is allowed depends on nothing that this app ever changes.

    Args:
        blocks: The app.
    """

    def __init__(self, blocks: gr.Blocks) -> None:  # instead of the one above, which copies
        self.blocks_config = blocks.default_config
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = SESSION_SECONDS
        self._changed: dict[int, Any] = {}

    def __getitem__(self, key: int) -> Any:
        return self._changed.pop(key) if key in self._changed else super().__getitem__(key)

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = block.time_to_live, datetime.datetime.now()
            self.state_data[key] = value
        elif value is not block:
            self._changed = {key: value}

    def _update_config(self, key: int) -> None:
        return

    def _update_value_in_config(self, key: int, value: Any) -> None:
        return


class PageStates(StateHolder):
    """The pages, each until it has not been used for its time; beyond the app's capacity the oldest go sooner.

    Args:
        blocks: The app.
        seconds: That time.
    """

    def __init__(self, blocks: gr.Blocks, seconds: float = SESSION_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.set_blocks(blocks)
        self._seconds = seconds
        self._used: dict[str, float] = {}

    def __getitem__(self, session_id: str) -> SessionState:
        with self.lock:
            self._used[session_id] = time.monotonic()  # no clock that can be set forgets a class at once
            found = self.session_data.setdefault(session_id, PageState(self.blocks))
            self.session_data.move_to_end(session_id)
            while len(self.session_data) > self.capacity:
                self._drop(next(iter(self.session_data)))
            return found

    def delete_all_expired_state(self) -> None:
        """Drop what was not used for its time; called every second."""
        oldest = time.monotonic() - self._seconds
        with self.lock:
            for page in [page for page, used in self._used.items() if used < oldest]:
                self._drop(page)

    def drop(self, page: str) -> None:
        """Forget a page."""
        with self.lock:
            self._drop(page)

    def _drop(self, page: str) -> None:
        self.session_data.pop(page, None)
        self._used.pop(page, None)


def keep_states_small(demo: gr.Blocks) -> None:
    """Put this in place of what Gradio does; once the app is launched, before anybody has opened it."""
    demo.app.state_holder = PageStates(demo)
    demo._queue.ANALYTICS_MAX_EVENTS = 0  # then none is recorded, and there is nothing to sum up
