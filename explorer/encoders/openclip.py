"""Any open_clip model: pictures and captions in one space, with the library's own preprocessing and tokenizer.

A card's ``weights`` is MODEL:TAG as open_clip lists them, e.g. ``ViT-B-32:openai``; with a weights file of one's own
MODEL alone will do. For MODEL:TAG there may also be hf-hub:OWNER/NAME or local-dir:FOLDER, as open_clip takes them. We
fetch the weights ourselves, because open_clip can neither pin a revision nor fail fast.
"""

from __future__ import annotations

import bisect
import importlib.metadata
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.captions import check_texts
from explorer.core.embedder import Box, Card
from explorer.core.errors import CannotWrite, InvalidInput
from explorer.core.storage import file_hash
from explorer.encoders.gpu import gpu_here
from explorer.encoders.gradients import Differentiable, gives_of, look_into, private_copy
from explorer.encoders.hub import Place, Source, absent, cached, check_choice, find_place, have
from explorer.encoders.layers import Arrays
from explorer.encoders.openclip_weights import CONFIG, FILES, IN_FOLDERS, build_network, make_tokenizer, read_config
from explorer.encoders.patch_removal import PatchRemoval, find_transformer
from explorer.encoders.preprocessing import picture_steps, see
from explorer.encoders.torch_layers import TorchLayers, numbered_block
from explorer.encoders.torch_masks import ON_GPU, MaskingEncoder
from explorer.encoders.torch_settings import settled, usual_torch

REPOSITORIES = {"ViT-B-32:openai": "timm/vit_base_patch32_clip_224.openai/"}
"""Where the cards' weights lie: open_clip knows, but importing it, only to list the cards, takes seconds."""

LISTED = "open_clip.list_pretrained() lists all that have weights."
"""What is said to a name that is near none."""

BATCH = 8
"""Rows at once: on two cores ViT-B-32 is as fast with 16 and slower with 32, and a small batch streams better."""


