"""GAE, Generic Attention-model Explainability (Chefer et al. 2021, arXiv:2103.15679), for self-attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.rollout import evidence, open_taps, read_patches, roll_out, slopes_of
from explorer.attributions.scored import Scored, in_torch
from explorer.core.steps import Steps


@METHODS.register("gae")
@dataclass(frozen=True)
class Gae:
    """Attention times its gradient in every block, without its negative part, rolled out from the first to the last.

    Chefer's notebook on CLIP uses the last block only and a score 100 times as large; the maps differ.

    Attributes:
        scale: Of the score, which the identity is added to.
        signed: Take off the map for minus the score, as the method itself only knows evidence for it.
    """

    title: ClassVar[str] = "GAE"
    about: ClassVar[str] = "attention times its gradient, through all blocks"
    source: ClassVar[str] = "Chefer et al. 2021, arXiv:2103.15679"
    needs: ClassVar[tuple[str, ...]] = ("attention",)

    scale: float = 1.0
    signed: bool = True

    def passes(self, question: Question) -> int:
        """One, and back."""
        return 1

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        scored = Scored(question, scale=self.scale)
        taps = open_taps(scored)
        with taps.recording():
            scores = scored.run(scored.pixels)
        slopes = slopes_of(scored, taps, scores)
        yield 1
        found = evidence([used * slope for used, slope in zip(taps.used, slopes, strict=True)])
        plus, minus = read_patches(scored.looked, roll_out(found[:, 0], normalised=False))
        return scored.spread(plus - minus if self.signed else plus)
