"""ZeroGPU, with a package ``spaces`` of the test's own, which says what it was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import pytest

from explorer.encoders.cards import load_encoder
from explorer.ui import zero_gpu
from explorer.ui.slow_work import patiently
from tests.ui.talk import ASSETS

ROOT = Path(__file__).parents[2]
SPACES = '''
"""What ``spaces`` does, as far as the app sees it: decorate before the launch, ask the duration, run elsewhere."""
import gradio as gr

calls, decorated = [], []

def GPU(task=None, *, duration=None, size=None):
    def decorate(function):
        decorated.append(function)
        def handler(*args):
            calls.append((duration(*args), len(args[2])))
            if len(calls) > limit:
                raise gr.Error("You have exceeded your free <b>ZeroGPU</b> quota", title="ZeroGPU quota exceeded")
            return function(*args)
        return handler
    return decorate if task is None else decorate(task)

def gradio_auto_wrap(task):
    return task

limit = 1000
'''
EXPLAIN = """
import spaces
from explorer.ui import build_app
from explorer.core.errors import ExplorerError
from explorer.core.masks import MaskSettings
from explorer.core.probe import grow, prepare
from explorer.encoders.cards import load_encoder
from explorer.ui import zero_gpu
import numpy as np, sys
zero_gpu.ROWS = 16
assert len(spaces.decorated) == 1  # at the import of the app
picture = sys.argv[1]
for key in ("efficientnet-lite0", "conse-lite0"):
    plain, lent = load_encoder(key), zero_gpu.load_encoder(key)
    assert zero_gpu.load_encoder(key) is lent  # else every run would be kept twice
    assert lent is not plain and "+zerogpu" not in plain.fingerprint and plain is load_encoder(key)
    assert lent.fingerprint == f"{plain.fingerprint}+zerogpu:torch {__import__('torch').__version__.split('+')[0]}" or (
        "+zerogpu:torch " in lent.fingerprint)
    masking = MaskSettings(n_masks=20, seed=1)
    *_, here = grow(prepare(picture, encoder=plain, masking=masking))
    spaces.calls.clear()
    *_, there = grow(prepare(picture, encoder=lent, masking=masking))
    assert spaces.calls == [(9, 16), (9, 4)], spaces.calls
    np.testing.assert_allclose(here.embeddings, there.embeddings, rtol=0, atol=1e-5)  # copies made elsewhere
    np.testing.assert_array_equal(here.unmasked(), there.unmasked())
    assert lent.blocks() == plain.blocks()
caption = ["a cat"]
np.testing.assert_array_equal(lent.embed_texts(caption), plain.embed_texts(caption))
spaces.limit = len(spaces.calls) + 1
steps, done = grow(prepare(picture, encoder=lent, masking=masking)), 0
try:
    for probe in steps:
        done = len(probe)
except ExplorerError as error:
    assert "exceeded your free" in str(error) and done == 16, (error, done)
else:
    raise SystemExit("no word of the quota")
"""


@pytest.fixture
def fake_spaces(tmp_path: Path) -> Path:
    """A folder with a package ``spaces``."""
    (tmp_path / "spaces.py").write_text(SPACES)
    return tmp_path


def run(script: str, *arguments: object, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (folder, ROOT)))
    environ = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | environ
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | environ, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_a_run_asks_for_a_gpu_by_the_hundred_pictures(fake_spaces):
    found = run(EXPLAIN, ASSETS / "cat.jpg", folder=fake_spaces, SPACES_ZERO_GPU="true")
    assert found.returncode == 0, found.stderr[-2000:]


def test_off_zero_gpu_nothing_is_asked(fake_spaces):
    script = """
from explorer.encoders.cards import load_encoder
from explorer.ui import zero_gpu
import spaces
assert zero_gpu.load_encoder("efficientnet-lite0") is load_encoder("efficientnet-lite0")
assert spaces.calls == []
"""
    found = run(script, folder=fake_spaces)
    assert found.returncode == 0, found.stderr[-2000:]


def test_without_the_package_it_is_the_plain_function():
    if zero_gpu.lent is not zero_gpu.embed:
        pytest.skip("the package spaces is installed here")
    assert zero_gpu.load_encoder("efficientnet-lite0") is load_encoder("efficientnet-lite0")


def test_a_call_asks_for_as_long_as_its_pictures_take():
    pictures = np.zeros((zero_gpu.ROWS, 1, 1, 3))
    assert [zero_gpu.seconds("any", "float32", pictures[:n], 0) for n in (1, 64, zero_gpu.ROWS)] == [9, 10, 12]


def test_work_done_aside_knows_whose_it_is():
    """ZeroGPU counts a visitor's seconds by the request, which is known to its context alone."""
    visitor: ContextVar[str] = ContextVar("visitor", default="nobody")
    visitor.set("somebody")

    def whose() -> Generator[None, None, str]:
        return (yield from patiently(visitor.get))

    steps, found = whose(), None
    try:
        while True:
            next(steps)
    except StopIteration as end:
        found = end.value
    assert found == "somebody"


@pytest.mark.parametrize(("count", "place"), [(1, 0), (8, 0), (20, 3), (5, 6), (128, 0)])
def test_rows_keep_their_places_in_the_batches_of_the_gpu(monkeypatch, picture_encoder, count, place):
    seen: list[tuple[int, int]] = []
    plain = picture_encoder.embed_pixels

    def noting(pixels, *, place=0):
        seen.append((place, len(pixels)))
        return plain(pixels, place=place)

    monkeypatch.setattr(picture_encoder, "embed_pixels", noting)
    monkeypatch.setattr(zero_gpu, "_on_gpu", lambda key, precision: picture_encoder)
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.float32)
    rows = zero_gpu.embed("tiny", "float32", pixels, place)
    size, at = picture_encoder.batch_size, place
    for start, length in seen:
        assert start == at % size
        assert start + length <= size
        at += length
    assert at == place + count
    whole = np.concatenate([plain(pixels[i : i + 1]) for i in range(count)])
    np.testing.assert_allclose(rows, whole, rtol=1e-6)


def test_only_the_forked_processes_have_the_gpu(monkeypatch):
    from explorer.encoders import gpu

    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # as ``spaces`` makes it, everywhere
    assert gpu.gpu_here()
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert not gpu.gpu_here()
    monkeypatch.setattr(gpu.multiprocessing, "parent_process", lambda: object())
    assert gpu.gpu_here()
