"""The tables: our numbers, a reason for every gap, and the paper's own figures where they belong."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm

from explorer.attributions.method import METHODS
from explorer.benchmark.cells import MARKDOWN, PAGE, Cell, open_folder, read_cells
from explorer.benchmark.cells import TABLES as FILES
from explorer.benchmark.paper import PAPER_METHODS, PAPER_METRICS, PAPER_NETWORKS, TABLES
from explorer.benchmark.plan import Plan, make_plan
from explorer.benchmark.report import to_csv, to_markdown, write_report
from explorer.benchmark.run import run_benchmark
from explorer.benchmark.tables import NOT_RUN, Results, Sheet, everything, sheets, winners
from explorer.core.steps import run
from explorer.encoders.base import Encoder
from explorer.evaluation.metrics import METRICS
from tests.benchmark.subjects import FAKE_METHODS, FAKE_METRICS, pictures, registered


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    with registered():
        yield


def plan_of(folder: Path, encoder: Encoder, **settings: Any) -> Plan:
    chosen = {"methods": list(FAKE_METHODS), "metrics": list(FAKE_METRICS), "n_masks": 10, **settings}
    return make_plan("pairs", folder, {"tiny": encoder}, **chosen)


@pytest.fixture
def plan(tmp_path: Path, picture_encoder: Encoder) -> Plan:
    return plan_of(pictures(tmp_path / "pictures", masks=True), picture_encoder)


@pytest.fixture
def out(plan: Plan, tmp_path: Path) -> Path:
    open_folder(plan, tmp_path / "out")
    run(run_benchmark(plan, tmp_path / "out"))
    return tmp_path / "out"


def row_of(sheet: Sheet, *labels: str) -> dict[str, Any]:
    """The row that begins with some labels, by heading."""
    (row,) = [row for row in sheet.rows if tuple(entry.text for entry in row[: len(labels)]) == labels]
    return dict(zip(sheet.header, row, strict=True))


def test_no_gap_is_without_its_reason(plan: Plan, out: Path) -> None:
    for made in sheets(Results(plan, read_cells(out))):
        for row in made.rows:
            assert len(row) == len(made.header)
            assert all(entry.text or entry.value is not None or entry.why for entry in row)


def test_everything(plan: Plan, out: Path) -> None:
    cells = read_cells(out)
    sheet = everything(Results(plan, cells))
    assert sheet.header == ("encoder", "method", "maps", "seconds", "passes",
                            "SUM ↑", "SAME-SUM ↓", "OUTLINED ↑", "DECIDED ↑")  # fmt: skip
    assert len(sheet.rows) == len(FAKE_METHODS)
    bright = row_of(sheet, "tiny", "Brightness")
    own = [cell.measured["sums"]["value"] for cell in cells if cell.method == "brightness"]
    assert bright["SUM ↑"].value == pytest.approx(sum(own) / 3)
    assert bright["maps"].value == 3
    assert bright["passes"].value == 2
    assert bright["OUTLINED ↑"].why == "2 of 3 dropped: no outline of the object"
    assert bright["OUTLINED ↑"].value == own[0]
    assert "--gallery" in bright["DECIDED ↑"].why
    assert bright["DECIDED ↑"].value is None
    deep = row_of(sheet, "tiny", "Deep")
    assert all(
        deep[name].why == "Deep needs layers or attention, which A tiny network does not give"
        for name in sheet.header[2:]
    )
    assert not any(deep[name].value for name in sheet.header[2:])
    sometimes = row_of(sheet, "tiny", "Sometimes")
    assert sometimes["maps"].value == 0
    assert sometimes["maps"].why.startswith("3 of 3 dropped")
    assert sometimes["SUM ↑"].value is None
    masked = row_of(sheet, "tiny", "Masked")
    assert masked["SUM ↑"].value > bright["SUM ↑"].value  # a normal law is wider than brightness
    assert winners(sheet) == []  # three pictures are too few to say so
    assert not any(entry.place for row in sheet.rows for entry in row)
    assert bright["SUM ↑"].interval == pytest.approx((min(own), max(own)), rel=1e-6)  # three draws in three are one
    assert bright["SUM ↑"].shown == f"{sum(own) / 3:.2f} [{min(own):.2f}, {max(own):.2f}]"


@pytest.mark.parametrize(("gap", "won"), [(5.0, True), (0.02, False)])
def test_a_method_wins_by_more_than_its_interval(plan: Plan, gap: float, won: bool) -> None:
    """Pictures differ by far more than methods do, but the same way for both."""
    items = [replace(plan.items[0], key=f"{i}") for i in range(8)]
    values = {"brightness": np.linspace(0, 1000, 8), "masked": np.linspace(0, 1000, 8) + gap + np.tile([1, -1], 4)}
    cells = [
        Cell("tiny", method, item.key, measured={"sums": {"value": float(value)}}, lacking={"outlines": "none"})
        for method, own in values.items()
        for item, value in zip(items, own, strict=True)
    ]
    sheet = everything(Results(replace(plan, items=items), cells))
    masked, bright = (row_of(sheet, "tiny", title) for title in ("Masked", "Brightness"))
    assert masked["SUM ↑"].interval[0] < bright["SUM ↑"].value < masked["SUM ↑"].interval[1]
    assert (masked["SUM ↑"].place, bright["SUM ↑"].place) == ((1, 0) if won else (0, 0))
    assert (masked["SAME-SUM ↓"].place, bright["SAME-SUM ↓"].place) == ((0, 1) if won else (0, 0))
    assert (("tiny", "SUM ↑", "Masked", masked["SUM ↑"].shown) in winners(sheet)) is won


def test_a_method_that_is_the_worse_on_common_pictures_wins_nothing(plan: Plan) -> None:
    """Its number is the higher only by pictures on which the other has none."""
    items = [replace(plan.items[0], key=f"{i}") for i in range(20)]
    cells = [Cell("tiny", "brightness", item.key, lacking={"outlines": "none"},
                  measured={"sums": {"value": (0.5 if i < 10 else 1.0) + 0.01 * (i % 3)}})
             for i, item in enumerate(items)]  # fmt: skip
    cells += [Cell("tiny", "masked", item.key, lacking={"outlines": "none"}, measured={"sums": {"value": 0.6}})
              for item in items[:10]]  # fmt: skip
    cells += [Cell("tiny", "masked", item.key, dropped="flat") for item in items[10:]]
    sheet = everything(Results(replace(plan, items=items), cells))
    bright, masked = (row_of(sheet, "tiny", title)["SUM ↑"] for title in ("Brightness", "Masked"))
    assert bright.value > masked.value
    assert (bright.place, masked.place) == (0, 0)


def test_what_bold_is_stands_by_each_table(plan: Plan) -> None:
    first, *others = sheets(Results(plan, ()))
    assert "Bold: better than every other method" in first.about
    assert all("by value alone" in sheet.about for sheet in others)


def test_what_is_not_done_yet_is_said(plan: Plan) -> None:
    cells = [Cell("tiny", "brightness", plan.items[0].key, measured={"sums": {"value": 2.0}},
                  lacking={"outlines": "no outline of the object"})]  # fmt: skip
    row = row_of(everything(Results(plan, cells)), "tiny", "Brightness")
    assert row["SUM ↑"].value == 2
    assert row["SUM ↑"].why == "2 of 3 not run yet"
    assert row["OUTLINED ↑"].value is None
    assert row["OUTLINED ↑"].why == "2 of 3 not run yet; 1 of 1 dropped: no outline of the object"


def test_records_that_a_metric_drops_are_counted(plan: Plan) -> None:
    cells = [Cell("tiny", "brightness", item.key, lacking={"outlines": "none"},
                  measured={"sums": {"value": 2.0 if i else float("nan"), "dropped": {} if i else {"sum": "too dark"}}})
             for i, item in enumerate(plan.items)]  # fmt: skip
    entry = Results(plan, cells).entry("tiny", "brightness", "sum")
    assert entry.value == 2
    assert entry.why == "1 of 3 dropped: too dark"


# The paper


def test_the_paper_names_methods_and_metrics_that_exist() -> None:
    assert set(PAPER_METHODS.values()) <= set(METHODS)
    assert set(PAPER_METRICS.values()) <= set(METRICS)


def test_the_papers_networks_are_those_timm_has() -> None:
    """By the files that the paper's code loads, where timm says which file its own weights came from."""
    assert set(PAPER_NETWORKS) <= {network for table in TABLES for _, network, _ in table.figures}
    names = {network: key.removeprefix("timm:") for network, key in PAPER_NETWORKS.items()}
    configs = {network: timm.get_pretrained_cfg(name, allow_unregistered=False) for network, name in names.items()}
    assert configs["RN"].url.endswith("/resnet101-63fe2227.pth")
    assert configs["ViT-B"].url.endswith("/jx_vit_base_p16_224-80ecf9dd.pth")
    assert configs["DN"].tag == "tv_in1k"


