"""Every study on a tiny network with few masks: its files, its price, what an interruption costs."""

from __future__ import annotations

import csv
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.price import FINISHED
from explorer.encoders.base import Encoder
from explorer.encoders.functions import FunctionEncoder
from explorer.pictures.examples import PAPER_SHA256
from explorer.pictures.images import as_picture
from explorer.reports import drawing
from explorer.reports.charts import Chart, Line, draw_charts
from explorer.reports.drawing import Panel, draw_maps, save
from explorer.studies import results
from explorer.studies.map_tables import Claim, check
from explorer.studies.needs import ProbeNeed, few_masks, plan
from explorer.studies.pairs import find_subjects, shipped_subjects
from explorer.studies.report import write_report
from explorer.studies.results import finished, read_result, recipe
from explorer.studies.runner import chosen, prices, refuse_others, run_studies, why_not
from explorer.studies.setup import Setup
from explorer.studies.study import STUDIES

SHARE = 0.02
REFERENCES = 400
"""More whole pictures and references than all studies embed; they are no masked copies, so no price names them."""


class TinyTrained(Encoder):
    """Two layers over 16 cells of brightness, and a text side; counts the rows it embeds."""

    card = replace(FunctionEncoder.card, key="tiny", title="Tiny", compares=("image-image", "image-caption"))
    batch_size = 8
    input_size = (32, 32)
    zero_colour = np.full(3, 100, np.float32)

    def __init__(self, arrays: dict[str, NDArray[np.float64]] | None = None, label: str = "tiny:1") -> None:
        super().__init__()
        draw = np.random.default_rng(1)
        self.arrays = arrays or {"first": draw.normal(size=(16, 12)), "last": draw.normal(size=(12, 6))}
        self.fingerprint, self.rows = label, 0

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
        self.rows += len(pixels)
        cells = pixels.reshape(len(pixels), 4, 8, 4, 8, 3).mean(axis=(2, 4, 5)).reshape(len(pixels), 16)
        hidden = np.maximum((cells - 100) / 100 @ self.arrays["first"], 0)
        return np.concatenate([hidden @ self.arrays["last"], np.ones((len(pixels), 1))], axis=1)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.floating]:
        words = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=6) for text in texts]
        return np.concatenate([np.stack(words), np.ones((len(texts), 1))], axis=1)

    def layers(self) -> tuple[str, ...]:
        return tuple(self.arrays)

    def blocks(self) -> dict[str, tuple[str, ...]]:
        return {name: (name,) for name in self.arrays}

    def weights(self, layer: str) -> dict[str, NDArray[np.float64]]:
        return {"kernel": self.arrays[layer].copy()}

    def randomised(self, names: Sequence[str], how: str = "shuffle", seed: int = 0) -> Encoder:
        other = dict(self.arrays)
        for name in names:
            draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
            other[name] = draw.permuted(other[name]) if how == "shuffle" else draw.permutation(other[name])
        return TinyTrained(other, f"{self.fingerprint}+{how}:{seed}:{names}")


def bench_in(folder: Path, share: float = SHARE, **encoders: Encoder) -> Setup:
    encoder, other = TinyTrained(), TinyTrained(label="tiny:2")
    other.card = replace(other.card, title="Tiny features")
    three = {"pictures": encoder, "captions": encoder, "features": other}
    return Setup(encoders or three, shipped_subjects(), folder / ".embedded", share)


def do(setup: Setup, out: Path, *names: str, stop_at: int | None = None) -> int:
    """Run studies, or stop when so many pictures are embedded; how many were."""
    done, work = 0, run_studies(chosen(names), setup, out)
    for step in work:
        done += step
        if stop_at is not None and done >= stop_at:
            work.close()
            break
    return done


