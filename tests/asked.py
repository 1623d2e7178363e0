"""What an encoder is asked to embed, seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from explorer.core.embedder import Embedder


def watch(monkeypatch: pytest.MonkeyPatch, encoder: Embedder, see: Callable[[int], Any]) -> None:
    """Tell how many pictures each batch has, whether they come as pixels or as masks."""
    plain, masked = encoder.embed_pixels, encoder.embed_masked

    def watched(pixels: Any, **options: Any) -> Any:
        see(len(pixels))
        return plain(pixels, **options)

    def watched_masks(*what: Any) -> Generator[Any]:
        for rows in masked(*what):
            see(len(rows))
            yield rows

    monkeypatch.setattr(encoder, "embed_pixels", watched)
    if type(encoder).embed_masked is not Embedder.embed_masked:  # which asks embed_pixels
        monkeypatch.setattr(encoder, "embed_masked", watched_masks)
