"""Two pictures in the layout of each data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 32)
"""(H, W), so that an exchange of the axes shows."""


def picture(seed: int) -> np.ndarray:
    """(24, 32, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def mask(seed: int) -> np.ndarray:
    """(24, 32) bool: a block that lies elsewhere for each seed."""
    found = np.zeros(SIZE, bool)
    found[2 + seed : 12, 4 : 20 + seed] = True
    return found


def save(path: Path, pixels: np.ndarray) -> Path:
    """As a file without loss, whatever it is called: what a file is, its first bytes say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def imagenet_folders(root: Path, wnids: tuple[str, ...] = ("n01443537", "n01440764")) -> Path:
    for seed, wnid in enumerate(wnids):
        save(root / "val" / wnid / f"ILSVRC2012_val_0000000{seed}.JPEG", picture(seed))
    return root


def imagenet_list(root: Path, indices: tuple[int, ...] = (65, 970)) -> Path:
    names = [save(root / f"ILSVRC2012_val_0000000{i + 1}.JPEG", picture(i)).name for i in range(len(indices))]
    lines = [f"{name} {index}\n" for name, index in zip(names, indices, strict=True)]
    (root / "val.txt").write_text("".join(lines), encoding="utf-8")
    return root


def imagenet_seg(root: Path) -> Path:
    """The nesting of MATLAB 7.3: cells are references, an outline is a cell in a cell, and axes are the other way."""
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "gtsegs_ijcv.mat", "w") as file:
        images = file.create_dataset("value/img", (2, 1), dtype=h5py.ref_dtype)
        outlines = file.create_dataset("value/gt", (2, 1), dtype=h5py.ref_dtype)
        for i in range(2):
            images[i, 0] = file.create_dataset(f"#refs#/img{i}", data=picture(i).transpose(2, 1, 0)).ref
            inner = file.create_dataset(f"#refs#/cell{i}", (1, 1), dtype=h5py.ref_dtype)
            inner[0, 0] = file.create_dataset(f"#refs#/gt{i}", data=mask(i).T.astype(np.uint8)).ref
            outlines[i, 0] = inner.ref
    return root


def coco(root: Path, *, captions: bool = True) -> Path:
    """The second picture has two objects, one of them a crowd; a third has none."""
    from pycocotools import mask as coder

    h, w = SIZE
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "height": h, "width": w} for i in (7, 9, 11)]
    for i, image in enumerate(images):
        save(root / "val2017" / image["file_name"], picture(i))
    box = [[4, 2, 20, 2, 20, 12, 4, 12]]
    crowd = np.zeros(SIZE, np.uint8)
    crowd[20:, 28:] = 1
    counts = coder.encode(np.asfortranarray(crowd))
    counts["counts"] = counts["counts"].decode()
    drawn = ((7, box), (9, box), (9, counts))
    objects = [
        {"id": i, "image_id": image, "category_id": 1, "iscrowd": int(outline is counts), "segmentation": outline}
        for i, (image, outline) in enumerate(drawn, 1)
    ]
    kinds = [{"id": 1, "name": "bicycle"}]
    folder = root / "annotations"
    folder.mkdir()
    instances = {"images": images, "annotations": objects, "categories": kinds}
    (folder / "instances_val2017.json").write_text(json.dumps(instances), encoding="utf-8")
    if captions:
        told = [{"id": n, "image_id": i, "caption": text} for n, i, text in
                ((5, 9, "Later."), (4, 9, " A bicycle. "), (3, 7, "A man."), (2, 11, "Nothing."))]  # fmt: skip
        spoken = {"images": images, "annotations": told}
        (folder / "captions_val2017.json").write_text(json.dumps(spoken), encoding="utf-8")
    return root


def voc(root: Path) -> Path:
    """The outlines are palette pictures: a class inside, 255 on the rim."""
    base = root / "VOCdevkit" / "VOC2012"
    names = ("2007_000033", "2007_000042")
    for seed, name in enumerate(names):
        save(base / "JPEGImages" / f"{name}.jpg", picture(seed))
        indices = np.where(mask(seed), 15, 0).astype(np.uint8)
        indices[2 + seed, 4 : 20 + seed] = 255
        drawn = Image.fromarray(indices, "L").convert("P")
        drawn.putpalette(bytes(range(256)) * 3)
        (base / "SegmentationClass").mkdir(exist_ok=True, parents=True)
        drawn.putdata(indices.ravel().tolist())
        drawn.save(base / "SegmentationClass" / f"{name}.png")
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return root


def pairs(root: Path, table: str | None = None) -> Path:
    """Three pictures and a mask; the table is a list of pairs."""
    for i, name in enumerate(("bee.png", "cat.PNG", "dog.png")):
        save(root / name, picture(i))
    if table is not None:
        save(root / "masks" / "bee.png", np.repeat(mask(0)[..., None] * np.uint8(255), 3, axis=2))
        (root / "pairs.csv").write_text(table, encoding="utf-8")
    return root
