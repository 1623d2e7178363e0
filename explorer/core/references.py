"""What a picture is compared with, as an embedding: another picture, a caption, or a vector."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.arrays import as_numpy
from explorer.core.captions import clean_caption
from explorer.core.embedder import NOWHERE, Embedder, Origin
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
    """

    embedding: NDArray[np.floating]
    label: str
    picture: NDArray[np.uint8] | None = None
    notices: tuple[str, ...] = ()
    picture_sha256: str = ""
    origin: Origin = NOWHERE

    @property
    def named(self) -> str:
        """Its file's name, or else what it was, short enough for a line."""
        return short(self.origin.name) if self.origin.name else short(self.label)[1:-1]

    def __repr__(self) -> str:
        return f"<Reference {self.named}: {shape(self.embedding)}>"


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
        return _from_caption(encoder, caption)
    if embedding is not None:
        return Reference(_as_vector(embedding), "an embedding")
    seen = encoder.read(reference)
    row = encoder.embed_pixels(seen.pixels[None].copy())[0]  # a function may write in what it is shown
    label = "an array" if seen.picture is None else "a picture"
    return Reference(row, label, seen.picture, seen.notices, seen.sha256, seen.origin)


def _from_caption(encoder: Embedder, caption: str) -> Reference:
    text = clean_caption(caption)
    kept, dropped = encoder.fit_text(text)
    notices = check_words(encoder, kept, "caption")
    if dropped:
        notices += (f"The caption is longer than the text model reads; ignored from “{dropped.split()[0]} …”.",)
    return Reference(encoder.embed_texts([kept])[0], f"“{kept}”", notices=notices)


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