def test_every_row_of_the_paper_is_whole() -> None:
    assert [table.number for table in TABLES] == [1, 2, 3, 4, 5]
    assert [len(table.figures) for table in TABLES] == [24, 16, 36, 24, 16]
    for table in TABLES:
        assert all(len(numbers) == len(table.methods) for numbers in table.figures.values())


def test_table_5_repeats_tables_1_and_2() -> None:
    ablations = TABLES[4]
    for table in TABLES[:2]:
        for name in ("IG", "DIX2", "DIX3"):
            if name not in table.methods:
                continue
            for place, numbers in table.figures.items():
                if place in ablations.figures:
                    found = ablations.figures[place][ablations.methods.index(name)]
                    assert numbers[table.methods.index(name)] == found, (place, name)


def test_the_figures_are_those_of_the_paper(shared: Path) -> None:
    """Each row is a line of the paper's text, but for the one that the text has a hole in."""
    path = shared / "papers" / "004_d01282f211c86a33.txt"
    if not path.is_file():
        pytest.skip("the paper's text is not in ../shared/papers")
    lines = [re.findall(r"\d+\.\d+", line) for line in path.read_text(encoding="utf-8").splitlines()]
    known = {tuple(map(float, numbers)) for numbers in lines}
    for table in TABLES:
        absent = {place for place, numbers in table.figures.items() if numbers not in known}
        assert absent == ({("IN", "RN", "NEG")} if table.number == 1 else set())


