"""Where studies work: encoders, pictures, and the store of what was embedded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question, make_question
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.encoders.base import Encoder
from explorer.pictures.images import as_picture
from explorer.studies.needs import Arrays, ProbeNeed, WorkNeed, few_masks
from explorer.studies.pairs import FEATURES, Pair, Subjects
from explorer.studies.store import Store

EDITION = 1
"""Raised when a study is changed so that results made before are no longer its own."""

MIRROR = SelectionSettings()
"""The paper's default: the tenth of the masks at each end (section 5.3)."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything studies work with.

    Attributes:
        encoders: By role, ``"pictures"``, ``"captions"`` and ``"features"``; a role may be absent.
        subjects: The pairs and their pictures.
        folder: Where what was embedded is kept while the work goes on.
        share: Share of the paper's numbers of masks that is used; 1 but for drafts and tests.
        absent: Why a role has no encoder, by role.
    """

    encoders: Mapping[str, Encoder]
    subjects: Subjects
    folder: Path
    share: float = 1.0
    absent: Mapping[str, str] = field(default_factory=dict)
    _questions: dict[tuple[str, str | None, str | None, str], Question] = field(default_factory=dict, init=False)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What results depend on besides their own settings, as plain values for JSON.

        Few of them depend on the third encoder, and those name it themselves.
        """
        return {
            "edition": EDITION,
            "encoders": {role: self.encoders[role].fingerprint for role in sorted(self.encoders) if role != FEATURES},
            "pictures": self.subjects.hashes,
            "share": self.share,
        }

    @cached_property
    def store(self) -> Store:
        """Of probes and arrays."""
        return Store(self.folder, self.encoders.__getitem__, self.subjects.files.__getitem__, self.identity)

    def lacks(self, roles: tuple[str, ...]) -> str:
        """Why an encoder is not here, or an empty string."""
        return next((self.absent.get(role, "no encoder") for role in roles if role not in self.encoders), "")

    def masks(self, n_masks: int) -> int:
        """The paper's number of masks, or a draft's."""
        return few_masks(n_masks, self.share)

    def masking(self, n_masks: int = 1000, **changes: Any) -> MaskSettings:
        """The paper's masks: 8 cells, half of them kept, or as changed."""
        return MaskSettings(**{"n_masks": self.masks(n_masks), **changes})

    def need(self, pair: Pair, masking: MaskSettings | None = None, role: str = "") -> ProbeNeed:
        """The probe that explains a pair, by its own encoder or by that of another role."""
        role = role or pair.role
        beyond = self.encoders[role].fingerprint if role == FEATURES else ""
        return ProbeNeed(pair.image, role, masking or self.masking(), beyond)

    def question(self, pair: Pair, role: str = "") -> Question:
        """The question a pair asks its own encoder, or that of another role; its reference is embedded once."""
        role = role or pair.role
        name = (pair.image, pair.reference, pair.caption, role)
        if name not in self._questions:
            image, reference = self.subjects.files[pair.image], pair.reference and self.subjects.files[pair.reference]
            encoder = self.encoders[role]
            self._questions[name] = make_question(image, reference=reference, caption=pair.caption, encoder=encoder)
        return self._questions[name]

    def explain(
        self,
        pair: Pair,
        masking: MaskSettings | None = None,
        selection: SelectionSettings = MIRROR,
        role: str = "",
    ) -> Explanation:
        """The map of a pair from a probe that is there; nothing is embedded but the reference."""
        probe = self.store.probe(self.need(pair, masking, role))
        return rank_against(probe, self.question(pair, role).target, selection)

    def picture(self, name: str) -> NDArray[np.uint8]:
        """A picture (H, W, 3) by its file name."""
        return as_picture(self.subjects.files[name]).pixels

    def regions(self, image: str, explanation: Explanation) -> dict[str, NDArray[np.bool_]]:
        """Where in a map the named parts of its picture lie, (h, w) bool each; the boxes are drawn by hand."""
        h, w = explanation.attribution.shape
        box, regions = explanation.probe.box, {}
        for part, boxes in self.subjects.regions.get(image, {}).items():
            inside = np.zeros((h, w), np.bool_)
            for left, top, right, bottom in boxes:
                rows = _pixels(top, bottom, box.top, box.bottom, h)
                inside[rows, _pixels(left, right, box.left, box.right, w)] = True
            regions[part] = inside
        return regions

    def arrays(self, need: WorkNeed) -> Arrays:
        """The result of a piece of work that was filled."""
        return self.store.arrays(need)


def _pixels(low: float, high: float, start: float, end: float, side: int) -> slice:
    """Pixels of a map that sees the shares from start to end, between two shares of the whole picture."""
    first, last = (round(side * min(max((share - start) / (end - start), 0.0), 1.0)) for share in (low, high))
    return slice(first, last)
