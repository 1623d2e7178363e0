"""Figures 8 and 9: the maps of all pairs at the default settings (paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core.embedder import WHOLE
from explorer.reports.drawing import draw_maps, panel_seen
from explorer.results.summary import describe
from explorer.studies.map_tables import Claim, Holds, check, inside, maps_of, readings, regions_table
from explorer.studies.pairs import CAPTIONS, Pair
from explorer.studies.setup import Setup
from explorer.studies.study import Findings, Outline, study

ALT = "Maps over their pictures, red where keeping a region brings the pair closer, blue where it pushes it apart. "


def _parted(closer: str, apart: str) -> Holds:
    """One part brings the pair closer, and another pushes it apart."""
    return lambda parts, _: parts[closer] > 0 > parts[apart]


def _alone(part: str, other: str) -> Holds:
    """One part brings the pair closer, and more so than another."""
    return lambda parts, _: parts[part] > max(0.0, parts[other])


CLAIMS = (
    Claim(
        "bee, against a fly",
        "the wings bring the bee closer to a fly, the stripes drive it away",
        _parted("wings", "stripes"),
    ),
    Claim(
        "labradoodle, against another",
        "eyes and collar are what is most labradoodle-like",
        lambda parts, values: min(parts["eye"], parts["collar"]) > max(0.0, float(values.mean())),
    ),
    Claim("dog and car, against a car", "the car brings it closer, the dog pushes it away", _parted("car", "dog")),
    Claim(
        "dog and car, against a dog",
        "the reverse: the dog brings it closer, the car pushes it away",
        _parted("dog", "car"),
    ),
    Claim(
        "flower, against a car",
        "the flower pushes it away, and nothing brings it closer",
        lambda parts, values: parts["blossom"] < 0 and values.max() < 0.5 * abs(values.min()),
    ),
    Claim(
        "car, against a bicycle",
        "the car pushes it away, its wheels do not stand out as different",
        lambda parts, _: parts["body"] < 0 and parts["wheels"] > parts["body"],
    ),
    Claim(
        "cat and cup, against the cup",
        "in the paper, of two things in one picture: the reference's kind closer, the other apart",
        _parted("cup", "cat"),
    ),
    Claim("cat and cup, against the cat", "the reverse", _parted("cat", "cup")),
    Claim("dog and car, “a car”", "expected: the car stands out", _parted("car", "dog")),
    Claim("dog and car, “a dog”", "expected: the dog stands out", _alone("dog", "car")),
    Claim("bee, “a bee”", "expected: the bee alone is highlighted", _alone("stripes", "flower")),
    Claim(
        "bee, “a flower”",
        "asked: is the flower found, though the bee is the main thing?",
        _alone("flower", "stripes"),
    ),
    Claim(
        "cat and cup, “a cat”",
        "in the paper, of two things in one picture: the one named stands out",
        _alone("cat", "cup"),
    ),
    Claim("cat and cup, “a cup of coffee”", "the same, the other one named", _alone("cup", "cat")),
)


study(
    "figure-8",
    title="Six pairs of pictures, default settings",
    section="5.1",
    about="The maps of all pairs of pictures with 1000 masks of 8 x 8 cells, half of them kept, and the tenth of the "
    "masks at each end of the ranking. The paper reads them one by one: wings against stripes for the bee and the "
    "fly, eyes and collar for the labradoodle, car and dog parted and the parts exchanged with the reference, only "
    "repulsion for flower and car, and a car whose wheels are left out of what sets it apart from a bicycle.",
)(lambda setup: _gallery(setup, setup.subjects.gallery, columns=3))
study(
    "figure-9",
    title="Pictures and captions, default settings",
    section="5.1",
    about="The same for pictures and captions. The paper finds these maps a little less sharp, and convincing still. "
    "It expects bee and flower for “a bee sitting on a flower”, the bee alone for “a bee”, and the one thing named "
    "where a picture holds two (section 3.2).",
    roles=(CAPTIONS,),
)(lambda setup: _gallery(setup, setup.subjects.captions, columns=4))


def _gallery(setup: Setup, pairs: Sequence[Pair], columns: int) -> Outline:
    def make(setup: Setup) -> Findings:
        explanations = {pair.title: setup.explain(pair) for pair in pairs}
        regions = {pair.title: inside(setup, pair, explanations[pair.title]) for pair in pairs}
        maps = {title: explanation.relative for title, explanation in explanations.items()}
        said = tuple(
            f"{title[0].upper()}{title[1:]}: {describe(one, box=WHOLE)}" for title, one in explanations.items()
        )
        panels = [panel_seen(explanation, title) for title, explanation in explanations.items()]
        compared = check(CLAIMS, regions, maps)
        odd = [line.what for line in compared if line.agrees is False]
        return Findings(
            draw_maps(panels, columns, ALT + " ".join(said)),
            readings(list(explanations), list(explanations.values())),
            said,
            compared,
            _differs(setup, pairs[0].role, odd),
            {"regions": regions_table(regions)},
            maps_of(list(explanations.values())),
        )

    return Outline(tuple(setup.need(pair) for pair in pairs), make)


def _differs(setup: Setup, role: str, odd: Sequence[str]) -> str:
    model = setup.encoders[role].card.title
    if not odd:
        return ""
    theirs = "CLIP ViT-B/32" if role == CAPTIONS else "ResNet50"
    return (
        f"Not as the paper says or expects: {'; '.join(odd)}. A map is about the network as much as about the "
        f"pictures, and {model} is not the paper's {theirs}: where the two put a picture into other classes, other "
        "parts of it count."
    )
