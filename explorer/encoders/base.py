"""What an encoder is: pictures and captions in, embeddings out, numpy on both sides.

The pixel convention, everywhere behind ``view``: float32 (b, h, w, 3), RGB, 0 to 255,
at the size the network wants. Each encoder turns that into its own input space.
Masking happens on those pixels. Where a network's normalisation is an affine map of
each channel, "zero in the input space" is just one colour in pixels (``zero_colour``),
so that every fill is a background picture and one formula masks them all.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.schema import Box
from explorer.pictures.images import as_picture

if TYPE_CHECKING:
    from explorer.encoders.gradients import Differentiable

DEFAULT_ENCODER = "efficientnet-lite0"


@dataclass(frozen=True)
class Card:
    """The facts about one encoder, as data; the code is named by ``family`` and imported late.

    Attributes:
        key: What users call it.
        title: One line for a dropdown.
        compares: ``"image-image"`` and/or ``"image-caption"``.
        embedding: What the numbers of the embedding are.
        family: The module of ``explorer.encoders`` that loads it.
        packages: Distributions that must be installed.
        size: What has to be downloaded, in words.
        licence: Of the weights.
        source: Paper or page the encoder comes from.
        fill: What ``fill="auto"`` means for it, following the paper: ``"zero"`` in the network's
            input space, or ``"black"`` pixels before preprocessing.
        weights: Family-specific address of the weights.
        revision: The pinned revision of those weights, where there is one.
        offline: Whether it works without ever reaching a network.
        precisions: What ``precision`` may be.
        gives: What attribution methods can have of it besides embeddings: ``"gradients"`` by the pixels, ``"layers"``
            of maps, ``"attention"`` between tokens.
        gives_when: When it does, in words, where that depends on the machine; the loaded encoder knows.
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
    fill: str = "zero"
    weights: str = ""
    revision: str | None = None
    offline: bool = False
    precisions: tuple[str, ...] = ("float32",)
    gives: tuple[str, ...] = ()
    gives_when: str = ""

    @property
    def captions(self) -> bool:
        """Whether a caption can be the reference."""
        return "image-caption" in self.compares

    @property
    def missing(self) -> str:
        """What is not on this machine, in words; empty when the encoder can be loaded with no network."""
        from explorer.encoders.cards import missing

        return missing(self)

    @property
    def here(self) -> bool:
        """Whether the weights, and the packages that run them, are on this machine."""
        return not self.missing


