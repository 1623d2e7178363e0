"""The example pictures and presets, the paper's pictures, and where they are kept."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from explorer.core.errors import CannotWrite, InvalidInput, WeightsMissing
from explorer.core.storage import cache_folder
from explorer.encoders.cards import CARDS
from explorer.pictures import examples
from explorer.pictures import examples as presets
from explorer.pictures.images import as_picture

ROOT = Path(presets.__file__).parents[2]
BODIES = {"one.jpg": b"first picture", "two.jpg": b"second picture"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fetched(own_cache: Path) -> Path:
    """The paper's pictures in the cache, as far as names go."""
    folder = own_cache / "examples"
    folder.mkdir(parents=True)
    for name in examples.PAPER_SHA256:
        (folder / name).write_bytes(b"x")
    return folder


# Presets


def test_every_question_is_asked_with_the_shipped_pictures() -> None:
    assert {preset.question for preset in presets.presets()} == set(presets.QUESTIONS)


def test_presets_can_be_run(fetched: Path) -> None:
    listed = presets.presets()
    assert len({preset.key for preset in listed}) == len({preset.title for preset in listed}) == len(listed)
    for preset in listed:
        assert (preset.reference is None) != (preset.caption is None)
        assert (preset.question == presets.CAPTION) == (preset.caption is not None)
        kind = "image-image" if preset.caption is None else "image-caption"
        assert kind in CARDS[preset.encoder].compares
        assert preset.image != preset.reference
        for name in (preset.image, preset.reference):
            assert name is None or presets.asset_path(name).is_file()


def test_stories_are_one_line_that_claims_nothing(fetched: Path) -> None:
    for preset in presets.presets():
        assert "?" in preset.story, preset.key
        assert len(preset.story) <= 120, preset.key


def test_the_shipped_presets_need_no_network_and_the_papers_wait_for_theirs(fetched: Path) -> None:
    both = presets.presets()
    (fetched / "bee2.jpg").unlink()
    shipped = presets.presets()
    assert both[: len(shipped)] == shipped
    paper = both[len(shipped) :]
    assert {name for p in shipped for name in (p.image, p.reference)} <= {*presets.manifest(), None}
    assert {name for p in paper for name in (p.image, p.reference)} <= {*examples.PAPER_SHA256, None}


def test_the_papers_pairs_are_those_of_its_section_on_data(fetched: Path) -> None:
    pairs = {(p.image.split(".")[0], p.caption or str(p.reference).split(".")[0]) for p in presets.presets()}
    assert pairs >= {
        *[("bee", "fly"), ("bee", "bee2"), ("dogcar", "car1"), ("dogcar", "labradoodle1"), ("flower", "car1")],
        *[("labradoodle1", "labradoodle2"), ("car1", "bike"), ("labradoodle1", "a labradoodle"), ("flower", "a car")],
        *[("bee", "a bee sitting on a flower"), ("bee", "a bee"), ("bee", "an image of a bee"), ("bee", "a fly")],
        *[("bee", "a flower"), ("dogcar", "a car"), ("dogcar", "a dog"), ("car1", "a bicycle")],
    }


def test_the_shipped_presets_do_not_grow_with_the_papers(fetched: Path) -> None:
    shipped = presets.shipped_presets()
    assert presets.presets()[: len(shipped)] == shipped
    assert len(presets.presets()) > len(shipped)
    shipped.clear()  # a list of one's own
    assert presets.shipped_presets()


# Shipped pictures


def test_the_shipped_pictures_are_what_the_manifest_says() -> None:
    assert presets.verify_assets() == []
    assert {file.name for file in (ROOT / "assets").glob("*.jpg")} == set(presets.manifest())


@pytest.mark.parametrize("name", presets.manifest())
def test_a_shipped_picture_is_usable_and_says_where_it_is_from(name: str) -> None:
    picture = as_picture(presets.asset_path(name))
    assert picture.notices == ()
    assert max(picture.pixels.shape) <= 640
    asset = presets.manifest()[name]
    assert asset.title
    assert asset.source
    assert asset.changes
    assert asset.licence.startswith(("CC0", "Public domain", "Apache-2.0"))
    with Image.open(presets.asset_path(name)) as image:
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_an_altered_or_absent_picture_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "assets"
    shutil.copytree(ROOT / "assets", folder)
    monkeypatch.setattr(presets, "_assets_folder", lambda: folder)
    assert presets.verify_assets() == []
    with (folder / "lion.jpg").open("ab") as file:
        file.write(b"\0")
    (folder / "cat.jpg").unlink()
    assert sorted(presets.verify_assets()) == ["cat.jpg", "lion.jpg"]


