"""Methods that are wrong on purpose, for a benchmark: what they score is what a metric cannot tell from a map."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import Attribution
from explorer.attributions.question import DistanceExplainer, Question
from explorer.core.masks import MaskSettings
from explorer.core.steps import Steps
from explorer.evaluation import controls


@dataclass(frozen=True)
class Control:
    """A map of Distance Explainer, spoilt; an edge detector needs none.

    Attributes:
        masking: Of the map that is spoilt; its seed is that of the shuffling, too.
    """

    title: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str] = "wrong on purpose"
    needs: ClassVar[tuple[str, ...]] = ()
    in_menus: ClassVar[bool] = False
    name: ClassVar[str]

    masking: MaskSettings = field(default_factory=MaskSettings)

    def passes(self, question: Question) -> int:
        """Those of the map that is spoilt."""
        return self.masking.n_masks

    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The wrong map (h, w)."""
        found = yield from DistanceExplainer(self.masking)(question)
        return controls.CONTROLS[self.name](found, question.pixels, self.masking.seed).astype(np.float32)


@dataclass(frozen=True)
class Inverted(Control):
    """The opposite of what was found."""

    title: ClassVar[str] = "Inverted map"
    about: ClassVar[str] = "Distance Explainer's map with its sign turned"
    name: ClassVar[str] = "inverted"


@dataclass(frozen=True)
class Shuffled(Control):
    """What was found, elsewhere."""

    title: ClassVar[str] = "Shuffled map"
    about: ClassVar[str] = "Distance Explainer's map with its blocks in another order"
    name: ClassVar[str] = "shuffled"


@dataclass(frozen=True)
class Blurred(Control):
    """What was found, vaguely."""

    title: ClassVar[str] = "Blurred map"
    about: ClassVar[str] = "Distance Explainer's map, blurred by a cell"
    name: ClassVar[str] = "blurred"


@dataclass(frozen=True)
class Edges(Control):
    """Where the picture is steep."""

    title: ClassVar[str] = "Edge detector"
    about: ClassVar[str] = "the picture's edges, whatever it is compared with"
    name: ClassVar[str] = "edges"

    def passes(self, question: Question) -> int:
        """None: it does not look at the network."""
        return 0

    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The wrong map (h, w)."""
        yield from ()
        return controls.edges(np.zeros(question.pixels.shape[:2]), question.pixels).astype(np.float32)


CONTROLS: dict[str, type[Attribution]] = {f"control-{kind.name}": kind for kind in (Inverted, Shuffled, Blurred, Edges)}
"""By the key that ``--methods`` takes; ``controls`` stands for all."""