@pytest.fixture(scope="module", autouse=True)
def small_figures() -> Iterator[None]:
    """Figures of a third of their size each way, which are drawn sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "DPI", 45)
        patch.setattr(drawing, "PANEL_PIXELS", 60)
        yield


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Setup, Path, int, int]:
    """All studies made once: the bench, the folder, the price named before, the passes counted."""
    out = tmp_path_factory.mktemp("all")
    setup = bench_in(out)
    price = sum(cost.left for cost in prices(chosen(["all"]), setup, out))
    return setup, out, price, do(setup, out, "all")


def test_the_registry_holds_every_figure_and_table() -> None:
    wanted = {*(f"figure-{i}" for i in range(1, 17)), "table-1", "table-2"}
    further = {"sensitivity", "randomization", "stability", "localization", "spaces", "features", "words", "gym"}
    assert set(STUDIES) == wanted | further
    for key, study in STUDIES.items():
        assert study.key == key
        assert study.title == study.title.strip()
        assert not study.title.endswith(".")
        assert study.about.endswith((".", "?"))
    assert len({study.title for _, study in STUDIES.items()}) == len(STUDIES)


@pytest.mark.parametrize("key", STUDIES)
def test_every_study_leaves_its_files(everything: tuple[Setup, Path, int, int], key: str) -> None:
    setup, out, *_ = everything
    folder = out / key
    manifest = json.loads((folder / "manifest.json").read_text())
    names = {file.name for file in folder.iterdir()}
    assert {f"{key}.png", f"{key}.svg", f"{key}.csv"} <= names == {*manifest["files"], "manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / f"{key}.png").read_bytes().startswith(b"\x89PNG")
    ElementTree.fromstring((folder / f"{key}.svg").read_text())
    with (folder / f"{key}.csv").open() as file:
        header, *rows = csv.reader(file)
    assert rows
    assert {len(row) for row in rows} == {len(header)}
    assert manifest["findings"]["alt"]
    assert all(sentence.endswith((".", "?")) for sentence in manifest["findings"]["said"])
    assert manifest["recipe"] == json.loads(json.dumps(recipe(STUDIES[key], setup)))
    assert manifest["recipe"]["encoders"]["pictures"] == "tiny:1"
    assert manifest["recipe"]["pictures"]["cat.jpg"] == as_picture(setup.subjects.files["cat.jpg"]).sha256
    assert "arXiv:2505.15516" in manifest["paper"]


def test_a_draft_of_table_2_is_not_set_beside_the_paper(everything: tuple[Setup, Path, int, int]) -> None:
    folder = everything[1] / "table-2"
    with (folder / "table-2.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["paper's"], row["ratio"]) for row in rows} == {("not compared", "draft")}
    assert "This is a draft" in (folder / "manifest.json").read_text(encoding="utf-8")


def test_the_price_is_what_is_paid(everything: tuple[Setup, Path, int, int]) -> None:
    setup, _, price, paid = everything
    assert price == paid > 3000
    encoder = setup.encoders["pictures"]
    assert isinstance(encoder, TinyTrained)
    assert encoder.rows <= 8 * (paid + REFERENCES)  # rows of padded batches


def test_each_price_alone_is_what_it_needs(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    for key in ("figure-1", "figure-14", "table-2", "words"):
        cost = prices([STUDIES[key]], setup, tmp_path)[0]
        assert cost.passes == cost.left == do(setup, tmp_path, key)


def test_nothing_embedded_is_left_behind(everything: tuple[Setup, Path, int, int]) -> None:
    setup, *_ = everything
    assert not setup.folder.exists()


def test_what_is_finished_is_not_made_again(everything: tuple[Setup, Path, int, int]) -> None:
    setup, out, *_ = everything
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert all(cost.state == FINISHED and cost.left == 0 for cost in prices(chosen(["all"]), setup, out))
    assert do(setup, out, "all") == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def test_a_finished_study_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all that a command asks of it: whose it is, what is left, and the report."""
    setup, hashed, key = bench_in(tmp_path), [], "figure-16"
    do(setup, tmp_path, key)
    real = results.file_hash
    monkeypatch.setattr(results, "file_hash", lambda path: hashed.append(path.name) or real(path))
    refuse_others(chosen([key]), setup, tmp_path, overwrite=False)
    assert prices(chosen([key]), setup, tmp_path)[0].state == FINISHED
    assert do(setup, tmp_path, key) == 0
    write_report(setup, tmp_path)
    assert sorted(hashed) == sorted(json.loads((tmp_path / key / "manifest.json").read_text())["files"])


