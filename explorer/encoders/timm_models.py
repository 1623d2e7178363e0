"""Any timm network, with timm's own preprocessing: class probabilities, or the features it pools before its classifier.

A card's ``weights`` is ARCHITECTURE.TAG as timm lists them, e.g. ``resnet101.tv_in1k``; with a weights file of one's
own ARCHITECTURE alone will do. It may also be hf-hub:OWNER/NAME or local-dir:FOLDER, as timm takes them. We fetch and
read the weights ourselves, so as to fail fast and to run nothing in them.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.embedder import Box, Card
from explorer.core.errors import InvalidInput
from explorer.core.storage import file_hash
from explorer.encoders.cards import features_of
from explorer.encoders.checkpoints import read_state, wrong_weights
from explorer.encoders.gpu import gpu_here
from explorer.encoders.gradients import Differentiable, gives_of, look_into, private_copy
from explorer.encoders.hub import Place, Source, absent, cached, check_choice, find_place, have
from explorer.encoders.labels import Labels, class_labels, softmax
from explorer.encoders.layers import Arrays
from explorer.encoders.patch_removal import PatchRemoval, find_transformer
from explorer.encoders.preprocessing import picture_steps, see
from explorer.encoders.torch_layers import NUMBERED, TorchLayers, numbered_block
from explorer.encoders.torch_masks import ON_GPU, MaskingEncoder
from explorer.encoders.torch_settings import settled, usual_torch

CONFIG = "config.json"
"""What describes a network that timm does not list, beside its weights."""

FILES = ("model.safetensors", "pytorch_model.bin")
"""What a repository's weights are called, the one we prefer first."""

LISTED = "timm.list_models(pretrained=True) lists all that have weights."
"""What is said to a name that is near none."""

FEATURES = "timm_features"
"""The family of cards that ask for pooled features."""

UNFIT = (RuntimeError, LookupError, TypeError, ValueError, AttributeError, StopIteration, AssertionError)
"""How timm says that arrays are not those of a network."""

BATCH = 8
"""Rows at once, as for the other encoders."""


