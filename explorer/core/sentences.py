"""A sentence as the item explained: which words bring it closer to something (paper, section 6, as future work).

The method is that of pictures, with another masker (paper, section 3.1, note 6): a sentence is a row of k words, a
mask keeps each of them or hides it, and every masked copy is a sentence again, which the encoder's text side embeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import wobble
from explorer.core.arguments import as_folder
from explorer.core.captions import clean_caption
from explorer.core.embedder import Embedder, Input
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.limits import MAX_CAPTION
from explorer.core.masks import SCHEMES, ArrayMasks, MaskSettings
from explorer.core.probe import Probe, start
from explorer.core.rank import EQUAL, rank_against
from explorer.core.references import Reference, check_words
from explorer.core.selections import SelectionSettings
from explorer.core.streams import Stream, generator
from explorer.core.views import Shown, short
from explorer.core.writers import WRITERS

HideKey = Literal["drop", "ellipsis"]
"""The keys of ``HIDINGS``, for users' type checkers."""
HIDINGS = {"drop": "left out", "ellipsis": "replaced by …"}
"""What a hidden word becomes, and what that is called where a user chooses it."""
ELLIPSIS = "…"
_REFUSED = {
    "caption_type": "The sentence must be text.",
    "caption_length": f"The sentence is too long; the limit is {MAX_CAPTION} characters, so shorten it.",
    "caption_text": "The sentence contains characters that are not valid text; type it anew.",
    "caption_empty": "The sentence is empty; type one to explain.",
}
_SPACELESS = "\u3041-\u3096\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Hiragana and Chinese characters, which are written without spaces: every one counts as a word."""
_OPENING = "「『（《〈【“‘(["
_WORD = re.compile(rf"[^\s\w]*[{_SPACELESS}][^\s\w{re.escape(_OPENING)}]*|(?:(?![{_SPACELESS}])\S)+")


@dataclass(frozen=True)
class Sentence:
    """A text as a row of words.

    Attributes:
        text: What the encoder reads of it.
        words: (k,) each with the punctuation that touches it.
        spaced: (k,) whether a space stands before the word.
        cut: What the encoder does not read: the rest.
    """

    text: str
    words: tuple[str, ...]
    spaced: tuple[bool, ...]
    cut: str = ""

    def keeping(self, kept: Iterable[Any], hide: str = "drop") -> str:
        """The sentence with some words hidden; the empty text where nothing is left.

        Args:
            kept: (k,) true where the word stays.
            hide: What the others become, a key of ``HIDINGS``.
        """
        parts: list[str] = []
        space = False
        for word, spaced, stays in zip(self.words, self.spaced, kept, strict=True):
            space |= spaced
            if stays or hide == "ellipsis":
                parts += [" "] * (space and bool(parts)) + [word if stays else ELLIPSIS]
                space = False
        return "".join(parts)


def split_words(text: object, encoder: Embedder | None = None) -> Sentence:
    """Find the words: what stands between spaces, and every character of the scripts written without them.

    Args:
        text: At most 500 characters; cleaned as captions are.
        encoder: Its text model's limit cuts the sentence; None for no limit.

    Raises:
        InvalidInput: Not text, too long, or empty.
    """
    try:
        clean = clean_caption(text)
    except InvalidInput as error:
        raise InvalidInput(_REFUSED[error.code], code=error.code.replace("caption", "sentence")) from error
    end = len(clean) if encoder is None else len(encoder.fit_text(clean)[0])
    read = [word for word in _WORD.finditer(clean) if word.end() <= end]
    if not read:  # the text model does not even read the first word to its end
        return Sentence(clean[:end], (clean[:end],), (False,), clean[end:].strip())
    spaced = (clean[: word.start()].endswith(" ") for word in read)
    end = read[-1].end()
    return Sentence(clean[:end], tuple(word.group() for word in read), tuple(spaced), clean[end:].strip())


SENTENCE_ENCODER = "conse-lite0"
ALL_COUNT = SelectionSettings(mode="rank_weighted")
"""The default here: a sentence has few masked copies and many of them tie, so a share of them cuts through ties."""
FLAT = "No word changes the distance: all masked sentences lie equally far from the reference."
SAME = "Identical sentences: the distance before masking is 0."
ALONE = "This is one word to us: words end at spaces."


