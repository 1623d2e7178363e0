"""The free stage twice: maths.js in headless Chromium against Python's rank, on the same probes.

The wire is packed here by a few lines of its own, so that the app's packing and this reading cannot err together.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import Explanation, MaskSettings, Probe, SelectionSettings, UnusableEmbedding
from explorer.core.agreement import ROUNDING, expected_agreement, split_half, wobble
from explorer.core.distances import DISTANCES
from explorer.core.embedder import WHOLE, Box
from explorer.core.masks import GridMasks, sample_masks
from explorer.core.probe import prepare
from explorer.core.references import Reference
from explorer.core.selections import MODES
from explorer.core.truth import truth
from explorer.encoders.base import Encoder
from explorer.results.plots import BEYOND, beyond, colour_limit
from explorer.results.summary import peaks
from tests.browser.conftest import CHROMIUM, FLAGS, need_chromium

pytestmark = pytest.mark.browser

FOLDER = Path(explorer.__file__).parent / "ui" / "browser" / "instrument"
HOME = "http://instrument.invalid/"
SIDES = json.dumps({key: {"sides": mode.sides} for key, mode in MODES.items()})
START = """<script type="module">
import * as maths from "./maths.js";
import * as truths from "./truth.js";
import { view } from "./views.js";
maths.learnModes(SIDES);
window.maths = maths;
window.truths = truths;
window.view = view;
window.plain = (value) => {
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return { kind: value.constructor.name, base64: btoa(text) };
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
};
</script>""".replace("SIDES", SIDES)
KINDS = {"Float32Array": "<f4", "Float64Array": "<f8", "Uint32Array": "<u4"}
CASES = [
    ((32, 32), 8, 57),
    ((24, 40), 2, 10),
    ((17, 31), 1, 57),
    ((33, 50), 16, 100),  # 100 * 0.29 is less than 29
    ((50, 37), 8, 1000),
    ((224, 224), 8, 1000),
]
RADIUS = 1.7
AHEAD = Reference(np.array([RADIUS, 0.0]), "an embedding")
SLICES = [
    ((0.2, 0.5), (0.5, 0.8)),
    ((0.29, 0.58), None),
    (None, (0.07, 0.57)),
    ((0.0, 0.6), (0.3, 1.0)),
    ((0.9, 1.0), (0.0, 0.1)),
    ((0.1, 0.2), None),
    ((0.8, 1.0), None),
    (None, (0.8, 1.0)),
    ((0.0, 0.1), (0.5, 0.5)),
]
WORDS = {
    "": "",
    "uniform": "No region changes the distance: the image is uniform.",
    "flat": "No region changes the distance: all masked copies lie equally far from the reference.",
}

Js = Callable[..., Any]


@pytest.fixture(scope="module")
def js() -> Iterator[Js]:
    """Evaluates an expression that knows ``maths``, ``view`` and what is given by name."""
    need_chromium()
    with ThreadPoolExecutor(1) as thread:  # Playwright runs once in a thread, and the browser tests have this one
        browsing = thread.submit(browse)
        page = browsing.result()

        def evaluate(expression: str, **given: Any) -> Any:
            function = f"({{{', '.join(given)}}}) => plain({expression})"
            return revived(thread.submit(page.evaluate, function, given).result())

        yield evaluate
        thread.submit(page.leave).result()


def browse() -> Any:
    """A page that has loaded maths.js."""
    from playwright.sync_api import Route, sync_playwright

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(HOME)
        if name:
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            route.fulfill(body=START, content_type="text/html")

    playwright = sync_playwright().start()
    page = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page()
    page.route(f"{HOME}**", serve)
    page.goto(HOME)
    page.wait_for_function("window.maths")
    page.leave = playwright.stop  # closes the browser too
    return page


def revived(value: Any) -> Any:
    if isinstance(value, list):
        return [revived(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"kind", "base64"}:
        return np.frombuffer(base64.b64decode(value["base64"]), KINDS[value["kind"]])
    return {key: revived(inner) for key, inner in value.items()}


# Probes and their wire


def probe_of(rows: Any, size: tuple[int, int] = (24, 40), f: int = 8, p_keep: float = 0.5) -> Probe:
    """A probe whose embeddings are points of the plane already."""
    encoder = explorer.from_function(lambda batch: np.ones((len(batch), 2)))
    masking = MaskSettings(n_masks=len(rows), feature_res=f, p_keep=p_keep, seed=len(rows) + f)
    return replace(prepare(np.ones((*size, 1)), encoder=encoder, masking=masking), embeddings=np.asarray(rows))


def points(n: int, *, ties: bool = False) -> np.ndarray:
    """(n, 2) with the second coordinate above 0; with ties there are only 28 different ones."""
    random = np.random.default_rng(n)
    if ties:
        return np.stack([random.integers(-3, 4, n) / 4, random.integers(1, 5, n) / 2], axis=1)
    return np.stack([random.normal(0, 1, n), np.abs(random.normal(0, 1, n))], axis=1)


def text(values: Any, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def wire(probe: Probe, plane: np.ndarray | None = None, radius: float = RADIUS, **more: Any) -> dict[str, Any]:
    masks = probe.masks
    assert isinstance(masks, GridMasks)
    return {
        "version": 1,
        "size": list(masks.size),
        "feature_res": masks.feature_res,
        "packed": text(masks.packed, "u1"),
        "shifts": text(masks.shifts, "<u2"),
        "blocks": masks.blocks,
        "plane": text(probe.embeddings if plane is None else plane, "<f8"),
        "reference_length": radius,
        "eps": float(np.finfo(probe.embeddings.dtype).eps),
        "uniform": False,
        "masking": probe.masking.to_dict(),
        **more,
    }


def selections(distance: str) -> list[SelectionSettings]:
    """Every mode at every threshold, and slices."""
    modes = [SelectionSettings(mode, t, distance) for mode in MODES for t in (0.01, 0.1, 0.29, 0.5)]
    return modes + [SelectionSettings(distance=distance, closest=near, farthest=far) for near, far in SLICES]


def compare(js: Js, probe: Probe, given: dict[str, Any], chosen: list[SelectionSettings], upto: int | None = None,
            target: np.ndarray = AHEAD.embedding) -> list[Explanation]:  # fmt: skip
    """Every explanation of one probe, in Chromium and in Python; returns Python's."""
    part = probe if upto is None else replace(probe, embeddings=probe.embeddings[:upto])
    found = js(
        "(result => chosen.map((selection) => maths.explain(result, selection, upto)))(maths.decode(given))",
        given=given, chosen=[selection.to_dict() for selection in chosen], upto=upto,
    )  # fmt: skip
    explained = [explorer.rank(part, embedding=target, selection=selection) for selection in chosen]
    for ours, theirs in zip(found, explained, strict=True):
        assert_same(ours, theirs)
    return explained