def test_the_assets_of_a_wheel_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explorer").mkdir()
    monkeypatch.setattr(presets, "__file__", str(tmp_path / "explorer" / "pictures" / "examples.py"))
    assert presets._assets_folder() == tmp_path / "assets"
    (tmp_path / "explorer" / "assets").mkdir()
    assert presets._assets_folder() == tmp_path / "explorer" / "assets"
    assert presets.replay_folder() == tmp_path / "explorer" / "assets" / "replay"


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that makes the assets, as a module."""
    for package in ("skimage", "gradio"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    spec = importlib.util.spec_from_file_location("assets_make", ROOT / "assets" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "assets_make", module)  # where its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_make_makes_what_is_shipped(make: Any, tmp_path: Path) -> None:
    make.write(tmp_path)
    made = json.loads((tmp_path / "MANIFEST.json").read_text(encoding="utf-8"))
    for name, asset in presets.manifest().items():
        ours = replace(presets.Asset(**made[name]), sha256="", source="")
        assert ours == replace(asset, sha256="", source="")
        new, old = (as_picture(path).pixels.astype(int) for path in (tmp_path / name, presets.asset_path(name)))
        assert new.shape == old.shape
        assert np.abs(new - old).mean() < 1.5, name  # another libjpeg may round otherwise
    assert list(made) == list(presets.manifest())


def test_the_two_halves_fade_into_each_other(make: Any) -> None:
    left, right = Image.new("RGB", (100, 20), (200, 0, 0)), Image.new("RGB", (90, 20), (0, 0, 200))
    joined = np.asarray(make.side_by_side(left, right)).astype(int)
    assert joined.shape == (20, 190 - make.SEAM, 3)
    assert (joined[:, : 100 - make.SEAM] == (200, 0, 0)).all()
    assert (joined[:, 100:] == (0, 0, 200)).all()
    assert np.abs(np.diff(joined, axis=1)).max() <= 200 / make.SEAM + 1


# Finding a picture


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "make.py", "MANIFEST.json", "", "cat"])
def test_only_example_pictures_have_a_path(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"No such example picture; choose one of: cat\.jpg"):
        presets.asset_path(name)


def test_a_picture_of_the_paper_names_the_command_that_fetches_it(own_cache: Path) -> None:
    with pytest.raises(WeightsMissing, match="run `explorer examples fetch`") as caught:
        presets.asset_path("car2.png")
    assert str(own_cache) not in str(caught.value)
    assert caught.value.exit_status == 3


def test_a_fetched_picture_is_found(fetched: Path) -> None:
    assert presets.asset_path("bee.jpg") == fetched / "bee.jpg"


# Fetching the paper's pictures


class Answer(io.BytesIO):
    """An answer with this body."""

    def raise_for_status(self) -> None:
        """It is 200."""

    def iter_content(self, size: int) -> Iterator[bytes]:
        while part := self.read(size):
            yield part


class Network:
    """Stands in for a session: answers by file name, and remembers what was asked."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def get(self, url: str, timeout: float, stream: bool) -> Any:
        assert url.startswith("https://raw.githubusercontent.com/")
        assert stream
        assert 0 < timeout <= 60
        self.asked.append(url.rsplit("/", 1)[1])
        answer = self.answer(self.asked[-1])
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network that has two pictures, which are all the paper's."""
    table = {name: hashlib.sha256(body).hexdigest() for name, body in BODIES.items()}
    monkeypatch.setattr(examples, "PAPER_SHA256", table)
    here = Network(lambda name: Answer(BODIES[name]))
    monkeypatch.setattr(examples, "_session", lambda: here)
    return here


def kept() -> dict[str, bytes]:
    """Everything in the examples folder, whatever it is called."""
    folder = examples.examples_folder()
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else {}


