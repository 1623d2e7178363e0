"""The app in a process of its own, and what it uses."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx
import psutil

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180
MB = 1_000_000


@dataclass(frozen=True)
class Use:
    """What the server uses at one moment."""

    at: float
    mb: float
    files: int
    threads: int
    cpu: float


@dataclass
class Server:
    """The app on a free port of this machine.

    Args:
        starter: Starts it, in a thread that is as important as the server is to be.
        script: What is started; ``app.py`` as ``make run`` does, or something that spoils it first.

    Attributes:
        uses: One for each second since ``watch``.
        last_words: What it wrote last, for when it fails.
    """

    starter: Executor
    script: Path
    uses: list[Use] = field(default_factory=list)
    last_words: str = ""

    def __enter__(self) -> Server:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.scratch = Path(tempfile.mkdtemp(prefix="distance-explorer-load-"))
        self._log = self.scratch / "server.log"
        with self._log.open("wb") as log:
            settings = {"GRADIO_SERVER_PORT": str(port), "TMPDIR": str(self._temporary()), "PYTHONPATH": str(ROOT)}
            command, env = [sys.executable, str(self.script)], os.environ | settings
            start = functools.partial(subprocess.Popen, command, cwd=ROOT, stdout=log, stderr=log, env=env)
            self._process = self.starter.submit(start).result()
        self._watched = psutil.Process(self._process.pid)
        self._wait()
        return self

    def _temporary(self) -> Path:
        folder = self.scratch / "tmp"
        folder.mkdir()
        return folder

    def _wait(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < READY_SECONDS:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/config").status_code == 200:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.3)
        raise SystemExit(f"The server did not start.\n{self._log.read_text()[-2000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it as an operator does, and note what it leaves."""
        self.lasted, began = not self.ended, time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.seconds_to_end = time.monotonic() - began
        self.left_mb = sum(path.stat().st_size for path in (self.scratch / "tmp").rglob("*") if path.is_file()) / MB
        self.last_words = self._log.read_text(errors="replace")
        if error is not None or not self.lasted:
            print(f"The server's status is {self._process.returncode}; it wrote last:\n{self.last_words[-2000:]}")
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def mb(self) -> float:
        """Its memory now."""
        return float(self._watched.memory_info().rss / MB)

    def disk_mb(self) -> float:
        """Its temporary files now."""
        return sum(path.stat().st_size for path in (self.scratch / "tmp").rglob("*") if path.is_file()) / MB

    async def watch(self) -> None:
        """Look every second, until cancelled."""
        self._watched.cpu_percent()
        while True:
            await asyncio.sleep(1)
            process = self._watched
            with process.oneshot():
                self.uses.append(
                    Use(
                        time.monotonic(),
                        process.memory_info().rss / MB,
                        process.num_fds(),
                        process.num_threads(),
                        process.cpu_percent(),
                    )
                )

    async def idle(self, limit: float) -> float:
        """Seconds until it uses less than a fifth of a core; at most ``limit``."""
        began = time.monotonic()
        spent = sum(self._watched.cpu_times()[:2])
        while time.monotonic() - began < limit:
            await asyncio.sleep(0.25)
            now = sum(self._watched.cpu_times()[:2])
            if now - spent < 0.05:
                break
            spent = now
        return time.monotonic() - began