class OpenClipEncoder(MaskingEncoder):
    """A picture and a text tower from open_clip, on a GPU where there is one.

    Args:
        card: The facts.
        network: A model made by open_clip, in evaluation mode and float32.
        tokenizer: The tokenizer open_clip pairs with it.
        fingerprint: Names weights and run-time.
        precision: What pictures are embedded in; captions, and what lies inside, are float32.

    The layers that can be randomised are those of the picture tower.
    """

    batch_size = BATCH

    def __init__(self, card: Card, network: Any, tokenizer: Any, fingerprint: str, precision: str = "float32") -> None:
        super().__init__()
        import torch
        from open_clip import get_model_preprocess_cfg
        from open_clip.transform import MaybeToTensor, PreprocessCfg, image_transform_v2

        self.card, self._tokenizer, self.fingerprint = card, tokenizer, fingerprint
        self._network = private_copy(network)  # which is run, and may keep what it computes
        self._precision, self._kind = precision, getattr(torch, precision)
        self._network.visual.to(self._kind)
        self._access = TorchLayers(network, "visual", first=("conv1",), last=("ln_post", "proj"))
        self._removal: PatchRemoval | None = None
        settings = PreprocessCfg(**get_model_preprocess_cfg(network))
        steps = image_transform_v2(settings, is_train=False).transforms
        self._steps = picture_steps(steps, MaybeToTensor)
        self._device = next(network.parameters()).device
        self.batch_size = ON_GPU if self._device.type == "cuda" else BATCH
        colours = torch.tensor([settings.mean, settings.std], device=self._device, dtype=torch.float32)
        self._mean, self._std = colours.view(2, 3, 1, 1)
        self.input_size = settings.input_size[1:]
        self._transformer = find_transformer(self._from_pixels(), self.input_size)
        self.zero_colour = np.array(settings.mean, np.float32) * 255

    def view(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Box]:
        """The library's own resize, then crop or padding, of a picture (H, W, 3) uint8."""
        return see(self._steps, picture)

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        import torch

        with usual_torch(draws=False), settled(gradients=False):
            planes = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2) / 255
            rows = self._embed_planes((planes - self._mean) / self._std)
        return as_numpy(rows)

    def _embed_planes(self, planes: Any) -> Any:
        with usual_torch(draws=False):
            return self._network.encode_image(planes.to(self._kind)).float()

    def _as_input(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        mean, std = (as_numpy(colour).ravel() for colour in (self._mean, self._std))
        return np.asarray((colours / np.float32(255) - mean) / std)

    def _place(self) -> Any:
        return self._device

    def _layers(self) -> TorchLayers:
        return self._access

    def gives(self) -> tuple[str, ...]:
        return gives_of(self._access.module.visual)

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        return look_into(self._from_pixels(), pixels)

    def patches(self) -> tuple[int, int]:
        return super().patches() if self._transformer is None else self._transformer.grid

    def _forward_kept(self, pixels: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.floating]:
        if self._removal is None:
            assert self._transformer is not None
            self._removal = PatchRemoval(self._from_pixels(), self._transformer)
        return self._removal(pixels, kept)

    def _from_pixels(self) -> Any:
        """The picture tower from pixels (b, h, w, 3)."""
        import torch

        visual, mean, std = self._access.module.visual, self._mean, self._std

        class FromPixels(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.visual = visual

            def forward(self, pixels: Any) -> Any:
                with usual_torch(draws=False):
                    rows = self.visual((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
                if isinstance(rows, tuple):  # CoCa, which also gives the tokens, and embeds at a length of 1
                    return torch.nn.functional.normalize(rows[0], dim=-1)
                return rows

        return FromPixels()

    def _block(self, layer: str) -> str:
        """The stem, each block of the transformer or ResNet, the head."""
        return numbered_block(layer, self._access.names)

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> OpenClipEncoder:
        network = self._access.replaced(weights)
        name = f"{self.fingerprint}+{label}"
        twin = OpenClipEncoder(self.card, network, self._tokenizer, name, self._precision)
        twin._lock = self._lock  # the two share the tokenizer
        return twin

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.floating]:
        """Embed captions one at a time, so that an embedding depends on no other caption."""
        check_texts(texts)
        return np.concatenate([self._embed_text(self.fit_text(text)[0]) for text in texts])

    def _embed_text(self, text: str) -> NDArray[np.floating]:

        with self._lock, usual_torch(draws=False), settled(gradients=False):
            rows = self._network.encode_text(self._tokenizer([text]).to(self._device))
        return as_numpy(rows.float())

    def fit_text(self, text: str) -> tuple[str, str]:
        """Whole words as far as the text tower reads; a first word that is too long by itself is cut inside."""
        limit = self._tokenizer.context_length
        with self._lock:  # tokenizers from Hugging Face must not be used by two threads at once
            if _tokens(self._tokenizer, text) <= limit:
                return text, ""
            ends = [word.end() for word in re.finditer(r"\S+", text)]
            if _tokens(self._tokenizer, text[: ends[0]]) > limit:
                ends = list(range(1, ends[0]))
            end = [0, *ends][bisect.bisect_right(ends, limit, key=lambda end: _tokens(self._tokenizer, text[:end]))]
        return text[:end], text[end:].strip()


def _marks_as_text(tokenizer: Any) -> Any:
    """The tokenizer, reading its own marks in a caption as text: "<end_of_text>" would end it without a word."""
    if hasattr(tokenizer, "encode"):
        from open_clip.tokenizer import re as regex

        marks = "|".join(tokenizer.decoder[token] for token in tokenizer.all_special_ids)
        tokenizer.pat = regex.compile(tokenizer.pat.pattern.removeprefix(f"{marks}|"), tokenizer.pat.flags)
    else:
        tokenizer.tokenizer.split_special_tokens = True
    return tokenizer


def _tokens(tokenizer: Any, text: str) -> int:
    """How many tokens a text becomes, start and end marks included."""
    if hasattr(tokenizer, "encode"):  # open_clip's own BPE, which leaves the two marks out
        return len(tokenizer.encode(text)) + 2
    clean = getattr(tokenizer, "clean_fn", str)
    return len(tokenizer.tokenizer(clean(text)).input_ids)


def missing(card: Card) -> str:
    """What is not on this machine, found without any network."""
    if place := find_place(card, card.weights):
        here = place.cached((CONFIG,)) and place.cached(IN_FOLDERS if place.folder else FILES)
        here = here and all(map(cached, _text_sources(read_config(place)["model_cfg"]["text_cfg"], place.folder)))
        return "" if here else "weights not downloaded"
    sources = [_weights_source(card)]
    if card.weights not in REPOSITORIES:
        import open_clip

        sources += _text_sources(open_clip.get_model_config(_checked(card.weights)[0])["text_cfg"])
    return "" if all(map(cached, sources)) else "weights not downloaded"


def load(card: Card, *, precision: str, weights: Path | None) -> OpenClipEncoder:
    """Load the encoder, fetching its weights if they are not here.

    Args:
        card: The facts.
        precision: What pictures are embedded in.
        weights: A ``.safetensors`` file, or a torch state dict, of the card's architecture.

    Raises:
        InvalidInput: No such model or tag, or the file is not its weights.
        WeightsMissing: The weights are not here and cannot be had.
    """
    import torch

    place = find_place(card, card.weights)
    name, path, make = _listed(card, weights) if place is None else _placed(place, weights)
    try:
        with usual_torch():
            tokenizer, network = make()
            tokenizer = _marks_as_text(tokenizer)
    except (ImportError, OSError) as error:  # transformers is not installed or asks the Hub for yet another file
        if isinstance(error, CannotWrite):
            raise
        raise absent(card, "its text side could not be made") from error
    except InvalidInput as error:
        if weights is None and (place is None or place.folder is None):
            raise absent(card, "its file in the Hub's cache is damaged; delete it") from error
        raise
    device = "cuda" if gpu_here() else "cpu"
    runtime = f"open_clip {importlib.metadata.version('open_clip_torch')}:torch {torch.__version__} {device}"
    fingerprint = f"open_clip:{name}:{file_hash(path)[:12]}:{runtime}:{precision}"
    network = network.to(device, torch.float32)

    def made() -> OpenClipEncoder:
        return OpenClipEncoder(card, network, tokenizer, fingerprint, precision)

    return made() if place is None else place.fit(made)


def _listed(card: Card, weights: Path | None) -> tuple[str, Path, Callable[[], tuple[Any, Any]]]:
    """The name, the weights and the maker of tokenizer and network of a model that open_clip lists."""
    import open_clip

    model, tag = _checked(card.weights, needs_tag=weights is None)
    path = weights or have(card, _weights_source(card))
    for source in _text_sources(open_clip.get_model_config(model)["text_cfg"]):
        have(card, source)

    def make() -> tuple[Any, Any]:
        tokenizer = open_clip.get_tokenizer(model)
        return tokenizer, build_network(path, model, open_clip.get_pretrained_cfg(model, tag)).eval()

    return card.weights, path, make


def _placed(place: Place, weights: Path | None) -> tuple[str, Path, Callable[[], tuple[Any, Any]]]:
    """The same of one that it does not list."""
    config = read_config(place)
    path = weights or place.find(IN_FOLDERS if place.folder else FILES)
    text = config["model_cfg"]["text_cfg"]
    for source in _text_sources(text, place.folder):
        have(place.card, source)
    return (
        place.name(config),
        path,
        lambda: (
            make_tokenizer(text, place.folder),
            build_network(path, place.card.title, {}, config).eval(),
        ),
    )


def _checked(weights: str, *, needs_tag: bool = True) -> tuple[str, str]:
    """Model and tag of an address, if open_clip has them."""
    import open_clip

    model, _, tag = weights.partition(":")
    check_choice("open_clip model", model, open_clip.list_models(), LISTED)
    if tag or needs_tag:
        check_choice(f"pretrained tag of {model}", tag, open_clip.list_pretrained_tags_by_model(model), LISTED)
    return model, tag


def _weights_source(card: Card) -> Source:
    """Where open_clip says a tag's weights lie: ``owner/name/`` or ``owner/name/file``, on the Hub since its 3.x."""
    address = REPOSITORIES.get(card.weights, "")
    if not address:
        import open_clip

        address = open_clip.get_pretrained_cfg(*_checked(card.weights))["hf_hub"]
    repository, _, file = address.rpartition("/")
    files = (str(Path(file).with_suffix(".safetensors")), file) if file else FILES
    return Source(repository, files, card.revision)


def _text_sources(text: Mapping[str, Any], folder: Path | None = None) -> list[Source]:
    """The configurations a text side made by transformers needs besides the weights.

    Args:
        text: What the model's configuration says of its text side.
        folder: Of the model, where its tokenizer's files lie in it.
    """
    wanted = [(text.get("hf_model_name"), "config.json")]
    if folder is None:
        wanted.append((text.get("hf_tokenizer_name"), "tokenizer_config.json"))
    return [Source(name, (file,)) for name, file in wanted if name and not Path(name).is_dir()]
