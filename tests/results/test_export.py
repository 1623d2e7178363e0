"""What is taken home: whole, the same every time, enough to make the map again, and nothing of the machine."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import explorer
from explorer import Explanation, InvalidInput, MaskSettings, SelectionSettings
from explorer.core.captions import clean_caption
from explorer.core.probe import grow, prepare
from explorer.core.rank import rank_against
from explorer.core.references import embed_reference
from explorer.pictures.examples import asset_path
from explorer.pictures.images import as_picture
from explorer.results.export import SweepMap, export_sweep, export_zip, snippet
from explorer.results.recipe import Recipe, example_sha256

NAMES = {"README.txt", "figure.png", "figure.svg", "attribution.npy", "distances.csv", "config.json", "manifest.json",
         "reproduce.py", "CITATION.bib"}  # fmt: skip
FEW = MaskSettings(n_masks=20, seed=3)
PICTURE, REFERENCE = "cat_and_espresso.jpg", "espresso.jpg"
PAIR = Recipe(
    picture=PICTURE,
    picture_sha256=example_sha256(PICTURE),
    reference=REFERENCE,
    reference_sha256=example_sha256(REFERENCE),
    encoder="efficientnet-lite0",
    masking=FEW,
    selection=SelectionSettings(threshold=0.2),
)
CAPTIONED = Recipe(
    picture=PICTURE,
    picture_sha256=example_sha256(PICTURE),
    caption='a "cat" in C:\\new\'s {house}',
    encoder="conse-lite0",
    masking=MaskSettings(n_masks=20, feature_res=4, p_keep=0.4, seed=0, fill="blur"),
    selection=SelectionSettings(distance="angular", closest=(0.0, 0.3), farthest=(0.5, 1.0)),
)


def explained(recipe: Recipe) -> Explanation:
    """The map that a config of examples names."""
    assert recipe.picture is not None
    against: dict[str, Any] = {"caption": recipe.caption}
    if recipe.reference is not None:
        against = {"reference": asset_path(recipe.reference)}
    encoder = explorer.load_encoder(recipe.encoder, precision=recipe.precision)
    return explorer.explain(asset_path(recipe.picture), **against, encoder=encoder, masking=recipe.masking,
                            selection=recipe.selection)  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> Explanation:
    return explained(PAIR)


@pytest.fixture(scope="module")
def pair_zip(pair: Explanation) -> bytes:
    return export_zip(pair, PAIR)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# What is in it


def test_names_are_flat_and_safe(pair_zip: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(pair_zip)) as archive:
        assert set(archive.namelist()) == NAMES
        for member in archive.infolist():
            assert re.fullmatch(r"[A-Za-z]+\.[a-z]+", member.filename)
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.external_attr >> 16 == 0o644  # a plain file, neither link nor program


def test_the_numbers_are_the_results(pair: Explanation, pair_zip: bytes) -> None:
    files = members(pair_zip)
    stored = np.load(io.BytesIO(files["attribution.npy"]), allow_pickle=False)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, pair.attribution)
    rows = list(csv.DictReader(files["distances.csv"].decode().splitlines()))
    np.testing.assert_array_equal([float(row["distance"]) for row in rows], pair.distances)
    np.testing.assert_array_equal([float(row["weight"]) for row in rows], pair.weights)
    assert Recipe.from_json(files["config.json"]) == PAIR
    manifest = json.loads(files["manifest.json"])
    assert manifest["encoder"]["fingerprint"] == pair.probe.encoder.fingerprint
    assert manifest["versions"]["numpy"] == np.__version__


def test_the_figures_are_pictures(pair_zip: bytes) -> None:
    files = members(pair_zip)
    with Image.open(io.BytesIO(files["figure.png"])) as png:
        assert png.format == "PNG"
        assert np.asarray(png.convert("RGB")).std() > 5
    assert ET.fromstring(files["figure.svg"]).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_words_say_what_has_to_be_said(pair_zip: bytes) -> None:
    files = members(pair_zip)
    readme = files["README.txt"].decode()
    assert all(name in readme for name in NAMES - {"README.txt"})
    assert "positive (red) where keeping the region brings the pair closer" in readme
    assert "What the map does not say" in readme
    assert f"The figures show the example {PICTURE}: " in readme
    assert b"2505.15516" in files["CITATION.bib"]
    assert files["CITATION.bib"].count(b"{") == files["CITATION.bib"].count(b"}")


def test_nothing_of_the_machine_is_in_it(pair_zip: bytes) -> None:
    for name, data in members(pair_zip).items():
        for secret in (str(Path.home()), str(Path(__file__).parents[2]), sys.prefix, os.uname().nodename):
            assert len(secret) < 5 or secret.encode() not in data, (name, secret)


def test_the_same_result_gives_the_same_bytes(pair: Explanation, pair_zip: bytes) -> None:
    again = members(export_zip(explained(PAIR), PAIR))
    differing = {name for name, data in members(pair_zip).items() if again[name] != data}
    assert differing <= {"manifest.json"}  # its date


@pytest.mark.parametrize(
    "caption",
    ["a --> <script>alert(1)</script> ]]> & co", r'$\foo$ {pictures} ../.. """', "猫 🐈 " + "x" * 490],
    ids=["markup", "formulas", "any script"],
)
@pytest.mark.filterwarnings("error:Glyph")
def test_captions_can_say_anything(pair: Explanation, caption: str) -> None:
    reference = replace(pair.reference, label=f"“{caption}”", picture=None)
    encoder = explorer.load_encoder("conse-lite0")
    explanation = replace(pair, reference=reference, probe=replace(pair.probe, encoder=encoder))
    explanation.__dict__["unmasked_distance"] = 0.5  # the probe is that of another encoder
    recipe = Recipe(picture_sha256=PAIR.picture_sha256, caption=caption, encoder="conse-lite0", masking=FEW,
                    selection=PAIR.selection)  # fmt: skip
    files = members(export_zip(explanation, recipe))
    assert set(files) == NAMES
    assert not [part for part in ET.fromstring(files["figure.svg"]).iter() if "script" in str(part.tag)]
    assert Recipe.from_json(files["config.json"]).caption == caption
    compile(files["reproduce.py"], "reproduce.py", "exec")
    assert "a file of your own" in files["README.txt"].decode()