def test_pictures_are_fetched_once(network: Network, own_cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = examples.fetch_examples(lambda done, total: seen.append((done, total)))
    assert folder == own_cache / "examples"
    assert kept() == BODIES
    assert seen == [(1, 2), (2, 2)]
    assert presets.fetch_examples() == folder
    assert network.asked == ["one.jpg", "two.jpg"]


def test_a_damaged_picture_is_fetched_again(network: Network) -> None:
    (examples.fetch_examples() / "two.jpg").write_bytes(b"damaged")
    examples.fetch_examples()
    assert kept() == BODIES
    assert network.asked == ["one.jpg", "two.jpg", "two.jpg"]


def test_another_picture_than_the_papers_is_not_kept(network: Network) -> None:
    network.answer = lambda name: Answer(BODIES["one.jpg"])  # right for one, wrong for two
    with pytest.raises(WeightsMissing, match=r"two\.jpg is not the paper's picture") as caught:
        examples.fetch_examples()
    assert caught.value.code == "examples_hash"
    assert kept() == {"one.jpg": BODIES["one.jpg"]}


class Broken(Answer):
    """An answer that breaks off."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        raise self.error


class Gone(Answer):
    def raise_for_status(self) -> None:
        raise requests.HTTPError("404")


@pytest.mark.parametrize(
    "answer",
    [
        requests.ConnectionError("no route"),
        Gone(),
        requests.Timeout(),
        Broken(requests.ConnectionError("reset")),
        Broken(requests.Timeout()),
        Broken(requests.exceptions.ChunkedEncodingError("half")),
    ],
    ids=["no route", "404", "no answer", "reset", "stalled", "cut"],
)
def test_without_a_network_the_command_is_named(network: Network, answer: Any) -> None:
    network.answer = lambda name: answer
    with pytest.raises(WeightsMissing, match="run `explorer examples fetch`") as caught:
        examples.fetch_examples()
    assert caught.value.code == "examples_offline"
    assert kept() == {}


class Endless(Answer):
    """An answer that never ends."""

    served = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.served += size or 0
        assert self.served < 20_000_000, "the cap was passed over"
        return bytes(size or 0)


def test_an_endless_answer_is_cut(network: Network) -> None:
    network.answer = lambda name: Endless()
    with pytest.raises(WeightsMissing, match="not the paper's picture"):
        examples.fetch_examples()


def test_a_dripping_answer_is_given_up(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 30))
    monkeypatch.setattr(examples.time, "monotonic", lambda: next(clock))  # type: ignore[attr-defined]
    network.answer = lambda name: Endless()
    with pytest.raises(WeightsMissing) as caught:
        examples.fetch_examples()
    assert caught.value.code == "examples_offline"
    assert next(clock) < 300


@pytest.mark.parametrize("step", ["shutil.move", "tempfile.NamedTemporaryFile"])
def test_a_full_disk_leaves_nothing_behind(network: Network, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, full)
    with pytest.raises(CannotWrite, match=r"Cannot write one\.jpg to the cache folder"):
        examples.fetch_examples()
    assert kept() == {}


def test_a_cache_that_is_no_folder_is_told(network: Network, own_cache: Path) -> None:
    own_cache.write_bytes(b"in the way")
    with pytest.raises(CannotWrite, match="EXPLORER_CACHE"):
        examples.fetch_examples()


def test_a_reader_never_sees_half_a_picture(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment before the file gets its name, all of it is written under another one."""
    parts = []
    real = shutil.move

    def watched(source: str, target: str) -> None:
        assert not Path(target).exists()
        assert Path(source).parent == Path(target).parent  # so that moving is renaming
        parts.append(Path(source).read_bytes())
        real(source, target)

    monkeypatch.setattr(shutil, "move", watched)
    examples.fetch_examples()
    assert parts == list(BODIES.values())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/bee.jpg", "ftp://127.0.0.1:9/bee.jpg", "file:///etc/hostname"])
def test_only_https_is_opened(url: str) -> None:
    with pytest.raises(requests.exceptions.InvalidSchema):
        examples._session().get(url, timeout=1)


def test_the_address_names_one_commit() -> None:
    assert re.fullmatch(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/[\w/]+/", examples.PAPER_URL)


def test_the_hashes_are_those_of_the_papers_pictures(shared: Path) -> None:
    folder = shared / "paper_images"
    assert {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()} == examples.PAPER_SHA256


# Where they are kept


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("EXPLORER_CACHE", "")
    assert cache_folder() == tmp_path / "xdg" / "distance-explorer"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "distance-explorer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "distance-explorer"
    monkeypatch.setenv("EXPLORER_CACHE", "here")
    assert cache_folder().is_absolute()


def test_without_a_home_the_shipped_presets_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPLORER_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where no home can be found
    assert presets.presets()
    with pytest.raises(CannotWrite, match="set EXPLORER_CACHE"):
        cache_folder()
    with pytest.raises(WeightsMissing):
        presets.asset_path("bee.jpg")
