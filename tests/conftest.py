"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

import explorer
from explorer.encoders.base import Encoder
from explorer.encoders.functions import FunctionEncoder

SHARED = Path(__file__).parents[2] / "shared"
"""Material beside the repository: the paper's pictures and golden files, which are not ours to copy."""


# The same examples in every run, no file of them kept, and no test fails for being slow on a busy machine.
settings.register_profile("explorer", derandomize=True, deadline=None)
settings.load_profile("explorer")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository; tests that need it are skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared folder beside this repository")
    return SHARED


@pytest.fixture(scope="session")
def paper_image(shared: Path) -> Callable[[str], Path]:
    """The path of one of the paper's pictures, by its file name."""

    def find(name: str) -> Path:
        path = shared / "paper_images" / name
        if not path.is_file():
            pytest.skip(f"{name} is not in ../shared/paper_images")
        return path

    return find


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the test's own. Converting networks takes long, so most tests keep the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EXPLORER_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def demo() -> Iterator[Any]:
    """The app on a port of this machine."""
    from explorer.ui import build_app, launch

    demo = build_app()
    launch(demo, prevent_thread_lock=True, quiet=True)
    yield demo
    demo.close()


@pytest.fixture(scope="module")
def url(demo: Any) -> str:
    """Where it answers, without a slash at the end."""
    return str(demo.local_url).rstrip("/")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """A picture (24, 40, 3) uint8 without any meaning."""
    return np.random.default_rng(5).integers(0, 256, (24, 40, 3), dtype=np.uint8)


@pytest.fixture
def encoder() -> Encoder:
    """A small encoder of any array: the mean of each channel in each quarter, 4 c numbers."""
    return explorer.from_function(quarters, batch_size=8)


def quarters(batch: NDArray[np.generic]) -> NDArray[np.float64]:
    """(b, h, w, c) -> (b, 4 c) mean of each channel in each quarter; sums row by row, so free of BLAS."""
    h, w = batch.shape[1] // 2, batch.shape[2] // 2
    parts = (batch[:, :h, :w], batch[:, :h, w:], batch[:, h:, :w], batch[:, h:, w:])
    return np.concatenate([part.mean(axis=(1, 2), dtype=np.float64) for part in parts], axis=1)


class TinyNetwork(Encoder):
    """Takes pictures as the real networks do, resized to 32 x 32, and counts the rows it embeds.

    Embeds the brightness of each of 16 cells above the colour it reads as zero, and 1, so that nothing has no length.
    """

    card = replace(FunctionEncoder.card, key="tiny", title="A tiny network", fill="zero")
    batch_size = 8
    input_size = (32, 32)
    zero_colour = np.full(3, 100, np.float32)
    fingerprint = "tiny:1"

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        self.rows += len(pixels)
        cells = pixels.reshape(len(pixels), 4, 8, 4, 8, 3).mean(axis=(2, 4, 5))
        return np.concatenate([(cells.reshape(len(pixels), 16) - 100) / 100, np.ones((len(pixels), 1))], axis=1)


@pytest.fixture
def picture_encoder() -> Encoder:
    """A small encoder that takes pictures, paths and PIL images, as the real ones do."""
    return TinyNetwork()