# The config must be the map's


@pytest.mark.parametrize(
    "changes",
    [
        {"masking": MaskSettings(n_masks=20, seed=4)},
        {"masking": MaskSettings(n_masks=30, seed=3)},
        {"selection": SelectionSettings(threshold=0.1)},
        {"selection": SelectionSettings(threshold=0.2, mode="closest")},
        {"encoder": "keras-vgg16"},
        {"encoder": "conse-lite0", "reference": None, "reference_sha256": None, "caption": "a cat"},
    ],
    ids=str,
)
def test_settings_of_another_map_are_refused(pair: Explanation, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="not those of the map") as caught:
        export_zip(pair, replace(PAIR, **changes))
    assert caught.value.code == "export_stale"


def stopped(done: int, scheme: str = "philox") -> Explanation:
    """What is known of the pair when a run of 40 masks is stopped."""
    encoder = explorer.load_encoder("efficientnet-lite0")
    picture, reference = asset_path(PICTURE), asset_path(REFERENCE)
    start = prepare(picture, encoder=encoder, masking=MaskSettings(n_masks=40, seed=3, scheme=scheme))
    reached = next(probe for probe in grow(start) if len(probe) >= done)
    assert not reached.complete
    return rank_against(reached, embed_reference(encoder, reference=reference), PAIR.selection)


def test_a_stopped_run_is_exported_as_what_it_became() -> None:
    explanation = stopped(16)
    recipe = replace(PAIR, masking=replace(FEW, n_masks=len(explanation.probe)))
    files = members(export_zip(explanation, recipe))
    again = explained(Recipe.from_json(files["config.json"]))
    np.testing.assert_array_equal(again.attribution, explanation.attribution)
    with pytest.raises(InvalidInput, match="not those of the map"):
        export_zip(explanation, replace(PAIR, masking=replace(FEW, n_masks=40)))


def test_what_cannot_be_made_again_is_refused(pair: Explanation) -> None:
    few = stopped(1)
    assert len(few.probe) < 10
    with pytest.raises(InvalidInput, match="Let at least 10 masks be embedded"):
        export_zip(few, replace(PAIR, masking=replace(FEW, n_masks=10)))
    dianna = stopped(16, "dianna")
    with pytest.raises(InvalidInput, match="not those of the map"):
        export_zip(dianna, replace(PAIR, masking=replace(FEW, n_masks=len(dianna.probe), scheme="dianna")))
    given_masks = explorer.masks_from_array(pair.probe.masks.render(0, 20))
    with pytest.raises(InvalidInput, match="not those of the map"):
        export_zip(replace(pair, probe=replace(pair.probe, masks=given_masks)), PAIR)


def test_a_model_that_breaks_is_not_hidden(pair: Explanation) -> None:
    def broken() -> Any:
        raise explorer.UnusableEmbedding("The model broke.", code="broken")

    with pytest.raises(explorer.UnusableEmbedding):
        export_zip(replace(pair, probe=replace(pair.probe, unmasked=broken)), PAIR)


# The script


