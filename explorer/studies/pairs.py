"""What the studies look at: the paper's pairs (section 3.2), or pairs of shipped pictures that ask the same questions.

The pairs and their files are those of the code that drew the paper's figures (dianna-ai/explainable_embedding);
the car that is compared with a bicycle is not the one that is a reference.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from explorer.core.errors import InvalidInput
from explorer.pictures.examples import FETCH, PAPER_SHA256, asset_path, has_hash, paper_files, shipped_presets
from explorer.pictures.images import as_picture

PICTURES, CAPTIONS, FEATURES = "pictures", "captions", "features"
"""The parts an encoder plays: compares pictures with pictures, with captions, or with pictures once more."""

BoxShares = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of width and height."""


@dataclass(frozen=True)
class Pair:
    """A picture, by its file name, and the picture or caption it is compared with; ``title`` says both in words."""

    title: str
    image: str
    reference: str | None = None
    caption: str | None = None

    @property
    def role(self) -> str:
        """Which encoder it is for."""
        return PICTURES if self.caption is None else CAPTIONS


@dataclass(frozen=True, eq=False)
class Subjects:
    """The pairs by the part they play, and where their pictures lie.

    Attributes:
        paper: Whether these are the paper's own pictures.
        files: Where each picture lies.
        related: Close classes: the paper's bee and fly.
        same: One class: its two bees.
        gallery: The six pairs of figure 8.
        captions: The pairs of figure 9.
        stable: The three pairs of table 2.
        kept: The two pairs of figure 11.
        regions: Boxes drawn by hand, by picture and by what they hold; what a map says about them is reported.
        note: What a reader should know about the pictures.
    """

    paper: bool
    files: Mapping[str, Path]
    related: Pair
    same: Pair
    gallery: tuple[Pair, ...]
    captions: tuple[Pair, ...]
    stable: tuple[Pair, ...]
    kept: tuple[Pair, ...]
    regions: Mapping[str, Mapping[str, tuple[BoxShares, ...]]] = field(default_factory=dict)
    note: str = ""

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every picture's shape and pixels, by file name."""
        found = {}
        for name, path in sorted(self.files.items()):
            try:
                found[name] = as_picture(path).sha256
            except InvalidInput as error:
                raise InvalidInput(f"The picture {name} cannot be used. {error}", code=error.code) from error
        return found


def find_subjects(folder: Path | None = None) -> Subjects:
    """The paper's pictures from a folder or from the cache; where there are none, the shipped ones.

    Args:
        folder: Holds the paper's pictures under their own names.

    Raises:
        InvalidInput: The folder lacks some of them.
    """
    files = {name: folder / name for name in PAPER_SHA256} if folder is not None else paper_files()
    absent = [name for name, path in files.items() if not os.path.isfile(path)]  # nor may it be one we may not see
    if folder is not None and absent:
        raise InvalidInput(
            f"The folder of pictures lacks {', '.join(absent)}; put the paper's ten there, or leave --pictures out.",
            code="study_pictures",
        )
    return paper_subjects(files) if files and not absent else shipped_subjects()


def paper_subjects(files: Mapping[str, Path]) -> Subjects:
    """The paper's pairs, from files of the paper's names."""
    changed = [name for name, sha256 in PAPER_SHA256.items() if not has_hash(files[name], sha256)]
    fly = Pair("bee, against a fly", "bee.jpg", "fly.jpg")
    dogcar_car = Pair("dog and car, against a car", "dogcar.jpg", "car1.jpg")
    flower_car = Pair("flower, against a car", "flower.jpg", "car1.jpg")
    bee_caption = Pair("bee, “a bee”", "bee.jpg", caption="a bee")
    car_caption = Pair("car, “a bicycle”", "car2.png", caption="a bicycle")
    gallery = (
        fly,
        Pair("labradoodle, against another", "labradoodle1.jpg", "labradoodle2.jpg"),
        dogcar_car,
        Pair("dog and car, against a dog", "dogcar.jpg", "labradoodle1.jpg"),
        flower_car,
        Pair("car, against a bicycle", "car2.png", "bike.jpg"),
    )
    captions = (
        Pair("bee, “a bee sitting on a flower”", "bee.jpg", caption="a bee sitting on a flower"),
        bee_caption,
        *(Pair(f"bee, “{said}”", "bee.jpg", caption=said) for said in ("an image of a bee", "a fly", "a flower")),
        Pair("labradoodle, “a labradoodle”", "labradoodle1.jpg", caption="a labradoodle"),
        *(Pair(f"dog and car, “{said}”", "dogcar.jpg", caption=said) for said in ("a car", "a dog")),
        Pair("flower, “a car”", "flower.jpg", caption="a car"),
        car_caption,
    )
    return Subjects(
        paper=not changed,
        files=dict(files),
        related=fly,
        same=Pair("bee, against another bee", "bee.jpg", "bee2.jpg"),
        gallery=gallery,
        captions=captions,
        stable=(fly, flower_car, dogcar_car),
        kept=(bee_caption, car_caption),
        regions=_PAPER_REGIONS,
        note=f"Not the paper's own files, by their hashes: {', '.join(changed)}." if changed else "",
    )