class TimmEncoder(MaskingEncoder):
    """A network from timm, on a GPU where there is one: class probabilities.

    Args:
        card: The facts.
        network: A model made by timm, in evaluation mode and float32.
        fingerprint: Names weights and run-time.
        softmax: Whether the embedding is the probabilities, or what the network gives before the softmax.
        precision: What it embeds in; what lies inside is looked at in float32.
        classes: The network whose classifier gives the scores, where this one has none; None where there are no
            classes of ImageNet.
    """

    batch_size = BATCH

    def __init__(
        self,
        card: Card,
        network: Any,
        fingerprint: str,
        *,
        softmax: bool = True,
        precision: str = "float32",
        classes: Any = None,
    ) -> None:
        super().__init__()
        import torch
        from timm.data import create_transform, resolve_model_data_config
        from timm.data.transforms import MaybeToTensor

        self.card, self.fingerprint, self._softmax, self._precision = card, fingerprint, softmax, precision
        self._classes, self._kind = network if classes is None else classes, getattr(torch, precision)
        settings = resolve_model_data_config(network)
        self._steps = picture_steps(create_transform(**settings).transforms, MaybeToTensor)
        self._module = _from_pixels(network, settings["mean"], settings["std"], softmax=softmax)
        first, last = (_names(network.pretrained_cfg.get(key)) for key in ("first_conv", "classifier"))
        self._access = TorchLayers(self._module, "network", first=first, last=last)
        self._running: Any = None  # a copy, as a network may keep what it computes
        self.batch_size = ON_GPU if self._place().type == "cuda" else BATCH
        self._removal: PatchRemoval | None = None
        self.input_size = tuple(settings["input_size"][1:])
        self._transformer = find_transformer(self._module, self.input_size)
        self.zero_colour = np.array(settings["mean"], np.float32) * 255

    def view(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Box]:
        """The library's own resize and crop of a picture (H, W, 3) uint8."""
        return see(self._steps, picture)

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        import torch

        with settled(gradients=False):
            rows = self._run()(torch.from_numpy(pixels).to(self._place()))
        return as_numpy(rows.float())

    def _run(self) -> Any:
        """The copy that is run."""
        if self._running is None:
            self._running = private_copy(self._module)
            self._running.network.to(self._kind)
        return self._running

    def _embed_planes(self, planes: Any) -> Any:
        with usual_torch(draws=False):
            return self._run().embed(planes).float()

    def _as_input(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        mean, std = (as_numpy(colour).ravel() for colour in (self._module.mean, self._module.std))
        return np.asarray((colours / np.float32(255) - mean) / std)

    def _place(self) -> Any:
        return self._module.mean.device

    def describe(self, embeddings: NDArray[np.floating], k: int = 3) -> Labels | None:
        if self.card.family == FEATURES:
            return None
        return class_labels(embeddings if self._softmax else softmax(embeddings), k)

    def _layers(self) -> TorchLayers:
        return self._access

    def gives(self) -> tuple[str, ...]:
        return gives_of(self._module)

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        return look_into(self._module, pixels)

    def patches(self) -> tuple[int, int]:
        return super().patches() if self._transformer is None else self._transformer.grid

    def _forward_kept(self, pixels: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.floating]:
        if self._removal is None:
            assert self._transformer is not None
            self._removal = PatchRemoval(self._module, self._transformer)
        return self._removal(pixels, kept)

    def classifier(self) -> TimmEncoder:
        if not _tells_classes(self._classes.num_classes):
            return super().classifier()  # type: ignore[return-value]
        if not self._softmax and self._classes is self._module.network:
            return self
        card = replace(self.card, family="timm_models")
        return TimmEncoder(card, self._classes, f"{self.fingerprint}-scores", softmax=False, precision=self._precision)

    def _block(self, layer: str) -> str:
        """The stem, each numbered block, the head; of a network without numbered blocks each part of a part."""
        if any(map(NUMBERED.match, self._access.names)):
            return numbered_block(layer, self._access.names)
        return ".".join(layer.split(".")[:2])

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> TimmEncoder:
        network = self._access.replaced(weights).network
        return TimmEncoder(
            self.card, network, f"{self.fingerprint}+{label}", softmax=self._softmax, precision=self._precision
        )


def _from_pixels(network: Any, mean: tuple[float, ...], std: tuple[float, ...], *, softmax: bool) -> Any:
    """A network from pixels to probabilities, or to what comes before the softmax, where the network is."""
    import torch

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            place = next(network.parameters()).device
            for name, values in (("mean", mean), ("std", std)):
                colour = torch.tensor(values, device=place, dtype=torch.float32)
                self.register_buffer(name, colour.view(3, 1, 1), persistent=False)

        def forward(self, pixels: Any) -> Any:
            with usual_torch(draws=False):
                return self.embed((pixels.permute(0, 3, 1, 2) / 255 - self.mean) / self.std)

        def embed(self, planes: Any) -> Any:
            rows = self.network(planes.to(next(self.network.parameters()).dtype)).float()
            return rows.softmax(1) if softmax else rows

    return FromPixels().eval()


def _names(layers: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """What timm says of a layer: one name, many or none."""
    return (layers,) if isinstance(layers, str) else tuple(layers or ())


def missing(card: Card) -> str:
    """What is not on this machine, found without any network."""
    if place := find_place(card, card.weights):
        here = place.cached((CONFIG,)) and place.cached(FILES)
    else:
        here = cached(_source(card)) is not None
    return "" if here else "weights not downloaded"


def load(card: Card, *, precision: str, weights: Path | None) -> TimmEncoder:
    """Load the encoder, fetching its weights if they are not here.

    Args:
        card: The facts.
        precision: What it embeds in.
        weights: A ``.safetensors`` file, or a torch state dict, of the card's architecture.

    Returns:
        Class probabilities; of a network that does not tell the classes of ImageNet apart, or where the card asks for
        them, the pooled features, by a card that says so.

    Raises:
        InvalidInput: No such architecture or tag, or the file is not its weights.
        WeightsMissing: The weights are not here and cannot be had.
    """
    import torch

    place = find_place(card, card.weights)
    if place is None:
        classes = _check(card, needs_tag=weights is None)
        name, path, config = card.weights, weights or have(card, _source(card)), None
    else:
        config, classes = _read_config(place)
        name, path = place.name(config), weights or place.find(FILES)
    pools = card.family == FEATURES or not _tells_classes(classes)
    try:
        network = _network(path, card, config, pools=pools).eval()
    except InvalidInput as error:
        if weights is None and (place is None or place.folder is None):
            raise absent(card, "its file in the Hub's cache is damaged; delete it") from error
        raise
    device = "cuda" if gpu_here() else "cpu"
    runtime = f"timm {importlib.metadata.version('timm')}:torch {torch.__version__} {device}"
    fingerprint = f"timm:{name}:{file_hash(path)[:12]}:{runtime}:{precision}"
    network = network.to(device, torch.float32)

    def made() -> TimmEncoder:
        make = _pooling if pools else TimmEncoder
        return make(card, network, fingerprint, precision=precision)

    return made() if place is None else place.fit(made)


def _pooling(card: Card, network: Any, fingerprint: str, *, precision: str) -> TimmEncoder:
    """An encoder of what a network pools before its classifier.

    Raises:
        InvalidInput: It pools no vector.
    """
    import torch

    pooled = private_copy(network)
    try:
        with usual_torch():
            pooled.reset_classifier(0)
        side = _size(pooled)
        with settled(gradients=False):
            rows = private_copy(pooled)(next(pooled.parameters()).new_zeros(1, *side))
        if not isinstance(rows, torch.Tensor) or rows.ndim != 2:
            raise ValueError("no vector")
    except (AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{card.title} does not pool its features into one vector; choose a network that does, or give it to "
            "from_torch inside a torch.nn.Module that returns (b, d).",
            code="no_features",
        ) from error
    card = replace(card if card.family == FEATURES else features_of(card), embedding=f"{rows.shape[1]} pooled features")
    classes = network if _tells_classes(network.num_classes) else None
    return TimmEncoder(card, pooled, f"{fingerprint}:features", softmax=False, precision=precision, classes=classes)


def _size(network: Any) -> tuple[int, ...]:
    """(c, h, w) of what a timm network sees."""
    from timm.data import resolve_model_data_config

    return tuple(resolve_model_data_config(network)["input_size"])


def _read_config(place: Place) -> tuple[dict[str, Any], Any]:
    """The configuration of a network that timm does not list, and how many classes it says there are."""
    import timm

    config = place.config(CONFIG)
    architecture = config.get("architecture")
    if not isinstance(architecture, str):
        raise InvalidInput(f"The {CONFIG} of {place.card.title} describes no timm network.", code="model_config")
    check_choice("timm network", architecture, timm.list_models(), LISTED)
    facts = config.get("pretrained_cfg", config)
    return config, config.get("num_classes") or (isinstance(facts, dict) and facts.get("num_classes"))


def _check(card: Card, *, needs_tag: bool) -> Any:
    """How many classes a network tells apart; refuses names that timm does not have."""
    import timm

    architecture, _, tag = card.weights.partition(".")
    check_choice("timm network", architecture, timm.list_models(), LISTED)
    if tag or needs_tag:
        tags = [name.partition(".")[2] for name in timm.list_models(f"{architecture}.*", pretrained=True)]
        check_choice(f"pretrained tag of {architecture}", tag, tags, LISTED)
    return timm.get_pretrained_cfg(card.weights).num_classes


def _tells_classes(classes: Any) -> bool:
    """Whether so many classes are those of ImageNet, or of a larger set that it is part of."""
    from timm.data import infer_imagenet_subset

    return infer_imagenet_subset({"num_classes": classes}) is not None


def _source(card: Card) -> Source:
    """Where timm says the weights lie."""
    import timm

    _check(card, needs_tag=True)
    repository = timm.get_pretrained_cfg(card.weights).hf_hub_id
    if not repository:
        raise InvalidInput(
            f"The weights of {card.title} are not on the Hugging Face Hub; give them with --weights FILE.",
            code="weights_not_on_hub",
        )
    return Source(repository, FILES, card.revision)


def _network(path: Path, card: Card, config: Mapping[str, Any] | None, *, pools: bool) -> Any:
    """The network with weights from a file, whose arrays timm renames where they come from elsewhere.

    Args:
        path: Of the weights.
        card: The facts.
        config: The configuration of a network that timm does not list.
        pools: Whether its classifier does not matter, so that the file may have none, or another.
    """
    try:
        network = _made(path, card, config, pools=pools)
    except UNFIT as error:
        raise wrong_weights(card.title if config else card.weights, error) from error
    network.pretrained_cfg.pop("state_dict")  # or the network keeps a second copy of its weights
    return network


def _made(path: Path, card: Card, config: Mapping[str, Any] | None, *, pools: bool) -> Any:
    import timm

    state = read_state(path)  # never empty, for which timm would turn to the network
    given = {"state_dict": state, "source": "", "file": None} if config else {"state_dict": state}

    def make(**classes: int) -> Any:
        with usual_torch(), tempfile.TemporaryDirectory(prefix="explorer-") as scratch:
            (Path(scratch) / CONFIG).write_text(json.dumps(config), encoding="utf-8")
            name = f"local-dir:{scratch}" if config else card.weights
            return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=given | classes, **classes)

    if not pools:
        return make()
    facts = timm.get_pretrained_cfg(config["architecture"] if config else card.weights)
    arrays = [state.get(f"{name}.weight") for name in _names(facts.classifier if facts else None)]
    if found := next((len(array) for array in arrays if array is not None), 0):
        return make(num_classes=found)
    try:
        return make()  # a file of another origin, whose arrays timm renames
    except UNFIT:
        return make(num_classes=0)
