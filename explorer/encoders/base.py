"""What every encoder of pictures has besides embeddings: a look at its layers, gradients, and classes where it can."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box, Embedder, Input, Origin
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.encoders.gradients import Differentiable
from explorer.encoders.labels import Labels
from explorer.pictures.images import as_picture, resize
from explorer.pictures.rules import own_rules


class Encoder(Embedder):
    """Embeds pictures, and captions where it has a text side. Safe to share between threads."""

    def view(self, picture: NDArray[np.uint8]) -> tuple[NDArray[Any], Box]:
        """What the network sees of a picture (H, W, 3) uint8: pixels (h, w, 3) float32 and where they lie."""
        assert self.input_size is not None
        return resize(picture, self.input_size).astype(np.float32), Box()

    def read(self, source: Any) -> Input:
        """Read a picture: a path, a PIL image, an array, or a ``Picture``."""
        picture = as_picture(source, own_rules())
        pixels, box = picture.view(self)
        name = (
            os.path.basename(source) if isinstance(source, str | os.PathLike) else ""
        )  # folders are nobody's business
        return Input(pixels, box, picture.screen, picture.notices, picture.sha256, Origin(str(name), picture.size))

    def embed_images(self, images: Any) -> NDArray[np.floating]:
        """Embed pictures.

        Args:
            images: (b, h, w, 3) uint8, or float in [0, 1]; any size, resized as the encoder's card says. A function
                or network of your own is shown copies of arrays (b, h, w, c) of any range.

        Returns:
            (b, d) embeddings.

        Raises:
            InvalidInput: Not a batch of pictures.
            UnusableEmbedding: The network's answer is no embedding.
        """
        batch = as_numpy(images)
        if batch.ndim != 4 or not batch.size:
            raise InvalidInput(
                "Expected a batch of pictures, an array (b, height, width, channels), got "
                f"{described(batch if batch.ndim else images)}; one picture is a batch as array[None].",
                code="batch_shape",
            )
        views = np.stack([self.read(image).pixels for image in batch])
        parts = [self.embed_pixels(views[i : i + self.batch_size]) for i in range(0, len(views), self.batch_size)]
        return np.concatenate(parts)

    def describe(self, embeddings: NDArray[np.floating], k: int = 3) -> Labels | None:
        """What the network takes embeddings (n, d) of its own for, in words; asks no network.

        Returns:
            The k likeliest classes, or nearest names, of each; None where it has none at hand.
        """
        return None

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
        return self.card.gives_here

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

        A class is then a direction in the space of embeddings, see ``make_class_question``.

        Raises:
            InvalidInput: It tells no classes apart.
        """
        raise InvalidInput(
            f"{self.card.title} has no classes; choose an encoder whose card says class probabilities.",
            code="no_classes",
        )

    def _check_inside(self) -> None:
        """Refuse to look into the network where what that takes is not installed.

        Raises:
            WeightsMissing: It is not.
        """
        if absent := self.card.inside_missing:
            raise WeightsMissing(f"Looking into {self.card.title} {absent}.", code="packages_missing")

    def _no_layers(self) -> InvalidInput:
        return InvalidInput(
            f"{self.card.title} shows no layers, so they cannot be randomised; "
            "choose an encoder of the list, or give a torch network with from_torch.",
            code="no_layers",
        )
