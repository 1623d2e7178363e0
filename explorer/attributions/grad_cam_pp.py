"""Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from explorer.attributions.method import METHODS
from explorer.attributions.one_layer import OneLayer
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored


@METHODS.register("grad-cam++")
@dataclass(frozen=True)
class GradCamPlusPlus(OneLayer):
    """The map of the score less that of minus the score, each relu(sum_c w_c A_c).

    w_c = sum_ij alpha relu(g), alpha = g^2 / (2 g^2 + g^3 sum_ij A), with the gradients g of the channel A. The paper
    explains exp(score); like later implementations we take the score itself.

    Attributes:
        scale: Of the score, which this method is not indifferent to.
    """

    title: ClassVar[str] = "Grad-CAM++"
    about: ClassVar[str] = "the last layer's channels, weighted by their positive gradients"
    source: ClassVar[str] = "Chattopadhay et al. 2018, arXiv:1710.11063"

    scale: float = 1.0

    def scored(self, question: Question) -> Scored:
        """The score, scaled."""
        return Scored(question, scale=self.scale)

    def small(self, outputs: Any, slopes: Any) -> Any:
        return one_sided(outputs, slopes) - one_sided(outputs, -slopes)


def one_sided(outputs: Any, slopes: Any) -> Any:
    """The map (1, rows, columns), none of it negative, of a layer's outputs and gradients (1, c, rows, columns)."""
    below = 2 * slopes**2 + slopes**3 * outputs.sum((2, 3), keepdim=True)
    alpha = (slopes**2 / below).where(below != 0, 0)
    weights = (alpha * slopes.relu()).sum((2, 3), keepdim=True)
    return (weights * outputs).sum(1).relu()
