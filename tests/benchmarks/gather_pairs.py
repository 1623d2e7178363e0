"""A folder of pairs for `explorer benchmark`: the shipped pictures and, where they lie beside the project, the paper's.

    python tests/benchmarks/gather_pairs.py pairs
    explorer benchmark --data pairs:pairs --question distance --gallery pairs --out benchmark

Each picture is compared with the one that EfficientNet-Lite0 finds closest among the others. What the two have in
common lies in a box drawn by hand, for the metrics that compare a map with an outline.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

from PIL import Image, ImageDraw

PAPER = Path(__file__).parents[3] / "shared" / "paper_images"
SHIPPED = Path(__file__).parents[2] / "assets"
PAIRS = [
    ("cat_and_espresso.jpg", "cat.jpg", (0.0, 0.0, 0.48, 1.0)),
    ("espresso.jpg", "espresso_closer.jpg", (0.12, 0.03, 0.80, 0.98)),
    ("cheetah_face.jpg", "lion.jpg", (0.10, 0.10, 1.0, 1.0)),
    ("bee.jpg", "bee2.jpg", (0.17, 0.02, 0.70, 0.73)),
    ("car2.png", "car1.jpg", (0.18, 0.40, 0.97, 0.93)),
    ("labradoodle1.jpg", "labradoodle2.jpg", (0.0, 0.09, 0.97, 1.0)),
]
"""Picture, reference, and the box's left, top, right and bottom as shares of the picture."""


def main() -> None:
    """Gather what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    for picture in sorted(path for source in (SHIPPED, PAPER) for path in source.glob("*.[jp][pn]g")):
        shutil.copyfile(picture, folder / picture.name)
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("picture", "reference", "mask"))
        for number, (picture, reference, box) in enumerate(PAIRS):
            if not (folder / picture).is_file() or not (folder / reference).is_file():
                continue
            mask = f"masks/{number}.png"
            draw_box(folder / picture, box).save(folder / mask)
            rows.writerow((picture, reference, mask))


def draw_box(picture: Path, box: tuple[float, float, float, float]) -> Image.Image:
    """A black picture of the same size with a white box."""
    with Image.open(picture) as opened:
        w, h = opened.size
    mask = Image.new("L", (w, h))
    left, top, right, bottom = box
    ImageDraw.Draw(mask).rectangle((round(left * w), round(top * h), round(right * w) - 1, round(bottom * h) - 1), 255)
    return mask


if __name__ == "__main__":
    main()
