"""The rehearsal of the app as a Space, with the environment that the tests run in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.conftest import need_chromium
from tests.space.rehearsal import NOISE, USER, version_for_user

HERE = Path(__file__).parent


@pytest.mark.browser
def test_the_app_does_its_job_as_a_space():
    need_chromium()
    if os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("another user and a cut network need root, and unshare of util-linux")
    if not version_for_user(Path(sys.executable)):
        pytest.skip(f"user {USER} may not run this Python; python tests/space takes another")
    command = [sys.executable, HERE, "--venv", sys.prefix]
    found = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    for said in ("A writable home:", "A read-only home:", "cold start:", "peak memory:"):
        assert said in found.stdout


def test_only_the_known_noise_is_overlooked():
    noise = """Exception ignored in: <function BaseEventLoop.__del__ at 0x7f>
Traceback (most recent call last):
  File "selectors.py", line 42, in _fileobj_to_fd
ValueError: Invalid file descriptor: -1
"""
    own = "Traceback (most recent call last):\nValueError: ours\n"
    assert NOISE.sub("", f"up\n{noise}{own}{noise}").replace("\n\n", "\n").strip() == f"up\n{own}".strip()
