"""Any open_clip model: pictures and captions in one space, with the library's own preprocessing and tokenizer.

A card's ``weights`` is MODEL:TAG as open_clip lists them, e.g. ``ViT-B-32:openai``; with a weights file of one's own
MODEL alone will do. We fetch the weights ourselves, because open_clip can neither pin a revision nor fail fast.
"""

from __future__ import annotations

import bisect
import difflib
import importlib.metadata
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..cache import file_hash
from ..errors import InvalidInput, WeightsMissing
from ..schema import Box
from .base import Card
from .gradients import Differentiable, gives_of, look_into
from .layers import Arrays, LayeredEncoder
from .openclip_weights import build_network
from .torch_layers import TorchLayers, numbered_block

REPOSITORIES = {"ViT-B-32:openai": "timm/vit_base_patch32_clip_224.openai/"}
"""Where the cards' weights lie: open_clip knows, but importing it, only to list the cards, takes seconds."""

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What a repository's weights are called, the one we prefer first."""

TIMEOUT = 5.0
"""Seconds after which a silent network counts as none."""

BATCH = 8
"""Rows at once: on two cores ViT-B-32 is as fast with 16 and slower with 32, and a small batch streams better."""


class Source(NamedTuple):
    """A file on the Hugging Face Hub: the names it may have, best first, and the pinned commit or None for any."""

    repository: str
    files: tuple[str, ...]
    revision: str | None = None


