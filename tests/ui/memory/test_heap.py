"""Memory given back to the system, where the system has a way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from explorer.ui.memory import heap

# Threads that each make and drop many small arrays leave their heaps full of holes.
CHURN = """
import ctypes, sys, threading
import numpy as np, psutil
from explorer.ui.memory import heap
heap.share_heaps()
def work():
    held = [np.ones(3000) for _ in range(4000)]
    del held[::2]
    kept.append(held[-1:])
kept, me = [], psutil.Process()
for _ in range(8):
    thread = threading.Thread(target=work); thread.start(); thread.join()
before = me.memory_info().rss
heap.give_back()
print(before - me.memory_info().rss)
"""


@pytest.mark.skipif(not hasattr(heap.ctypes.CDLL(None), "malloc_trim"), reason="no glibc")
def test_what_is_free_goes_back_to_the_system():
    done = subprocess.run([sys.executable, "-c", CHURN], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 20_000_000


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: object())
    heap.share_heaps()
    heap.give_back()