class Encoder(ABC):
    """Embeds pictures, and captions where it has a text side. Safe to share between threads.

    Attributes:
        card: The facts about it.
        batch_size: Rows the network is given at once.
        input_size: (h, w) of what the network sees, or None when any size goes.
        zero_colour: (3,) the pixel values that are zero in the network's input space.
        fingerprint: Names the exact weights and run-time, for provenance and caches.
        pads: Whether partial batches are filled up, so that a row's place in its
            batch, and with it every bit of its embedding, is always the same.
    """

    card: Card
    batch_size: int = 8
    input_size: tuple[int, int] | None = (224, 224)
    zero_colour: NDArray[np.float32]
    fingerprint: str
    pads: bool = True

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @abstractmethod
    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        """Embed one batch (b, h, w, 3) of pixels 0 to 255 as (b, d)."""

    def view(self, picture: NDArray[np.uint8]) -> tuple[NDArray[Any], Box]:
        """What the network sees of a picture (H, W, 3) uint8: pixels (h, w, 3) float32 and where they lie."""
        from explorer.pictures.images import resize

        assert self.input_size is not None
        return resize(picture, self.input_size).astype(np.float32), Box()

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
        batch = np.asarray(pixels)
        if self.pads:
            batch = np.zeros((self.batch_size, *pixels.shape[1:]), np.float32)
            batch[place : place + len(pixels)] = pixels
        with self._lock:
            rows = np.asarray(self._forward(batch))
        if rows.ndim != 2 or len(rows) != len(batch):
            raise UnusableEmbedding(
                f"The model returned {rows.shape} for {len(batch)} images; expected ({len(batch)}, d), "
                "one vector for each.",
                code="embedding_shape",
            )
        return rows[place : place + len(pixels)] if self.pads else rows

    def embed_images(self, images: Any) -> NDArray[np.floating]:
        """Embed pictures.

        Args:
            images: (b, h, w, 3) uint8, or float in [0, 1]; any size, resized as the encoder's card says.

        Returns:
            (b, d) embeddings.

        Raises:
            InvalidInput: Not a batch of pictures.
            UnusableEmbedding: The network's answer is no embedding.
        """
        batch = np.asarray(images)
        if batch.ndim != 4:
            raise InvalidInput(f"Expected a batch (b, height, width, 3), got shape {batch.shape}.", code="batch_shape")
        views = np.stack([self.view(as_picture(image).pixels)[0] for image in batch])
        parts = [self.embed_pixels(views[i : i + self.batch_size]) for i in range(0, len(views), self.batch_size)]
        return np.concatenate(parts)

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

    def layers(self) -> tuple[str, ...]:
        """The layers between pixels and embedding, from input to output; () where they cannot be had."""
        return ()

    def blocks(self) -> dict[str, tuple[str, ...]]:
        """The same layers in coarser groups, in the same order; a group's name may stand for its layers."""
        return {}

    def weights(self, layer: str) -> dict[str, NDArray[Any]]:
        """The arrays of one layer, by name, as copies.

        Raises:
            InvalidInput: No such layer, or none can be had.
        """
        raise self._no_layers()

    def replaced(self, weights: Mapping[str, Mapping[str, NDArray[Any]]], label: str) -> Encoder:
        """A fresh encoder with other arrays in some layers; this one stays as it is.

        Args:
            weights: By layer and name, arrays of the shapes ``weights`` gives.
            label: Goes into the fingerprint.

        Raises:
            InvalidInput: As ``weights``, or an array of another name or shape.
        """
        raise self._no_layers()

    def randomised(self, names: Sequence[str], how: str = "shuffle", seed: int = 0) -> Encoder:
        """A fresh encoder with some layers randomised; this one stays as it is.

        Args:
            names: Layers, or groups of ``blocks``.
            how: A key of ``explorer.encoders.layers.HOW``.
            seed: Each layer has a random stream of its own, named by the seed and the layer, so that it is
                randomised in the same way whichever others are.

        Raises:
            InvalidInput: As ``weights``, or no such ``how``.
        """
        raise self._no_layers()

    def gives(self) -> tuple[str, ...]:
        """What attribution methods can have of it on this machine, as ``Card.gives``."""
        return self.card.gives

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        """The network in torch, as a private copy that shares its numbers, with what can be seen inside.

        Args:
            pixels: (h, w, 3) an example of what it will be asked about.

        Raises:
            InvalidInput: It gives no gradients.
        """
        raise InvalidInput(
            f"{self.card.title} gives no gradients; choose a method that only embeds pictures (Distance Explainer, "
            "RISE), or an encoder that runs in torch.",
            code="no_gradients",
        )

    def classifier(self) -> Encoder:
        """An encoder that embeds a picture as the scores of its classes before the softmax.

        A class is then a direction in the space of embeddings, see ``explorer.attributions.question.class_case``.

        Raises:
            InvalidInput: It tells no classes apart.
        """
        raise InvalidInput(
            f"{self.card.title} has no classes; choose an encoder whose card says class probabilities.",
            code="no_classes",
        )

    def _no_layers(self) -> InvalidInput:
        return InvalidInput(
            f"{self.card.title} shows no layers, so they cannot be randomised; "
            "choose an encoder of the list, or give a torch network with from_torch.",
            code="no_layers",
        )


def resolve(encoder: str | Encoder) -> Encoder:
    """An encoder from its key, or the encoder itself."""
    if isinstance(encoder, Encoder):
        return encoder
    from explorer.encoders.cards import load_encoder

    return load_encoder(encoder)
