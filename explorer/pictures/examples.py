"""Example pictures, and the pairs of them that are worth looking at, by the question they ask.

The pictures that come with the project have clear licences, all in ``assets/MANIFEST.json``. The paper's ten have
none, so they are not shipped: ``fetch_examples`` (``explorer examples fetch``) downloads them from its public
repository into the cache folder, each checked against the hash of the one the paper used, and the paper's presets
(section 3.2) then join the list.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.core.errors import CannotWrite, InvalidInput, WeightsMissing
from explorer.core.limits import MAX_UPLOAD_BYTES
from explorer.core.storage import cache_folder, file_hash

if TYPE_CHECKING:
    import requests

PAPER_URL = (
    "https://raw.githubusercontent.com/dianna-ai/explainable_embedding/"
    "839e5d2b39fa7a939cb9c8610e2e98a7fc608e7f/notebooks/data/"
)
PAPER_SHA256 = {
    "bee.jpg": "3d829b4f5173363ec960c0b4de5130c96e4ff9c89f7cd5a784947150ffc119e6",
    "bee2.jpg": "7b7192f350d1ed4f533f7ceb8cd15b0fe8ab09741c744fdc2c292ba8d47ea632",
    "bike.jpg": "8abc4aa6aede5066d5d01b033358bede9b5d19c253a53e5028449b0d58fc1cbb",
    "car1.jpg": "9e96781a0777793c40dc2e22060826350794d91d76d0d088292455530b69b575",
    "car2.png": "696c11cb2f03af4bf7f36a7a54e374170e722df0d16f4efefa2cb605735d1ab2",
    "dogcar.jpg": "7642ee33e81353816f38fe47ad93645c6eab18ab8ac397ff63640698fe703a52",
    "flower.jpg": "e570bcbf3279a055aa3a887ed8d2dc5a420ea3a08ac38979d6c819f61db78f44",
    "fly.jpg": "1991771025f9a6a48e86dd142f59d669076ba05c2b60a7d667bb2eede4477146",
    "labradoodle1.jpg": "f7b3b1d9c0d860ce2d3d35260a3d1e1ed3af1da04425dc00e519c477e7256cae",
    "labradoodle2.jpg": "cb39d8a035e31d71fe1458289f5432e2c03ef3686b6be6f1ce4d1a8586fda254",
}
FETCH = "explorer examples fetch"
TIMEOUT = 20.0
"""Seconds without an answer before a download is given up."""
DEADLINE = 120.0
"""Seconds one picture may take in all, however slowly it drips."""


def fetch_examples(on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Download the paper's pictures into the cache folder; those already there are only checked.

    Args:
        on_progress: Called with pictures done and pictures in all.

    Returns:
        The folder they lie in.

    Raises:
        WeightsMissing: No network, or a picture is not the one the paper used; whole pictures are kept.
        CannotWrite: The cache folder cannot be written.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder = examples_folder()
    pictures = pooch.create(folder, PAPER_URL, registry={name: f"sha256:{h}" for name, h in PAPER_SHA256.items()})
    for done, name in enumerate(PAPER_SHA256, 1):
        try:
            pictures.fetch(name, downloader=_download)
        except ValueError as error:
            raise WeightsMissing(
                f"What was downloaded as {name} is not the paper's picture, so it was not kept; "
                f"run `{FETCH}` again, from another network if this one shows a log-in page.",
                code="examples_hash",
            ) from error
        except OSError as error:
            raise CannotWrite(
                f"Cannot write {name} to the cache folder, so it was not kept; free some space there, or set "
                "EXPLORER_CACHE to another folder.",
                code="examples_not_written",
            ) from error
        if on_progress is not None:
            on_progress(done, len(PAPER_SHA256))
    return folder


def examples_folder() -> Path:
    """Where the paper's pictures are kept."""
    return cache_folder() / "examples"


def paper_files() -> dict[str, Path]:
    """Where the paper's pictures are or would be; empty when this user can keep none."""
    try:
        return {name: examples_folder() / name for name in PAPER_SHA256}
    except CannotWrite:
        return {}


def has_hash(path: Path, sha256: str) -> bool:
    """Whether a file is there and has that SHA-256."""
    if not path.is_file():
        return False
    facts = path.stat()
    return _hash(path, facts.st_mtime_ns, facts.st_size) == sha256


@lru_cache(maxsize=64)
def _hash(path: Path, changed: int, size: int) -> str:
    """The sha256 of a file as it was then."""
    return file_hash(path)


def _session() -> requests.Session:
    """Opens https and nothing else, wherever a redirect may point."""
    import requests

    session = requests.Session()
    del session.adapters["http://"]
    return session


