"""COCO 2017 validation (Lin et al. 2014, arXiv:1405.0312): pictures with the outlines of all objects, and captions."""

from __future__ import annotations

import contextlib
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.datasets.items import DATASETS, DataSet, Item, package_missing, wrong_layout

TITLE = "COCO 2017 validation"
LAYOUT = (
    "val2017/*.jpg and annotations/instances_val2017.json; with annotations/captions_val2017.json each picture's first "
    "caption is what it is compared with"
)


def load(path: Path) -> list[Item]:
    """The items of a folder; pictures without any object are left out, as in the published evaluation.

    Raises:
        InvalidInput: The folder has another layout.
        WeightsMissing: pycocotools is not installed.
    """
    outlines = path / "annotations" / "instances_val2017.json"
    if not outlines.is_file() or not (path / "val2017").is_dir():
        raise wrong_layout(TITLE, LAYOUT, "the pictures or their annotations are not there")
    instances = _index(outlines)
    captions = _captions(path / "annotations" / "captions_val2017.json")
    items = []
    for number in sorted(instances.getImgIds()):
        objects = instances.loadAnns(instances.getAnnIds(imgIds=number))
        if not objects:
            continue
        picture = path / "val2017" / str(instances.loadImgs(number)[0].get("file_name"))
        if not picture.is_file():
            raise wrong_layout(TITLE, LAYOUT, f"{picture.name} is not there")
        mask = partial(_union, instances, objects)
        items.append(Item(picture.stem, picture, caption=captions.get(number), mask=mask))
    return items


def _index(file: Path) -> Any:
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise package_missing(TITLE, "pycocotools") from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it took
            return COCO(str(file))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise wrong_layout(TITLE, LAYOUT, f"{file.name} is damaged, or not COCO's") from error


def _captions(file: Path) -> dict[int, str]:
    """The first caption of each picture, by its number."""
    if not file.is_file():
        return {}
    told: dict[int, str] = {}
    index = _index(file)
    for annotation in index.loadAnns(sorted(index.getAnnIds())):
        if "caption" not in annotation:
            raise wrong_layout(TITLE, LAYOUT, f"{file.name} has annotations without a caption")
        told.setdefault(annotation["image_id"], str(annotation["caption"]).strip())
    return told


def _union(instances: Any, objects: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """All objects of a picture, crowds included."""
    try:
        for outline in (one["segmentation"] for one in objects):
            if isinstance(outline, list) and len(outline[0]) < 6:  # of which pycocotools raises a bare Exception
                raise ValueError("a polygon of less than three points")
        return np.asarray(np.any([instances.annToMask(one) for one in objects], axis=0))
    except (LookupError, TypeError, ValueError) as error:
        raise wrong_layout(TITLE, LAYOUT, f"an outline of picture {objects[0]['image_id']} is damaged") from error


DATASETS.add("coco", DataSet(TITLE, LAYOUT, "Lin et al. 2014, arXiv:1405.0312", "class", load))
