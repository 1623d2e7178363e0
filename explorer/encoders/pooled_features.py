"""One vector for each picture, out of what networks of Hugging Face's transformers answer."""

from __future__ import annotations

import sys
from typing import Any

ANSWERS = ("image_embeds", "logits", "pooler_output")
"""What their vectors are called, the best first."""


def is_of_transformers(network: Any) -> bool:
    """Whether a network is one of transformers', which need not be installed."""
    library = sys.modules.get("transformers.modeling_utils")
    return library is not None and isinstance(network, library.PreTrainedModel)


def pooled(network: Any, planes: Any) -> Any:
    """Embeddings (b, d) of (b, c, h, w): image features, scores of classes, or what its pooler gives.

    Of a network without any the class token, or the mean of all tokens or of the last map where there is none. What
    has no such vector is returned as it is.
    """
    has_text = hasattr(network, "get_image_features")
    answer = (network.get_image_features if has_text else network)(pixel_values=planes)
    for name in ANSWERS:
        if (rows := _vectors(getattr(answer, name, None))) is not None:
            return rows
    last = getattr(answer, "last_hidden_state", answer)
    if getattr(last, "ndim", 0) == 3:
        return last[:, 0] if _has_class_token(network) else last.mean(1)
    return last.mean((2, 3)) if getattr(last, "ndim", 0) == 4 else last


def _vectors(found: Any) -> Any:
    """A tensor (b, d), or one (b, d, 1, 1) as such; else None."""
    if getattr(found, "ndim", 0) > 2 and all(side == 1 for side in found.shape[2:]):
        found = found.flatten(1)
    return found if getattr(found, "ndim", 0) == 2 else None


def _has_class_token(network: Any) -> bool:
    names = {name.rpartition(".")[2] for name, _ in network.named_parameters()}
    return bool(names & {"cls_token", "class_embedding"})
