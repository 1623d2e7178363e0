"""Running a benchmark: every cell once, the same each time, stopped and taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.attributions.method import METHODS, in_menus
from explorer.attributions.question import make_question
from explorer.benchmark.cells import CELLS, Cell, open_folder, read_cells
from explorer.benchmark.controls import CONTROLS
from explorer.benchmark.gallery import Gallery, rivals_of
from explorer.benchmark.plan import Plan, make_plan
from explorer.benchmark.price import prices
from explorer.benchmark.report import write_report
from explorer.benchmark.run import BLANK, NO_MASK, run_benchmark
from explorer.core.errors import CannotWrite, InvalidInput, UnusableEmbedding
from explorer.core.steps import run
from explorer.encoders.base import Encoder
from explorer.evaluation.metrics import METRICS
from tests.benchmark.subjects import FAKE_METHODS, FAKE_METRICS, NAMES, pictures, registered


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures(tmp_path / "pictures", masks=True)


def plan_of(folder: Path, encoder: Encoder, **settings: Any) -> Plan:
    chosen = {"methods": list(FAKE_METHODS), "metrics": list(FAKE_METRICS), "n_masks": 10, **settings}
    return make_plan("pairs", folder, {"tiny": encoder}, **chosen)


def done(plan: Plan, out: Path) -> list[Cell]:
    open_folder(plan, out)
    run(run_benchmark(plan, out))
    return read_cells(out)


def timeless(cells: list[Cell]) -> list[Cell]:
    return [replace(cell, seconds=0.0) for cell in cells]


def test_every_cell_once(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    plan = plan_of(folder, picture_encoder)
    cells = done(plan, tmp_path / "out")
    assert sorted(cell.name for cell in cells) == sorted(
        ("tiny", method, item.key) for method in ("brightness", "masked", "sometimes") for item in plan.items
    )
    by_name = {(cell.method, cell.item): cell for cell in cells}
    first = by_name["brightness", "a.png, b.png"]
    assert first.passes == 2
    assert first.seconds > 0
    assert set(first.measured) == {"sums", "outlines"}
    assert first.measured["sums"]["scorer"] == "similarity"
    assert first.measured["sums"]["score"] == pytest.approx(1)
    assert first.measured["outlines"]["object"] == 16 * 32
    assert first.lacking == {}
    assert by_name["brightness", "b.png, c.png"].lacking == {"outlines": NO_MASK}
    assert by_name["masked", "b.png, c.png"].passes == 10


def test_maps_that_do_not_count_have_a_reason(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    cells = done(plan_of(folder, picture_encoder, methods=["sometimes"]), tmp_path / "out")
    pixels = [np.asarray(Image.open(folder / name)).mean() for name in NAMES]
    said = (BLANK, "the map is not finite", "This picture is not to its taste.")
    assert [cell.dropped for cell in cells] == [said[round(float(mean)) % 3] for mean in pixels]
    assert not any(cell.measured or cell.picture for cell in cells)
    assert [cell.passes for cell in cells] == [2, 2, 2]


def test_the_same_again(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    one, other = (done(plan_of(folder, picture_encoder), tmp_path / name) for name in ("one", "other"))
    assert timeless(one) == timeless(other)
    another = done(plan_of(folder, picture_encoder, seed=1), tmp_path / "another")
    assert timeless(one) != timeless(another)


def test_ties_are_broken_alike_for_every_method(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    cells = done(plan_of(folder, picture_encoder), tmp_path / "out")
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        if cell.measured:
            seeds.setdefault(cell.item, set()).add(cell.measured["sums"]["seed"])
    assert all(len(one) == 1 for one in seeds.values())
    assert len(set.union(*seeds.values())) == len(NAMES)


@pytest.mark.parametrize("steps", [1, 5, 12, 20])
def test_a_stopped_run_goes_on(folder: Path, tmp_path: Path, picture_encoder: Encoder, steps: int) -> None:
    plan = plan_of(folder, picture_encoder)
    whole = done(plan, tmp_path / "whole")
    out = tmp_path / "stopped"
    open_folder(plan, out)
    work = run_benchmark(plan, out)
    for _ in range(steps):
        next(work)
    work.close()
    before = (out / CELLS).read_text(encoding="utf-8") if (out / CELLS).is_file() else ""
    assert before.count("\n") < len(whole)
    again = done(plan_of(folder, picture_encoder), out)
    assert timeless(again) == timeless(whole)
    assert (out / CELLS).read_text(encoding="utf-8").startswith(before)
    rows = picture_encoder.rows  # type: ignore[attr-defined]
    assert done(plan, out) == again
    assert picture_encoder.rows == rows  # type: ignore[attr-defined]


def test_a_line_that_was_cut_short_is_done_again(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    plan, out = plan_of(folder, picture_encoder), tmp_path / "out"
    whole = done(plan, out)
    text = (out / CELLS).read_bytes()
    (out / CELLS).write_bytes(text[:-20])
    assert len(read_cells(out)) == len(whole) - 1
    assert timeless(done(plan, out)) == timeless(whole)
    (out / CELLS).write_bytes(b"{}\n" + text)
    with pytest.raises(InvalidInput, match="damaged"):
        open_folder(plan, out)
    assert open_folder(plan, out, overwrite=True) == []
    assert read_cells(out) == []


def test_a_line_that_is_being_written_is_left_alone(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    """Reading, as the price does beside a run, changes nothing; what two runs at a time wrote twice counts once."""
    plan, out = plan_of(folder, picture_encoder), tmp_path / "out"
    whole = done(plan, out)
    text = (out / CELLS).read_bytes()
    (out / CELLS).write_bytes(text + text[:-20])
    assert timeless(read_cells(out)) == timeless(whole)
    assert (out / CELLS).read_bytes() == text + text[:-20]
    assert open_folder(plan, out) == whole
    assert (out / CELLS).read_bytes().endswith(b"\n")


def test_other_pictures_of_the_same_names_are_other_data(
    folder: Path, tmp_path: Path, picture_encoder: Encoder
) -> None:
    out = tmp_path / "out"
    done(plan_of(folder, picture_encoder, gallery=folder), out)
    others = tmp_path / "others"
    pictures(others)
    Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(others / "a.png")
    with pytest.raises(InvalidInput, match="other data"):
        open_folder(plan_of(folder, picture_encoder, gallery=others), out)
    Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(folder / "upper.mask", "PNG")
    with pytest.raises(InvalidInput, match="other data"):
        open_folder(plan_of(folder, picture_encoder, gallery=folder), out)


def test_replaced_results_take_their_report_along(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    """A run that is stopped after --overwrite would else leave the old numbers beside the new recipe."""
    out, plan = tmp_path / "out", plan_of(folder, picture_encoder, methods=["brightness"])
    done(plan, out)
    write_report(plan, out)
    (out / "mine.csv").touch()
    open_folder(plan_of(folder, picture_encoder, seed=1), out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["benchmark.json", "mine.csv"]


def test_an_outline_that_cannot_be_used_costs_its_own_metrics_only(
    folder: Path, tmp_path: Path, picture_encoder: Encoder
) -> None:
    (folder / "upper.mask").write_bytes(b"no picture")
    first = done(plan_of(folder, picture_encoder, methods=["brightness"]), tmp_path / "out")[0]
    assert first.dropped == ""
    assert set(first.measured) == {"sums"}
    assert "outline of the object cannot be used: " in first.lacking["outlines"]
    assert "upper.mask: Not an image" in first.lacking["outlines"]


def test_the_gallery_says_which_entry_is_damaged(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    others = pictures(tmp_path / "others")
    (others / "b.png").write_bytes(b"no picture")
    plan = plan_of(folder, picture_encoder, methods=["brightness"], gallery=others)
    with pytest.raises(InvalidInput, match=r"gallery's b\.png") as refused:
        done(plan, tmp_path / "out")
    assert refused.value.code == "image_format"


def test_the_price_says_why_nothing_can_be_done(folder: Path, picture_encoder: Encoder) -> None:
    plan = plan_of(folder, picture_encoder, methods=["brightness"])
    for name in NAMES:
        (folder / name).write_bytes(b"")
    (why_not,) = {price.why_not for price in prices(plan, ())}
    assert why_not.startswith("no picture can be used, for example: ")
    assert why_not.endswith("a.png: This file is empty.")


@pytest.mark.parametrize("change", [{"seed": 1}, {"methods": ["masked"]}, {"metrics": ["sum"]}, {"n_masks": 11},
                                    {"limit": 2}])  # fmt: skip
def test_results_of_other_settings_are_left_alone(
    folder: Path, tmp_path: Path, picture_encoder: Encoder, change: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    before = done(plan_of(folder, picture_encoder), out)
    other = plan_of(folder, picture_encoder, **change)
    with pytest.raises(InvalidInput, match="--overwrite") as refused:
        open_folder(other, out)
    assert refused.value.code == "benchmark_differs"
    assert read_cells(out) == before
    assert open_folder(other, out, overwrite=True) == []
    assert not read_cells(out)
    assert not (out / "pictures").exists()
    recipe = json.loads((out / "benchmark.json").read_text(encoding="utf-8"))["recipe"]
    assert recipe == other.recipe


def test_all_methods_are_those_that_menus_offer(folder: Path, picture_encoder: Encoder) -> None:
    """What stands in no menu, being there for checks, runs when it is named."""
    plan = plan_of(folder, picture_encoder, methods=["all"])
    assert set(plan.methods) == {key for key, kind in METHODS.items() if in_menus(kind)} < set(METHODS)
    plan = plan_of(folder, picture_encoder, methods=["all", "dix-official-1"])
    assert list(plan.methods)[-1] == "dix-official-1"


def test_maps_that_are_wrong_on_purpose(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    plan = plan_of(folder, picture_encoder, methods=["distance-explainer", "controls"], metrics=["srg", "sum"])
    assert list(plan.methods) == ["distance-explainer", *CONTROLS]
    assert not set(CONTROLS) & set(METHODS)
    cells = {(cell.method, cell.item): cell for cell in done(plan, tmp_path / "out")}
    for item in plan.items:
        own, opposite = (
            cells[key, item.key].measured["srg"]["srg"] for key in ("distance-explainer", "control-inverted")
        )
        assert own == pytest.approx(-opposite, abs=1e-6)
        assert cells["control-edges", item.key].passes == 0
        assert cells["control-shuffled", item.key].passes == 10
    write_report(plan, tmp_path / "out")
    assert "Edge detector" in (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    alone = plan_of(folder, picture_encoder, methods=["control-edges"])
    assert list(alone.methods) == ["control-edges"]


def test_the_price_is_what_is_embedded(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    """But for the scorer's two pictures an item; maps that are dropped are not judged."""
    plan, out = plan_of(folder, picture_encoder, methods=["brightness", "masked", "deep"]), tmp_path / "out"
    costs = prices(plan, ())
    assert [(cost.part[1], cost.maps, cost.left) for cost in costs] == [
        ("brightness", 3, 3 * (2 + 2 + 2)), ("masked", 3, 3 * (10 + 2 + 2)), ("deep", 0, 0),
    ]  # fmt: skip
    assert costs[2].why_not == "Deep needs layers or attention, which A tiny network does not give"
    open_folder(plan, out)
    told = sum(run_benchmark(plan, out))
    unjudged = 2 * 2 * 2  # two pictures without an outline, by two methods
    assert told == sum(cost.left for cost in costs) + 2 * 3 - unjudged
    assert all(cost.left == 0 for cost in prices(plan, (cell.name for cell in read_cells(out))))


