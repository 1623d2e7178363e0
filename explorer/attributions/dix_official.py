"""What the published code of DIX computes (Barkan et al. 2023), which is not what the paper says; for comparison only.

Written from a description of what that code does, since it has no licence. Against equations 3 to 6: the last layer
is not integrated at all (its baseline is its own output); the baseline of the others is the smallest channel at each
place; the distance from it is one number, a norm; layers are multiplied; and channels are mixed as maps are resized.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, at_least, in_torch
from explorer.core.errors import InvalidInput
from explorer.core.steps import Steps

CHANNELS = 1024
SIDES = {1: 14, 2: 28, 3: 28}
"""What maps (c, rows, columns) are resized to by depth: (CHANNELS, side, side)."""


@dataclass(frozen=True)
class DixOfficial:
    """The published code's map, before it is stretched to 0 to 1; nothing in it is negative but a bicubic overshoot.

    Attributes:
        depth: How many layers, 1 to 3.
        steps: Intervals of the sum, which has one term more.
    """

    about: ClassVar[str] = "what the published code of DIX computes, for comparison"
    source: ClassVar[str] = "Barkan et al. 2023, arXiv:2310.15368"
    needs: ClassVar[tuple[str, ...]] = ("layers",)
    signed: ClassVar[bool] = False
    in_menus: ClassVar[bool] = False

    depth: int = 3
    steps: int = 4

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        if self.depth not in SIDES:
            raise InvalidInput(f"depth must be 1 to {max(SIDES)}, got {self.depth}.", code="depth_range")

    def passes(self, question: Question) -> int:
        """One for the last layer; one for each term and other layer, and one to see its output."""
        return 1 + (self.depth - 1) * (self.steps + 2)

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w).

        Raises:
            InvalidInput: Of a DenseNet more than the last layer is asked for.
        """
        scored = Scored(question)
        if self.depth > 1 and any(type(part).__name__ == "DenseNet" for part in scored.looked.module.modules()):
            raise InvalidInput(
                f"Of a DenseNet the published code of DIX{self.depth} takes other layers than the last stages (its "
                "last normalisation, dense block and transition, one inside the other), so this would not be what it "
                f"computes; choose dix-official-1, or dix{self.depth}, which follows the paper.",
                code="official_layers",
            )
        outputs, slopes = yield from scored.layer(scored.stage(1))
        if self.depth == 1:
            found = self._wide((self.steps + 1) * (slopes * outputs).relu())
        else:
            last = self._wide((self.steps + 1) * slopes.relu() * outputs.relu())
            others = last.new_ones(())
            for number in range(2, self.depth + 1):
                summed = yield from self._summed(scored, scored.stage(number))
                others = others * self._wide(summed)
            found = last ** (self.depth - 1) * (1 + others)
        return scored.spread(found.sum(0), "bicubic")

    def _summed(self, scored: Scored, path: str) -> Steps[Any]:
        """A layer before the last one, (1, c, rows, columns)."""
        import torch

        outputs, _ = yield from scored.seen(path)
        base = outputs.amin(1, keepdim=True)
        shares = torch.arange(self.steps + 1, device=outputs.device) / self.steps
        points = base + shares.to(outputs.dtype).view(-1, 1, 1, 1) * (outputs - base)
        _, slopes = yield from scored.from_layer(path, points)
        lengths = (points - base).flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        return (slopes * points.relu() * lengths / self.steps).relu().sum(0, keepdim=True)

    def _wide(self, found: Any) -> Any:
        """A map (1, c, rows, columns) resized along the channels too, (CHANNELS, side, side)."""
        import torch

        size = (CHANNELS, SIDES[self.depth], SIDES[self.depth])
        return torch.nn.functional.interpolate(found[None], size, mode="trilinear", align_corners=False)[0, 0]


@METHODS.register("dix-official-1")
@dataclass(frozen=True)
class DixOfficial1(DixOfficial):
    """Of the last layer."""

    title: ClassVar[str] = "DIX1 as coded"

    depth: int = 1


@METHODS.register("dix-official-2")
@dataclass(frozen=True)
class DixOfficial2(DixOfficial):
    """Of the last two layers."""

    title: ClassVar[str] = "DIX2 as coded"

    depth: int = 2


@METHODS.register("dix-official-3")
@dataclass(frozen=True)
class DixOfficial3(DixOfficial):
    """Of the last three layers."""

    title: ClassVar[str] = "DIX3 as coded"
