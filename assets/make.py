"""Make the example pictures of this folder and their MANIFEST.json: ``python assets/make.py``.

Every picture comes out of an installed package that may be passed on, named with its licence below. It is turned
to sRGB, at most 640 pixels long, and saved without metadata. The same versions of Pillow and of the packages give
the same bytes.

Needs scikit-image and gradio.

Not taken: gradio's ``cheetah.jpg``. Its own metadata name it a Getty Images/iStock photo under their licence.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

LONG_SIDE = 640
QUALITY = 90
SEAM = 32
"""Pixels over which one half of the two-object picture fades into the other."""


@dataclass(frozen=True)
class Entry:
    """What MANIFEST.json says about one picture.

    Attributes:
        title: What it shows.
        source: Where it comes from; a file of a package is written ``distribution:path``.
        licence: Its licence, and whose word that is.
        changes: What was done to it.
        sha256: Of the file; filled in when it is written.
    """

    title: str
    source: str
    licence: str
    changes: str = "converted to sRGB, at most 640 pixels long, saved as JPEG without metadata"
    sha256: str = ""


GRADIO_LICENCE = "Apache-2.0, as part of gradio; the photographer is not named"

ENTRIES = {
    "cat.jpg": Entry(
        title="Chelsea the cat",
        source="scikit-image:skimage/data/chelsea.png",
        licence="CC0 by the photographer, Stefan van der Walt (says scikit-image)",
    ),
    "espresso.jpg": Entry(
        title="A cup of espresso",
        source="scikit-image:skimage/data/coffee.png",
        licence="CC0 by the photographer, Rachel Michetti; courtesy of Pikolo Espresso Bar (says scikit-image)",
    ),
    "rocket.jpg": Entry(
        title="A Falcon 9 rocket before launch",
        source="scikit-image:skimage/data/rocket.jpg",
        licence="Public domain, released by SpaceX (says scikit-image); flickr.com/photos/spacexphotos/16511594820",
    ),
    "cheetah_face.jpg": Entry(
        title="The face of a cheetah", source="gradio:gradio/media_assets/images/cheetah1.jpg", licence=GRADIO_LICENCE
    ),
    "lion.jpg": Entry(
        title="A lion on a rock", source="gradio:gradio/media_assets/images/lion.jpg", licence=GRADIO_LICENCE
    ),
    "espresso_closer.jpg": Entry(
        title="The same cup of espresso, mirrored and closer",
        source="espresso.jpg of this folder",
        licence="CC0, like its source",
        changes="a part of the picture, mirrored and enlarged",
    ),
    "cat_and_espresso.jpg": Entry(
        title="A cat and a cup of espresso",
        source="cat.jpg and espresso.jpg of this folder",
        licence="CC0, like its sources",
        changes="a part of each, side by side, faded into each other",
    ),
}


def read(name: str) -> Image.Image:
    """The packaged picture an asset comes from, upright, RGB in sRGB, at most LONG_SIDE long."""
    distribution, _, path = ENTRIES[name].source.partition(":")
    image = ImageOps.exif_transpose(Image.open(str(metadata.distribution(distribution).locate_file(path))))
    if profile := image.info.get("icc_profile"):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert converted is not None
        image = converted
    image = Image.fromarray(np.asarray(image.convert("RGB")))  # pixels alone: a JPEG's comment would be saved again
    image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return image


def closer(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A second view of the same thing: the part in ``box``, mirrored and enlarged to the size of the whole."""
    return ImageOps.mirror(image.crop(box)).resize(image.size, Image.Resampling.LANCZOS)


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures of one height as one, the left fading into the right over SEAM pixels.

    A hard seam would be an edge of its own, found in no photograph; a network could see it.

    Args:
        left: RGB, w1 x h.
        right: RGB, w2 x h.

    Returns:
        RGB, (w1 + w2 - SEAM) x h.
    """
    joined = Image.new("RGB", (left.width + right.width - SEAM, left.height))
    joined.paste(left, (0, 0))
    fade = np.full((right.height, right.width), 255, np.uint8)
    fade[:, :SEAM] = np.linspace(0, 255, SEAM + 2)[1:-1].round()
    joined.paste(right, (left.width - SEAM, 0), mask=Image.fromarray(fade))
    return joined


def pictures() -> dict[str, Image.Image]:
    """Every picture by its file name, in the manifest's order."""
    made = {name: read(name) for name, entry in ENTRIES.items() if ":" in entry.source}
    cat, espresso = made["cat.jpg"], made["espresso.jpg"]
    face = cat.resize((601, 400), Image.Resampling.LANCZOS).crop((165, 0, 485, 400))
    made["espresso_closer.jpg"] = closer(espresso, (120, 0, 510, 260))
    made["cat_and_espresso.jpg"] = side_by_side(face, espresso.crop((95, 0, 447, 400)))
    return made


def write(folder: Path) -> None:
    """Write the pictures and MANIFEST.json into a folder."""
    manifest = {}
    for name, image in pictures().items():
        file = folder / name
        image.save(file, "JPEG", quality=QUALITY, optimize=True)
        entry = ENTRIES[name]
        distribution, colon, path = entry.source.partition(":")
        source = f"{distribution} {metadata.version(distribution)}, {path}" if colon else entry.source
        manifest[name] = asdict(replace(entry, source=source, sha256=hashlib.sha256(file.read_bytes()).hexdigest()))
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / "MANIFEST.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent)
