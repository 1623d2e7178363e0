"""A sentence as the item explained: which words bring it closer to something (paper, section 6, as future work).

The engine is that of pictures, with another masker (paper, section 3.1, note 6): a sentence is a row of k words, a
mask keeps each of them or hides it, and every masked copy is a sentence again, which the encoder's text side embeds.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import wobble
from explorer.core.errors import InvalidInput
from explorer.core.masks import ArrayMasks
from explorer.core.probe import Progress, grow
from explorer.core.rank import EQUAL, rank_against
from explorer.core.references import embed_reference
from explorer.core.schema import Explanation, MaskSettings, Probe, Reference, SelectionSettings
from explorer.core.sentences import HIDINGS, Sentence, split_words
from explorer.encoders.base import Encoder, resolve
from explorer.results.folders import distances_csv, manifest, refuse_overwriting, write_whole

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
    stream = np.random.Generator(np.random.Philox(key=masking.seed))
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


class MaskedSentence(Encoder):
    """An encoder's text side as the engine knows encoders: it is shown rows (1, k, 1) of 1 = kept and 0 = hidden.

    Args:
        by: Embeds the sentences.
        sentence: Whose words are hidden.
        hide: A key of ``HIDINGS``.
    """

    input_size = None
    pads = False
    zero_colour = np.zeros((), np.float32)

    def __init__(self, by: Encoder, sentence: Sentence, hide: str) -> None:
        super().__init__()
        self.sentence, self.hide = sentence, hide
        self.card, self.fingerprint, self.batch_size = by.card, by.fingerprint, by.batch_size
        self._by = by
        self._known: dict[str, NDArray[np.floating]] = {}

    @property
    def known(self) -> Mapping[str, NDArray[np.floating]]:
        """What was embedded so far, by sentence; copies that read the same share one embedding."""
        return self._known

    def copies(self, kept: NDArray[Any]) -> list[str]:
        """The masked sentences of (b, k) values, 0 = hidden."""
        return [self.sentence.keeping(row, self.hide) for row in kept > 0]

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        texts = self.copies(pixels[:, 0, :, 0])
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            self._known.update(zip(fresh, self._by.embed_texts(fresh), strict=True))
        return np.stack([self._known[text] for text in texts])


def prepare_words(
    text: str, *, encoder: str | Encoder = SENTENCE_ENCODER, masking: MaskSettings | None = None, hide: str = "drop"
) -> Probe:
    """Everything but the embeddings: a probe of a sentence, to be given to ``explorer.core.probe.grow``.

    The arguments and errors are those of ``explain_words``.
    """
    encoder, masking = resolve(encoder), masking or MaskSettings()
    if not encoder.card.captions:
        raise InvalidInput(
            f"{encoder.card.title} cannot read sentences; choose an encoder that compares image and caption.",
            code="no_text_side",
        )
    if hide not in HIDINGS:
        raise InvalidInput(f"Unknown way to hide a word; choose one of: {', '.join(HIDINGS)}.", code="unknown_hide")
    if masking.scheme != "philox":
        raise InvalidInput("Words are masked by the philox scheme only; leave scheme out.", code="scheme_words")
    sentence = split_words(text, encoder)
    row = MaskedSentence(encoder, sentence, hide)
    shown = np.ones((1, len(sentence.words), 1), np.float32)
    notices = (ALONE,) if len(sentence.words) == 1 else ()
    if sentence.cut:
        cut = f"The sentence is longer than the text model reads; ignored from “{sentence.cut.split()[0]} …”."
        notices = (*notices, cut)
    return Probe(
        encoder=row,
        masking=masking,
        masks=word_masks(len(sentence.words), masking),
        embeddings=np.empty((0, 0), np.float32),
        pixels=shown,
        background=np.zeros((), np.float32),
        unmasked=cache(lambda: row.embed_pixels(shown[None])[0]),
        notices=notices,
    )


@dataclass(frozen=True, eq=False)
class WordsExplanation:
    """What each word does to the distance, and everything that was made from.

    Attributes:
        ranked: The same as the engine made it, with a sentence as a row (1, k).
        sentence: The sentence.
    """

    ranked: Explanation
    sentence: Sentence

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

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write ``words.csv``, ``distances.csv`` and ``manifest.json``: all or nothing; as ``Explanation.save``."""
        folder = Path(folder)

        def write(scratch: Path) -> None:
            values = zip(self.words, self.attribution.tolist(), strict=True)
            _write_csv(scratch / "words.csv", [("position", "word", "attribution")],
                       ((i, word, repr(value)) for i, (word, value) in enumerate(values)))  # fmt: skip
            head, *rows = csv.reader(io.StringIO(distances_csv(self.ranked)))
            _write_csv(scratch / "distances.csv", [(*head, "sentence")],
                       ((*row, copy) for row, copy in zip(rows, self.copies, strict=True)))  # fmt: skip
            facts = json.dumps(self._manifest(), indent=2, ensure_ascii=False)
            (scratch / "manifest.json").write_text(facts + "\n", encoding="utf-8")

        refuse_overwriting(folder, overwrite)
        write_whole(folder, write)
        return folder

    def _manifest(self) -> dict[str, Any]:
        """As of a picture, less what words do not have."""
        facts, probe = manifest(self.ranked), self.ranked.probe
        assert isinstance(probe.encoder, MaskedSentence)
        drawn = "every combination" if tries_all(len(self.words), probe.masking) else "drawn"
        masking = {name: facts["masking"][name] for name in ("n_masks", "p_keep", "seed")}
        text = {"sentence": self.sentence.text, "cut": self.sentence.cut, "words": list(self.words)}
        del facts["map"]
        sign = "positive = keeping this word brings the pair closer"
        return facts | text | {"masking": masking | {"hide": probe.encoder.hide}, "masks": drawn, "sign": sign}


def _write_csv(path: Path, *parts: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for rows in parts:
            csv.writer(file, lineterminator="\n").writerows(rows)


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


def explain_words(
    sentence: str,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: str | Encoder = SENTENCE_ENCODER,
    masking: MaskSettings | None = None,
    selection: SelectionSettings | None = None,
    hide: str = "drop",
    on_progress: Progress | None = None,
) -> WordsExplanation:
    """Explain which words of a sentence bring it closer to a reference, and which push it away.

    Distance Explainer (Meijer & Bos 2025, arXiv:2505.15516, section 2.3) with words hidden in place of regions.

    Args:
        sentence: At most 500 characters.
        reference: A picture; give exactly one of this and the next two.
        caption: Another sentence.
        embedding: (d,) vector.
        encoder: A key of the cards with a text side, or such an encoder.
        masking: ``n_masks``, ``p_keep`` and ``seed``.
        selection: Which masks count; every one by its rank when None.
        hide: What a hidden word becomes, a key of ``HIDINGS``.
        on_progress: Called with (masks done, masks in all) after every batch.

    Returns:
        The values of the words with everything they were made from.

    Raises:
        InvalidInput: A sentence, setting or reference that cannot be used.
        UnusableEmbedding: The encoder's answer is no embedding.
        WeightsMissing: The encoder's weights are not here.
    """
    start = prepare_words(sentence, encoder=(by := resolve(encoder)), masking=masking, hide=hide)
    target = embed_reference(by, reference=reference, caption=caption, embedding=embedding)
    *_, probe = grow(start, on_progress=on_progress)
    return rank_words(probe, target, selection)
