"""DIX once more, one layer, step and channel at a time: Barkan et al. 2023, equations 3 to 6, and their code.

Meant to be read and believed. ``official`` is written from a description of what the published code does
(``../shared/research/dix.md``, section 1.3); the code itself has no licence and is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import interpolate

Rest = Callable[[Any], Any]
"""Scores (b,) of a layer's outputs (b, c, h, w): the rest of the network and the target."""


def slope_of(rest: Rest, output: Any) -> Any:
    """The gradient of the score by one output (c, h, w)."""
    leaf = output.clone().requires_grad_()
    return torch.autograd.grad(rest(leaf[None])[0], leaf)[0]


def layer_map(rest: Rest, output: Any, steps: int, *, gradients: bool = False) -> Any:
    """M (c, h, w) of one layer's output (c, h, w)."""
    base = torch.empty_like(output)
    for channel in range(len(output)):
        base[channel] = output[channel].min()
    total = torch.zeros_like(output)
    for n in range(1, steps + 1):
        point = base + n / steps * (output - base)
        slope = slope_of(rest, point)
        total += slope if gradients else point * slope
    return (output - base) * total / steps


def paper(layers: Sequence[tuple[Rest, Any]], size: tuple[int, int], steps: int = 10, **options: Any) -> Any:
    """The map (h, w) of some layers, each with the rest of the network after it and its output."""
    found = [layer_map(rest, output, steps, **options).mean(0) for rest, output in layers]
    return torch.stack([grown(m, size) for m in found]).mean(0)


def grown(small: Any, size: tuple[int, int]) -> Any:
    return interpolate(small[None, None], size, mode="bicubic", align_corners=False)[0, 0]


def official(layers: Sequence[tuple[Rest, Any]], size: tuple[int, int], steps: int = 4) -> Any:
    """The map (h, w), from 0 to 1, of the last layer and those before it, in this order."""
    rest, output = layers[0]
    slope = slope_of(rest, output)
    side = 14 if len(layers) == 1 else 28

    def wide(found: Any) -> Any:
        return interpolate(found[None, None], (1024, side, side), mode="trilinear", align_corners=False)[0, 0]

    if len(layers) == 1:
        first = sum(torch.relu(slope * output) for _ in range(steps + 1))
        return scaled(grown(wide(first).sum(0), size))
    first = wide(sum(torch.relu(slope) * torch.relu(output) for _ in range(steps + 1)))
    others = [wide(earlier_layer(rest, output, steps)) for rest, output in layers[1:]]
    found = first * (1 + others[0]) if len(others) == 1 else first * first * (1 + others[0] * others[1])
    return scaled(grown(found.sum(0), size))


def earlier_layer(rest: Rest, output: Any, steps: int) -> Any:
    """The sum (c, h, w) over the path from the smallest channel at each place."""
    base = output.min(0).values.repeat(len(output), 1, 1)
    total = torch.zeros_like(output)
    for k in range(steps + 1):
        point = base + k / steps * (output - base)
        length = (point - base).square().sum().sqrt()
        total += torch.relu(slope_of(rest, point) * torch.relu(point) * length / steps)
    return total


def scaled(found: Any) -> Any:
    return (found - found.min()) / (found.max() - found.min())
