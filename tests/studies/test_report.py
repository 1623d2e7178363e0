"""The report: every link leads somewhere inside the folder, and every picture is told in words."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from explorer.core.steps import run
from explorer.encoders.base import Encoder
from explorer.reports import drawing
from explorer.studies.pairs import shipped_subjects
from explorer.studies.report import PAGE, write_report
from explorer.studies.runner import chosen, run_studies
from explorer.studies.setup import Setup

MADE = ("figure-2", "figure-8", "table-2", "figure-16", "spaces")
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """The elements of a page, whether they are closed in order, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module", autouse=True)
def small_figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "DPI", 45)
        patch.setattr(drawing, "PANEL_PIXELS", 60)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def setup(folder: Path, picture_encoder: Encoder) -> Setup:
    absent = {"captions": "conse-lite0 <needs> packages"}
    return Setup({"pictures": picture_encoder}, shipped_subjects(), folder / ".embedded", 0.02, absent)


@pytest.fixture
def page(setup: Setup, folder: Path) -> Page:
    run(run_studies(chosen(MADE), setup, folder))  # at once but for the first time
    return Page(write_report(setup, folder).read_text(encoding="utf-8"))


def test_every_link_and_picture_is_in_the_folder(page: Page, folder: Path) -> None:
    targets = [a["href"] for a in page.all("a")] + [image["src"] for image in page.all("img")]
    names = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert len(targets) > 30
    for target in targets:
        assert target is not None
        if target.startswith("#"):
            assert target[1:] in names
        else:
            assert ":" not in target
            assert not target.startswith("/")
            assert (folder / target).is_file()


def test_it_can_be_sent_to_somebody(folder: Path, page: Page) -> None:
    """Nothing runs, nothing is fetched, and nothing of this computer is told."""
    text = (folder / PAGE).read_text(encoding="utf-8")
    assert not page.all("script")
    assert not page.all("link")
    for told in (str(folder), str(Path.home()), "file:", "http://", "https://", "url("):
        assert told not in text
    for manifest in folder.glob("*/manifest.json"):
        assert str(folder) not in manifest.read_text()
        assert str(Path(__file__).parents[2]) not in manifest.read_text()


def test_every_study_is_there(page: Page) -> None:
    assert [article["id"] for article in page.all("article")] == [
        "figure-2", "figure-8", "table-2", "figure-16", "spaces",
    ]  # fmt: skip
    assert "0.139 / 0.140 / 0.140" not in page.words  # the paper's are of the whole number of masks
    assert "A draft: 2 %" in page.words
    assert "The paper's pictures are not on this computer" in page.words


def test_what_was_not_made_is_named_with_its_reason(page: Page) -> None:
    assert "Not made" in page.words
    assert "Figure 9: conse-lite0 <needs> packages" in page.words
    assert "Table 1: the layers of A tiny network cannot be had" in page.words


def test_pictures_have_text_alternatives_and_sizes(page: Page, folder: Path) -> None:
    for image in page.all("img"):
        alt = image["alt"]
        assert alt is not None
        assert len(alt) > 40
        assert image["width"]
        assert image["height"]
    manifest = json.loads((folder / "figure-8" / "manifest.json").read_text())
    assert manifest["findings"]["alt"] in {image["alt"] for image in page.all("img")}


def test_it_is_built_for_everyone(page: Page) -> None:
    tags = Counter(tag for tag, _ in page.elements)
    assert page.all("html")[0]["lang"] == "en"
    assert tags["h1"] == tags["main"] == tags["title"] == 1
    headings = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert all("scope" in cell for cell in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert labels <= set(ids)


def test_an_empty_report_is_still_a_page(setup: Setup, tmp_path: Path) -> None:
    page = Page(write_report(setup, tmp_path).read_text(encoding="utf-8"))
    assert "0 pictures were embedded" in page.words
    assert not page.all("article")
