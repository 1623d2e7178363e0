"""What a picture is compared with, as an embedding: another picture, a caption, or a vector."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.arrays import array_hash, as_numpy
from explorer.core.captions import clean_caption
from explorer.core.embedder import NOWHERE, Embedder, Input, Origin
from explorer.core.errors import InvalidInput
from explorer.core.views import shape, short

MANY = 1 / 3
"""Share of the words of a text from which those a text model has only in pieces are named.

With pieces of 2.5 letters at most (``explorer.encoders.conse``) that names 34 of 40 Dutch captions, and of 40 English
ones the 6 with words like "okapi"; see the tests."""
FEW = 3
"""So many words are named."""


@dataclass(frozen=True, eq=False, repr=False)
class Reference:
    """What the picture is compared with, embedded.

    Attributes:
        embedding: (d,).
        label: What it was, in words.
        picture: (H, W, 3) uint8 for the screen, where it was a picture.
        notices: What the user should know about it.
        picture_sha256: As of a probe.
        origin: As of a probe.
        caption: What it was where it was a caption, as far as the encoder reads.
        encoder: The fingerprint of what embedded it; empty for an embedding of somebody's own.
    """

    embedding: NDArray[np.floating]
    label: str
    picture: NDArray[np.uint8] | None = None
    notices: tuple[str, ...] = ()
    picture_sha256: str = ""
    origin: Origin = NOWHERE
    caption: str = ""
    encoder: str = ""

    @property
    def named(self) -> str:
        """Its file's name, or else what it was, short enough for a line."""
        return short(self.origin.name) if self.origin.name else short(self.label)[1:-1]

    def __repr__(self) -> str:
        return f"<Reference {self.named}: {shape(self.embedding)}>"


