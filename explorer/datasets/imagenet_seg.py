"""ImageNet-Segmentation (Guillaumin et al. 2014, doi:10.1007/s11263-014-0713-9): 4,276 pictures with outlines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.datasets.items import DATASETS, DataSet, Item, package_missing, wrong_layout

TITLE = "ImageNet-Segmentation"
FILE = "gtsegs_ijcv.mat"
LAYOUT = f"{FILE} (MATLAB 7.3), or the folder that holds it"
PICTURES, OUTLINES = "value/img", "value/gt"


def load(path: Path) -> list[Item]:
    """The items of the file.

    Raises:
        InvalidInput: No such file, or another content.
        WeightsMissing: h5py is not installed.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise wrong_layout(TITLE, LAYOUT, "the file is not there")
    count = _read(file, _count)
    return [Item(f"{i:04d}", partial(_read, file, _picture, i), mask=partial(_read, file, _outline, i))
            for i in range(count)]  # fmt: skip


def _read(path: Path, what: Callable[..., Any], *place: int) -> Any:
    """Open the file for one reading, so that threads and processes share nothing."""
    try:
        import h5py
    except ImportError as error:
        raise package_missing(TITLE, "h5py") from error
    try:
        with h5py.File(path, "r") as file:
            return what(file, *place)
    except (OSError, LookupError, AttributeError, ValueError, TypeError, RuntimeError) as error:
        raise wrong_layout(TITLE, LAYOUT, "the file is damaged, or not this data set") from error


def _count(file: Any) -> int:
    pictures, outlines = file[PICTURES], file[OUTLINES]
    if len(pictures) != len(outlines):
        raise KeyError("as many outlines as pictures")
    return len(pictures)


def _picture(file: Any, i: int) -> NDArray[np.uint8]:
    """MATLAB's (3, W, H) as (H, W, 3)."""
    return np.ascontiguousarray(np.asarray(file[file[PICTURES][i, 0]], np.uint8).transpose(2, 1, 0))


def _outline(file: Any, i: int) -> NDArray[np.bool_]:
    """A cell inside a cell, (W, H)."""
    inner = file[file[OUTLINES][i, 0]]
    return np.asarray(np.asarray(file[inner[0, 0]]).transpose(1, 0) != 0)


DATASETS.add(
    "imagenet-seg", DataSet(TITLE, LAYOUT, "Guillaumin et al. 2014, doi:10.1007/s11263-014-0713-9", "class", load)
)
