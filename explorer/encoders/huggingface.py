"""Vision networks of Hugging Face's transformers, with the preprocessing of their own image processor.

A card's ``weights`` is OWNER/NAME on the Hub, with @ and a revision where one is pinned, or local-dir:FOLDER; a folder
holds config.json, preprocessor_config.json and model.safetensors. We fetch and read the weights ourselves, so as to
fail fast and to run nothing in them; only networks whose code is in transformers are made.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput
from explorer.core.storage import file_hash
from explorer.encoders.base import Encoder
from explorer.encoders.checkpoints import read_state, wrong_weights
from explorer.encoders.gpu import gpu_here
from explorer.encoders.hub import PLACE, Place, absent, find_place
from explorer.encoders.own_drawing import PROCESSORS, of_processor
from explorer.encoders.torch_admission import admitted
from explorer.encoders.torch_devices import as_dtype
from explorer.encoders.torch_layers import TorchEncoder
from explorer.encoders.torch_masks import ON_GPU
from explorer.encoders.torch_settings import PutAside, usual_torch

CONFIG = "config.json"
FILES = ("model.safetensors", "pytorch_model.bin")
"""What a repository's weights are called, the one we prefer first."""

BATCH = 8
"""Rows at once, as for the other encoders."""

TEXT = ("text_model", "text_projection", "logit_scale", "logit_bias")
"""The parts of networks with two towers that no picture passes."""

UNWANTED = ("auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_internal")
"""What a configuration could name to have code fetched or run in another way."""

UNFIT = (RuntimeError, LookupError, TypeError, ValueError, AttributeError, AssertionError, ImportError)
"""How transformers says that arrays, or a configuration, are not those of a network."""


class HuggingFaceEncoder(TorchEncoder):
    """A network of transformers that embeds pictures as its pooled features."""

    def classifier(self) -> Any:
        return Encoder.classifier(self)


def missing(card: Card) -> str:
    """What is not on this machine, found without any network."""
    place = _place(card)
    here = place.cached((CONFIG,)) and place.cached(PROCESSORS) and place.cached(FILES)
    return "" if here else "weights not downloaded"


def load(card: Card, *, precision: str, weights: Path | None) -> HuggingFaceEncoder:
    """Load the encoder, fetching what is not here.

    Args:
        card: The facts.
        precision: What it embeds in.
        weights: A ``.safetensors`` file, or a torch state dict, of the same network.

    Raises:
        InvalidInput: No such network, one that is no vision network of transformers, or the file is not its weights.
        WeightsMissing: It is not here and cannot be had.
    """
    import torch

    place = _place(card)
    config = place.config(CONFIG)
    drawing = of_processor(place.config(next(filter(lambda name: place.cached((name,)), PROCESSORS), PROCESSORS[0])),
                           _side(config))  # fmt: skip
    path = weights or place.find(FILES)
    try:
        network = _network(path, card, config)
    except InvalidInput as error:
        if weights is None and place.folder is None and error.code == "weights_file":
            raise absent(card, "its file in the Hub's cache is damaged; delete it") from error
        raise
    device = "cuda" if gpu_here() else "cpu"
    runtime = f"transformers {importlib.metadata.version('transformers')}:torch {torch.__version__} {device}"
    name = place.name(config).replace("hf-hub:", "").replace("local-dir:", "")
    fingerprint = f"hf:{name}:{file_hash(path)[:12]}:{drawing.name}:{runtime}:{precision}"
    kind = None if precision == "float32" else as_dtype(precision)
    encoder = HuggingFaceEncoder(
        admitted(network).to(device),
        ON_GPU if device == "cuda" else BATCH,
        fingerprint,
        drawing=drawing,
        dtype=kind,
    )
    encoder.pads, encoder.card = True, card
    rows = encoder.embed_pixels(np.full((1, *drawing.size, 3), drawing.zero_colour, np.float32))
    encoder.card = replace(card, embedding=f"{rows.shape[1]} pooled features")
    return encoder


def _place(card: Card) -> Place:
    place = find_place(card, card.weights if PLACE.fullmatch(card.weights) else f"hf-hub:{card.weights}")
    assert place is not None
    return place


def _side(config: Mapping[str, Any]) -> Any:
    """How many pixels a network wants to see, where its configuration says so."""
    vision = config.get("vision_config")
    return (vision if isinstance(vision, dict) else config).get("image_size")


def _network(path: Path, card: Card, config: Mapping[str, Any]) -> Any:
    """The network with weights from a file, without what no picture passes."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING or CONFIG_MAPPING[kind] not in MODEL_MAPPING:
        raise InvalidInput(
            f"The {CONFIG} of {card.title} describes no network that transformers has; code that a repository brings "
            "along is not run: load it yourself and give it to from_torch.",
            code="model_config",
        )
    if "quantization_config" in config:
        raise InvalidInput(
            f"{card.title} is quantised, so its layers cannot be randomised and give no gradients; choose the network "
            "before quantisation.",
            code="network_quantised",
        )
    made = MODEL_MAPPING[CONFIG_MAPPING[kind]]
    if isinstance(made, tuple | list) or (
        getattr(made, "main_input_name", "") != "pixel_values" and not hasattr(made, "get_image_features")
    ):
        raise InvalidInput(f"{card.title} is no vision network: it reads no pictures.", code="model_config")
    try:
        settings = CONFIG_MAPPING[kind].from_dict(_cleaned(config))
    except (StrictDataclassError, *UNFIT) as error:
        raise InvalidInput(
            f"The {CONFIG} of {card.title} is not one that transformers can read ({type(error).__name__}).",
            code="model_config",
        ) from error
    try:
        state = read_state(path)
        with usual_torch(), _quiet()():
            network = _made(made, settings, state)
    except UNFIT as error:
        raise wrong_weights(card.title, error) from error
    for name in TEXT if hasattr(network, "get_image_features") else ():
        if hasattr(network, name):
            delattr(network, name)
    return network.eval()


def _made(kind: Any, settings: Any, state: Mapping[str, Any]) -> Any:
    """A network of a kind with these arrays; one whose pooler is not among them is made without."""

    def make(**given: Any) -> tuple[Any, set[str]]:
        network, told = kind.from_pretrained(None, config=settings, state_dict=dict(state), output_loading_info=True,
                                             **given)  # fmt: skip
        return network, set(told["missing_keys"])

    network, lacking = make()
    if lacking and all(name.startswith("pooler.") for name in lacking):
        network, lacking = make(add_pooling_layer=False)
    if lacking:
        raise ValueError("arrays are missing")
    return network


def _cleaned(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without ``UNWANTED``, and in float32."""
    found = {name: _cleaned(value) if isinstance(value, dict) else value for name, value in config.items()}
    return {name: value for name, value in found.items() if name not in (*UNWANTED, "dtype", "torch_dtype")}


@cache
def _quiet() -> PutAside:
    """Without a progress bar, and the report of arrays that are left out: the classifier's, which nothing reads."""
    from transformers.utils import logging as bars

    log = logging.getLogger("transformers")

    def read() -> tuple[bool, int]:
        return bars.is_progress_bar_enabled(), log.level

    def write(settings: tuple[bool, int]) -> None:
        (bars.enable_progress_bar if settings[0] else bars.disable_progress_bar)()
        log.setLevel(settings[1])

    return PutAside(read, write, (False, logging.ERROR))
