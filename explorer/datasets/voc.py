"""PASCAL VOC 2012 validation (Everingham et al. 2010, doi:10.1007/s11263-009-0275-4): 1,449 pictures with outlines."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.datasets.items import DATASETS, DataSet, Item, package_missing, wrong_layout

TITLE = "PASCAL VOC 2012 validation"
LAYOUT = "VOCdevkit/VOC2012 with JPEGImages, SegmentationClass and ImageSets/Segmentation/val.txt"


def load(path: Path) -> list[Item]:
    """The items of a folder; what is drawn as void, the rim of objects, counts as object as in what was published.

    Raises:
        InvalidInput: The folder has another layout.
        WeightsMissing: torchvision is not installed.
    """
    try:
        from torchvision.datasets import VOCSegmentation
    except ImportError as error:
        raise package_missing(TITLE, "torchvision") from error
    try:
        found = VOCSegmentation(str(path), year="2012", image_set="val")
    except (RuntimeError, FileNotFoundError) as error:
        raise wrong_layout(TITLE, LAYOUT, "the folder or its list is not there") from error
    absent = [Path(file).name for file in (*found.images, *found.masks) if not Path(file).is_file()]
    if absent:
        raise wrong_layout(TITLE, LAYOUT, f"{absent[0]} and {len(absent) - 1} more are not there")
    return [Item(Path(file).stem, Path(file), mask=partial(_objects, found, i)) for i, file in enumerate(found.images)]


def _objects(found: Any, i: int) -> NDArray[np.bool_]:
    """The palette's indices, 0 for what is no object."""
    try:
        return np.asarray(np.asarray(found[i][1]) != 0)
    except (OSError, SyntaxError, ValueError) as error:  # as PIL reads damaged files
        raise wrong_layout(TITLE, LAYOUT, f"the outlines {Path(found.masks[i]).name} are damaged") from error


DATASETS.add("voc", DataSet(TITLE, LAYOUT, "Everingham et al. 2010, doi:10.1007/s11263-009-0275-4", "class", load))
