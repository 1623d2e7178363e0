"""Writing on a machine that allows no file larger than so (``ulimit -f``), as a full disk in miniature."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.core.errors import CannotWrite, in_words
from explorer.core.storage import write_whole
from explorer.encoders import openvino_runtime
from explorer.encoders.openvino_runtime import cached_array

LARGEST = 20_000
NOISE = np.random.default_rng(0).random(10_000)


@pytest.fixture
def small_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS: list[Callable[[Path], object]] = [
    lambda folder: np.save(folder / "a.npy", NOISE, allow_pickle=False),
    lambda folder: np.savez(folder / "a.npz", noise=NOISE),
    lambda folder: np.savez_compressed(folder / "a.npz", noise=NOISE),
    lambda folder: (folder / "a.csv").write_text("x" * 50_000, encoding="utf-8"),
    lambda folder: (folder / "a.png").write_bytes(NOISE.tobytes()),
]


@pytest.mark.usefixtures("small_files")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("write", WRITERS)
def test_too_large_a_file_keeps_nothing_and_says_what_to_do(tmp_path: Path, write: Callable[[Path], object]) -> None:
    with pytest.raises(CannotWrite) as caught:
        write_whole(tmp_path / "out", write)
    assert str(caught.value).startswith("Cannot write to out: ")
    assert str(caught.value).endswith("; nothing was kept. Free some space, or name another folder.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_files")
def test_a_result_too_large(tmp_path: Path) -> None:
    encoder = explorer.from_function(lambda batch: batch.mean(axis=(1, 2)))
    picture = NOISE[:7500].reshape(50, 50, 3)
    found = explorer.explain(picture, embedding=np.ones(3), encoder=encoder, masking=explorer.MaskSettings(n_masks=500))
    with pytest.raises(CannotWrite, match=r"file too large|broke off"):
        found.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_files")
def test_what_a_library_says_of_it_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too large") as caught:
        (tmp_path / "a").write_bytes(bytes(50_000))
    assert in_words(caught.value).code == "storage_full"


@pytest.mark.usefixtures("small_files")
def test_a_cache_that_is_full_is_done_without_and_told_once(own_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    openvino_runtime._say_that_nothing_is_kept.cache_clear()
    with caplog.at_level(logging.WARNING):
        for name in ("one", "two"):
            np.testing.assert_array_equal(cached_array(name, lambda: NOISE), NOISE)
    assert caplog.text.count("Nothing can be kept in the cache") == 1
    assert str(own_cache) in caplog.text
    assert "set EXPLORER_CACHE to a folder that can be written to" in caplog.text
    assert list((own_cache / "arrays").iterdir()) == []


def test_a_user_without_a_home_does_without_a_cache(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless(*_: object, **__: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EXPLORER_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", homeless)
    openvino_runtime._say_that_nothing_is_kept.cache_clear()
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cached_array("one", lambda: NOISE), NOISE)
    assert "this user has no home folder" in caplog.text