def test_the_papers_networks_were_not_run(plan: Plan, out: Path) -> None:
    for sheet, table in zip(sheets(Results(plan, read_cells(out)))[1:], TABLES, strict=True):
        theirs = [row for row in sheet.rows if row[3].text == NOT_RUN]
        assert len(theirs) == len(table.figures)
        ours = [row for row in sheet.rows if row[1].text == "tiny"]
        assert len(ours) == (0 if table.attention else len(table.metrics))
        assert all(entry.why == "not asked for" for row in ours for entry in row[4:])


@pytest.mark.parametrize("name", ["RN", "timm:resnet101.tv_in1k"])
def test_one_of_the_papers_networks_stands_below_its_figures(plan: Plan, name: str) -> None:
    """Only where data and question are the paper's too."""
    asked = {"encoders": {name: plan.encoders["tiny"]}, "of": 50_000}
    same = Plan(**{**vars(plan), **asked, "data": "imagenet", "question": "class"})
    sheet = sheets(Results(same, ()))[1]
    whose = [row[3].text for row in sheet.rows if row[1].text in ("RN", name)]
    assert whose == ["paper", "here, 3 of 50000 pictures"] * 8
    assert "224 x 224" in sheet.about
    other = Plan(**{**vars(plan), **asked, "data": "imagenet", "question": "distance"})
    sheet = sheets(Results(other, ()))[1]
    whose = [row[3].text for row in sheet.rows if row[1].text in ("RN", name)]
    assert whose == [NOT_RUN] * 8 + ["here, 3 of 50000 pictures"] * 8


# Files


class Page(HTMLParser):
    """Whether the elements of a page are closed in order, and what it fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_holds_all_it_shows(plan: Plan, out: Path) -> None:
    text = write_report(plan, out).read_text(encoding="utf-8")
    page = Page(text)
    assert all(source.startswith(("data:image/jpeg;base64,", "#")) for source in page.sources)
    shown = [source for source in page.sources if source.startswith("data:")]
    assert len(shown) == 6  # two methods with maps, three pictures
    assert base64.b64decode(shown[0].split(",")[1]).startswith(b"\xff\xd8\xff")
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text
    assert "This picture is not to its taste." in text or "the map is blank" in text
    assert "http" not in text


def test_keys_are_not_markup(tmp_path: Path, picture_encoder: Encoder) -> None:
    folder = pictures(tmp_path / "pictures")
    (folder / "a.png").rename(folder / "<b>|a.png")
    plan = plan_of(folder, picture_encoder, methods=["masked"])
    open_folder(plan, tmp_path / "out")
    run(run_benchmark(plan, tmp_path / "out"))
    text = write_report(plan, tmp_path / "out").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;|a.png" in text


def test_csv_has_every_bit_and_every_reason(plan: Plan, out: Path) -> None:
    write_report(plan, out)
    sheet = everything(Results(plan, read_cells(out)))
    header, *rows = csv.reader(io.StringIO((out / "results.csv").read_text(encoding="utf-8")))
    assert header[:8] == [*sheet.header[:6], "SUM ↑ low", "SUM ↑ high"]
    assert header[-2:] == ["DECIDED ↑", "notes"]
    entry = sheet.rows[0][5]
    assert [float(value) for value in rows[0][5:8]] == [entry.value, *entry.interval]
    assert {len(row) for row in rows} == {len(header)}
    assert rows[-1][2] == ""
    assert "maps: Deep needs layers or attention, which A tiny network does not give" in rows[-1][-1]
    assert {path.name for path in out.iterdir()} >= {*(f"table-{n}.csv" for n in range(1, 6)), "results.md"}
    assert to_csv(sheet) == (out / "results.csv").read_text(encoding="utf-8")


def test_markdown_tables_are_tables(plan: Plan, out: Path) -> None:
    text = to_markdown(plan, sheets(Results(plan, read_cells(out))))
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) == 6
    for block in blocks:
        assert len({line.count("|") - line.count("\\|") for line in block.splitlines()}) == 1
    assert "Nobody: no method is better than every other by more than chance" in text
    assert "Deep needs layers or attention, which A tiny network does not give" in text


def test_reasons_are_not_markup_in_markdown(plan: Plan) -> None:
    """They can name a user's file."""
    cells = [Cell("tiny", "brightness", item.key, dropped="[x](y) <img src=z>|`") for item in plan.items]
    text = to_markdown(plan, sheets(Results(plan, cells)))
    assert r"\[x](y) \<img src=z>\|\`" in text
    assert not re.search(r"(?<!\\)[<`]", text)


def test_the_files_that_are_replaced_are_those_that_are_written(plan: Plan, out: Path) -> None:
    before = {path.name for path in out.iterdir()}
    write_report(plan, out)
    assert {path.name for path in out.iterdir()} - before == {PAGE, MARKDOWN, *FILES}
