"""The app with a fault put in, for the negative control: it keeps every result it ever sent.

A load test that such a server passes measures nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gradio.queueing import Event, Queue

from explorer.ui import build_app, launch

kept: list[Any] = []
send = Queue.send_message


def send_and_keep(self: Queue, event: Event, message: Any) -> None:
    """Keep a result's message, and as much memory as the embeddings of a run of a thousand masks take."""
    if "'result'" in str(getattr(message, "output", ""))[:2000]:
        kept.append((message, np.ones((1000, 1000), np.float32)))
    send(self, event, message)


Queue.send_message = send_and_keep  # type: ignore[method-assign]
launch(build_app())
