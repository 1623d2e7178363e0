"""RISE (Petsiuk et al. 2018, arXiv:1806.07421): random masks, each weighted by how close its copy lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question, probe_question
from explorer.attributions.scored import blank_if_flat
from explorer.core.distances import indistinct, measure
from explorer.core.masks import MaskSet, MaskSettings
from explorer.core.steps import Steps


@METHODS.register("rise")
@dataclass(frozen=True)
class Rise:
    """sum_i (c_i - mean c) M_i / (n p), with the closeness c = 1 - distance of each masked copy.

    RISE itself weights by the class probability, without taking the mean off. Closeness varies little around a large
    mean, so that an uncentred map would mostly show how many masks happen to cover each pixel.

    Attributes:
        masking: How to mask; the seed freezes the masks.
        masks: Masks to use in place of those ``masking`` names.
        centred: Whether the mean closeness is taken off, which makes the map signed.
    """

    title: ClassVar[str] = "RISE"
    about: ClassVar[str] = "all masks, weighted by how close their copies land"
    source: ClassVar[str] = "Petsiuk et al. 2018, arXiv:1806.07421"
    needs: ClassVar[tuple[str, ...]] = ()

    masking: MaskSettings = field(default_factory=MaskSettings)
    masks: MaskSet | None = None
    centred: bool = True

    def passes(self, question: Question) -> int:
        """One for each mask."""
        return self.masking.n_masks if self.masks is None else len(self.masks)

    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        probe = yield from probe_question(question, self.masking, self.masks)
        distances = measure(question.distance, probe.embeddings, question.target.embedding)
        if indistinct(question.distance, distances, probe.embeddings, question.target.embedding, probe.precision):
            return np.zeros(probe.masks.size, np.float32)
        return self.of_distances(probe.masks, distances)

    def of_distances(self, masks: MaskSet, distances: NDArray[np.float64]) -> NDArray[np.float32]:
        """The attribution (h, w) of masks whose copies lie at distances (n,) known already."""
        closeness = 1 - distances
        if self.centred:
            closeness = closeness - closeness.mean()
        return blank_if_flat(masks.weighted_sum(closeness / (len(masks) * self.masking.p_keep)))