def test_studies_share_their_probes(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    costs = prices(chosen(["figure-8", "figure-14", "figure-15", "figure-16", "spaces"]), setup, tmp_path)
    assert [cost.left for cost in costs[1:4]] == [0, 0, 0]
    assert costs[1].passes == few_masks(1000, SHARE)
    assert costs[4].left < costs[4].passes


def test_a_larger_probe_goes_on_from_a_smaller(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    few, many = (ProbeNeed("cat.jpg", "pictures", MaskSettings(n_masks=n)) for n in (16, 30))
    assert plan((few, many)) == (many,)
    assert sum(setup.store.fill(few, setup)) == 16
    assert sum(setup.store.fill(many, setup)) == 14
    straight = bench_in(tmp_path / "other")
    assert sum(straight.store.fill(many, straight)) == 30
    np.testing.assert_array_equal(setup.store.probe(many).embeddings, straight.store.probe(many).embeddings)
    np.testing.assert_array_equal(setup.store.probe(few).embeddings, straight.store.probe(many).embeddings[:16])


@pytest.mark.parametrize(("key", "stop_at"), [("figure-10", 9), ("figure-13", 170), ("table-2", 150), ("figure-2", 60)])
def test_an_interrupted_study_ends_as_an_uninterrupted_one(
    everything: tuple[Setup, Path, int, int], tmp_path: Path, key: str, stop_at: int
) -> None:
    _, out, *_ = everything
    whole = do(bench_in(tmp_path), tmp_path, key, stop_at=stop_at)
    setup = bench_in(tmp_path)  # as a new process would
    assert not finished(STUDIES[key], setup, tmp_path)
    left = prices(chosen([key]), setup, tmp_path)[0].left
    assert left == prices(chosen([key]), setup, tmp_path)[0].passes - whole
    assert do(setup, tmp_path, key) == left
    for name in (f"{key}.csv", f"{key}.svg", f"{key}.png"):
        assert (tmp_path / key / name).read_bytes() == (out / key / name).read_bytes(), name


def rows_of(setup: Setup) -> int:
    return sum(encoder.rows for encoder in set(setup.encoders.values()) if isinstance(encoder, TinyTrained))


@pytest.mark.parametrize(("key", "at"), [("figure-2", 1), ("table-2", 0), ("sensitivity", 0), ("words", 0)])
def test_an_interrupted_evaluation_embeds_nothing_twice(tmp_path: Path, key: str, at: int) -> None:
    """A piece of work, stopped twice in its middle, goes on where it was; its result is that of one go."""
    straight, setup = bench_in(tmp_path / "other"), bench_in(tmp_path)
    need, whole = STUDIES[key].outline(straight).needs[at], STUDIES[key].outline(setup).needs[at]
    for one in STUDIES[key].outline(setup).needs[:at]:
        list(setup.store.fill(one, setup))
        list(straight.store.fill(one, straight))
    before = rows_of(straight)
    assert sum(straight.store.fill(need, straight)) == need.passes
    embedded, paid = rows_of(straight) - before, 0
    for _ in range(2):
        work = setup.store.fill(whole, setup)
        while paid < need.passes * 0.4:
            paid += next(work)
        paid += next(work)
        work.close()
        setup = bench_in(tmp_path)  # as a new process would
        assert setup.store.lacking(whole) == need.passes - paid
    whole, before = STUDIES[key].outline(setup).needs[at], rows_of(setup)
    assert sum(setup.store.fill(whole, setup)) == need.passes - paid
    batch = setup.encoders["pictures"].batch_size
    assert rows_of(setup) - before <= embedded - paid + 4 * batch
    for name, array in straight.arrays(need).items():
        np.testing.assert_array_equal(setup.arrays(whole)[name], array)
    assert not list(setup.folder.rglob("reached-*"))


def test_a_stop_in_the_middle_keeps_finished_studies(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    costs = prices(chosen(["figure-8", "figure-9"]), setup, tmp_path)
    do(setup, tmp_path, "figure-8", "figure-9", stop_at=costs[0].left + 8)
    assert finished(STUDIES["figure-8"], setup, tmp_path)
    assert not finished(STUDIES["figure-9"], setup, tmp_path)


def test_the_third_encoder_is_named_where_it_counts_and_nowhere_else(tmp_path: Path) -> None:
    """So that results of studies that do not ask it stay theirs whatever it is, and before there was one."""
    with_it, without = bench_in(tmp_path), bench_in(tmp_path, pictures=TinyTrained(), captions=TinyTrained())
    assert recipe(STUDIES["figure-8"], with_it) == recipe(STUDIES["figure-8"], without)
    needs = recipe(STUDIES["features"], with_it)["needs"]
    assert [need.get("encoder") for need in needs if need["role"] == "features"] == ["tiny:2"] * (len(needs) // 2)
    assert why_not(STUDIES["features"], without) == "no encoder"


def test_a_claim_is_true_or_false_also_when_numpy_says_so() -> None:
    """Which is no bool of JSON."""
    claim = Claim("a pair", "nothing", lambda _, values: values.max() < 1)  # type: ignore[arg-type,return-value]
    assert check((claim,), {}, {"a pair": np.zeros((2, 2))})[0].agrees is True


def test_what_is_damaged_on_disk_is_embedded_anew(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    need = ProbeNeed("cat.jpg", "pictures", MaskSettings(n_masks=16))
    work = STUDIES["figure-2"].outline(setup).needs[1]
    for one in (need, *STUDIES["figure-2"].outline(setup).needs):
        list(setup.store.fill(one, setup))
    for file in setup.folder.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    setup = bench_in(tmp_path)
    assert setup.store.lacking(need) == 16
    assert setup.store.lacking(work) == work.passes


def test_results_of_other_settings_are_not_replaced_unasked(tmp_path: Path) -> None:
    setup, other = bench_in(tmp_path), bench_in(tmp_path, 2 * SHARE)
    do(setup, tmp_path, "figure-16")
    refuse_others(chosen(["figure-16"]), setup, tmp_path, overwrite=False)
    with pytest.raises(InvalidInput, match="--overwrite") as error:
        refuse_others(chosen(["figure-16"]), other, tmp_path, overwrite=False)
    assert error.value.code == "study_differs"
    refuse_others(chosen(["figure-16"]), other, tmp_path, overwrite=True)
    assert not finished(STUDIES["figure-16"], other, tmp_path)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    do(setup, tmp_path, "figure-16")
    (tmp_path / "figure-16" / "manifest.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"figure-16/manifest\.json is damaged"):
        finished(STUDIES["figure-16"], setup, tmp_path)


@pytest.mark.parametrize("name", ["figure-16.png", "figure-16.csv"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    """Also where only the report would read it: a figure that was cut short has no size."""
    setup = bench_in(tmp_path)
    do(setup, tmp_path, "figure-16")
    path = tmp_path / "figure-16" / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InvalidInput, match=f"figure-16/{name} is damaged"):
        write_report(setup, tmp_path)


def test_a_lost_file_makes_a_study_unfinished(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    do(setup, tmp_path, "figure-16")
    (tmp_path / "figure-16" / "figure-16.svg").unlink()
    assert read_result(tmp_path, "figure-16") is None


def test_studies_that_cannot_be_made_say_why(tmp_path: Path, picture_encoder: Encoder) -> None:
    setup = bench_in(tmp_path, pictures=picture_encoder)
    setup = replace(setup, absent={"captions": "its weights are elsewhere"})
    assert why_not(STUDIES["figure-9"], setup) == "its weights are elsewhere"
    assert "layers" in why_not(STUDIES["table-1"], setup)
    assert why_not(STUDIES["figure-8"], setup) == ""
    assert do(setup, tmp_path, "figure-9", "table-1") == 0


def test_unknown_studies_are_refused() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'figure-8'"):
        chosen(["figure-88"])


# Pictures


def test_the_paper_pictures_are_found_in_a_folder(shared: Path) -> None:
    subjects = find_subjects(shared / "paper_images")
    assert subjects.paper
    assert not subjects.note
    named = {
        name for pair in (*subjects.gallery, *subjects.captions, subjects.same) for name in (pair.image, pair.reference)
    }
    assert named - {None} == set(PAPER_SHA256)


def test_a_folder_that_lacks_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bee.jpg").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"lacks bee2\.jpg, .*fly\.jpg") as error:
        find_subjects(tmp_path)
    assert str(tmp_path) not in str(error.value)


def test_a_folder_that_cannot_be_looked_into_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"lacks bee\.jpg"):
        find_subjects(Path("x" * 300))


def test_other_files_of_the_same_names_are_noted(tmp_path: Path) -> None:
    for name in PAPER_SHA256:
        (tmp_path / name).write_bytes(b"another picture")
    subjects = find_subjects(tmp_path)
    assert not subjects.paper
    assert "bee.jpg" in subjects.note
    with pytest.raises(InvalidInput, match=r"picture bee\.jpg cannot be used\. Not an image"):
        _ = subjects.hashes


def test_regions_lie_where_an_encoder_sees_them(tmp_path: Path) -> None:
    setup = bench_in(tmp_path)
    pair = next(pair for pair in setup.subjects.gallery if pair.image == "cat_and_espresso.jpg")
    list(setup.store.fill(setup.need(pair), setup))
    found = setup.regions(pair.image, setup.explain(pair))
    assert found["cat"][:, :15].all()
    assert not found["cat"][:, 15:].any()
    assert found["cup"][:, 16:].all()


# Drawing


def test_drawings_are_the_same_bytes_every_time(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    maps = [np.random.default_rng(i).normal(size=(8, 8)).astype(np.float32) for i in range(3)]
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        save(draw_maps([Panel(values, picture, "one $5 title") for values in maps], 2, "three maps"), folder / "maps")
        lines = {"ours": Line([1, 2, 3]), "paper": Line([2, 2, 2], paper=True, low=[1, 1, 1], high=[3, 3, 3])}
        charts = [
            Chart(lines, [1, 10, 100], "n", "r", log="xy"),
            Chart(lines, ["a", "b", "c"], "name", "r", joined=False),
        ]
        save(draw_charts(charts, "two charts"), folder / "charts")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    assert "three maps" in (tmp_path / "a" / "maps.svg").read_text()
