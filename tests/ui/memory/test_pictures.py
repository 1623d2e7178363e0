"""The visitors' pictures: decoded once, one at a time, never kept whole, and the same for an encoder as ever."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explorer.core.errors import InvalidInput
from explorer.pictures.images import as_picture, shrink
from explorer.ui.memory import pictures as module
from explorer.ui.memory.kept import Memory
from explorer.ui.memory.pictures import Pictures
from tests.conftest import TinyNetwork


class Decoder:
    """Counts what is decoded, and how many at a time."""

    def __init__(self) -> None:
        self.count = self.at_once = self.most = 0

    def __call__(self, source: Any) -> Any:
        self.count += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        time.sleep(0.01)
        try:
            return as_picture(source)
        finally:
            self.at_once -= 1


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    decoder = Decoder()
    monkeypatch.setattr(module, "as_picture", decoder)
    return decoder


@pytest.fixture
def pictures() -> Pictures:
    return Pictures(Memory())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """2000 x 1500, so 9 MB decoded."""
    return save(tmp_path / "photo.png", 0)


def save(path: Path, seed: int, **options: Any) -> Path:
    small = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    Image.fromarray(np.kron(small, np.ones((100, 100, 1), np.uint8))).save(path, **options)
    return path


def all_at_once(count: int, act: Any) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(act())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_what_many_ask_for_at_once_is_decoded_once(pictures: Pictures, decoder: Decoder, photo: Path) -> None:
    found = all_at_once(24, lambda: pictures.open(photo))
    assert decoder.count == 1
    assert {one.sha256 for one in found} == {as_picture(photo).sha256}
    again = all_at_once(24, lambda: pictures.view(found[0], TinyNetwork()))
    assert decoder.count == 2
    assert len({id(pixels) for pixels, _ in again}) == 1


def test_different_pictures_are_decoded_one_at_a_time(pictures: Pictures, decoder: Decoder, tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.webp", i, quality=10, method=0) for i in range(6)]
    rest = iter(paths)
    assert len(all_at_once(6, lambda: pictures.open(next(rest)))) == 6
    assert (decoder.count, decoder.most) == (6, 1)


def test_the_same_file_elsewhere_is_known(pictures: Pictures, decoder: Decoder, photo: Path, tmp_path: Path) -> None:
    first = pictures.open(photo)
    copy = tmp_path / "copy.png"
    copy.write_bytes(photo.read_bytes())
    assert pictures.open(copy).sha256 == first.sha256
    assert decoder.count == 1
    copy.touch()
    pictures.open(copy)
    assert decoder.count == 1


def test_an_animation_is_opened_once_for_its_first_frame(pictures: Pictures, decoder: Decoder, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (400, 300), (i, 0, 0)) for i in range(20)]
    path = tmp_path / "a.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    for _ in range(5):
        assert pictures.open(path).notices == ("Animated: only the first frame is used.",)
    assert decoder.count == 1


def test_a_damaged_file_is_refused_each_time_and_decoded_once(
    pictures: Pictures, decoder: Decoder, photo: Path
) -> None:
    photo.write_bytes(photo.read_bytes()[:-500])
    words = []
    for _ in range(5):
        with pytest.raises(InvalidInput) as caught:
            pictures.open(photo)
        words.append((str(caught.value), caught.value.code))
    with pytest.raises(InvalidInput) as caught:
        as_picture(photo)
    assert set(words) == {(str(caught.value), caught.value.code)}
    assert decoder.count == 1


def test_an_encoder_sees_the_whole_picture(pictures: Pictures, photo: Path) -> None:
    encoder, upload = TinyNetwork(), pictures.open(photo)
    whole = as_picture(photo)
    np.testing.assert_array_equal(upload.view(encoder)[0], encoder.view(whole.pixels)[0])
    assert not np.array_equal(upload.view(encoder)[0], encoder.view(upload.screen)[0])  # not the small copy of it
    np.testing.assert_array_equal(upload.screen, shrink(whole.pixels, 448))
    np.testing.assert_array_equal(upload.pixels, whole.pixels)
    assert (upload.size, upload.notices, upload.sha256) == ((1500, 2000), whole.notices, whole.sha256)
    assert as_picture(upload) is upload


def test_little_is_kept_and_made_anew_where_there_was_no_room(decoder: Decoder, photo: Path) -> None:
    memory = Memory()
    pictures, encoder = Pictures(memory), TinyNetwork()
    upload = pictures.open(photo)
    screen, (seen, _) = upload.screen, upload.view(encoder)
    assert 448 * 336 * 3 + 32 * 32 * 3 * 4 <= memory.bytes < 500_000
    tight = Pictures(Memory(most=1))
    upload = tight.open(photo)
    np.testing.assert_array_equal(upload.view(encoder)[0], seen)
    np.testing.assert_array_equal(upload.screen, screen)
    tight.open(photo)  # what it is called is never forgotten
    assert decoder.count == 2 + 3


def test_a_picture_that_is_gone_is_asked_for_again(pictures: Pictures, photo: Path) -> None:
    upload = pictures.open(photo)
    photo.unlink()
    np.testing.assert_array_equal(upload.screen.shape, (336, 448, 3))  # what is here still serves
    for act in (lambda: pictures.open(photo), lambda: upload.view(TinyNetwork()), lambda: upload.pixels):
        with pytest.raises(InvalidInput, match="no longer on the server; add it again") as caught:
            act()
        assert caught.value.code == "picture_gone"


def test_another_picture_in_its_place_is_not_taken_for_it(pictures: Pictures, photo: Path, tmp_path: Path) -> None:
    upload = pictures.open(photo)
    save(tmp_path / "other.png", 1).replace(photo)
    with pytest.raises(InvalidInput, match="add it again"):
        upload.view(TinyNetwork())
    assert pictures.open(photo).sha256 != upload.sha256
