"""Links: what they bring back is what they were made of, and what strangers write in them is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import InvalidInput, MaskSettings, SelectionSettings, WeightsMissing
from explorer.core.captions import clean_caption
from explorer.core.distances import DISTANCES
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.selections import MODES, Slice
from explorer.encoders.cards import CARDS
from explorer.pictures.examples import FIRST_PRESET, PAPER_SHA256, Preset, manifest, preset_named, presets
from explorer.results.links import CONTROLS, OURS, PLAIN, Link, View, from_query, preset_recipe, to_query
from explorer.results.recipe import Recipe, example_sha256

SHA = "0123456789abcdef" * 4
CAT = Recipe(picture="cat.jpg", picture_sha256=example_sha256("cat.jpg"), caption="a cat", encoder="conse-lite0")


def followed(query: str) -> Link | None:
    return from_query(dict(parse_qsl(query, keep_blank_values=True)))


def asked(query: str) -> Recipe:
    link = followed(query)
    assert link is not None
    assert link.recipe is not None
    return link.recipe


def refusal(query: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        followed(query)
    assert len(str(caught.value)) < 400
    return str(caught.value)


# There and back


def _shares(draw: Any) -> Slice | None:
    low, high = sorted(draw(st.floats(0, 1)) for _ in "lh")
    return (low, high) if draw(st.booleans()) else None


def _side(draw: Any, side: str) -> dict[str, str]:
    if draw(st.booleans()):
        return {f"{side}_sha256": draw(st.text("0123456789abcdef", min_size=64, max_size=64))}
    name = draw(st.sampled_from(list(manifest())))
    return {side: name, f"{side}_sha256": example_sha256(name)}


def _is_caption(text: str) -> bool:
    try:
        return bool(clean_caption(clean_caption(text)))
    except InvalidInput:
        return False


@st.composite
def configs(draw: Any) -> Recipe:
    """Every config the app would run."""
    by_caption = draw(st.booleans())
    against = {"caption": draw(st.text(max_size=60).filter(_is_caption))} if by_caption else _side(draw, "reference")
    card = CARDS[draw(st.sampled_from([key for key, card in CARDS.items() if card.captions or not by_caption]))]
    whole = {cap.name: draw(st.integers(int(cap.low), int(cap.app_high))) for cap in (N_MASKS, FEATURE_RES, SEED)}
    return Recipe(
        **_side(draw, "picture"),
        **against,
        encoder=card.key,
        precision=draw(st.sampled_from(card.precisions)),
        masking=MaskSettings(
            **whole, p_keep=draw(st.floats(P_KEEP.low, P_KEEP.high)), fill=draw(st.sampled_from(list(FILLS)))
        ),
        selection=SelectionSettings(
            mode=draw(st.sampled_from(list(MODES))),
            threshold=draw(st.floats(THRESHOLD.low, THRESHOLD.high)),
            distance=draw(st.sampled_from(list(DISTANCES))),
            closest=_shares(draw),
            farthest=_shares(draw),
        ),
    )


@st.composite
def views(draw: Any) -> View:
    some = st.lists(st.sampled_from(CONTROLS)).map(tuple)
    return View(draw(some), draw(some), draw(st.none() | st.integers(1, 6)), draw(st.booleans()))


@given(configs(), views())
def test_a_link_brings_back_what_it_was_made_of(recipe: Recipe, view: View) -> None:
    query = to_query(recipe, view)
    assert followed(query) == Link(recipe, view)
    assert followed(f"?{query}&__theme=dark&utm_source=mail&v=2".lstrip("?")) == Link(recipe, view)
    assert query.isascii()
    assert len(query) < 2000


@pytest.mark.parametrize("shares", [(-0.0, -0.0), (-0.0, 1.0), (5e-324, 1e-05), (1e-05, 0.30000000000000004)])
def test_slices_to_the_last_bit(shares: Slice) -> None:
    recipe = Recipe(picture_sha256=SHA, caption="a cat", encoder="conse-lite0",
                    selection=SelectionSettings(closest=shares, farthest=shares))  # fmt: skip
    assert asked(to_query(recipe)) == recipe


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.key)
def test_a_replay_is_named_by_its_preset(preset: Preset) -> None:
    selection, view = SelectionSettings(mode="closest", farthest=(0.2, 0.5)), View(hide=("run",), projector=True)
    recipe = replace(preset_recipe(preset.key), selection=selection)
    query = to_query(recipe, view, replay=preset.key)
    assert query == f"preset={preset.key}&mode=closest&farthest=0.2-0.5&hide=run&projector=1"
    assert followed(query) == Link(recipe, view, preset.key)


def test_only_an_unchanged_preset_is_a_replay() -> None:
    def replayed(query: str) -> str | None:
        link = followed(query)
        assert link is not None
        return link.replay

    assert replayed("threshold=0.2") == replayed(f"preset={FIRST_PRESET}&seed=0&n_masks=1000") == FIRST_PRESET
    for change in (
        "seed=1",
        "n_masks=990",
        "precision=bfloat16",
        "encoder=conse-lite0",
        "caption=a+cat&encoder=conse-lite0",
    ):
        assert replayed(f"preset=two-cat&{change}") is None, change
    assert replayed(to_query(preset_recipe("two-cat"))) is None  # a pair that is named is run
    assert replayed("hide=run") is None


def test_links_can_be_read_by_people() -> None:
    recipe = Recipe(
        picture="cat.jpg",
        picture_sha256=example_sha256("cat.jpg"),
        reference="espresso.jpg",
        reference_sha256=example_sha256("espresso.jpg"),
        encoder="efficientnet-lite0",
        masking=MaskSettings(n_masks=500, seed=3),
        selection=SelectionSettings(mode="closest", threshold=0.05, farthest=(0.2, 0.5)),
    )
    assert to_query(recipe, View(("fill", "seed"), ("encoder",), 3, True)) == (
        "picture=cat.jpg&reference=espresso.jpg&encoder=efficientnet-lite0&n_masks=500&seed=3&mode=closest"
        "&threshold=0.05&farthest=0.2-0.5&hide=seed,fill&lock=encoder&step=3&projector=1"
    )
    assert to_query(CAT) == "picture=cat.jpg&caption=a+cat&encoder=conse-lite0"
    assert to_query(Recipe(picture_sha256=SHA, reference_sha256=SHA, encoder="keras-vgg16")) == (
        f"picture_sha256={SHA}&reference_sha256={SHA}&encoder=keras-vgg16"
    )


def test_a_link_to_what_the_app_would_not_run_is_not_made() -> None:
    recipe = Recipe(picture_sha256=SHA, caption="a cat", encoder="conse-lite0", masking=MaskSettings(n_masks=20_000))
    with pytest.raises(InvalidInput, match=r"n_masks must be 10 to 10000, got 20000"):
        to_query(recipe)


# Written by hand


@pytest.mark.parametrize("query", ["", "__theme=dark", "utm_source=x&utm_medium=y", "__sign=abc", "Picture=cat.jpg"])
def test_what_is_not_ours_is_left_alone(query: str) -> None:
    assert followed(query) is None


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.key)
def test_a_preset_stands_for_its_pair(preset: Any) -> None:
    recipe = asked(f"preset={preset.key}")
    assert (recipe.picture, recipe.reference, recipe.caption, recipe.encoder) == (
        preset.image, preset.reference, preset.caption, preset.encoder,
    )  # fmt: skip
    assert (recipe.masking, recipe.selection, recipe.own) == (MaskSettings(), SelectionSettings(), ())
    assert preset_recipe(preset.key) == recipe


def test_what_is_named_replaces_its_part_of_a_preset() -> None:
    recipe = asked("preset=two-caption-cat&caption=a+dog&n_masks=20&fill=blur")
    assert (recipe.picture, recipe.caption, recipe.encoder) == ("cat_and_espresso.jpg", "a dog", "conse-lite0")
    assert recipe.masking == MaskSettings(n_masks=20, fill="blur")
    assert asked("preset=two-caption-cat&picture=cat.jpg").picture == "cat.jpg"
    by_picture = asked("preset=two-caption-cat&reference=cat.jpg")
    assert (by_picture.reference, by_picture.caption) == ("cat.jpg", None)
    assert asked("preset=two-espresso&caption=a+dog").encoder == "conse-lite0"  # the preset's reads no captions
    assert asked("preset=two-espresso&encoder=keras-vgg16").encoder == "keras-vgg16"


def test_settings_alone_belong_to_the_first_preset() -> None:
    recipe = asked("n_masks=500")
    assert recipe.picture == preset_named(FIRST_PRESET).image
    assert recipe.masking == MaskSettings(n_masks=500)


def test_a_pair_without_an_encoder_gets_one_that_can_read_it() -> None:
    assert asked("picture=cat.jpg&caption=a+cat").encoder == "conse-lite0"
    assert asked("picture=cat.jpg&reference=lion.jpg").encoder == "efficientnet-lite0-features"


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ("hide=seed,fill", View(hide=("seed", "fill"))),
        ("hide=fill,+seed,seed", View(hide=("seed", "fill"))),
        ("step=1&projector=0", View(step=1)),
        ("lock=encoder&projector=1", View(lock=("encoder",), projector=True)),
    ],
)
def test_a_link_that_only_says_how_to_look(query: str, view: View) -> None:
    assert followed(query) == Link(None, view)
    assert not set(dict(parse_qsl(query))) & set(OURS)


def test_an_own_file_is_named_by_its_pixels_and_has_to_be_brought() -> None:
    recipe = asked(f"picture_sha256={SHA}&caption=a+cat")
    assert (recipe.picture, recipe.picture_sha256, recipe.own) == (None, SHA, ("picture",))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("n_masks=20000", "n_masks must be 10 to 10000, got 20000."),
        ("n_masks=1e3", "n_masks must be a whole number from"),
        ("n_masks=", "n_masks must be a whole number from"),
        ("n_masks=٥٠٠", "n_masks must be a whole number from"),
        ("n_masks=1_000", "n_masks must be a whole number from"),
        (f"seed={'9' * 50_000}", "seed must be a whole number from"),
        ("seed=-1", "seed must be 0 to 4294967295, got -1."),
        ("p_keep=nan", "p_keep must be a number from"),
        ("p_keep=1e999", "p_keep must be a number from"),
        ("p_keep=0", "p_keep must be 0.01 to 0.99, got 0 (0 hides all, 1 hides nothing)."),
        ("threshold=0.6", "threshold must be 0.01 to 0.5, got 0.6."),
        ("fill=nois", "Unknown fill; choose one of"),
        ("mode=<script>", "Unknown mode; choose one of"),
        ("distance=", "Unknown distance; choose one of"),
        ("scheme=dianna", "must be able to grow"),
        ("precision=float16", "has no such precision; choose one of: float32, bfloat16."),
        ("encoder=", "Unknown encoder"),
        ("encoder=open_clip:ViT-B-32:openai", "Unknown encoder"),
        ("closest=0.5", "closest must be two shares of the ranking, as in closest=0.2-0.5."),
        ("closest=0.5-0.2", "closest must be two shares (low, high)"),
        ("farthest=0-1e999", "farthest must be two shares (low, high)"),
        ("closest=" + "1-" * 30_000, "closest must be two shares of the ranking"),
        ("preset=x", "No such example"),
        ("picture=cat.jpg", "The link names half of a pair"),
        ("caption=a+cat", "The link names half of a pair"),
        (f"picture=cat.jpg&picture_sha256={SHA}&caption=a", "The link names too much"),
        ("picture=cat.jpg&reference=cat.jpg&caption=a", "The link names too much"),
        ("picture=../cat.jpg&caption=a", "No such example picture"),
        ("picture=/etc/passwd&caption=a", "No such example picture"),
        ("picture=http://a.b/c.jpg&caption=a", "No such example picture"),
        ("picture_sha256=xyz&caption=a", "picture_sha256 must be 64 digits"),
        ("picture=cat.jpg&caption=", "The caption is empty"),
        (f"picture=cat.jpg&caption={'x' * 501}", "The caption has 501 characters; the limit is 500."),
        ("picture=cat.jpg&caption=a&encoder=keras-vgg16", "cannot read captions"),
        ("step=0", "step must be 1 to 6, got 0."),
        ("step=two", "step must be a whole number from 1 to 6."),
        ("hide=seed,password", "Unknown name in hide; choose from: preset, picture,"),
        ("lock=", "Unknown name in lock"),
        ("projector=yes", "projector must be 0 or 1."),
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_is_refused(query: str, message: str) -> None:
    told = refusal(query)
    assert message in told
    assert "<script>" not in told
    assert "password" not in told


@pytest.mark.usefixtures("own_cache")
def test_a_link_to_a_picture_that_has_not_been_fetched() -> None:
    with pytest.raises(WeightsMissing, match="explorer examples fetch"):
        followed(f"picture={next(iter(PAPER_SHA256))}&caption=a+bee")


@given(st.dictionaries(st.sampled_from([*OURS, "hide", "lock", "step", "projector"]), st.text(max_size=30)))
def test_any_query_is_followed_or_refused(params: dict[str, str]) -> None:
    try:
        link = from_query(params)
    except (InvalidInput, WeightsMissing):
        return
    assert (link is None) == (not params)


def test_a_view_takes_names_of_controls_only() -> None:
    assert View(hide=("fill", "seed", "fill")) == View(hide=("seed", "fill"))
    assert View() == PLAIN
    assert len(set(CONTROLS)) == len(CONTROLS)
    for wrong in ({"hide": ("x",)}, {"lock": "seed"}, {"step": 7}, {"step": True}):
        with pytest.raises(InvalidInput):
            View(**wrong)
