"""Localization with a known answer: what the reference shows is planted in a picture of something else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import DistanceExplainer
from explorer.core.rank import rank_against
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.steps import Steps
from explorer.core.streams import Stream, generator
from explorer.evaluation.localization import Localization, localize, plant
from explorer.evaluation.verdicts import ENOUGH, Patch, judge_patch
from explorer.reports.drawing import Panel, as_seen, draw_maps
from explorer.studies.needs import Arrays, WorkNeed
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

SHUFFLED = "shuffled map"
MIRROR_LABEL = MODES["mirror"].label


@study(
    "localization",
    title="A planted patch: is the answer found?",
    about="What the reference shows is planted in the lower right quarter of a picture of something else. A map that "
    "finds what brings the two closer is positive there and nowhere else. Can each encoder's map, by each way to "
    "select among the masks, and does a map with its pixels shuffled fail, as it must?",
)
def localization(setup: Setup) -> Outline:
    """Every encoder at hand that compares pictures."""
    needs = {
        role: _need(setup, role)
        for role, encoder in setup.encoders.items()
        if "image-image" in encoder.card.compares
    }  # fmt: skip
    return Outline(tuple(needs.values()), lambda setup: _make(setup, needs))


def _need(setup: Setup, role: str) -> WorkNeed:
    encoder, masking = setup.encoders[role], setup.masking()

    def work(_: Setup) -> Steps[Arrays]:
        planted = plant(encoder)
        found = yield from DistanceExplainer(masking).explain(planted.question)
        target, default = planted.question.target, SelectionSettings()
        maps = {f"map {mode}": rank_against(found.probe, target, default.but(mode=mode)).relative for mode in MODES}
        return {**maps, "pixels": planted.question.pixels, "region": planted.region}

    settings = {"encoder": encoder.fingerprint, "masking": masking.to_dict(), "modes": list(MODES)}
    return WorkNeed("planted patch", settings, masking.n_masks, work)


def _make(setup: Setup, needs: Mapping[str, WorkNeed]) -> Findings:
    panels: list[Panel] = []
    scores: dict[tuple[str, str], Localization] = {}
    for role, need in needs.items():
        kept, title = setup.arrays(need), setup.encoders[role].card.title
        maps = {MODES[mode].label: kept[f"map {mode}"] for mode in MODES}
        maps[SHUFFLED] = _shuffled(maps[MIRROR_LABEL])
        for i, (name, values) in enumerate(maps.items()):
            score = scores[title, name] = localize(values, kept["region"])
            below = f"{100 * score.energy:.0f} % inside: {_verdict(score)}"
            panels.append(Panel(values, as_seen(kept["pixels"]), name, row="" if i else title, below=below))
    said, right = _said(scores)
    alt = "Maps of a picture with a cup of coffee planted in its lower right quarter. " + " ".join(said)
    compared = (Compared("planted patch", "not in the paper", " ".join(said), None if right else False),)
    return Findings(draw_maps(panels, len(MODES) + 1, alt), _table(scores), said, compared)


def _said(scores: Mapping[tuple[str, str], Localization]) -> tuple[tuple[str, ...], bool]:
    """Which maps find the patch, and whether all is as it should be."""
    titles = tuple(dict.fromkeys(title for title, _ in scores))
    found = [key for key, score in scores.items() if judge_patch(score) is Patch.FOUND]
    fooled = any(name == SHUFFLED for _, name in found)
    said = tuple(f"{title}: found by {', '.join(n for t, n in found if t == title) or 'none'}." for title in titles)
    last = "A shuffled map passes: mistrust this." if fooled else "A shuffled map is found wanting, as it must be."
    return (*said, last), not fooled and all((title, MIRROR_LABEL) in found for title in titles)


def _table(scores: Mapping[tuple[str, str], Localization]) -> Table:
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (title, name, "inside" if one.pointing else "outside", one.energy, one.iou, one.average_precision, one.chance,
         _verdict(one))
        for (title, name), one in scores.items()
    )  # fmt: skip
    header = (
        "encoder",
        "map",
        "highest value",
        "positive part inside",
        "IoU",
        "average precision",
        "chance",
        "verdict",
    )
    about = (
        "Found: it points inside, and each of the three numbers has come "
        f"{100 * ENOUGH:.0f} % of the way from chance to 1."
    )
    return Table(header, rows, about)


def _verdict(score: Localization) -> str:
    return "found" if judge_patch(score) is Patch.FOUND else "not found"


def _shuffled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return generator(0, Stream.SHUFFLED_MAP).permutation(values.ravel()).reshape(values.shape)
