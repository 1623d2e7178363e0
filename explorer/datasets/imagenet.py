"""ImageNet ILSVRC 2012 validation (Russakovsky et al. 2015, arXiv:1409.0575): 50,000 pictures of 1000 classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from explorer.core.storage import read_text
from explorer.datasets.items import DATASETS, DataSet, Item, package_missing, refuse_twins, wrong_layout

TITLE = "ImageNet validation"
LAYOUT = (
    "val/<wnid>/*.JPEG (a folder for each class, such as n01440764), or *.JPEG with a file val.txt that has a line "
    "'name index' for each, the index that of the class among the 1000 sorted wnids, from 0"
)
LIST = "val.txt"
CLASSES = 1000


def load(path: Path) -> list[Item]:
    """The items of a folder, by class or as listed.

    Raises:
        InvalidInput: The folder holds neither layout.
        WeightsMissing: torchvision, or for a part of the classes timm, is not installed.
    """
    folder = path / "val" if (path / "val").is_dir() else path
    listed = next((place / LIST for place in (folder, path) if (place / LIST).is_file()), None)
    items = _by_class(folder) if listed is None else _by_list(folder, listed)
    refuse_twins(TITLE, LAYOUT, items)
    return items


def _by_list(folder: Path, listed: Path) -> list[Item]:
    items = []
    for number, line in enumerate(read_text(listed).splitlines(), 1):
        if not line.strip():
            continue
        name, _, index = line.strip().rpartition(" ")
        if not name or not re.fullmatch(r"\d{1,4}", index) or int(index) >= CLASSES:
            raise wrong_layout(TITLE, LAYOUT, f"line {number} of {LIST} is not 'name index'")
        picture = folder / name.strip()
        if not picture.is_file():
            raise wrong_layout(TITLE, LAYOUT, f"{LIST} names {name.strip()[:80]}, which is not there")
        items.append(Item(picture.stem, picture, int(index)))
    if not items:
        raise wrong_layout(TITLE, LAYOUT, f"{LIST} is empty")
    return items


def _by_class(folder: Path) -> list[Item]:
    try:
        from torchvision.datasets import ImageFolder
    except ImportError as error:
        raise package_missing(TITLE, "torchvision") from error
    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:  # no folders of classes, or one without pictures
        raise wrong_layout(TITLE, LAYOUT, "there are no folders of classes, or one of them holds no picture") from error
    if not all(re.fullmatch(r"n\d{8}", wnid) for wnid in found.classes):
        raise wrong_layout(TITLE, LAYOUT, "the folders are not named by wnids")
    indices = _class_indices(found.classes)
    files = [Path(path) for path, _ in found.samples]
    alike = Counter(file.stem for file in files)
    keys = [file.stem if alike[file.stem] == 1 else f"{file.parent.name}/{file.stem}" for file in files]
    return [Item(key, file, indices[label]) for key, file, (_, label) in zip(keys, files, found.samples, strict=True)]


def _class_indices(wnids: Sequence[str]) -> list[int]:
    """The indices of sorted wnids among the 1000 classes; all of them need no list."""
    if len(wnids) == CLASSES:
        return list(range(CLASSES))
    try:
        from timm.data import ImageNetInfo
    except ImportError as error:
        raise package_missing(f"a part of the classes of {TITLE}", "timm") from error
    known = {wnid: index for index, wnid in enumerate(sorted(ImageNetInfo().label_names()))}
    if not set(wnids) <= set(known):
        raise wrong_layout(TITLE, LAYOUT, "a folder's wnid is none of the 1000 classes")
    return [known[wnid] for wnid in wnids]


DATASETS.add("imagenet", DataSet(TITLE, LAYOUT, "Russakovsky et al. 2015, arXiv:1409.0575", "class", load))