def _download(url: str, file: str, _: Any) -> None:
    """Write the body of an answer, cut after the cap for files, for pooch to check and to move to its place."""
    import requests

    end, size = time.monotonic() + DEADLINE, 0
    try:
        with _session().get(url, timeout=TIMEOUT, stream=True) as answer, open(file, "wb") as out:
            answer.raise_for_status()
            for part in answer.iter_content(1 << 16):
                out.write(part)
                size += len(part)
                if time.monotonic() > end:
                    raise requests.Timeout
                if size > MAX_UPLOAD_BYTES:
                    break
    except requests.RequestException as error:
        raise WeightsMissing(
            f"The paper's pictures could not be downloaded; connect to the network and run `{FETCH}`.",
            code="examples_offline",
        ) from error


SAME = "same class"
RELATED = "related classes"
TWO = "two objects in one picture"
OPPOSITES = "opposites"
CAPTION = "picture and caption"
FIRST_PRESET = "two-espresso"
"""Shown before anyone clicks: the reference is one of two things in the picture, so everybody can say where it is."""
TOUR = ("cheetah-lion", "two-espresso", "cat-cheetah", "two-cat", "espresso-closer", "rocket-espresso")
"""What the tour asks about: the first that has not been on screen. Their stories do not give the answer away."""
QUESTIONS = (SAME, RELATED, TWO, OPPOSITES, CAPTION)


@dataclass(frozen=True)
class Preset:
    """One pair to explain.

    Attributes:
        key: Names it.
        question: One of QUESTIONS.
        title: One line for a list.
        image: The picture explained, a name for ``asset_path``.
        reference: The picture it is compared with, or None when a caption is.
        caption: The caption it is compared with, or None when a picture is.
        encoder: A key of the cards.
        story: One sentence: what to look for.
    """

    key: str
    question: str
    title: str
    image: str
    reference: str | None
    caption: str | None
    encoder: str
    story: str


def _pair(key: str, question: str, title: str, image: str, reference: str, story: str) -> Preset:
    return Preset(key, question, title, image, reference, None, "efficientnet-lite0-features", story)


def _caption(key: str, what: str, image: str, caption: str, story: str) -> Preset:
    return Preset(key, CAPTION, f"{what}, “{caption}”", image, None, caption, "conse-lite0", story)


# fmt: off
_SHIPPED = (
    _pair("espresso-closer", SAME, "Espresso and the same cup, closer", "espresso.jpg", "espresso_closer.jpg",
          "Two views of one cup: which parts make them alike, the coffee, the cup or the saucer?"),
    _pair("cheetah-lion", RELATED, "Cheetah and lion", "cheetah_face.jpg", "lion.jpg",
          "Two wild cats: what do their faces share, and do spots and tear lines set them apart?"),
    _pair("cat-cheetah", RELATED, "Cat and cheetah", "cat.jpg", "cheetah_face.jpg",
          "A house cat against its wild relative: which parts of its face come closest to the cheetah's?"),
    _pair("two-cat", TWO, "Cat with espresso, and the cat", "cat_and_espresso.jpg", "cat.jpg",
          "The reference is the cat alone: does the map part the picture into cat and cup?"),
    _pair("two-espresso", TWO, "Cat with espresso, and the espresso", "cat_and_espresso.jpg", "espresso.jpg",
          "Now the reference is the cup alone: does the map turn round?"),
    _pair("rocket-espresso", OPPOSITES, "Rocket and espresso", "rocket.jpg", "espresso.jpg",
          "Nothing in common: does anything in the picture bring a rocket closer to a cup of coffee?"),
    _caption("two-caption-cat", "Cat with espresso", "cat_and_espresso.jpg", "a cat",
             "One picture, two things in it: does the caption pick out the cat?"),
    _caption("two-caption-coffee", "Cat with espresso", "cat_and_espresso.jpg", "a cup of coffee",
             "The same picture with the other caption: does the map turn round?"),
    _caption("cheetah-caption-spots", "Cheetah", "cheetah_face.jpg", "an animal with spots",
             "The caption names no animal: which parts come closest to it?"),
)