def assert_same(ours: dict[str, Any], truth: Explanation) -> None:
    assert ours["n"] == len(truth.probe)
    np.testing.assert_array_equal(ours["weights"], truth.weights)
    np.testing.assert_allclose(ours["distances"], truth.distances, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(ours["order"], np.argsort(truth.distances, kind="stable"))
    scale = colour_limit(truth.relative)
    scale = scale if scale > ROUNDING else 1.0  # weights that cancel leave rounding, which is not to be painted
    np.testing.assert_allclose(ours["map"].reshape(truth.relative.shape), truth.relative, rtol=0, atol=3e-6 * scale)
    assert ours["limit"] == pytest.approx(scale, rel=1e-5)
    assert ours["wobble"] == pytest.approx(wobble(truth), rel=1e-9)
    assert ours["meaning"] == truth.meaning
    nothing = f"No mask is selected: the share chosen of {len(truth.probe)} masks is less than one mask."
    assert {**WORDS, "nothing": nothing}[ours["noSignal"]] == truth.no_signal


# The whole stage


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("size", "f", "n"), CASES, ids=str)
def test_explain(js: Js, size: tuple[int, int], f: int, n: int, distance: str) -> None:
    probe = probe_of(points(n), size, f, p_keep=0.4)
    explained = compare(js, probe, wire(probe), selections(distance))
    assert any(e.weights.any() for e in explained)


