"""The attention of transformers in torch, computed where a hook can see it, differentiate by it and replace it.

torch's own attention, timm's, open_clip's and that of Hugging Face's transformers usually run fused, and then the
probabilities never exist; those torch returns on request lie off the path to the output.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.encoders.torch_autograd import gradients

TAP = "attn_drop"
"""The name of the module that the probabilities pass, in every kind of attention once it is opened."""

INTERFACE = "explorer"
"""What our way to compute attention is called among those of Hugging Face's transformers."""


def find_attention(module: Any) -> tuple[str, ...]:
    """Paths of a transformer's self-attentions, the first block's first.

    They are told by their paths, which in one stack of blocks differ in a single number. Attention in windows, in
    pyramids, in a pooling at the end or in a second tower does not, and says nothing about all patches at once.

    Returns:
        Empty where there is no attention, or more of it than one stack.
    """
    paths = [path for path, part in module.named_modules() if _is_attention(part)]
    numbers = [re.findall(r"\d+", path) for path in paths]
    if len({re.sub(r"\d+", "#", path) for path in paths}) != 1:
        return ()
    varying = sum(len(set(column)) > 1 for column in zip(*numbers, strict=True))
    return tuple(paths) if varying <= 1 else ()


def _is_attention(part: Any) -> bool:
    import torch

    if isinstance(part, torch.nn.MultiheadAttention):  # with keys and values as long as the queries, and none added
        return bool(part.in_proj_weight is not None and part.bias_k is None and not part.add_zero_attn)
    if hasattr(part, TAP):
        return hasattr(part, "fused_attn") or hasattr(part, "use_sdpa")  # timm; open_clip 4
    return _is_of_transformers(part)


def _is_of_transformers(part: Any) -> bool:
    return hasattr(part, "is_causal") and hasattr(getattr(part, "config", None), "_attn_implementation")


def open_attention(module: Any, path: str) -> str:
    """Make one attention compute its probabilities in the open.

    Args:
        module: A private copy, which is changed.
        path: Of an attention in it.

    Returns:
        The path of a module whose output the probabilities (b, heads, t, t) are.
    """
    import torch

    part = module.get_submodule(path)
    if isinstance(part, torch.nn.MultiheadAttention):
        owner, _, name = path.rpartition(".")
        setattr(module.get_submodule(owner), name, plain_attention(part))
    elif hasattr(part, "fused_attn"):
        part.fused_attn = False
    elif hasattr(part, "use_sdpa"):
        part.use_sdpa = False
    else:
        _open_transformers(part)
    return f"{path}.{TAP}"


def plain_attention(attention: Any) -> Any:
    """A module that computes what a ``torch.nn.MultiheadAttention`` does, its probabilities passing ``attn_drop``."""
    import torch

    class PlainAttention(torch.nn.Module):
        _qkv_same_embed_dim = False  # or torch.nn.TransformerEncoderLayer takes a fast path past this module

        def __init__(self) -> None:
            super().__init__()
            self.in_proj_weight, self.in_proj_bias = attention.in_proj_weight, attention.in_proj_bias
            self.out_proj, self.num_heads = attention.out_proj, attention.num_heads
            self.batch_first = attention.batch_first
            self.attn_drop = torch.nn.Identity()

        def forward(
            self,
            query: Any,
            key: Any,
            value: Any,
            key_padding_mask: Any = None,
            need_weights: bool = True,
            attn_mask: Any = None,
            **_: Any,
        ) -> tuple[Any, None]:
            if key_padding_mask is not None:
                raise InvalidInput("Attention that skips tokens cannot be looked into.", code="attention_kind")
            if not self.batch_first:
                query, key, value = (tokens.transpose(0, 1) for tokens in (query, key, value))
            weights, biases = self.in_proj_weight.chunk(3), (None, None, None)
            if self.in_proj_bias is not None:
                biases = self.in_proj_bias.chunk(3)
            q, k, v = (
                torch.nn.functional.linear(tokens, weight, bias).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
                for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
            )
            logits = q @ k.transpose(2, 3) * q.shape[3] ** -0.5
            if attn_mask is not None:
                is_bool = attn_mask.dtype == torch.bool
                logits = logits.masked_fill(attn_mask, -math.inf) if is_bool else logits + attn_mask
            out = self.out_proj((self.attn_drop(logits.softmax(3)) @ v).transpose(1, 2).flatten(2))
            return (out if self.batch_first else out.transpose(0, 1)), None

    return PlainAttention()


def _open_transformers(part: Any) -> None:
    """Have an attention of Hugging Face's transformers go our way; a copy has a configuration of its own."""
    import torch
    from transformers import AttentionInterface

    def attend(part: Any, q: Any, k: Any, v: Any, mask: Any, scaling: float, **_: Any) -> tuple[Any, Any]:
        logits = q @ k.transpose(2, 3) * scaling
        probabilities = part.attn_drop((logits if mask is None else logits + mask).softmax(3))
        return (probabilities @ v).transpose(1, 2).contiguous(), probabilities

    AttentionInterface.register(INTERFACE, attend)
    part.attn_drop = torch.nn.Identity()
    part.config._attn_implementation = INTERFACE


class AttentionTaps:
    """Sees the attention of every block, has the gradients by it, and can replace that of one block.

    Args:
        module: With opened attentions.
        paths: Of the modules that return the probabilities, the first block's first.

    Attributes:
        used: The attention (b, heads, t, t) of each block in the last run, replaced or not, cut from the graph.
    """

    def __init__(self, module: Any, paths: tuple[str, ...]) -> None:
        self._parts = [module.get_submodule(path) for path in paths]
        self.used: list[Any] = []
        self._added: list[Any] = []

    @contextmanager
    def recording(self, block: int | None = None, attention: Any = None) -> Iterator[AttentionTaps]:
        """Record a run.

        Args:
            block: The block whose attention is replaced, 0 the first; the later ones compute theirs anew.
            attention: What takes its place, (b, heads, t, t).
        """
        import torch

        self.used, self._added = [], []

        def see(place: int, output: Any) -> Any:
            found = attention if place == block else output
            added = torch.zeros_like(found, requires_grad=True)  # blocks before the replaced one have gradients too
            self.used.append(found.detach())
            self._added.append(added)
            return found + added

        with ExitStack() as hooks:
            for place, part in enumerate(self._parts):
                hook = part.register_forward_hook(lambda _part, _inputs, output, place=place: see(place, output))
                hooks.callback(hook.remove)
            yield self

    def slopes(self, total: Any) -> list[Any]:
        """Gradients of a scalar of the recorded run by the attention of each block, each (b, heads, t, t)."""
        return list(gradients(total, self._added))