_PAPER = (
    _pair("bee-bee2", SAME, "Bee and another bee (paper)", "bee.jpg", "bee2.jpg",
          "Two bees: which parts are the most bee-like, the stripes, the wings or the flower?"),
    _pair("labradoodle-labradoodle", SAME, "Labradoodle and another (paper)", "labradoodle1.jpg", "labradoodle2.jpg",
          "Two labradoodles: what makes them one breed to the network, the fur, the eyes or the collar?"),
    _pair("bee-fly", RELATED, "Bee and fly (paper)", "bee.jpg", "fly.jpg",
          "Both have wings, only one has stripes: which of the two brings them closer, and which sets them apart?"),
    _pair("car-bike", RELATED, "Car and bicycle (paper)", "car1.jpg", "bike.jpg",
          "Both have wheels: do the car's wheels stand out from the rest of it?"),
    _pair("dogcar-car", TWO, "Dog with cars, and a car (paper)", "dogcar.jpg", "car1.jpg",
          "The reference is a car: what does the map say about the cars, and what about the dog?"),
    _pair("dogcar-labradoodle", TWO, "Dog with cars, and a dog (paper)", "dogcar.jpg", "labradoodle1.jpg",
          "Now the reference is a dog: does the map turn round?"),
    _pair("flower-car", OPPOSITES, "Flower and car (paper)", "flower.jpg", "car1.jpg",
          "Nothing in common: does any part bring the flower closer to a car, or do all lead away?"),
    _caption("bee-caption-on-flower", "Bee (paper)", "bee.jpg", "a bee sitting on a flower",
             "Does the map show both, the bee and the flower?"),
    _caption("bee-caption-bee", "Bee (paper)", "bee.jpg", "a bee", "Does the map show the bee alone?"),
    _caption("bee-caption-image", "Bee (paper)", "bee.jpg", "an image of a bee",
             "Does saying that it is an image change the map of “a bee”?"),
    _caption("bee-caption-fly", "Bee (paper)", "bee.jpg", "a fly",
             "Which parts of a bee could be those of a fly, and which could not?"),
    _caption("bee-caption-flower", "Bee (paper)", "bee.jpg", "a flower",
             "Is the flower found, though the bee is the main thing?"),
    _caption("labradoodle-caption", "Labradoodle (paper)", "labradoodle1.jpg", "a labradoodle",
             "One animal, one word: which parts of it answer to the word?"),
    _caption("dogcar-caption-car", "Dog with cars (paper)", "dogcar.jpg", "a car",
             "Two kinds of things, one named: where is the map positive?"),
    _caption("dogcar-caption-dog", "Dog with cars (paper)", "dogcar.jpg", "a dog",
             "The other one named: does the map turn round?"),
    _caption("flower-caption-car", "Flower (paper)", "flower.jpg", "a car",
             "Nothing in common: is there any pattern in the map at all?"),
    _caption("car-caption-bicycle", "Car (paper)", "car1.jpg", "a bicycle",
             "Does the map show the wheels? Try a small p_keep as well: the paper, with CLIP, found them there."),
)
# fmt: on


@dataclass(frozen=True)
class Asset:
    """What the manifest says about one shipped picture.

    Attributes:
        title: What it shows.
        source: The package and file, or the other assets, it was made from.
        licence: Its licence, and whose word that is.
        changes: What was done to it.
        sha256: Of the file.
    """

    title: str
    source: str
    licence: str
    changes: str
    sha256: str


def presets() -> list[Preset]:
    """The shipped presets, and after them the paper's when its pictures have been fetched."""
    files = paper_files()
    fetched = bool(files) and all(path.is_file() for path in files.values())
    return [*shipped_presets(), *(_PAPER if fetched else ())]


def preset_named(key: object) -> Preset:
    """The preset of a key.

    Raises:
        InvalidInput: No such preset.
    """
    found = next((preset for preset in presets() if preset.key == key), None)
    if found is None:
        raise InvalidInput("No such example; choose one from the list.", code="unknown_preset")
    return found


def shipped_presets() -> list[Preset]:
    """Those whose pictures come with the project, and so do their results (see ``explorer.results.wire``)."""
    return list(_SHIPPED)


@cache
def manifest() -> dict[str, Asset]:
    """The shipped pictures by file name, from ``assets/MANIFEST.json``."""
    entries = json.loads((_assets_folder() / "MANIFEST.json").read_text(encoding="utf-8"))
    return {name: Asset(**entry) for name, entry in entries.items()}


def asset_path(name: str) -> Path:
    """Where a picture that a preset names lies.

    Raises:
        InvalidInput: No such example.
        WeightsMissing: It is one of the paper's and has not been fetched.
    """
    if name in manifest():
        return _assets_folder() / name
    if name not in PAPER_SHA256:
        raise InvalidInput(f"No such example picture; choose one of: {', '.join(manifest())}.", code="unknown_example")
    path = paper_files().get(name)
    if path is None or not path.is_file():
        raise WeightsMissing(f"The paper's pictures are not on this computer; run `{FETCH}`.", code="examples_missing")
    return path


def verify_assets() -> list[str]:
    """The shipped pictures that are absent or not what the manifest says; empty when all is well."""
    return [name for name, asset in manifest().items() if not has_hash(_assets_folder() / name, asset.sha256)]


def replay_folder() -> Path:
    """Where the results of the shipped presets lie."""
    return _assets_folder() / "replay"


def _assets_folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    inside = package / "assets"  # in a wheel; in a checkout they lie beside the package
    return inside if inside.is_dir() else package.parent / "assets"
