"""DIX on transformers (Barkan et al. 2023): attention and its gradients, along a path to one block's attention.

The paper leaves the exact form to its published code, which this follows but for its slip of putting the last block's
attention in the place of an earlier block's.
"""

from __future__ import annotations

from typing import Any

from explorer.attributions.rollout import evidence, open_taps, read_patches, roll_out, slopes_of
from explorer.attributions.scored import Scored, steps_between
from explorer.core.errors import InvalidInput
from explorer.core.steps import Steps

ROLLOUTS = ("product", "sum")
"""The blocks' matrices multiplied, the later ones on the left, or added (the paper's footnote 1)."""


def integrate_attention(
    scored: Scored,
    depth: int,
    steps: int,
    *,
    gradients: bool = False,
    rollout: str = "product",
    signed: bool = True,
    each_step: bool = False,
    official_bug: bool = False,
) -> Steps[Any]:
    """The map of one depth.

    The attention of block ``depth`` from the end is replaced by shares of itself, from just above 0 to 1; the later
    blocks compute theirs anew. Attention times gradient, without its negative part, is averaged over the shares and
    the heads for every block, and rolled out over all blocks.

    Args:
        scored: The question.
        depth: 1 for the last block, 2 for the one before it, and so on.
        steps: Of the integral.
        gradients: Average the gradient alone.
        rollout: Of ROLLOUTS.
        signed: Take off the map for minus the score.
        each_step: Roll out at every step and average the maps, which is the paper's order.
        official_bug: Do as the published code: start the shares at 0, and replace an earlier block's attention by
            shares of the last block's. Only to compare with it.

    Returns:
        (rows, columns) tensor. Runs one picture to see the attention, and one for each step.

    Raises:
        InvalidInput: The network shows no attention, or has fewer blocks, or there is no such rollout.
    """
    import torch

    taps = open_taps(scored)
    blocks = len(scored.looked.attentions)
    if not 1 <= depth <= blocks:
        raise InvalidInput(
            f"The network has {blocks} blocks; number {depth} from the end was asked for. Choose a number, or a "
            "method, that needs no more than there are.",
            code="block_range",
        )
    if rollout not in ROLLOUTS:
        raise InvalidInput(f"Unknown rollout; choose one of: {', '.join(ROLLOUTS)}.", code="unknown_rollout")
    with torch.no_grad(), taps.recording():
        scored.run(scored.pixels)
    yield 1
    whole = taps.used[-1 if official_bug else -depth][0]
    path = steps_between(torch.zeros_like(whole), whole, steps)
    if official_bug:
        path = torch.cat((torch.zeros_like(path[:1]), path))
    parts = []
    for part in path.split(scored.batch):
        with taps.recording(blocks - depth, part):
            scores = scored.run(scored.pixels.expand(len(part), -1, -1, -1))
        slopes = slopes_of(scored, taps, scores)
        products = slopes if gradients else [used * slope for used, slope in zip(taps.used, slopes, strict=True)]
        found = evidence(products)
        parts.append(found if each_step else found.sum(1, keepdim=True) / len(path))
        yield len(part)
    found = torch.cat(parts, 1) if each_step else sum(parts)
    rolled = roll_out(found, normalised=True, added=rollout == "sum").mean(1)
    plus, minus = read_patches(scored.looked, rolled)
    return plus - minus if signed else plus
