"""ZeroGPU, the hardware of Hugging Face Spaces that lends a GPU for seconds at a time.

A GPU is there only within functions that ``spaces.GPU`` has decorated before the app is launched; each call goes to a
forked process. So the app itself runs its networks on the CPU, and what it embeds is sent there some hundred pictures
at a time: between two calls others get their turn, a run can be stopped, and its progress is seen. Where there is no
ZeroGPU, nothing here does anything.
"""

from __future__ import annotations

import functools
import importlib.metadata
import math
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Embedder, Rows
from explorer.core.errors import Exhausted
from explorer.encoders import cards
from explorer.encoders.base import Encoder
from explorer.encoders.gpu import zero_gpu

ROWS = 128
"""Pictures of one call, at most."""
START, EACH = 8, 0.03
"""Seconds that a call is given to load a network, and for each picture; the shorter, the sooner it has its turn."""


def seconds(key: str, precision: str, pixels: NDArray[Any], place: int) -> int:
    """What a call of ``embed`` asks for."""
    return START + math.ceil(EACH * len(pixels))


def embed(key: str, precision: str, pixels: NDArray[Any], place: int) -> Rows:
    """Embed pixels where the GPU is.

    Args:
        key: The encoder's.
        precision: Its precision.
        pixels: (b, h, w, 3) at the network's size.
        place: Row of a batch the first item sits in.
    """
    encoder = _on_gpu(key, precision)
    size, rows, done = encoder.batch_size, [], 0
    while done < len(pixels):
        start = (place + done) % size
        part = pixels[done : done + size - start]
        rows.append(encoder.embed_pixels(part, place=start))
        done += len(part)
    return np.concatenate(rows)


@functools.cache
def _on_gpu(key: str, precision: str) -> Encoder:
    """A network of the forked process' own; the app's are on the CPU."""
    return cards.find_card(key).loader().load(cards.find_card(key), precision=precision, weights=None)  # type: ignore[no-any-return]


def _decorated() -> Callable[..., Rows]:
    """``embed``, on a GPU where one is lent; to be made when the app is imported."""
    try:
        import spaces
    except ImportError:
        return embed
    return spaces.GPU(duration=seconds)(embed)  # type: ignore[no-any-return]


lent = _decorated()


def load_encoder(key: str, *, precision: str = "float32") -> Encoder:
    """An encoder for a visitor: as ``cards.load_encoder``, embedding on the GPU that a ZeroGPU Space is lent.

    Raises:
        InvalidInput: As ``cards.load_encoder``.
        WeightsMissing: As ``cards.load_encoder``.
    """
    encoder = cards.load_encoder(key, precision=precision)
    if not zero_gpu() or "keras" in encoder.card.packages:
        return encoder
    return _borrowing(encoder, key, precision)


@functools.cache
def _borrowing(encoder: Encoder, key: str, precision: str) -> Encoder:
    """A twin of an encoder that embeds pictures elsewhere; what looks inside the network stays here."""

    def ask(pixels: NDArray[Any], place: int) -> Rows:
        try:
            return lent(key, precision, np.asarray(pixels), place)
        except gr.Error as error:  # no GPU is free, or the visitor has used theirs up for today
            raise Exhausted(f"ZeroGPU: {error.message}", code="zero_gpu") from error

    twin = object.__new__(type(encoder))  # a copy of an encoder is the encoder itself
    vars(twin).update(vars(encoder))
    vars(twin).update(
        source=None,
        _embed=ask,
        patches=functools.partial(Embedder.patches, twin),  # a picture and its patches have no way there
        embed_masked=functools.partial(Embedder.embed_masked, twin),  # masked here, embedded there
        batch_size=encoder.batch_size * max(1, ROWS // encoder.batch_size),
        fingerprint=f"{encoder.fingerprint}+zerogpu:torch {importlib.metadata.version('torch')}",
    )
    return twin