@pytest.mark.parametrize(("size", "f", "n"), [((24, 40), 8, 57), ((32, 32), 1, 57), ((35, 21), 7, 200)], ids=str)
def test_masks_of_whole_patches(js: Js, size: tuple[int, int], f: int, n: int) -> None:
    drawn = probe_of(points(n), size, f, p_keep=0.4)
    masking = replace(drawn.masking, fill="drop")
    masks = sample_masks(masking, size)
    probe = replace(drawn, masking=masking, masks=masks)
    given = wire(probe)
    assert any(e.weights.any() for e in compare(js, probe, given, selections("cosine")))
    rendered = masks.render(0, n)
    for i in (0, n - 1):
        mask = js("maths.renderMask(maths.decode(given).masks, i)", given=given, i=i)
        np.testing.assert_array_equal(mask.reshape(size), rendered[i])
    for y, x in ((0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, 3)):
        values = js("maths.maskValues(maths.decode(given).masks, n, y, x)", given=given, n=n, y=y, x=x)
        np.testing.assert_array_equal(values, rendered[:, y, x])


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("n", [10, 57, 1000])
def test_ties(js: Js, n: int, distance: str) -> None:
    probe = probe_of(points(n, ties=True))
    explained = compare(js, probe, wire(probe), selections(distance))
    assert n == 10 or len(np.unique(explained[0].distances)) < n


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("upto", [1, 2, 10, 999, 1000])
def test_prefixes(js: Js, upto: int, ties: bool, distance: str) -> None:
    probe = probe_of(points(1000, ties=ties))
    compare(js, probe, wire(probe), selections(distance), upto)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("distance", DISTANCES)
def test_true_embeddings(js: Js, picture: np.ndarray, encoder: Encoder, distance: str, dtype: type) -> None:
    """In twelve dimensions, of which the plane keeps what the four distances need."""
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=60))
    probe = replace(probe, embeddings=probe.embeddings.astype(dtype))
    target = np.random.default_rng(3).normal(size=12)
    rows = np.concatenate([probe.embeddings, probe.unmasked()[None]]).astype(np.float64)
    radius = float(np.linalg.norm(target))
    along = rows @ target / radius
    plane = np.stack([along, np.sqrt(np.maximum(np.square(rows).sum(axis=1) - along**2, 0))], axis=1)
    given = wire(probe, plane[:-1], radius, whole=plane[-1].tolist())
    explained = compare(js, probe, given, selections(distance), target=target)
    whole = js("maths.wholeDistance(maths.decode(given), distance)", given=given, distance=distance)
    assert whole == pytest.approx(explained[0].unmasked_distance, rel=1e-9)


@pytest.mark.parametrize("upto", [None, 40])
def test_mirror_as_the_sum_of_its_sides(js: Js, upto: int | None) -> None:
    """What views.js makes of two maps that are on screen anyway; the sides of equal masks cancel but for rounding."""
    drawn = probe_of(points(57))
    equal = replace(drawn.masks, packed=drawn.masks.packed[[0] * 57], shifts=drawn.masks.shifts[[0] * 57])
    for probe in (drawn, probe_of(points(57, ties=True)), replace(drawn, masks=equal)):
        part = replace(probe, embeddings=probe.embeddings[:upto])
        for threshold in (0.01, 0.1, 0.29, 0.5):
            selection = SelectionSettings(threshold=threshold)
            given = {"given": wire(probe), "selection": selection.to_dict(), "upto": upto}
            ours = js("view(maths.decode(given), selection, upto)", **given)
            assert_same(ours, explorer.rank(part, embedding=AHEAD.embedding, selection=selection))


