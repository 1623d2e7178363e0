"""open_clip's networks with weights from a file, read without running anything in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.encoders.hub import read_torch_file


def build_network(path: Path, model: str, tag: Mapping[str, Any]) -> Any:
    """The network with its weights; OpenAI's tags, and some others, want QuickGELU in place of GELU.

    open_clip repeats a read that fails with a TypeError in torch's default mode, which an environment variable
    can turn into running pickles; a file that we have read once ourselves does not get that far.
    """
    import open_clip
    from safetensors import SafetensorError

    try:
        if path.suffix != ".safetensors":
            read_torch_file(path)
        return open_clip.create_model(
            model,
            pretrained=str(path.absolute()),  # a bare name could be a tag; a resolved one loses the cache's suffix
            weights_only=True,
            force_quick_gelu=tag.get("quick_gelu", False),
            force_preprocess_cfg=dict(tag),
        )
    except (SafetensorError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise InvalidInput(
            f"This file does not hold the weights of {model}; give its .safetensors, or a torch state dict.",
            code="weights_file",
        ) from error