def shipped_subjects() -> Subjects:
    """Pairs of the pictures that come with the project, each in the place of one of the paper's."""
    by_key = {preset.key: preset for preset in shipped_presets()}
    lion = Pair("cheetah, against a lion", "cheetah_face.jpg", "lion.jpg")
    closer = Pair("espresso, against it from closer", "espresso.jpg", "espresso_closer.jpg")
    two_cup = Pair("cat and cup, against the cup", "cat_and_espresso.jpg", "espresso.jpg")
    rocket = Pair("rocket, against a cup", "rocket.jpg", "espresso.jpg")
    cat_caption = Pair("cat and cup, “a cat”", "cat_and_espresso.jpg", caption="a cat")
    cup_caption = Pair("cat and cup, “a cup of coffee”", "cat_and_espresso.jpg", caption="a cup of coffee")
    spots = by_key["cheetah-caption-spots"].caption
    captions = (
        cat_caption,
        cup_caption,
        *(Pair(f"cheetah, “{said}”", "cheetah_face.jpg", caption=said) for said in ("a cheetah", spots, "a lion")),
        Pair("rocket, “a rocket”", "rocket.jpg", caption="a rocket"),
        Pair("rocket, “a car”", "rocket.jpg", caption="a car"),
    )
    gallery = (
        lion,
        closer,
        two_cup,
        Pair("cat and cup, against the cat", "cat_and_espresso.jpg", "cat.jpg"),
        rocket,
        Pair("cat, against a cheetah", "cat.jpg", "cheetah_face.jpg"),
    )
    names = {name for pair in (*gallery, *captions) for name in (pair.image, pair.reference) if name is not None}
    return Subjects(
        paper=False,
        files={name: asset_path(name) for name in sorted(names)},
        related=lion,
        same=closer,
        gallery=gallery,
        captions=captions,
        stable=(lion, rocket, two_cup),
        kept=(cat_caption, cup_caption),
        regions=_SHIPPED_REGIONS,
        note=f"The paper's pictures are not on this computer (`{FETCH}` brings them), so pictures that come with "
        "the project stand in for them: cheetah and lion for bee and fly, one cup seen twice for the two bees.",
    )


_PAPER_REGIONS: dict[str, dict[str, tuple[BoxShares, ...]]] = {
    "bee.jpg": {
        "wings": ((0.37, 0.02, 0.66, 0.30),),
        "stripes": ((0.45, 0.29, 0.70, 0.73),),
        "head": ((0.17, 0.34, 0.31, 0.55),),
        "flower": ((0.22, 0.74, 0.80, 1.0),),
    },
    "labradoodle1.jpg": {"eye": ((0.50, 0.24, 0.66, 0.36),), "collar": ((0.18, 0.52, 0.52, 0.82),)},
    "dogcar.jpg": {"dog": ((0.155, 0.27, 0.46, 0.88),), "car": ((0.55, 0.08, 1.0, 0.65),)},
    "flower.jpg": {"blossom": ((0.22, 0.28, 0.82, 0.82),)},
    "car2.png": {
        "wheels": ((0.26, 0.69, 0.43, 0.90), (0.78, 0.71, 0.95, 0.91)),
        "body": ((0.25, 0.44, 0.95, 0.69),),
    },
}
_SHIPPED_REGIONS: dict[str, dict[str, tuple[BoxShares, ...]]] = {
    "cat_and_espresso.jpg": {"cat": ((0.0, 0.0, 0.47, 1.0),), "cup": ((0.50, 0.0, 1.0, 1.0),)},
    "cheetah_face.jpg": {"face": ((0.25, 0.12, 0.75, 0.75),), "spots": ((0.15, 0.72, 0.85, 1.0),)},
    "rocket.jpg": {"rocket": ((0.45, 0.30, 0.58, 1.0),)},
}