def test_pictures_that_cannot_be_used(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    """They are told of, and the others are done."""
    plan = plan_of(folder, picture_encoder, methods=["brightness", "masked"])
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    cells = done(plan, tmp_path / "out")
    assert len(cells) == 6
    reasons = {cell.item: cell.dropped for cell in cells}
    assert "incomplete" in reasons["a.png, b.png"]
    assert "incomplete" in reasons["b.png, c.png"]
    assert reasons["c.png, a.png"] == ""
    assert prices(plan, ())[0].passes == 3 * 6  # by the first picture that can be used


def test_a_picture_no_nearer_than_a_blank_one_is_told(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    """It has maps, which can be compared with its outline, but no score."""
    for name in NAMES:
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / name)
    first, *others = done(plan_of(folder, picture_encoder, methods=["masked"]), tmp_path / "out")
    assert "blank picture" in first.lacking["sums"]
    assert first.picture
    assert first.dropped == ""
    assert set(first.measured) == {"outlines"}
    assert set(first.lacking) == {"sums"}
    assert set(others[0].lacking) == {"sums", "outlines"}


def test_what_asks_no_scorer_is_measured_without_one(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    for name in NAMES[1:]:  # the first is compared with another blank one, and so no nearer than a blank one
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / name)
    plan = plan_of(folder, picture_encoder, methods=["masked"], metrics=["sum"])
    free = replace(plan.metrics["sum"], key="free", group="free", scored=False, measure=METRICS["srg"].measure)
    plan = replace(plan, metrics={"sum": plan.metrics["sum"], "free": free})
    cells = done(plan, tmp_path / "out")
    assert any("blank picture" in cell.lacking.get("sums", "") for cell in cells)
    assert all(set(cell.measured) >= {"free"} for cell in cells)
    assert not any(METRICS[key].scored for key in ("srg", "truth", "pa"))


# Questions


def test_a_gallery_makes_decisions(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    plan = plan_of(folder, picture_encoder, methods=["brightness"], gallery=folder)
    cells = done(plan, tmp_path / "out")
    assert all(set(cell.measured) >= {"sums", "decisions"} for cell in cells)
    assert {cell.measured["decisions"]["scorer"] for cell in cells} == {"retrieval"}


def test_neither_the_reference_nor_the_picture_is_its_own_rival() -> None:
    def encoder(batch: np.ndarray) -> np.ndarray:
        return batch.mean(axis=(1, 2))

    image = np.full((4, 4, 3), [3.0, 0, 0])
    case = make_question(image, embedding=np.array([0, 2.0, 0]), encoder=explorer.from_function(encoder))
    gallery = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    found = run(rivals_of(case, gallery))
    np.testing.assert_array_equal(found, [[0, 2, 0], [0, 0, 1], [1, 1, 0]])


def test_several_encoders(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    both = {"tiny": picture_encoder, "again": picture_encoder}
    plan = make_plan("pairs", folder, both, methods=["brightness", "deep"], metrics=["sum"])
    open_folder(plan, tmp_path / "out")
    run(run_benchmark(plan, tmp_path / "out"))
    cells = read_cells(tmp_path / "out")
    assert [cell.encoder for cell in cells] == ["tiny"] * 3 + ["again"] * 3
    assert [cell.measured for cell in cells[:3]] == [cell.measured for cell in cells[3:]]


def test_galleries(folder: Path, tmp_path: Path) -> None:
    assert [path.name for path in Gallery.read(folder).pictures] == list(NAMES)
    (tmp_path / "said.txt").write_text("a bee\n\n a fly \na bee\n", encoding="utf-8")
    said = Gallery.read(tmp_path / "said.txt")
    assert said.captions == ("a bee", "a fly")
    assert said.name != Gallery.read(folder).name
    (tmp_path / "one.txt").write_text("a bee\n", encoding="utf-8")
    (tmp_path / "old.txt").write_bytes("a caf\u00e9\na fly\n".encode("latin-1"))
    refusals = {"one.txt": "gallery_small", "nowhere": "gallery_layout", "old.txt": "text_encoding"}
    for name, code in refusals.items():
        with pytest.raises(InvalidInput) as refused:
            Gallery.read(tmp_path / name)
        assert refused.value.code == code


def test_an_encoder_without_classes_is_told(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    plan = plan_of(folder, picture_encoder, question="class")
    assert "no classes" in plan.why_not("tiny", "brightness")
    assert done(plan, tmp_path / "out") == []
    assert all(cost.why_not for cost in prices(plan, ()))


def test_so_many_of_the_pictures(folder: Path, picture_encoder: Encoder) -> None:
    everything = [item.key for item in plan_of(folder, picture_encoder).items]
    plans = [plan_of(folder, picture_encoder, limit=2, seed=seed) for seed in range(8)]
    drawn = {tuple(item.key for item in plan.items) for plan in plans}
    assert all(len(keys) == 2 and sorted(keys, key=everything.index) == list(keys) for keys in drawn)
    assert len(drawn) > 1
    assert plans[0].of == 3
    assert len(plan_of(folder, picture_encoder, limit=9).items) == 3


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"question": "why"}, "benchmark_question"),
        ({"label": "wrong"}, "benchmark_question"),
        ({"label": "truth"}, "benchmark_label"),
        ({"label": "truth", "question": "class"}, "benchmark_label"),
        ({"methods": ["nonsense"]}, "unknown_method"),
        ({"methods": ["all", "nonsense"]}, "unknown_method"),
        ({"methods": []}, "no_method"),
        ({"metrics": []}, "no_metric"),
        ({"gallery": Path("x" * 300)}, "data_unreadable"),
        ({"metrics": ["nonsense"]}, "unknown_metric"),
        ({"limit": 0}, "limit_range"),
        ({"seed": -1}, "seed_range"),
        ({"n_masks": 1}, "n_masks_range"),
        ({"question": "class", "gallery": Path()}, "gallery_class"),
    ],
)
def test_refusals(folder: Path, picture_encoder: Encoder, settings: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_of(folder, picture_encoder, **settings)
    assert refused.value.code == code


def test_data_without_references_is_refused(tmp_path: Path, picture_encoder: Encoder) -> None:
    pictures(tmp_path)
    (tmp_path / "pairs.csv").write_text("picture\na.png\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="--question class"):
        plan_of(tmp_path, picture_encoder)
    with pytest.raises(InvalidInput, match="choose one of: coco, imagenet"):
        make_plan("cifar", tmp_path, {})
    with pytest.raises(InvalidInput, match="at least one encoder"):
        make_plan("pairs", tmp_path, {})


@pytest.mark.parametrize(("kind", "name"), [("imagenet", "a.png"), ("pairs", "x" * 300)])
def test_data_that_the_system_does_not_let_us_read(
    kind: str, name: str, folder: Path, picture_encoder: Encoder
) -> None:
    with pytest.raises(InvalidInput, match=f"Cannot read {name[:80]}: ") as refused:
        make_plan(kind, folder / name, {"tiny": picture_encoder})
    assert str(folder) not in str(refused.value)


def test_data_without_any_item(tmp_path: Path, picture_encoder: Encoder) -> None:
    pytest.importorskip("pycocotools")
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match="no picture"):
        make_plan("coco", tmp_path, {"tiny": picture_encoder})


def test_embeddings_that_are_none_are_told(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    def broken(pixels: np.ndarray) -> np.ndarray:
        raise UnusableEmbedding("The model is tired.", code="tired")

    picture_encoder._forward = broken  # type: ignore[method-assign]
    cells = done(plan_of(folder, picture_encoder, methods=["masked"]), tmp_path / "out")
    assert {cell.dropped for cell in cells} == {"The model is tired."}


def test_a_folder_that_cannot_be_written(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    out, plan = tmp_path / "out", plan_of(folder, picture_encoder)
    open_folder(plan, out)
    (out / CELLS).mkdir()
    with pytest.raises(CannotWrite, match="cells"):
        open_folder(plan_of(folder, picture_encoder, seed=1), out, overwrite=True)
    with pytest.raises(CannotWrite, match="cells"):
        run(run_benchmark(plan, out))
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite):
        open_folder(plan, tmp_path / "file" / "out")


def test_results_of_unknown_settings_are_left_alone(folder: Path, tmp_path: Path, picture_encoder: Encoder) -> None:
    plan, out = plan_of(folder, picture_encoder), tmp_path / "out"
    done(plan, out)
    (out / "benchmark.json").unlink()
    with pytest.raises(InvalidInput, match="--overwrite"):
        open_folder(plan, out)
    assert read_cells(out)
