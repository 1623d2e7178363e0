"""What the encoder sees: the labels of both items and of any copy, at hand without a request."""

from __future__ import annotations

import numpy as np
import pytest

import explorer
from explorer import MaskSettings
from explorer.core.distances import measure
from explorer.core.references import embed_reference
from explorer.pictures.examples import FIRST_PRESET, asset_path, preset_named
from explorer.ui.components import words

from .driving import STATE, count_forward, painted, press_run, says, toast, wait_done

pytestmark = pytest.mark.browser
MASKS = 40
CAPTIONS = ["a cat", "a red car", "an espresso"]


def broken(*_):
    raise ValueError


def labels_of(rows: np.ndarray, encoder: explorer.Encoder) -> list[list[str]]:
    """As a list shows them."""
    labels = encoder.describe(rows)
    assert labels is not None
    return [[name for name, _ in row] for row in labels.named()]


def shown(page, place: str) -> list[str]:
    return page.locator(f"{place} .name").all_inner_texts()


def test_the_labels_of_the_pair_and_of_any_copy_are_the_encoders(page):
    preset = preset_named(FIRST_PRESET)
    press_run(page, MASKS)
    wait_done(page, MASKS)
    encoder = explorer.load_encoder(preset.encoder)
    probe = explorer.probe(asset_path(preset.image), encoder=encoder, masking=MaskSettings(n_masks=MASKS))
    target = embed_reference(encoder, reference=asset_path(preset.reference))
    pair = labels_of(np.stack([probe.unmasked(), target.embedding]), encoder)
    assert shown(page, "#pair .seen") == pair[0] + pair[1]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    order = np.argsort(explorer.rank(probe, embedding=target.embedding).distances, kind="stable")
    copies = labels_of(probe.embeddings, encoder)

    def assert_looking_at(mask: int) -> None:
        painted(page)
        assert page.evaluate(STATE, "copy") == mask
        assert page.locator("#copy canvas").get_attribute("aria-label") == f"masked copy {mask + 1}"
        assert shown(page, "#copy .seen") == copies[mask]

    slider = page.locator("#instrument-rank")
    slider.fill("7")
    assert_looking_at(order[6])
    slider.press("ArrowRight")
    assert_looking_at(order[7])
    assert f"Number 8 of {MASKS} copies" in page.locator("#copy-said").inner_text()
    page.locator("#sheet .farthest canvas").first.hover()
    assert_looking_at(order[-1])
    described = page.locator("#sheet .farthest canvas").first.get_attribute("aria-label")
    assert f"seen as {copies[order[-1]][0]} " in described
    histogram = page.locator("#histogram-canvas")
    box = histogram.bounding_box()
    histogram.hover(position={"x": 50, "y": 100})
    assert_looking_at(order[0])
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 100)
    page.mouse.down()  # a brush shows the copies that it passes, too
    page.mouse.move(box["x"] + 50, box["y"] + 100, steps=5)
    assert_looking_at(order[0])
    page.mouse.up()
    page.mouse.move(box["x"] + 60, box["y"] + 100)
    peek = page.locator(".peek")
    assert shown(page, ".peek .seen") == shown(page, "#copy .seen")  # in sight wherever the panel is
    place = peek.bounding_box()
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= page.viewport_size["width"]
    page.keyboard.press("Escape")
    peek.wait_for(state="hidden")
    page.mouse.move(box["x"] + 70, box["y"] + 100)
    peek.wait_for()
    page.mouse.move(5, 5)
    peek.wait_for(state="hidden")
    assert asked == []


def test_captions_are_ranked_and_each_is_explained_by_a_click_without_a_pass(page, monkeypatch):
    preset = preset_named(FIRST_PRESET)
    assert not page.locator("#captions").is_visible()
    page.get_by_role("radio", name="a caption").check()
    page.locator("#caption").get_by_role("textbox").fill(CAPTIONS[0])
    press_run(page, MASKS)
    wait_done(page, MASKS)
    encoder = explorer.load_encoder("conse-lite0")
    embedded = count_forward(monkeypatch, "conse-lite0")
    page.locator("#several-captions summary").click()
    page.locator("#captions-text").fill("\n".join([*CAPTIONS, "", f" {CAPTIONS[0]} "]))
    page.locator("#rank-captions").click()
    page.locator(".ranked li").first.wait_for()
    assert embedded == []
    whole = encoder.embed_pixels(encoder.read(asset_path(preset.image)).pixels[None])
    distances = {caption: float(measure("cosine", whole, encoder.embed_texts([caption])[0])[0]) for caption in CAPTIONS}
    closest = sorted(CAPTIONS, key=distances.__getitem__)
    assert page.locator(".ranked .caption").all_inner_texts() == closest
    assert page.locator(".ranked .number").all_inner_texts() == [f"{distances[caption]:.4f}" for caption in closest]
    assert page.locator(".ranked [aria-current] .caption").inner_text() == CAPTIONS[0]
    embedded.clear()
    for caption in CAPTIONS[1:]:
        page.get_by_role("button", name=f"Explain “{caption}”").click()
        page.locator("#pair blockquote", has_text=caption).wait_for()
        painted(page)
        assert page.locator("#caption").get_by_role("textbox").input_value() == caption  # for links, locks and Run
        assert page.locator("#pair .gap b").inner_text() == f"{distances[caption]:.4f}"
        assert page.locator(".ranked [aria-current] .caption").inner_text() == caption
    assert embedded == []
    long = "a" * 501
    page.locator("#captions-text").fill("\n".join([*CAPTIONS, "zxqv", long]))
    page.locator("#rank-captions").click()
    says(page, "#status", "3 of 5 captions ranked for this picture, 2 could not be")
    assert page.locator(".ranked li:not(.unread) .caption").all_inner_texts() == closest
    unread = page.locator(".ranked .unread")
    assert unread.locator(".caption").all_inner_texts() == ["zxqv", long[:500]]
    assert "knows no word of the caption" in unread.nth(0).inner_text()
    assert "501 characters; the limit is 500" in unread.nth(1).inner_text()
    assert page.locator(".toast-body").count() == 0
    farthest = words()["distances"]["cosine"]["high_nonnegative" if encoder.card.nonnegative else "high"]
    for caption, place in zip(closest, page.locator(".ranked .gauge i").all(), strict=True):
        share = place.evaluate("dot => parseFloat(dot.style.left)")
        assert share == pytest.approx(100 * distances[caption] / farthest, abs=0.01)
    monkeypatch.setattr(type(encoder), "fit_text", broken)
    page.locator("#rank-captions").click()
    says(page, "#status", "That could not be run: the encoder failed (ValueError).")
    monkeypatch.undo()
    page.locator("#captions-text").fill("\n".join(f"a {i}" for i in range(11)))
    page.locator("#rank-captions").click()
    assert "At most 10 captions" in toast(page)
