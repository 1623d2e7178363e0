"""Pictures and tables of pairs for the tests of batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def pictures(folder: Path, count: int) -> list[str]:
    """So many small pictures of blobs in a folder; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"p{number:02d}.png" for number in range(count)]
    for seed, name in enumerate(names):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
        Image.fromarray(np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)).save(folder / name)
    return names


def table(path: Path, rows: Sequence[Sequence[str]], header: str = "id,picture,reference") -> Path:
    """A CSV file of such rows."""
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path
