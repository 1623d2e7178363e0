"""The paper's ten pictures, from its public repository into the cache folder.

They have no clear licence, so they are not shipped; each is checked against the hash of the one the paper used.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from explorer.core.errors import CannotWrite, WeightsMissing
from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.core.storage import cache_folder

PAPER_URL = (
    "https://raw.githubusercontent.com/dianna-ai/explainable_embedding/"
    "839e5d2b39fa7a939cb9c8610e2e98a7fc608e7f/notebooks/data/"
)
PAPER_SHA256 = {
    "bee.jpg": "3d829b4f5173363ec960c0b4de5130c96e4ff9c89f7cd5a784947150ffc119e6",
    "bee2.jpg": "7b7192f350d1ed4f533f7ceb8cd15b0fe8ab09741c744fdc2c292ba8d47ea632",
    "bike.jpg": "8abc4aa6aede5066d5d01b033358bede9b5d19c253a53e5028449b0d58fc1cbb",
    "car1.jpg": "9e96781a0777793c40dc2e22060826350794d91d76d0d088292455530b69b575",
    "car2.png": "696c11cb2f03af4bf7f36a7a54e374170e722df0d16f4efefa2cb605735d1ab2",
    "dogcar.jpg": "7642ee33e81353816f38fe47ad93645c6eab18ab8ac397ff63640698fe703a52",
    "flower.jpg": "e570bcbf3279a055aa3a887ed8d2dc5a420ea3a08ac38979d6c819f61db78f44",
    "fly.jpg": "1991771025f9a6a48e86dd142f59d669076ba05c2b60a7d667bb2eede4477146",
    "labradoodle1.jpg": "f7b3b1d9c0d860ce2d3d35260a3d1e1ed3af1da04425dc00e519c477e7256cae",
    "labradoodle2.jpg": "cb39d8a035e31d71fe1458289f5432e2c03ef3686b6be6f1ce4d1a8586fda254",
}
FETCH = "explorer examples fetch"
TIMEOUT = 20.0
"""Seconds without an answer before a download is given up."""
DEADLINE = 120.0
"""Seconds one picture may take in all, however slowly it drips."""


def fetch_examples(on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Download the paper's pictures into the cache folder; those already there are only checked.

    Args:
        on_progress: Called with pictures done and pictures in all.

    Returns:
        The folder they lie in.

    Raises:
        WeightsMissing: No network, or a picture is not the one the paper used; whole pictures are kept.
        CannotWrite: The cache folder cannot be written.
    """
    folder = examples_folder()
    for done, (name, sha256) in enumerate(PAPER_SHA256.items(), 1):
        if not has_hash(folder / name, sha256):
            data = _download(PAPER_URL + name)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise WeightsMissing(
                    f"What was downloaded as {name} is not the paper's picture, so it was not kept; "
                    f"run `{FETCH}` again, from another network if this one shows a log-in page.",
                    code="examples_hash",
                )
            _write_whole(folder / name, data)
        if on_progress is not None:
            on_progress(done, len(PAPER_SHA256))
    return folder


def examples_folder() -> Path:
    """Where the paper's pictures are kept."""
    return cache_folder() / "examples"


def paper_files() -> dict[str, Path]:
    """Where the paper's pictures are or would be; empty when this user can keep none."""
    try:
        return {name: examples_folder() / name for name in PAPER_SHA256}
    except CannotWrite:
        return {}


def has_hash(path: Path, sha256: str) -> bool:
    """Whether a file is there and has that SHA-256."""
    if not path.is_file():
        return False
    facts = path.stat()
    return _hash(path, facts.st_mtime_ns, facts.st_size) == sha256


@lru_cache(maxsize=64)
def _hash(path: Path, changed: int, size: int) -> str:
    """The sha256 of a file as it was then."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _opener() -> urllib.request.OpenerDirector:
    """Opens https and nothing else, wherever a redirect may point."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _download(url: str) -> bytes:
    """The body of an answer, cut one byte beyond the cap for files."""
    end = time.monotonic() + DEADLINE
    data = bytearray()
    try:
        with _opener().open(url, timeout=TIMEOUT) as answer:
            while len(data) <= MAX_UPLOAD_BYTES and (part := answer.read1(1 << 16)):
                data += part
                if time.monotonic() > end:
                    raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        raise WeightsMissing(
            f"The paper's pictures could not be downloaded; connect to the network and run `{FETCH}`.",
            code="examples_offline",
        ) from error
    return bytes(data)


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that at its name there is all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise CannotWrite(
            f"Cannot write {path.name} to the cache folder, so it was not kept; free some space there, or set "
            "EXPLORER_CACHE to another folder.",
            code="examples_not_written",
        ) from error
