"""Localization on the Evidence tab: is a patch found that we planted ourselves?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import DistanceExplainer
from explorer.core.embedder import WHOLE
from explorer.core.steps import Parts
from explorer.evaluation.localization import Localization, box_region, localize, plant
from explorer.evaluation.verdicts import Patch, judge_patch
from explorer.reports.drawing import as_seen
from explorer.ui.tabs.evidence.charts import plain
from explorer.ui.tabs.evidence.evidence import Evidence, Option, Part, Report, kind_of, numbers
from explorer.ui.tabs.evidence.pictures import strip

CORNERS = {
    "lower right": (0.5, 0.5, 1.0, 1.0),
    "lower left": (0.0, 0.5, 0.5, 1.0),
    "upper right": (0.5, 0.0, 1.0, 0.5),
    "upper left": (0.0, 0.0, 0.5, 0.5),
}
"""Where the patch can lie: left, top, right and bottom as shares."""

HEADS = {
    Patch.FOUND: "Found: the map points at the cup and is red there.",
    Patch.POINTED: "The strongest red lies on the cup, but much of it lies elsewhere.",
    Patch.MISSED: "Not found: the strongest red lies outside the cup.",
}

Answer = tuple[NDArray[Any], NDArray[np.float32]]
"""What the encoder sees (h, w, 3) of the planted picture, and its map (h, w)."""


class PlantedPatchEvidence(Evidence):
    """A picture with a known answer, asked with the settings of the map on screen."""

    key = "planting"
    title = "Does the method find what we planted?"
    read = (
        "A cup of coffee is pasted into a picture of a rocket, and the reference is the cup. Whoever explains that "
        "well must be red on the cup and nowhere else. The encoder is that of your map, and so are the selection and "
        "the kind of masks, where there are any."
    )
    limits = (
        "It tests the method, the encoder and the settings, not your map: with a pair less alike than a cup and "
        "itself, the same settings can still miss."
    )
    verb = "Look for the cup"
    options = (
        Option(
            "corner",
            "Planted in the",
            tuple((corner, f"{corner} quarter") for corner in CORNERS),
            "lower right",
            folded=False,
        ),
        Option("masks", "Masks", numbers(60, 100, 200, 500, 1000), "200"),
    )

    def about(self) -> str:
        """Another picture than the one on screen, and another map."""
        planted = f"a cup planted in the {self.chosen['corner']} quarter of a picture of a rocket"
        return f"{planted}, against the cup, {self.subject.made(self.method, int(self.chosen['masks']))}"

    def parts(self) -> tuple[Part, ...]:
        """One map."""
        return ((kind_of(self.method), self._method().passes(self.sketch())),)

    def under(self) -> str:
        """Where the cup is, and the map's masks."""
        return f"the cup in the {self.chosen['corner']} quarter{self._with_masks()}"

    def steps(self) -> Parts[Answer]:
        """Plant, and make the map."""
        distance = self.subject.explanation.selection.distance
        planted = plant(self.subject.encoder(), box=CORNERS[self.chosen["corner"]], distance=distance)
        method = self._method()
        yield 0
        if isinstance(method, DistanceExplainer):
            attribution = (yield from method.explain(planted.question)).relative
        else:
            attribution = yield from method(planted.question)
        return planted.question.pixels, attribution

    def findings(self, result: Answer, stopped: bool) -> Report:
        """The planted picture with its map, and how well the two fit."""
        pixels, attribution = result
        score = localize(attribution, box_region(attribution.shape, CORNERS[self.chosen["corner"]]))
        picture = as_seen(pixels)
        maps = (
            (None, "What was asked", f"a cup in the {self.chosen['corner']} quarter"),
            (attribution, "What was answered", f"{plain(100 * score.energy, 0)} % of the red inside"),
        )
        return {
            "verdict": planting_verdict(score),
            "outcome": HEADS[judge_patch(score)],
            "charts": [],
            "table": _table(score),
            "strip": strip(picture, WHOLE, maps),
        }


def planting_verdict(score: Localization) -> list[str]:
    """Whether the map finds the patch, against a map that knows nothing."""
    return [
        HEADS[judge_patch(score)],
        f"{plain(100 * score.energy, 0)} % of the red lies inside (chance {plain(100 * score.chance, 0)} %); the "
        f"reddest quarter of the picture and the cup overlap by {plain(score.iou, 2)} (chance "
        f"{plain(score.chance_iou, 2)}).",
    ]


def _table(score: Localization) -> dict[str, Any]:
    return {
        "caption": "Each is 0 to 1, 1 = perfect; chance is what a map that knows nothing would get.",
        "head": ["Measure", "map", "chance"],
        "rows": [
            ["points inside", "yes" if score.pointing else "no", plain(score.chance, 2)],
            ["share of the red inside", plain(score.energy), plain(score.chance, 2)],
            ["overlap (IoU)", plain(score.iou), plain(score.chance_iou, 2)],
            ["average precision", plain(score.average_precision), plain(score.chance, 2)],
        ],
    }
