"""Other references beside the true one, so that there is something to decide (specification of the metrics, 5.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.distances import measure
from explorer.core.errors import InvalidInput
from explorer.core.references import embed_reference
from explorer.core.steps import Steps
from explorer.core.storage import read_text
from explorer.datasets.items import content, pictures_in
from explorer.encoders.base import Encoder
from explorer.pictures.images import as_picture

SAME = 0.9999
"""Cosine above which two embeddings are of the same thing."""


@dataclass(frozen=True)
class Gallery:
    """Files of pictures, or sentences."""

    pictures: tuple[Path, ...] = ()
    captions: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Gallery:
        """The pictures of a folder, or the lines of a text file.

        Raises:
            InvalidInput: Neither, no text in UTF-8, or fewer than two entries.
        """
        if path.is_dir():
            found = cls(tuple(pictures_in(path)))
        elif path.is_file() and path.suffix.lower() == ".txt":
            lines = (line.strip() for line in read_text(path).splitlines())
            found = cls(captions=tuple(dict.fromkeys(line for line in lines if line)))
        else:
            raise InvalidInput(
                "The gallery must be a folder of pictures, or a .txt file with a caption on each line.",
                code="gallery_layout",
            )
        if len(found) < 2:
            raise InvalidInput("The gallery must hold at least two pictures or captions.", code="gallery_small")
        return found

    def __len__(self) -> int:
        return len(self.pictures) + len(self.captions)

    @property
    def name(self) -> str:
        """Names what is in it."""
        entries = (*map(content, self.pictures), *self.captions)
        return hashlib.sha256("\n".join(entries).encode()).hexdigest()[:20]

    def embed(self, encoder: Encoder) -> Steps[NDArray[np.floating]]:
        """The embeddings (k, d) of all entries.

        Raises:
            InvalidInput: A picture that cannot be read, or captions for an encoder that reads none.
            UnusableEmbedding: The encoder's answer is no embedding.
        """
        rows = []
        for picture in self.pictures:
            with _named(picture.name):
                rows.append(embed_reference(encoder, reference=as_picture(picture).pixels).embedding)
            yield 1
        for number, caption in enumerate(self.captions, 1):
            with _named(f"caption {number}"):
                rows.append(embed_reference(encoder, caption=caption).embedding)
            yield 1
        return np.stack(rows)


@contextmanager
def _named(entry: str) -> Iterator[None]:
    """Say which entry of the gallery cannot be used."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"The gallery's {entry} cannot be used. {error}", code=error.code) from error


def rivals_of(question: Question, gallery: NDArray[np.floating]) -> Steps[NDArray[np.floating]]:
    """The question's reference first, and of a gallery (k, d) what is neither that nor the picture itself.

    The picture would be nearer to itself than to any reference, so that nothing else could ever be retrieved.
    """
    rows = yield from question.embeddings([question.pixels])
    truth = question.target.embedding
    same = np.zeros(len(gallery), bool)
    for known in (truth, rows[0]):
        same |= 1 - 2 * measure("cosine", gallery, known) > SAME
    return np.concatenate([truth[None].astype(gallery.dtype), gallery[~same]])
