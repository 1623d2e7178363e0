"""What a data set is made of: pictures, and what is known about each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.extras import how_to_install
from explorer.core.registry import Registry
from explorer.core.storage import file_hash
from explorer.pictures.formats import ENDINGS
from explorer.pictures.images import as_picture
from explorer.pictures.rules import own_rules


@dataclass(frozen=True, eq=False)
class Item:
    """One picture of a data set; no pixel is read before it is asked for.

    Attributes:
        key: Names it within its data set.
        picture: A file, or what reads (H, W, 3) uint8.
        class_index: The true class, where it is known.
        reference: The picture it is compared with, as ``picture``.
        caption: The sentence it is compared with.
        mask: A picture, black where the object is not, or what reads (H, W) bool, True where the object is.
    """

    key: str
    picture: Path | Callable[[], NDArray[np.uint8]]
    class_index: int | None = None
    reference: Path | Callable[[], NDArray[np.uint8]] | None = None
    caption: str | None = None
    mask: Path | Callable[[], NDArray[np.bool_]] | None = None

    @property
    def compared(self) -> bool:
        """Whether there is something to compare the picture with."""
        return self.reference is not None or self.caption is not None

    @property
    def fingerprint(self) -> str:
        """Of what is known about it and of the files named here: other pixels under the same name have another."""
        files = (self.picture, self.reference, self.mask)
        facts = [content(file) if isinstance(file, Path) else file is not None for file in files]
        return json.dumps([self.key, self.class_index, self.caption, *facts])

    def load(self) -> NDArray[np.uint8]:
        """The picture (H, W, 3) uint8.

        Raises:
            InvalidInput: It cannot be read.
        """
        return as_picture(self.picture if isinstance(self.picture, Path) else self.picture(), own_rules()).pixels

    def load_reference(self) -> NDArray[np.uint8] | None:
        """The reference (H, W, 3) uint8, where it is a picture.

        Raises:
            InvalidInput: It cannot be read.
        """
        if self.reference is None:
            return None
        return as_picture(self.reference if isinstance(self.reference, Path) else self.reference(), own_rules()).pixels

    def load_mask(self, size: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """The mask (H, W), where there is one.

        Args:
            size: (H, W) of the picture.

        Raises:
            InvalidInput: It cannot be read, or is of another size.
        """
        if self.mask is None:
            return None
        if isinstance(self.mask, Path):
            found = np.asarray(as_picture(self.mask, own_rules()).pixels.any(axis=2))
        else:
            found = np.asarray(self.mask())
        if found.shape != size:
            raise InvalidInput(
                f"The mask of {self.key} is {found.shape}, its picture {size}; they must be of one size.",
                code="mask_size",
            )
        return found


@dataclass(frozen=True)
class DataSet:
    """A kind of data set.

    Attributes:
        title: What it is called in tables.
        layout: What must lie in the folder, for the help and for messages.
        source: Where it comes from.
        question: What it is made for: ``"class"`` or ``"distance"``.
        load: A folder (or file) -> its items, in a fixed order.
    """

    title: str
    layout: str
    source: str
    question: str
    load: Callable[[Path], list[Item]]


DATASETS: Registry[DataSet] = Registry("dataset", "explorer.datasets")


def pictures_in(folder: Path) -> list[Path]:
    """What is called like a picture in a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)


def content(file: Path) -> str:
    """Of the bytes in a file; empty where there is none, which is told of when its turn comes."""
    try:
        if not file.is_file():  # a pipe or a device would never end
            return ""
        return file_hash(file)
    except OSError:
        return ""


def refuse_twins(title: str, layout: str, items: Sequence[Item]) -> None:
    """Results are kept by the items' keys, so that two of one key would be one.

    Raises:
        InvalidInput: A key is there twice.
    """
    twins = [key for key, count in Counter(item.key for item in items).items() if count > 1]
    if twins:
        raise wrong_layout(title, layout, f"it has the same twice: {twins[0][:80]}")


def wrong_layout(title: str, layout: str, found: str) -> InvalidInput:
    """What to raise where a folder does not hold what it should."""
    return InvalidInput(f"{title}: {found}. Expected: {layout}.", code="dataset_layout")


def package_missing(title: str, package: str) -> WeightsMissing:
    """What to raise where the package that reads a data set is not installed."""
    return WeightsMissing(
        f"Reading {title} needs {package}; pip install {package}, or {how_to_install('benchmark')}.",
        code="packages_missing",
    )