def run_script(folder: Path, script: str) -> str:
    (folder / "reproduce.py").write_text(script, encoding="utf-8")
    answer = subprocess.run([sys.executable, "reproduce.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_script_of_an_export_makes_the_map_again(pair: Explanation, pair_zip: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(pair_zip)) as archive:
        archive.extractall(tmp_path)
    told = run_script(tmp_path, (tmp_path / "reproduce.py").read_text(encoding="utf-8"))
    assert "largest difference from attribution.npy: 0\n" in told
    assert f"distance of the whole picture: {pair.unmasked_distance:.4f}" in told
    assert "not the picture" not in told
    made = np.load(tmp_path / "reproduced" / "attribution.npy", allow_pickle=False)
    np.testing.assert_array_equal(made, pair.attribution)


def test_the_script_of_a_caption_sets_every_setting(tmp_path: Path) -> None:
    told = run_script(tmp_path, snippet(CAPTIONED))
    assert "largest difference" not in told  # nothing to compare with
    made = np.load(tmp_path / "reproduced" / "attribution.npy", allow_pickle=False)
    np.testing.assert_array_equal(made, explained(CAPTIONED).attribution)


def test_the_script_asks_for_files_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: Explanation,
                                                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    script = snippet(replace(PAIR, picture=None, reference=None))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    with pytest.raises(InvalidInput, match="No such file: your picture"):
        runpy.run_path("script.py")
    assert f"begins with {PAIR.picture_sha256[:8]}\n" in script
    Image.fromarray(as_picture(asset_path(PICTURE)).pixels).save("mine.png")  # another format, the same pixels
    own = script.replace('"your picture"', '"mine.png"').replace('"your reference"', repr(str(asset_path(REFERENCE))))
    (tmp_path / "script.py").write_text(own, encoding="utf-8")
    runpy.run_path("script.py")
    assert "This is not" not in capsys.readouterr().out
    made = np.load(tmp_path / "reproduced" / "attribution.npy", allow_pickle=False)
    np.testing.assert_array_equal(made, pair.attribution)
    (tmp_path / "script.py").write_text(own.replace('"mine.png"', repr(str(asset_path("cat.jpg")))), encoding="utf-8")
    runpy.run_path("script.py")
    assert "This is not the picture of that map, so the two will differ." in capsys.readouterr().out


def test_the_script_says_what_differs_from_the_defaults_and_the_seed() -> None:
    assert "MaskSettings(n_masks=20, seed=3)," in snippet(PAIR)
    assert "SelectionSettings(threshold=0.2)," in snippet(PAIR)
    plain = snippet(replace(PAIR, masking=MaskSettings(), selection=SelectionSettings(), precision="bfloat16"))
    assert "MaskSettings(seed=0)," in plain
    assert "SelectionSettings()," in plain
    assert "load_encoder('efficientnet-lite0', precision='bfloat16')" in plain


@given(st.text(min_size=1, max_size=40))
def test_no_caption_becomes_code(text: str) -> None:
    try:
        caption = clean_caption(text)
    except InvalidInput:
        return
    recipe = replace(CAPTIONED, caption=caption)
    calls = [node for node in ast.walk(ast.parse(snippet(recipe))) if isinstance(node, ast.Call)]
    plain = [node for node in ast.walk(ast.parse(snippet(CAPTIONED))) if isinstance(node, ast.Call)]
    assert len(calls) == len(plain)
    found = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "caption"]
    assert [ast.literal_eval(value) for value in found] == [recipe.caption]


# Sweeps


def test_a_sweep_is_taken_home_with_a_line_for_each_map(pair: Explanation) -> None:
    other = replace(PAIR, selection=SelectionSettings(mode="closest"))
    maps = [
        SweepMap("as set", "", pair, PAIR),
        SweepMap("closest", "", rank_against(pair.probe, pair.reference, other.selection), other),
    ]
    with zipfile.ZipFile(io.BytesIO(export_sweep(maps))) as archive:
        names = archive.namelist()
        rows = list(csv.DictReader(io.StringIO(archive.read("sweep.csv").decode())))
        assert len(names) == 3 + 3 * len(maps)
        for row, one in zip(rows, maps, strict=True):
            assert Recipe.from_json(archive.read(f"{row['file']}.json").decode()) == one.recipe
            saved = np.load(io.BytesIO(archive.read(f"{row['file']}.npy")), allow_pickle=False)
            np.testing.assert_array_equal(saved, one.explanation.attribution)
            picture = Image.open(io.BytesIO(archive.read(f"{row['file']}.png")))
            assert picture.size[0] > 100
            assert (row["map"], row["mode"]) == (one.title, one.recipe.selection.mode)
            assert int(row["masks_close"]) == (one.explanation.weights > 0).sum()
            assert float(row["strongest_closer"]) == one.explanation.relative.max()
            assert row["n_masks"] == "20"
        limit = max(np.abs(one.explanation.relative).max() for one in maps)
        assert f"reach +{limit:.4g}" in archive.read("README.txt").decode()
    assert export_sweep(maps) == export_sweep(maps)


def test_a_sweep_whose_settings_are_not_those_of_its_maps_is_refused(pair: Explanation) -> None:
    with pytest.raises(InvalidInput, match="not those of the map"):
        export_sweep([SweepMap("as set", "", pair, replace(PAIR, masking=replace(FEW, seed=4)))])