def test_the_views_used_last_are_kept(js: Js) -> None:
    """A drag makes one for each of its moves; the map that it is compared with must not be made again each time."""
    kept, forgotten = js(
        """((result) => {
          const at = (threshold) => view(result, { ...selection, threshold });
          const first = at(0.1), second = at(0.11);
          for (let move = 0; move < 30; move++) [at(0.2 + move / 100), at(0.1)];
          return [first === at(0.1), second === at(0.11)];
        })(maths.decode(given))""",
        given=wire(probe_of(points(57))), selection=SelectionSettings(mode="closest").to_dict(),
    )  # fmt: skip
    assert kept
    assert not forgotten


def test_results_of_the_same_masks_share_them(js: Js) -> None:
    probe, other = wire(probe_of(points(57))), wire(probe_of(points(57), f=4))
    shared, apart = js(
        """(() => {
          const [a, b, c] = [first, { ...first }, second].map((given) => maths.decode(given).masks.bits);
          return [a === b, a !== c && c.length === 57 * 16];
        })()""",
        first=probe, second=other,
    )  # fmt: skip
    assert shared
    assert apart


def test_a_result_that_grows(js: Js) -> None:
    probe = probe_of(points(57))
    begun = replace(probe, embeddings=probe.embeddings[:20])
    before, after, shared, still = js(
        """((first) => {
          const second = maths.grow((maths.explain(first, selection), first), rows);
          return [maths.explain(first, selection), maths.explain(second, selection),
                  first.masks === second.masks, first.n];
        })(maths.decode(given))""",
        given=wire(begun), rows=text(probe.embeddings, "<f8"), selection=SelectionSettings().to_dict(),
    )  # fmt: skip
    assert_same(before, explorer.rank(begun, embedding=AHEAD.embedding))
    assert_same(after, explorer.rank(probe, embedding=AHEAD.embedding))
    assert shared
    assert still == 20


def test_no_row_yet(js: Js) -> None:
    probe = probe_of(points(10))
    found = js("maths.explain(maths.decode(given), selection)", given=wire(probe, plane=np.empty((0, 2))),
               selection=SelectionSettings().to_dict())  # fmt: skip
    assert found["noSignal"] == "nothing"
    assert not found["map"].any()
    assert (found["n"], found["limit"], found["wobble"]) == (0, 1, 0)


def test_a_side_without_a_mask_is_the_same_in_both(js: Js) -> None:
    for n in (10, 19, 50, 99, 100, 1000):
        for settings in (
            *({"mode": mode, "threshold": share} for mode in MODES for share in (0.01, 0.05, 0.29)),
            *({"closest": closest, "farthest": farthest} for closest, farthest in SLICES),
            {"closest": (0.5, 0.505), "farthest": (0.9, 1.0)},
        ):
            selection = SelectionSettings(**settings)
            assert js("maths.emptySide(selection, n)", selection=selection.to_dict(), n=n) == selection.empty_side(n)


def test_a_wire_of_another_version_is_refused(js: Js) -> None:
    with pytest.raises(Exception, match="results of version 1, not 2; reload"):
        js("maths.decode(given)", given={"version": 2})


# No signal


@pytest.mark.parametrize("distance", DISTANCES)
def test_flat_where_python_says_so(js: Js, distance: str) -> None:
    """Rows a few rounding steps apart: the limit lies at the same step."""
    said = set()
    for dtype in (np.float32, np.float64):
        for steps in (0, 1, 4, 7, 9, 12, 15, 20, 30, 60, 1000):
            rows = np.ones((12, 2), dtype)
            rows[5] += (steps * np.finfo(dtype).eps, 0)
            probe = probe_of(rows)
            said |= {e.no_signal for e in compare(js, probe, wire(probe), selections(distance))}
    assert said >= {"", WORDS["flat"]}


