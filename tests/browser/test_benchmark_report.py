"""The report on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.benchmark.cells import open_folder
from explorer.benchmark.plan import make_plan
from explorer.benchmark.report import write_report
from explorer.benchmark.run import run_benchmark
from explorer.core.steps import run
from explorer.encoders.base import Encoder
from tests.benchmark.subjects import pictures, registered

from .conftest import Chromium

PHONE = 390
LONG = "timm:vit_base_patch16_224.orig_in21k_ft_in1k"


@pytest.mark.browser
def test_nothing_is_wider_than_a_phone(tmp_path: Path, picture_encoder: Encoder, chromium: Chromium) -> None:
    """Neither a picture's name nor an encoder's pushes the page or the table aside."""
    folder, out = pictures(tmp_path / "pictures"), tmp_path / "out"
    (folder / "a.png").rename(folder / f"{'a' * 150}.png")
    with registered():
        plan = make_plan("pairs", folder, {LONG: picture_encoder}, methods=["masked"], metrics=["sum"], n_masks=10)
        open_folder(plan, out)
        run(run_benchmark(plan, out))
        page = write_report(plan, out)
    view = chromium.new_page(width=PHONE, height=800)
    view.goto(page.as_uri())
    assert view.evaluate("document.documentElement.scrollWidth") == PHONE
    assert view.locator("td").first.inner_text() == LONG
    assert view.locator("td").first.bounding_box()["width"] < PHONE / 3
