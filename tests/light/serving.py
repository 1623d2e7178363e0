"""The app in a process of its own, with a Python and an environment that are given."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

START_SECONDS = 300


@contextlib.contextmanager
def serving(python: Path, folder: Path, environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address at which ``app.py`` of a folder answers."""
    with answering([str(python), "app.py"], folder, environment, log) as (url, _, _):
        yield url


@contextlib.contextmanager
def answering(
    command: list[str], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[tuple[str, float, float]]:
    """What a command serves: its address, and the seconds, and those of CPU time, until it answered there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env={**environment, "GRADIO_SERVER_PORT": str(port)}, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise AssertionError(f"the app did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        seconds = time.monotonic() - began
        yield url, seconds, _cpu_seconds(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _cpu_seconds(number: int) -> float:
    """Of a process and all that it started, also of what has ended."""
    process = psutil.Process(number)
    return sum(sum(each.cpu_times()[:4]) for each in (process, *process.children(recursive=True)))
