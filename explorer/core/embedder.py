"""What the method asks of an encoder, with numpy on both sides, and the facts by which encoders are known.

The pixel convention, everywhere behind ``read``: float32 (b, h, w, 3), RGB, 0 to 255, at the size the network wants.
Each encoder turns that into its own input space. Masking happens on those pixels. Where a network's normalisation is
an affine map of each channel, "zero in the input space" is just one colour in pixels (``zero_colour``), so that every
fill is a background picture and one formula masks them all.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import check_rows
from explorer.core.errors import InvalidInput
from explorer.core.extras import how_to_install, not_importable
from explorer.core.fills import apply_masks
from explorer.core.items import NOWHERE as NOWHERE
from explorer.core.items import WHOLE as WHOLE
from explorer.core.items import Box as Box
from explorer.core.items import Input as Input
from explorer.core.items import Origin as Origin
from explorer.core.masks import MaskSet


@dataclass(frozen=True)
class Vocabulary:
    """What a text model knows of the words of a caption.

    Attributes:
        words: How many there are.
        unknown: Those of which it knows nothing, so that one is to it like the other.
        pieced: Those it has only in pieces of hardly more than two letters: rare words, and other languages.
    """

    words: int = 0
    unknown: tuple[str, ...] = ()
    pieced: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Card:
    """The facts about one encoder, as data; the code is named by ``family`` and imported late.

    Attributes:
        key: What users call it.
        title: One line for a dropdown.
        compares: ``"image-image"`` and/or ``"image-caption"``.
        embedding: What the numbers of the embedding are.
        family: The module of ``explorer.encoders`` that loads it.
        packages: Distributions that must be installed.
        extra: The group of pyproject.toml that has them.
        size: What has to be downloaded, in words.
        licence: Of the weights.
        source: Paper or page the encoder comes from.
        fill: What ``fill="auto"`` means for it, following the paper: ``"zero"`` in the network's
            input space, or ``"black"`` pixels before preprocessing.
        weights: Family-specific address of the weights, or which output of a network is read.
        revision: The pinned revision of those weights, where there is one.
        offline: Whether it works without ever reaching a network.
        precisions: What ``precision`` may be.
        gives: What attribution methods can have of it besides embeddings: ``"gradients"`` by the pixels, ``"layers"``
            of maps, ``"attention"`` between tokens.
        gives_when: When it does, in words, where that depends on the machine; the loaded encoder knows.
        inside: Modules without which it gives none of that, nor shows its layers, and which ``inside_extra`` brings.
        inside_extra: A group of pyproject.toml.
        language: The one its text side was trained on; empty where there is none, or more, or nobody says.
        nonnegative: Whether no number of an embedding can be below 0, so that no two point further apart than at right
            angles; False where nobody knows.
    """

    key: str
    title: str
    compares: tuple[str, ...]
    embedding: str
    family: str
    packages: tuple[str, ...]
    size: str
    licence: str
    source: str
    extra: str = ""
    fill: str = "zero"
    weights: str = ""
    revision: str | None = None
    offline: bool = False
    precisions: tuple[str, ...] = ("float32",)
    gives: tuple[str, ...] = ()
    gives_when: str = ""
    inside: tuple[str, ...] = ()
    inside_extra: str = ""
    language: str = ""
    nonnegative: bool = False

    def __repr__(self) -> str:
        return f"<Card {self.key}: {self.comparing}, {self.embedding}>"

    @property
    def captions(self) -> bool:
        """Whether a caption can be the reference."""
        return "image-caption" in self.compares

    @property
    def comparing(self) -> str:
        """What it compares, in words, with the language of its captions where that is known."""
        return " and ".join(self.compares) + f" (in {self.language})" * bool(self.language)

    @property
    def missing(self) -> str:
        """What is not on this machine, in words; empty when the encoder can be loaded with no network."""
        absent = self.packages_missing
        if absent:
            return f"not installed: {', '.join(absent)}; {how_to_install(self.extra)}"
        return str(self.loader().missing(self))

    @property
    def packages_missing(self) -> tuple[str, ...]:
        """The distributions that must be installed and are not."""
        return tuple(name for name in self.packages if not _installed(name))

    @property
    def gives_here(self) -> tuple[str, ...]:
        """What it gives with what is installed."""
        return () if self.inside_missing else self.gives

    @property
    def inside_missing(self) -> str:
        """What is not installed that looking into the network takes, in words, and what to do; empty when all is."""
        absent = not_importable(self.inside)
        return f"needs {' and '.join(absent)}: {how_to_install(self.inside_extra)}" if absent else ""

    def loader(self) -> ModuleType:
        """The module of its family, which brings its framework along only when it loads an encoder."""
        return importlib.import_module(f"explorer.encoders.{self.family}")

    @property
    def here(self) -> bool:
        """Whether the weights, and the packages that run them, are on this machine."""
        return not self.missing


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _is_named(part: Any) -> bool:
    """Whether a function, or the kind of an object, is found by its name, which is all that is pickled of it."""
    own = getattr(part, "__self__", part) if hasattr(part, "__func__") else part
    kind = own if hasattr(own, "__qualname__") else type(own)
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


Rows = NDArray[np.floating]


class Memory(Protocol):
    """Embeddings that long work has had, by a name for what was embedded, to go on from there later."""

    def get(self, name: str) -> Rows | None:
        """Those of that name, as a copy; None where they must be asked for."""

    def keep(self, name: str, rows: Rows) -> None:
        """Remember them."""


RECALL: ContextVar[Memory | None] = ContextVar("recall", default=None)
"""Asked for embeddings before the network is."""


class Embedder(ABC):
    """What the method asks of an encoder: items in, embeddings out. Safe to share between threads.

    Attributes:
        card: The facts about it.
        batch_size: Rows the network is given at once.
        input_size: (h, w) of what the network sees, or None when any size goes.
        zero_colour: (3,) the pixel values that are zero in the network's input space.
        fingerprint: Names the exact weights and run-time, for provenance and caches.
        pads: Whether partial batches are filled up, so that a row's place in its
            batch, and with it every bit of its embedding, is always the same.
        source: What makes it anew, and the arguments, where it can be had again and so is not pickled itself.
    """

    card: Card
    batch_size: int = 8
    input_size: tuple[int, int] | None = (224, 224)
    zero_colour: NDArray[np.float32]
    fingerprint: str
    pads: bool = True
    source: tuple[Callable[..., Embedder], tuple[Any, ...]] | None = None

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.card.key}: {self.card.embedding}>"

    def __copy__(self) -> Self:
        """Itself: it never changes, and is safe to share."""
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.source or super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled of it.

        Raises:
            InvalidInput: It cannot be.
        """
        parts = self._parts()
        if parts is None or not all(map(_is_named, parts)):
            raise InvalidInput(
                f"{self.card.title} cannot be pickled. Functions and networks can where they are defined at the top "
                "level of a module; others have to be made anew where they are wanted; results have save(folder).",
                code="not_picklable",
            )
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def _parts(self) -> Iterable[Any] | None:
        """What it is made of, where it can be pickled if these can."""
        return None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @abstractmethod
    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        """Embed one batch (b, h, w, 3) of pixels 0 to 255 as (b, d)."""

    @abstractmethod
    def read(self, source: Any) -> Input:
        """Read and check what a user gave.

        Raises:
            InvalidInput: It cannot be used.
        """

    def embed_pixels(self, pixels: NDArray[Any], *, place: int = 0) -> NDArray[np.floating]:
        """Embed pixels already at the network's size.

        Args:
            pixels: (b, h, w, 3) float32, 0 to 255, with ``place + b <= batch_size`` where the encoder pads.
            place: Row of the batch the first item sits in.

        Returns:
            (b, d) embeddings.

        Raises:
            UnusableEmbedding: The answer is not one vector for each item.
        """
        return self._remembered(lambda: self._embed(pixels, place), place, pixels)

    def exercise(self, pixels: NDArray[Any], count: int) -> None:
        """Embed the same pixels (h, w, c) so many times and forget it: what the network alone costs.

        As ``embed_masked`` runs it, so that what lies between the two is what masks and maps cost.
        """
        rows = np.repeat(pixels[None], self.batch_size, axis=0)
        for start in range(0, count, len(rows)):
            self.embed_pixels(rows[: count - start])

    def embed_masked(
        self, pixels: NDArray[Any], background: NDArray[Any], masks: MaskSet, start: int, stop: int
    ) -> Generator[Rows]:
        """Embed the masked copies of one picture, batch by batch, in the order of the masks.

        Batches sit on a fixed grid, so that mask i always has the same place in its batch. An encoder may make the
        copies where it computes, and work ahead of who reads; closing the generator ends that.

        Args:
            pixels: (h, w, c) as in ``embed_pixels``.
            background: What hidden pixels become; broadcasts to (h, w, c).
            masks: Of size (h, w).
            start: The first mask.
            stop: After the last one.

        Yields:
            (b, d) embeddings of the masks up to the next multiple of ``batch_size``, or to ``stop``.

        Raises:
            UnusableEmbedding: As ``embed_pixels``.
        """
        while start < stop:
            end = min((start // self.batch_size + 1) * self.batch_size, stop)
            copies = apply_masks(pixels, background, masks.render(start, end))
            yield self.embed_pixels(copies, place=start % self.batch_size)
            start = end

    def _remembered(self, embed: Callable[[], Rows], place: int, *arrays: NDArray[Any]) -> Rows:
        """What long work has had of the arrays at a place, or else what embeds them."""
        memory = RECALL.get()
        if memory is None:
            return embed()
        name = self.name_of(place, *arrays)
        rows = memory.get(name)
        if rows is None:
            rows = embed()
            memory.keep(name, rows)
        return rows

    def name_of(self, place: int, *arrays: NDArray[Any]) -> str:
        """Names what is embedded at a place of a batch: the same has the same embeddings, to the last bit."""
        first, *more = map(np.ascontiguousarray, arrays)
        name = hashlib.sha256(f"{self.fingerprint}:{place}:{first.dtype}:{first.shape}".encode())
        name.update(first.data)
        for array in more:
            name.update(f":{array.dtype}:{array.shape}".encode())
            name.update(array.data)
        return name.hexdigest()

    def _embed(self, pixels: NDArray[Any], place: int) -> Rows:
        batch = self._filled_up(pixels, place) if self.pads else np.asarray(pixels)
        with self._lock:
            rows = check_rows(np.array(self._forward(batch)), len(batch))  # a copy, as a function may reuse its own
        return rows[place : place + len(pixels)] if self.pads else rows

    def patches(self) -> tuple[int, int]:
        """(rows, columns) of the patches that it reads a picture as and can leave out, for the fill ``drop``.

        Raises:
            InvalidInput: It can leave out none.
        """
        raise InvalidInput(
            f"{self.card.title} cannot leave parts of a picture out, so hidden pixels have to become something: choose "
            "another fill than drop, or a vision transformer with a class token, such as clip-vit-b32, "
            "open_clip:ViT-B-16:openai or timm:vit_base_patch16_224.augreg_in21k_ft_in1k.",
            code="no_patches",
        )

    def embed_kept(self, pixels: NDArray[Any], kept: NDArray[np.bool_]) -> Rows:
        """Embed what is left of one picture without its hidden patches.

        Args:
            pixels: (h, w, 3) as in ``embed_pixels``.
            kept: (b, rows, columns) the patches that stay; their company may move an embedding by rounding.

        Returns:
            (b, d) embeddings.

        Raises:
            InvalidInput: As ``patches``.
            UnusableEmbedding: As ``embed_pixels``.
        """
        self.patches()

        def embed() -> Rows:
            with self._lock:
                return check_rows(np.array(self._forward_kept(pixels, kept)), len(kept))

        return self._remembered(embed, 0, pixels, kept)

    def _forward_kept(self, pixels: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[np.floating]:
        """As ``_forward``, of what is left of one picture."""
        raise NotImplementedError

    def _filled_up(self, pixels: NDArray[Any], place: int) -> NDArray[Any]:
        """A whole batch, with the pixels at their place."""
        batch = np.zeros((self.batch_size, *pixels.shape[1:]), np.float32)
        batch[place : place + len(pixels)] = pixels
        return batch

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.floating]:
        """Embed captions as (n, d), each cut at the text model's limit (see ``fit_text``).

        Raises:
            InvalidInput: The encoder has no text side.
        """
        raise InvalidInput(
            f"{self.card.title} cannot read captions; choose an encoder that compares image and caption.",
            code="no_text_side",
        )

    def fit_text(self, text: str) -> tuple[str, str]:
        """The part of a caption the text model reads, and the part it does not."""
        return text, ""

    def vocabulary(self, text: str) -> Vocabulary:
        """What it knows of the words of a caption; of no text side that never says so, nothing is unknown."""
        return Vocabulary()