def test_a_uniform_picture(js: Js) -> None:
    uniform = np.full((24, 40, 3), 9, np.uint8)
    probe = replace(probe_of(points(57)), picture=uniform, pixels=uniform)
    explained = compare(js, probe, wire(probe, uniform=True), selections("cosine"))
    assert {e.no_signal for e in explained} == {WORDS["uniform"]}


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_copy_without_length(js: Js, distance: str) -> None:
    rows = points(57)
    rows[[3, 7]] = 0
    probe, chosen = probe_of(rows), selections(distance)
    if not DISTANCES[distance].needs_length:
        compare(js, probe, wire(probe), chosen)
        return
    with pytest.raises(UnusableEmbedding):
        explorer.rank(probe, embedding=AHEAD.embedding, selection=chosen[0])
    found = js(
        "(result => chosen.map((selection) => maths.explain(result, selection)))(maths.decode(given))",
        given=wire(probe), chosen=[selection.to_dict() for selection in chosen],
    )  # fmt: skip
    assert {ours["noSignal"] for ours in found} == {"zero"}
    assert not any(ours["map"].any() or ours["weights"].any() for ours in found)


# The pieces


@pytest.mark.parametrize(("size", "f", "n"), CASES, ids=str)
def test_masks(js: Js, size: tuple[int, int], f: int, n: int) -> None:
    probe = probe_of(points(n), size, f)
    pixels = [(0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, 3), (5, size[1] // 2)]
    shown = list(range(min(n, 12)))
    weights = np.random.default_rng(0).normal(0, 1 / n, n - 3)
    weights[::5] = 0
    values, masks, total = js(
        """(({ masks }) => [pixels.map(([y, x]) => maths.maskValues(masks, n, y, x)),
          shown.map((i) => maths.renderMask(masks, i)), maths.weightedSum(masks, Float64Array.from(weights))]
        )(maths.decode(given))""",
        given=wire(probe), pixels=pixels, n=n, shown=shown, weights=weights.tolist(),
    )  # fmt: skip
    rendered = probe.masks.render(0, n)
    for (y, x), found in zip(pixels, values, strict=True):
        np.testing.assert_allclose(found, rendered[:, y, x], atol=1e-6)
    np.testing.assert_allclose(np.reshape(masks, (-1, *size)), rendered[: len(shown)], atol=1e-6)
    truth = probe.masks.weighted_sum(weights)
    np.testing.assert_allclose(total.reshape(size), truth, rtol=0, atol=3e-6 * np.abs(truth).max())


@pytest.mark.parametrize("upto", [None, 40])
@pytest.mark.parametrize(("size", "f", "n"), [((24, 40), 8, 57), ((33, 50), 16, 100), ((224, 224), 8, 1000)], ids=str)
def test_truth(js: Js, size: tuple[int, int], f: int, n: int, upto: int | None) -> None:
    """To more digits than are shown, for every mode, of distances with ties that hang on the masks."""
    drawn = probe_of(points(n), size, f)
    rows = drawn.embeddings.copy()
    rows[:, 0] = np.round(4 * drawn.masks.sums_kept(np.random.default_rng(1).normal(size=(1, *size)))[0] / size[0]) / 4
    probe = replace(drawn, embeddings=rows)
    part = replace(probe, embeddings=rows[:upto])
    chosen = [SelectionSettings(mode) for mode in MODES] + [SelectionSettings("closest", 0.29, "euclidean")]
    found = js(
        """(result => chosen.map((selection) => {
          const parts = [0, 1, 2, 3, 4].map((part) => truths.partTruth(result, selection, upto, part));
          const told = truths.meanTruth(parts, upto ?? result.n);
          return { ...told, verdict: truths.truthVerdict(told), inOrder: truths.inOrder(told) };
        }))(maths.decode(given))""",
        given=wire(probe), chosen=[selection.to_dict() for selection in chosen], upto=upto,
    )  # fmt: skip
    for ours, selection in zip(found, chosen, strict=True):
        told = truth(explorer.rank(part, embedding=AHEAD.embedding, selection=selection))
        assert (ours["n"], ours["verdict"]) == (told.n, told.verdict)
        assert ours["spearman"] == pytest.approx(told.spearman, abs=2e-4)
        assert ours["r2"] == pytest.approx(told.r2, abs=2e-4)
        assert ours["inOrder"] == pytest.approx(100 * told.in_order, abs=0.52)
    assert max(abs(ours["spearman"]) for ours in found) > 0.1


@pytest.mark.parametrize("upto", [None, 1, 2, 31])
@pytest.mark.parametrize("distance", DISTANCES)
def test_split_half(js: Js, distance: str, upto: int | None) -> None:
    """On embeddings that follow the masks, so that the halves agree, and on some that do not."""
    noise = probe_of(points(300))
    kept = noise.masks.render(0, 300)[:, 5:12, 20:30].mean(axis=(1, 2))
    chosen, seen = selections(distance), []
    for probe in (noise, probe_of(np.stack([kept, np.ones(300)], axis=1))):
        part = replace(probe, embeddings=probe.embeddings[:upto])
        found = js(
            "(result => chosen.map((selection) => maths.splitHalf(result, selection, upto)))(maths.decode(given))",
            given=wire(probe), chosen=[selection.to_dict() for selection in chosen], upto=upto,
        )  # fmt: skip
        for ours, selection in zip(found, chosen, strict=True):
            half = split_half(part, AHEAD, selection)
            assert ours["half"] == pytest.approx(half, abs=1e-5)
            assert ours["expected"] == pytest.approx(expected_agreement(half), abs=2e-5)
            seen.append(half)
    if upto is None:
        assert min(seen) < 0.2
        assert max(seen) > 0.6


def test_peaks(js: Js) -> None:
    """Of maps with flat parts, in part beside the picture, and with little to name."""
    random = np.random.default_rng(0)
    boxes = [WHOLE, Box(0.25, 0.0, 0.75, 1.0), Box(0.0, -0.5, 1.0, 1.5)]
    asked, expected = [], []
    for shape in ((24, 40), (33, 50), (16, 17), (3, 3), (1, 7)):
        for box in boxes:
            for unsettled in (0.0, 0.5, 3.0, 9.0):
                for shift in (0, 3, -3, -40):
                    attribution = random.normal(shift, 1, shape).astype("f4").round(1)
                    where = [box.left, box.top, box.right, box.bottom]
                    limit = colour_limit(attribution)
                    asked.append([attribution.ravel().tolist(), list(shape), where, unsettled, limit])
                    expected.append(list(peaks(attribution, box, unsettled)))
    found = js("maps.map(([map, ...rest]) => maths.peaks(Float32Array.from(map), ...rest))", maps=asked)
    assert found == expected
    assert {name for names in found for name in names} >= {"", "centre", "top left", "middle right", "bottom centre"}
    assert js("maths.peaks(new Float32Array(81), [9, 9], [0, 0, 1, 1], 0, 1)") == ["", ""]


def test_colour_limit(js: Js) -> None:
    """Of smooth maps the strongest value; of spiky, sparse and empty ones what Python says."""
    random = np.random.default_rng(0)
    smooth = np.outer(*[np.hanning(60)] * 2) - 0.3
    spiky = random.standard_t(1.5, (60, 60))
    sparse = np.where(random.random((60, 60)) < 0.02, smooth, 0)
    single = np.zeros((60, 60))
    single[3, 4] = -2
    noise = random.normal(size=(60, 60))
    maps = [m.astype("f4") for m in (smooth, spiky, sparse, single, 0 * single, 1e-9 * spiky, 1e-3 * spiky, noise)]
    given = [m.ravel().tolist() for m in maps]
    found = js("maps.map((map) => maths.colourLimit(Float32Array.from(map)))", maps=given)
    assert found == pytest.approx([colour_limit(m) for m in maps], rel=1e-6)
    said = js("maps.map((map, i) => maths.beyond(Float32Array.from(map), limits[i], sentence) || '')",
              maps=given, limits=found, sentence=BEYOND)  # fmt: skip
    assert said == [beyond(m, limit) for m, limit in zip(maps, found, strict=True)]
    assert [bool(sentence) for sentence in said] == [False, True, False, False, False, False, True, False]


def test_correlation(js: Js) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)
    expression = "maths.correlation(Float32Array.from(a), Float32Array.from(b))"
    assert js(expression, a=a.tolist(), b=b.tolist()) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)
    assert js(expression, a=[1.0, 1.0, 1.0], b=[1.0, 2.0, 3.0]) == 0