@dataclass(frozen=True, eq=False, repr=False)
class References(Sequence[Reference]):
    """Many references of one encoder, without their pictures: iterate, or take one by its place or its label.

    Attributes:
        embeddings: (n, d), in the order they were given.
        labels: (n,) what each is called: a picture's file, a caption's text; no two alike.
        encoder: The fingerprint of what embedded them.
        items: (n,) each as ``embed_reference`` gives it.
    """

    embeddings: NDArray[np.floating]
    labels: tuple[str, ...]
    encoder: str
    items: tuple[Reference, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<References: {len(self)} of {self.encoder}, {shape(self.embeddings)}>"

    @overload
    def __getitem__(self, place: int | str) -> Reference: ...

    @overload
    def __getitem__(self, place: slice) -> References: ...

    def __getitem__(self, place: int | str | slice) -> Reference | References:
        if isinstance(place, slice):
            return References(self.embeddings[place], self.labels[place], self.encoder, self.items[place])
        if isinstance(place, str) and place not in self.labels:
            raise KeyError(place)
        return self.items[self.labels.index(place) if isinstance(place, str) else place]


def named(seen: Input) -> Input:
    """An input that can be told from others by its ``sha256``, also an array, of which nobody has made one yet."""
    if seen.sha256:
        return seen
    height, width = seen.pixels.shape[:2]
    return replace(seen, sha256=array_hash(seen.pixels), origin=Origin(seen.origin.name, (height, width)))


def embed_reference(
    encoder: Embedder, *, reference: Any = None, caption: str | None = None, embedding: Any = None
) -> Reference:
    """Embed exactly one of the three (paper, section 2.3, step 1).

    Args:
        encoder: The one that embeds the picture being explained.
        reference: Another picture: a path, PIL image or array, as for ``probe``.
        caption: A sentence, for encoders with a text side.
        embedding: (d,) a vector of your own.

    Raises:
        InvalidInput: None or several given, or one that cannot be used.
    """
    given = [value is not None for value in (reference, caption, embedding)]
    if sum(given) != 1:
        raise InvalidInput(
            f"Give exactly one of reference, caption and embedding; {sum(given) or 'none'} given.",
            code="reference_count",
        )
    if caption is not None:
        return next(from_captions(encoder, [caption]))
    if embedding is not None:
        return Reference(_as_vector(embedding), "an embedding")
    if isinstance(reference, Reference):
        return check_embedded_by(encoder, reference)
    seen = named(encoder.read(reference))
    row = encoder.embed_pixels(seen.pixels[None].copy())[0]  # a function may write in what it is shown
    label = "an array" if seen.picture is None else "a picture"
    return Reference(row, label, seen.picture, seen.notices, seen.sha256, seen.origin, encoder=encoder.fingerprint)


def check_embedded_by(encoder: Embedder, reference: Reference) -> Reference:
    """A reference that is embedded already; raises InvalidInput where another encoder did it."""
    if reference.encoder not in ("", encoder.fingerprint):
        raise InvalidInput(
            f"The reference was embedded by {reference.encoder}, the picture by {encoder.fingerprint}; embed both by "
            "the same encoder.",
            code="reference_encoder",
        )
    return reference


def from_captions(encoder: Embedder, captions: Sequence[str]) -> Iterator[Reference]:
    """Captions that are embedded at once, as references; errors are those of ``read_caption``."""
    read = [read_caption(encoder, caption) for caption in captions]
    rows = encoder.embed_texts([kept for kept, _ in read])
    for (kept, notices), row in zip(read, rows, strict=True):
        yield Reference(row, f"“{kept}”", notices=notices, caption=kept, encoder=encoder.fingerprint)


def read_caption(encoder: Embedder, caption: str) -> tuple[str, tuple[str, ...]]:
    """What an encoder reads of a caption, and what the user should know about it; raises InvalidInput as it can."""
    text = clean_caption(caption)
    kept, dropped = encoder.fit_text(text)
    notices = check_words(encoder, kept, "caption")
    if dropped:
        notices += (f"The caption is longer than the text model reads; ignored from “{dropped.split()[0]} …”.",)
    return kept, notices


def check_words(encoder: Embedder, text: str, what: str) -> tuple[str, ...]:
    """What the user should know about the words of a text: which of them the encoder does not.

    Args:
        encoder: It shall read them.
        text: As far as it reads.
        what: ``"caption"`` or ``"sentence"``.

    Raises:
        InvalidInput: It knows none of them, so that any other text would do as well.
    """
    if all(unicodedata.category(sign)[0] in "PZ" for sign in text):
        return (f"The {what} has no words, only punctuation; the map says little.",)
    known, name = encoder.vocabulary(text), encoder.card.title
    only = f"{language} only" if (language := encoder.card.language) else "Unknown words"
    if known.words and len(known.unknown) == known.words:
        raise InvalidInput(
            f"{only}: {name} knows no word of the {what}, so that it reads like any other such; write it in "
            f"{language or 'words it knows'}, or choose another encoder.",
            code=f"{what}_unreadable",
        )
    strange = known.unknown
    if len(known.unknown) + len(known.pieced) >= MANY * known.words:
        strange += known.pieced
    if not strange:
        return ()
    named = list(dict.fromkeys(strange))
    few = ", ".join(f"“{word:.20}”" for word in named[:FEW]) + " …" * (len(named) > FEW)
    verb = "is" if len(strange) == 1 else "are"
    return (
        f"{only}: {len(strange)} of {known.words} words {verb} unknown to {name} ({few}); "
        f"the map says little about {'it' if len(strange) == 1 else 'them'}.",
    )


def _as_vector(embedding: Any) -> NDArray[np.floating]:
    vector = as_numpy(embedding)
    if vector.ndim != 1 or not vector.size or vector.dtype.kind not in "fiub":
        raise InvalidInput(
            f"The embedding must be a vector of numbers (d,), got {described(vector)}.", code="embedding_vector"
        )
    return vector.astype(np.promote_types(vector.dtype, np.float32))  # a copy: what becomes of theirs is theirs