def word_masks(k: int, masking: MaskSettings) -> ArrayMasks:
    """Masks over k words, (n, 1, k): every combination once where there are at most ``n_masks``, else random ones.

    With every combination the result has no noise of sampling, and ``p_keep`` plays no part; ``seed`` then names
    their order, so that those of a run that was stopped are a fair sample. A random mask depends on seed, k, p_keep
    and its number alone.

    Args:
        k: Words.
        masking: ``n_masks``, ``p_keep`` and ``seed``; the other settings are about pictures.
    """
    stream = generator(masking.seed, Stream.MASKS)
    if tries_all(k, masking):
        kept = (stream.permutation(2**k)[:, None] >> np.arange(k) & 1).astype(np.float32)
    else:
        kept = (stream.random((masking.n_masks, k), dtype=np.float32) < masking.p_keep).astype(np.float32)
    return ArrayMasks(kept[:, None])


def tries_all(k: int, masking: MaskSettings) -> bool:
    """Whether every combination of k words is tried, rather than a sample."""
    return k < 64 and 1 << k <= masking.n_masks


def sentences_to_embed(sentence: Sentence, masking: MaskSettings, hide: str = "drop") -> int:
    """How many sentences a probe embeds: masks that leave the same text share one embedding."""
    masks = word_masks(len(sentence.words), masking)
    return len({sentence.keeping(kept, hide) for kept in masks.array[:, 0] > 0})


class MaskedSentence(Embedder):
    """An encoder's text side as the engine knows encoders: it is shown rows (1, k, 1) of 1 = kept and 0 = hidden.

    Args:
        by: Embeds the sentences.
        sentence: Whose words are hidden.
        hide: A key of ``HIDINGS``.
    """

    input_size = None
    pads = False
    zero_colour = np.zeros((), np.float32)

    def __init__(self, by: Embedder, sentence: Sentence, hide: str) -> None:
        super().__init__()
        self.sentence, self.hide = sentence, hide
        self.card, self.fingerprint, self.batch_size = by.card, by.fingerprint, by.batch_size
        self.by = by
        self._known: dict[str, NDArray[np.floating]] = {}

    def _parts(self) -> Iterable[Any]:
        return ()

    @property
    def known(self) -> Mapping[str, NDArray[np.floating]]:
        """What was embedded so far, by sentence; copies that read the same share one embedding."""
        return self._known

    def remember(self, probe: Probe) -> None:
        """Take over what a probe of this sentence has embedded."""
        self._known.update(zip(self.copies(probe.masks.render(0, len(probe))[:, 0]), probe.embeddings, strict=True))

    def copies(self, kept: NDArray[Any]) -> list[str]:
        """The masked sentences of (b, k) values, 0 = hidden."""
        return [self.sentence.keeping(row, self.hide) for row in kept > 0]

    def read(self, source: Any) -> NoReturn:
        """Nothing but its own sentence is shown to it."""
        raise InvalidInput(
            "This is the probe of a sentence, which is compared by explorer rank or explain_words.",
            code="probe_of_words",
        )

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        texts = self.copies(pixels[:, 0, :, 0])
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            self._known.update(zip(fresh, self.by.embed_texts(fresh), strict=True))
        return np.stack([self._known[text] for text in texts])


def prepare_words(text: str, *, encoder: Embedder, masking: MaskSettings | None = None, hide: str = "drop") -> Probe:
    """Everything but the embeddings: a probe of a sentence, to be given to ``explorer.core.probe.grow``.

    The arguments and errors are those of ``explain_words``.
    """
    masking = masking or MaskSettings()
    masking.refuse_open()
    if not encoder.card.captions:
        raise InvalidInput(
            f"{encoder.card.title} cannot read sentences; choose an encoder that compares image and caption.",
            code="no_text_side",
        )
    if not isinstance(hide, str) or hide not in HIDINGS:
        raise InvalidInput(f"Unknown hide, how to hide a word; choose: {', '.join(HIDINGS)}.", code="unknown_hide")
    if not SCHEMES[masking.scheme].for_words:
        able = ", ".join(key for key, scheme in SCHEMES.items() if scheme.for_words)
        raise InvalidInput(f"Words are masked by the {able} scheme only; leave scheme out.", code="scheme_words")
    plain = MaskSettings()
    if odd := [name for name in ("feature_res", "fill") if getattr(masking, name) != getattr(plain, name)]:
        raise InvalidInput(f"{' and '.join(odd)} are about pictures; leave them out for words.", code="words_masking")
    sentence = split_words(text, encoder)
    row = MaskedSentence(encoder, sentence, hide)
    shown = np.ones((1, len(sentence.words), 1), np.float32)
    notices = check_words(encoder, sentence.text, "sentence") + (ALONE,) * (len(sentence.words) == 1)
    if sentence.cut:
        cut = f"The sentence is longer than the text model reads; ignored from “{sentence.cut.split()[0]} …”."
        notices = (*notices, cut)
    masks = word_masks(len(sentence.words), masking)
    return replace(start(Input(shown, notices=notices), row, masks=masks), masking=masking)


