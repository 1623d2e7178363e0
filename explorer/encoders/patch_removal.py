"""Vision transformers in torch that read only some of a picture's patches, for the fill ``drop``.

Both open_clip and timm have a place in their transformers where training may leave patches out at random, after their
positions were added and before the first block (Li et al. 2023, arXiv:2212.00794). There ours are left out.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.encoders.attention import find_attention
from explorer.encoders.gradients import as_tensor, private_copy
from explorer.encoders.torch_settings import settled

DOORS = {
    ("open_clip.transformer", "VisionTransformer"): "patch_dropout",
    ("timm.models.vision_transformer", "VisionTransformer"): "patch_drop",
}
"""The module that patches may leave by, of each kind of transformer."""


class Transformer(NamedTuple):
    """A transformer that can do without patches.

    Attributes:
        path: Of it in the network.
        door: Path of the module that patches leave by.
        attentions: Paths of its attentions, from the network.
        prefix: Tokens before those of the patches, which always stay.
        grid: (rows, columns) of the patches.
    """

    path: str
    door: str
    attentions: tuple[str, ...]
    prefix: int
    grid: tuple[int, int]


def find_transformer(network: Any, size: tuple[int, int] | None) -> Transformer | None:
    """The one transformer of a network that reads its answer off a class token, as some token must always be there.

    Args:
        network: In torch.
        size: (h, w) of the pictures it sees, which patches must fill.
    """
    found = [(path, part) for path, part in network.named_modules() if _kind(part) in DOORS]
    if len(found) != 1:
        return None
    ((path, part),) = found
    inner = find_attention(part)
    if not inner or not all(map(_takes_masks, map(part.get_submodule, inner))):
        return None
    if hasattr(part, "patch_embed"):
        embed = part.patch_embed
        grid, patch = embed.grid_size, embed.patch_size
        prefix, pool = part.num_prefix_tokens, part.global_pool
    else:
        grid, patch = part.grid_size, part.patch_size
        prefix, pool = 1, part.pool_type
    fits = size is not None and all(n * p == side for n, p, side in zip(grid, patch, size, strict=True))
    if not (prefix and pool.startswith("tok") and part.attn_pool is None and fits):
        return None
    inside = f"{path}." if path else ""
    rows, columns = map(int, grid)
    return Transformer(
        path, inside + DOORS[_kind(part)], tuple(inside + one for one in inner), int(prefix), (rows, columns)
    )


def _kind(part: Any) -> tuple[str, str]:
    return type(part).__module__, type(part).__qualname__


def _takes_masks(attention: Any) -> bool:
    return "attn_mask" in inspect.signature(attention.forward).parameters


class PatchRemoval:
    """A private copy of a network that leaves patches out.

    Args:
        network: (b, h, w, 3) pixels -> (b, d); it stays as it is.
        transformer: What ``find_transformer`` found in it.
    """

    def __init__(self, network: Any, transformer: Transformer) -> None:
        import torch

        self._network, self._prefix = private_copy(network), transformer.prefix
        self._chosen: Any = None  # (b, t) the tokens that stay, class token first
        self._padding: Any = None  # (b, t) True where there is none; None where all copies are equally long
        removal = self

        class Door(torch.nn.Module):
            def forward(self, tokens: Any) -> Any:
                return tokens[0][removal._chosen]

        owner, _, name = transformer.door.rpartition(".")
        setattr(self._network.get_submodule(owner), name, Door())
        for path in transformer.attentions:
            attention = self._network.get_submodule(path)
            hide = self._by_padding if isinstance(attention, torch.nn.MultiheadAttention) else self._by_mask
            attention.register_forward_pre_hook(hide, with_kwargs=True)

    def _by_padding(self, _part: Any, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, named | {"key_padding_mask": self._padding}

    def _by_mask(self, _part: Any, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        added = None
        if self._padding is not None:
            added = inputs[0].new_zeros(self._padding.shape).masked_fill(self._padding, -math.inf)[:, None, None]
        return inputs, named | {"attn_mask": added}

    def __call__(self, pixels: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.floating]:
        """Embed one picture as often as there are masks.

        Args:
            pixels: (h, w, 3).
            kept: (b, rows, columns) which patches stay.

        Returns:
            (b, d) embeddings.
        """
        import torch

        flat = kept.reshape(len(kept), -1)
        counts = flat.sum(1)
        longest = int(counts.max())
        patches = np.argsort(~flat, axis=1, kind="stable")[:, :longest] + self._prefix
        always = np.broadcast_to(np.arange(self._prefix), (len(kept), self._prefix))
        padding = np.arange(self._prefix + longest) >= self._prefix + counts[:, None]
        with settled(gradients=False):
            picture = as_tensor(self._network, pixels[None])
            self._chosen = torch.from_numpy(np.concatenate([always, patches], axis=1)).to(picture.device)
            self._padding = torch.from_numpy(padding).to(picture.device) if padding.any() else None
            rows = self._network(picture)
        return as_numpy(rows.float())
