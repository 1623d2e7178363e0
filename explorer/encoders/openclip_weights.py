"""open_clip's networks with weights from a file, read without running anything in it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.core.errors import CannotWrite, InvalidInput
from explorer.encoders.checkpoints import read_content, unwrap, wrong_weights
from explorer.encoders.hub import Place

CONFIG = "open_clip_config.json"
"""What describes a model that open_clip does not list, beside its weights."""

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What a repository's weights are called, the one we prefer first."""

IN_FOLDERS = (*FILES, "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.pth", "model.safetensors",
              "pytorch_model.bin", "pytorch_model.pth", "model.pth")  # fmt: skip
"""What open_clip takes for weights in a folder, in its order but for the two it writes itself."""

TOKENIZER_WORDS = {"clean", "strip_sep_token", "language"}
"""What a configuration may tell a tokenizer. Anything else reaches transformers, which can be told to run code."""


def read_config(place: Place) -> dict[str, Any]:
    """The configuration of a model that open_clip does not list.

    Raises:
        InvalidInput: It is none, or wants more than open_clip's own do.
        WeightsMissing: It cannot be had.
    """
    config = place.config(CONFIG)
    model = config.get("model_cfg")
    vision, text = (model.get(name) if isinstance(model, dict) else None for name in ("vision_cfg", "text_cfg"))
    if not isinstance(vision, dict) or not isinstance(text, dict):
        raise InvalidInput(f"The {CONFIG} of {place.card.title} describes no open_clip model.", code="model_config")
    words = text.get("tokenizer_kwargs", {})
    names = (vision.get("timm_model_name", ""), text.get("hf_model_name", ""), text.get("hf_tokenizer_name", ""))
    if not isinstance(words, dict) or set(words) - TOKENIZER_WORDS or any(":" in str(name) for name in names):
        raise InvalidInput(
            f"The {CONFIG} of {place.card.title} has settings that open_clip's own models do not have, which are "
            "not followed; take them out.",
            code="model_config",
        )
    return config


def make_tokenizer(text: Mapping[str, Any], folder: Path | None) -> Any:
    """The tokenizer of a model that open_clip does not list, by the rules of ``open_clip.get_tokenizer``.

    Args:
        text: The configuration of the text side.
        folder: Of the model, where it is not on the Hub; then the tokenizer's files lie in it.
    """
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

    settings = {
        "context_length": text.get("context_length", DEFAULT_CONTEXT_LENGTH),
        **text.get("tokenizer_kwargs", {}),
    }
    if name := text.get("hf_tokenizer_name"):
        return HFTokenizer(str(folder or name), tokenizer_mode=text.get("tokenizer_mode"), **settings)
    return SimpleTokenizer(**settings)


def build_network(path: Path, model: str, tag: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Any:
    """The network with its weights; OpenAI's tags, and some others, want QuickGELU in place of GELU.

    open_clip repeats a read that fails with a TypeError in torch's default mode, which an environment variable
    can turn into running pickles; a file that we have read once ourselves does not get that far.

    Args:
        path: Of the weights.
        model: Its name.
        tag: What open_clip knows of the weights of a model it lists.
        config: The configuration of a model it does not list.
    """
    import open_clip

    with tempfile.TemporaryDirectory(prefix="explorer-") as scratch:
        try:
            plain = _plain(path.absolute(), Path(scratch))  # a bare name could be a tag
            if config is None:
                settings = {"force_quick_gelu": tag.get("quick_gelu", False), "force_preprocess_cfg": dict(tag)}
                return open_clip.create_model(model, pretrained=str(plain), weights_only=True, **settings)
            (Path(scratch) / CONFIG).write_text(json.dumps(config), encoding="utf-8")
            (Path(scratch) / FILES[plain.suffix != ".safetensors"]).symlink_to(plain)
            return open_clip.create_model(f"local-dir:{scratch}", weights_only=True)
        except (
            RuntimeError, LookupError, TypeError, ValueError, AttributeError, StopIteration, AssertionError
        ) as error:  # fmt: skip
            raise wrong_weights(model, error) from error


def _plain(path: Path, scratch: Path) -> Path:
    """A file with nothing but the arrays, by their names: the file itself where it is one."""
    import torch

    content = read_content(path)
    state = unwrap(content)
    if set(content) == set(state):
        return path
    plain = scratch / "plain.pt"
    try:
        torch.save(state, plain)
    except (OSError, RuntimeError) as error:  # the latter is how torch says that the disk is full
        raise CannotWrite(
            "There is no room to unpack this checkpoint; save its state dict alone, or free some space in the folder "
            "for temporary files (TMPDIR).",
            code="storage_full",
        ) from error
    return plain
