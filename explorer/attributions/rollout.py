"""What the methods on transformers share: the evidence in each block's attention, rolled out to a map of patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explorer.attributions.scored import Scored
from explorer.core.errors import InvalidInput
from explorer.encoders.attention import AttentionTaps
from explorer.encoders.gradients import Differentiable


def open_taps(scored: Scored) -> AttentionTaps:
    """Taps on every block's attention.

    Raises:
        InvalidInput: The network shows none.
    """
    looked = scored.looked
    if not looked.attentions:
        raise InvalidInput(
            "This network shows no attention between patches; choose a method that looks at layers or pixels.",
            code="no_attention",
        )
    return AttentionTaps(looked.module, looked.attentions)


def slopes_of(scored: Scored, taps: AttentionTaps, scores: Any) -> list[Any]:
    """Gradients of the scores (b,) of a recorded run by every block's attention (b, heads, t, t).

    They are 0 where a picture lies at the reference.
    """
    import torch

    same = scored.at_reference(scores)[:, None, None, None]
    return [torch.where(same, 0, slope) for slope in taps.slopes(scores.sum())]


def evidence(products: Sequence[Any]) -> Any:
    """What speaks for the score, and for minus the score, in every block.

    Args:
        products: Of each block, (n, heads, t, t): something times its gradient.

    Returns:
        (2, n, blocks, t, t): the positive part of the products, and that of minus the products, averaged over heads.
    """
    import torch

    signs = [torch.stack([(sign * product).relu().mean(1) for product in products], 1) for sign in (1, -1)]
    return torch.stack(signs)


def roll_out(found: Any, *, normalised: bool, added: bool = False) -> Any:
    """Follow the evidence (..., blocks, t, t) through the blocks, each of which also passes its tokens on as they are.

    Args:
        found: The evidence.
        normalised: Whether the rows of each block's matrix are made to add up to 1.
        added: Add the blocks' matrices; else multiply them, the later ones on the left.

    Returns:
        (..., t, t): how much each token at the end comes from each token at the start.
    """
    import torch

    steps = found + torch.eye(found.shape[-1], device=found.device, dtype=found.dtype)
    if normalised:
        steps = steps / steps.sum(-1, keepdim=True)
    if added:
        return steps.sum(-3)
    rolled = steps[..., 0, :, :]
    for block in range(1, steps.shape[-3]):
        rolled = steps[..., block, :, :] @ rolled
    return rolled


def read_patches(looked: Differentiable, rolled: Any) -> Any:
    """The patches (..., rows, columns) as the embedding reads them from (..., t, t).

    It does so from the first token. Extensions of ours: from the mean of the patches' tokens, or from several of the
    tokens before those (a distilled DeiT).
    """
    *shares, pooled = looked.reads
    parts = [share * rolled[..., token, :] for token, share in enumerate(shares) if share]
    if pooled:
        parts.append(pooled * rolled[..., looked.prefix :, :].mean(-2))
    return sum(parts)[..., looked.prefix :].unflatten(-1, looked.grid)