@dataclass(frozen=True, eq=False, repr=False)
class WordsExplanation(Shown):
    """What each word does to the distance, and everything that was made from.

    Attributes:
        ranked: The same as the engine made it, with a sentence as a row (1, k).
        sentence: The sentence.
    """

    ranked: Explanation
    sentence: Sentence

    def __repr__(self) -> str:
        against, probe = self.ranked.reference.named, self.ranked.probe
        return (
            f"<WordsExplanation {short(self.sentence.text)} against {against}: {len(self.words)} words, "
            f"{len(probe)} masks, {probe.encoder.card.key}{', no signal' if self.no_signal else ''}>"
        )

    @property
    def words(self) -> tuple[str, ...]:
        """(k,) the words, in the sentence's order."""
        return self.sentence.words

    @property
    def attribution(self) -> NDArray[np.float32]:
        """(k,), positive where keeping the word brings the pair closer."""
        return self.ranked.attribution.reshape(-1)

    @property
    def relative(self) -> NDArray[np.float32]:
        """(k,) the values to look at: for one-sided modes less the mean of all masks, as ``Explanation.relative``."""
        return self.ranked.relative.reshape(-1)

    @property
    def distances(self) -> NDArray[np.float64]:
        """(n,) distance of each masked sentence to the reference, in mask order."""
        return self.ranked.distances

    @property
    def weights(self) -> NDArray[np.float64]:
        """(n,) signed weight of each mask, 0 = not selected."""
        return self.ranked.weights

    @property
    def no_signal(self) -> str:
        """Why no word has a value, or an empty string."""
        return self.ranked.no_signal

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.ranked.notices

    @property
    def unmasked_distance(self) -> float:
        """Distance of the whole sentence; embeds it when first asked, where no mask kept every word."""
        return self.ranked.unmasked_distance

    @property
    def copies(self) -> list[str]:
        """(n,) the masked sentences, in mask order."""
        row, n = self.ranked.probe.encoder, len(self.distances)
        assert isinstance(row, MaskedSentence)
        return row.copies(self.ranked.probe.masks.render(0, n)[:, 0])

    @cached_property
    def chance(self) -> float:
        """What chance alone moves a value by (``agreement.wobble``); 0 where every combination was tried."""
        probe = self.ranked.probe
        exact = probe.complete and tries_all(len(self.words), probe.masking)
        return 0.0 if exact else wobble(self.ranked)

    def save(self, folder: str | Path, *, overwrite: bool = False, keep: bool = False) -> Path:
        """Write ``words.csv``, ``distances.csv`` and ``manifest.json``: all or nothing; as ``Explanation.save``."""
        return WRITERS["words"](self, as_folder(folder), overwrite, keep)


def rank_words(probe: Probe, target: Reference, selection: SelectionSettings | None = None) -> WordsExplanation:
    """Rank a sentence's probe against an embedded reference, exactly as ``rank_against`` does; nothing is embedded.

    Args:
        probe: From ``prepare_words``, with at least one mask done.
        target: The reference.
        selection: Which masks count; every one by its rank when None.
    """
    assert isinstance(probe.encoder, MaskedSentence)
    ranked, sentence = rank_against(probe, target, selection or ALL_COUNT), probe.encoder.sentence
    if target.label == f"“{sentence.text}”":
        ranked = replace(ranked, notices=(*ranked.notices, SAME))
    if ranked.no_signal == EQUAL:
        ranked = replace(ranked, no_signal=FLAT)
    return WordsExplanation(ranked, sentence)