class OpenClipEncoder(LayeredEncoder):
    """A picture and a text tower from open_clip, in float32, on a GPU where there is one.

    Args:
        card: The facts.
        network: A model made by open_clip, in evaluation mode.
        tokenizer: The tokenizer open_clip pairs with it.
        fingerprint: Names weights and run-time.

    The layers that can be randomised are those of the picture tower.
    """

    batch_size = BATCH

    def __init__(self, card: Card, network: Any, tokenizer: Any, fingerprint: str) -> None:
        super().__init__()
        import torch
        from open_clip import get_model_preprocess_cfg
        from open_clip.transform import MaybeToTensor, PreprocessCfg, image_transform_v2

        self.card, self._network, self._tokenizer, self.fingerprint = card, network, tokenizer, fingerprint
        self._access = TorchLayers(network, "visual", first=("conv1",), last=("ln_post", "proj"))
        settings = PreprocessCfg(**get_model_preprocess_cfg(network))
        steps = image_transform_v2(settings, is_train=False).transforms
        self._steps = list(itertools.takewhile(lambda step: not isinstance(step, MaybeToTensor), steps))
        self._device = next(network.parameters()).device
        self._mean, self._std = torch.tensor([settings.mean, settings.std], device=self._device).view(2, 3, 1, 1)
        self.input_size = settings.input_size[1:]
        self.zero_colour = np.array(settings.mean, np.float32) * 255

    def view(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Box]:
        """The library's own resize, then crop or padding, of a picture (H, W, 3) uint8."""
        from PIL import Image

        resize, *crop = self._steps
        whole = resize(Image.fromarray(picture))
        seen = whole
        for step in crop:
            seen = step(seen)
        left, right = _span(whole.width, seen.width)
        top, bottom = _span(whole.height, seen.height)
        return np.array(seen, np.float32), Box(left, top, right, bottom)

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        import torch

        with torch.inference_mode():
            planes = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2) / 255
            rows = self._network.encode_image((planes - self._mean) / self._std)
        return np.asarray(rows.float().cpu().numpy())

    def _layers(self) -> TorchLayers:
        return self._access

    def gives(self) -> tuple[str, ...]:
        return gives_of(self._network.visual)

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        import torch

        visual, mean, std = self._network.visual, self._mean, self._std

        class FromPixels(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.visual = visual

            def forward(self, pixels: Any) -> Any:
                rows = self.visual((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
                return rows[0] if isinstance(rows, tuple) else rows  # CoCa also gives the tokens

        return look_into(FromPixels(), pixels)

    def _block(self, layer: str) -> str:
        """The stem, each block of the transformer or ResNet, the head."""
        return numbered_block(layer, self._access.names)

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> OpenClipEncoder:
        network = self._access.replaced(weights)
        twin = OpenClipEncoder(self.card, network, self._tokenizer, f"{self.fingerprint}+{label}")
        twin._lock = self._lock  # the two share the tokenizer
        return twin

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.floating]:
        """Embed captions one at a time, so that an embedding depends on no other caption."""
        return np.concatenate([self._embed_text(self.fit_text(text)[0]) for text in texts])

    def _embed_text(self, text: str) -> NDArray[np.floating]:
        import torch

        with self._lock, torch.inference_mode():
            rows = self._network.encode_text(self._tokenizer([text]).to(self._device))
        return np.asarray(rows.float().cpu().numpy())

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


def _span(whole: int, seen: int) -> tuple[float, float]:
    """Where the middle ``seen`` of ``whole`` pixels begin and end, as shares, rounded as torchvision does."""
    start = round((whole - seen) / 2) if whole >= seen else -((seen - whole) // 2)
    return start / whole, (start + seen) / whole


def _tokens(tokenizer: Any, text: str) -> int:
    """How many tokens a text becomes, start and end marks included."""
    if hasattr(tokenizer, "encode"):  # open_clip's own BPE, which leaves the two marks out
        return len(tokenizer.encode(text)) + 2
    clean = getattr(tokenizer, "clean_fn", str)
    return len(tokenizer.tokenizer(clean(text)).input_ids)


def missing(card: Card) -> str:
    """What is not on this machine, found without any network."""
    sources = [_weights_source(card)]
    if card.weights not in REPOSITORIES:
        sources += _text_sources(_checked(card.weights)[0])
    return "" if all(map(_cached, sources)) else "weights not downloaded"


def load(card: Card, *, precision: str, weights: Path | None) -> OpenClipEncoder:
    """Load the encoder, fetching its weights if they are not here.

    Args:
        card: The facts.
        precision: ``"float32"``.
        weights: A ``.safetensors`` file, or a torch state dict, of the card's architecture.

    Raises:
        InvalidInput: No such model or tag, or the file is not its weights.
        WeightsMissing: The weights are not here and cannot be had.
    """
    import open_clip
    import torch

    model, tag = _checked(card.weights, needs_tag=weights is None)
    path = weights or _have(card, _weights_source(card))
    for source in _text_sources(model):
        _have(card, source)
    try:
        tokenizer = open_clip.get_tokenizer(model)
        network = build_network(path, model, open_clip.get_pretrained_cfg(model, tag)).eval()
    except (ImportError, OSError) as error:  # transformers is not installed or asks the Hub for yet another file
        raise _absent(card, "its text side could not be made") from error
    except InvalidInput as error:
        if weights is None:
            raise _absent(card, "its file in the Hub's cache is damaged; delete it") from error
        raise
    device = "cuda" if torch.cuda.is_available() else "cpu"
    runtime = f"open_clip {importlib.metadata.version('open_clip_torch')}:torch {torch.__version__} {device}"
    fingerprint = f"open_clip:{card.weights}:{file_hash(path)[:12]}:{runtime}:{precision}"
    return OpenClipEncoder(card, network.to(device), tokenizer, fingerprint)


def _checked(weights: str, *, needs_tag: bool = True) -> tuple[str, str]:
    """Model and tag of an address, if open_clip has them."""
    import open_clip

    model, _, tag = weights.partition(":")
    _check_choice("open_clip model", model, open_clip.list_models())
    if tag or needs_tag:
        _check_choice(f"pretrained tag of {model}", tag, open_clip.list_pretrained_tags_by_model(model))
    return model, tag


def _check_choice(kind: str, name: str, choices: Sequence[str]) -> None:
    if name in choices:
        return
    near = difflib.get_close_matches(name[:80], choices, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]!r}?" if near else "open_clip.list_pretrained() lists all that have weights."
    raise InvalidInput(f"Unknown {kind}, one of {len(choices)}; {hint}", code=f"unknown_{kind.split()[1]}")


def _weights_source(card: Card) -> Source:
    """Where open_clip says a tag's weights lie: ``owner/name/`` or ``owner/name/file``, on the Hub since its 3.x."""
    address = REPOSITORIES.get(card.weights, "")
    if not address:
        import open_clip

        address = open_clip.get_pretrained_cfg(*_checked(card.weights))["hf_hub"]
    repository, _, file = address.rpartition("/")
    files = (str(Path(file).with_suffix(".safetensors")), file) if file else FILES
    return Source(repository, files, card.revision)


def _text_sources(model: str) -> list[Source]:
    """The configurations a text side made by transformers needs besides the weights."""
    import open_clip

    text = open_clip.get_model_config(model)["text_cfg"]
    wanted = ((text.get("hf_model_name"), "config.json"), (text.get("hf_tokenizer_name"), "tokenizer_config.json"))
    return [Source(name, (file,)) for name, file in wanted if name and not Path(name).is_dir()]


def _cached(source: Source) -> Path | None:
    """The file in the Hub's local cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    for file in source.files:
        path = try_to_load_from_cache(source.repository, file, revision=source.revision)
        if isinstance(path, str):
            return Path(path)
    return None


def _have(card: Card, source: Source) -> Path:
    """The file, from the cache or the Hub; its client repeats a failed request for half a minute, so we ask first."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HTTPError

    if path := _cached(source):
        return path
    for file in source.files:
        try:
            get_hf_file_metadata(hf_hub_url(source.repository, file, revision=source.revision), timeout=TIMEOUT)
        except EntryNotFoundError:
            continue
        except HfHubHTTPError as error:
            raise _absent(card, f"the Hugging Face Hub answered {error.response.status_code}") from error
        except (HTTPError, OSError) as error:
            raise _absent(card) from error
        try:
            return Path(hf_hub_download(source.repository, file, revision=source.revision))
        except (HTTPError, OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise _absent(card, f"the download broke off ({why})") from error
    raise _absent(card, "the Hugging Face Hub has no such file any more")


def _absent(card: Card, why: str = "") -> WeightsMissing:
    """The error for weights that cannot be had: for the reason given, or for want of a network."""
    command = f"`explorer models fetch {card.key}`"
    if why:
        return WeightsMissing(
            f"{card.title} could not be loaded: {why}. {command} tries again.", code="weights_refused"
        )
    return WeightsMissing(
        f"{card.title} is not on this computer and there is no network; run {command} where there is one.",
        code="weights_offline",
    )
