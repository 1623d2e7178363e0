"""The costly stage: grows, stops, goes on, and always gives the same bits."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import Encoder, InvalidInput, MaskSettings, Probe, UnusableEmbedding
from explorer.attributions.question import make_question
from explorer.core.errors import Exhausted, Failed
from explorer.core.probe import enlarge, grow, prepare
from explorer.core.steps import run
from explorer.encoders.functions import FunctionEncoder

SIZE = (24, 40, 3)


class Counting:
    """A function on BLAS that counts the rows it sees: (b, h, w, c) -> (b, 12)."""

    def __init__(self) -> None:
        self.weights = np.random.default_rng(3).normal(size=(int(np.prod(SIZE)), 12)).astype(np.float32)
        self.rows: list[int] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.rows.append(len(batch))
        return batch.reshape(len(batch), -1).astype(np.float32) @ self.weights


def stopped_at(probe: Probe, done: int) -> Probe:
    """The probe as a caller had it who stopped after ``done`` masks."""
    return replace(probe, embeddings=probe.embeddings[:done])


def assert_same(one: Probe, other: Probe) -> None:
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    assert one.masking == other.masking
    assert one.complete
    assert other.complete
    np.testing.assert_array_equal(one.masks.render(0, len(one)), other.masks.render(0, len(other)))


def test_stream_ends_in_the_probe(picture: np.ndarray, encoder: Encoder) -> None:
    masking = MaskSettings(n_masks=50, seed=2)
    snapshots = list(explorer.stream(picture, encoder=encoder, masking=masking))
    assert [len(probe) for probe in snapshots] == [8, 16, 24, 32, 40, 48, 50]
    assert [probe.complete for probe in snapshots] == [False] * 6 + [True]
    assert {probe.wanted for probe in snapshots} == {50}
    assert_same(snapshots[-1], explorer.probe(picture, encoder=encoder, masking=masking))
    for probe in snapshots:
        np.testing.assert_array_equal(probe.embeddings, snapshots[-1].embeddings[: len(probe)])


def test_defaults_are_the_papers(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder)
    assert (len(probe), probe.masking.feature_res, probe.masking.p_keep) == (1000, 8, 0.5)
    assert probe.embeddings.shape == (1000, 12)
    assert probe.masks.size == (24, 40)


@pytest.mark.parametrize("batch_size", [1, 7, 10, 64])
def test_the_function_sees_the_masked_picture(picture: np.ndarray, batch_size: int) -> None:
    seen: list[np.ndarray] = []

    def function(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.copy())
        return batch.mean(axis=(1, 2), dtype=np.float64)

    encoder = explorer.from_function(function, batch_size=batch_size)
    probe = explorer.probe(picture.astype(np.float64), encoder=encoder, masking=MaskSettings(n_masks=33))
    assert [len(batch) for batch in seen] == [batch_size] * (33 // batch_size) + [33 % batch_size] * (
        33 % batch_size > 0
    )
    np.testing.assert_array_equal(
        np.concatenate(seen), picture * probe.masks.render(0, 33)[..., None].astype(np.float64)
    )
    np.testing.assert_allclose(probe.embeddings, np.concatenate(seen).mean(axis=(1, 2)))


# Stopping and going on


@pytest.mark.parametrize("done", [0, 1, 299, 300])
def test_extended_equals_uninterrupted(picture: np.ndarray, encoder: Encoder, done: int) -> None:
    whole = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=400))
    fewer = prepare(picture, encoder=encoder, masking=MaskSettings(n_masks=300))
    if done:
        fewer = stopped_at(explorer.extend(fewer, n_masks=300), done)
    assert len(fewer) == done
    assert_same(explorer.extend(fewer, n_masks=400), whole)
    assert_same(explorer.extend(explorer.extend(fewer, n_masks=350), n_masks=400), whole)


@pytest.mark.parametrize("batches", [0, 1, 37, 38])
def test_a_blas_function_stopped_between_batches(picture: np.ndarray, batches: int) -> None:
    """A matrix product may round a row by how many others are with it; batches on a fixed grid keep that the same."""
    masking = MaskSettings(n_masks=400)
    encoder = explorer.from_function(Counting(), batch_size=8)
    whole = explorer.probe(picture, encoder=encoder, masking=masking)
    start = prepare(picture, encoder=encoder, masking=masking)
    early = [start, *islice(grow(start), batches)][-1]
    assert len(early) == 8 * batches
    assert_same(explorer.extend(early, n_masks=400), whole)


def test_a_network_stopped_anywhere(shared_picture: np.ndarray) -> None:
    """Partial batches are filled up, so a real network gives the same bits wherever it was stopped."""
    masking = MaskSettings(n_masks=44, seed=1)
    whole = explorer.probe(shared_picture, masking=masking)
    for done in (0, 1, 31, 32):
        assert_same(explorer.extend(stopped_at(whole, done), n_masks=44), whole)
    fewer = explorer.probe(shared_picture, masking=replace(masking, n_masks=29))
    assert_same(explorer.extend(fewer, n_masks=44), whole)


@pytest.mark.parametrize("done", [1, 13, 29])
def test_a_copy_keeps_its_place_in_the_batch(
    picture: np.ndarray, picture_encoder: Encoder, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """A network whose rounding depends on the row, as some kernels' does, still gives the same bits."""
    exact = picture_encoder._forward
    monkeypatch.setattr(picture_encoder, "_forward", lambda batch: exact(batch) + 1e-6 * np.arange(8)[:, None])
    whole = explorer.probe(picture, encoder=picture_encoder, masking=MaskSettings(n_masks=30))
    assert_same(explorer.extend(stopped_at(whole, done), n_masks=30), whole)
    fewer = explorer.probe(picture, encoder=picture_encoder, masking=MaskSettings(n_masks=max(done, 10)))
    assert_same(explorer.extend(fewer, n_masks=30), whole)


def test_only_new_masks_are_embedded(picture: np.ndarray) -> None:
    function = Counting()
    encoder = explorer.from_function(function, batch_size=10)
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=100))
    assert function.rows == [10] * 10
    function.rows.clear()
    probe = explorer.extend(probe, n_masks=123)
    assert function.rows == [10, 10, 3]
    function.rows.clear()
    assert len(explorer.extend(probe, n_masks=150)) == 150
    assert function.rows == [7, 10, 10]  # back on the grid
    function.rows.clear()
    assert explorer.extend(probe, n_masks=123) is probe
    assert function.rows == []


def test_stopping_embeds_nothing_more(picture: np.ndarray) -> None:
    function = Counting()
    stream = explorer.stream(picture, encoder=explorer.from_function(function), masking=MaskSettings(n_masks=100))
    probe = next(stream)
    stream.close()
    assert function.rows == [10]
    assert len(probe) == 10
    assert not probe.complete


class LooksAhead(FunctionEncoder):
    """Makes masked copies by itself, and works ahead of who reads."""

    closed = False

    def embed_masked(self, pixels: Any, background: Any, masks: Any, start: int, stop: int) -> Generator[np.ndarray]:
        copies = background + masks.render(start, stop)[..., None] * (pixels - background)
        rows = self.embed_pixels(copies) + 1
        try:
            yield from (rows[i : i + 16] for i in range(0, stop - start, 16))
        finally:
            self.closed = True


def test_an_encoder_that_makes_masked_copies_by_itself(picture: np.ndarray, encoder: Encoder) -> None:
    masking = MaskSettings(n_masks=40, fill="mean")
    own = LooksAhead(encoder._function, 8)
    snapshots = list(explorer.stream(picture.astype(np.float32), encoder=own, masking=masking))
    assert [len(probe) for probe in snapshots] == [16, 32, 40]
    plain = explorer.probe(picture.astype(np.float32), encoder=encoder, masking=masking)
    np.testing.assert_allclose(snapshots[-1].embeddings, plain.embeddings + 1, rtol=1e-5)
    assert own.closed


def test_stopping_ends_what_an_encoder_has_under_way(picture: np.ndarray) -> None:
    own = LooksAhead(Counting(), 8)
    stream = explorer.stream(picture.astype(np.float32), encoder=own, masking=MaskSettings(n_masks=40))
    next(stream)
    assert not own.closed
    stream.close()
    assert own.closed


def test_a_probe_cannot_shrink(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=50))
    with pytest.raises(InvalidInput, match="has 50 masks already; n_masks must be at least that, got 40"):
        explorer.extend(probe, n_masks=40)
    # What was wanted and not done yet may be given up.
    assert len(explorer.extend(stopped_at(probe, 20), n_masks=30)) == 30


@pytest.mark.parametrize("n_masks", [0, 100_001, 60.5, "60", None, True])
def test_extend_checks_its_number(picture: np.ndarray, encoder: Encoder, n_masks: object) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=50))
    with pytest.raises(InvalidInput, match="n_masks must be"):
        explorer.extend(probe, n_masks=n_masks)  # type: ignore[arg-type]


def test_dianna_masks_cannot_grow_but_can_be_finished(picture: np.ndarray, encoder: Encoder) -> None:
    masking = MaskSettings(n_masks=50, scheme="dianna")
    whole = explorer.probe(picture, encoder=encoder, masking=masking)
    with pytest.raises(InvalidInput, match="depend on how many there are") as caught:
        explorer.extend(whole, n_masks=60)
    assert caught.value.code == "scheme_grow"
    with pytest.raises(InvalidInput, match="depend on how many there are"):
        explorer.extend(stopped_at(whole, 20), n_masks=40)
    assert_same(explorer.extend(stopped_at(whole, 20), n_masks=50), whole)


def test_given_masks_cannot_grow_but_can_be_finished(picture: np.ndarray, encoder: Encoder) -> None:
    masks = explorer.masks_from_array(np.random.default_rng(0).random((30, 24, 40)))
    whole = explorer.probe(picture, encoder=encoder, masks=masks)
    assert len(whole) == whole.masking.n_masks == 30
    with pytest.raises(InvalidInput, match="Masks you gave cannot be extended"):
        explorer.extend(whole, n_masks=40)
    assert_same(explorer.extend(stopped_at(whole, 9), n_masks=30), whole)


def test_a_few_given_masks_are_enough(picture: np.ndarray, encoder: Encoder) -> None:
    masks = explorer.masks_from_array(np.random.default_rng(0).random((3, 24, 40)))
    probe = explorer.probe(picture, encoder=encoder, masks=masks)
    assert len(probe) == probe.wanted == 3
    assert probe.complete


# Telling about progress


def test_progress(picture: np.ndarray, encoder: Encoder) -> None:
    calls: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        calls.append((done, total))

    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=20), on_progress=note)
    assert calls == [(8, 20), (16, 20), (20, 20)]
    calls.clear()
    explorer.extend(probe, n_masks=30, on_progress=note)
    assert calls == [(24, 30), (30, 30)]
    calls.clear()
    list(islice(explorer.stream(picture, encoder=encoder, masking=MaskSettings(n_masks=20), on_progress=note), 2))
    assert calls == [(8, 20), (16, 20)]


def test_an_error_in_the_callback_reaches_the_caller(picture: np.ndarray, encoder: Encoder) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explorer.probe(picture, encoder=encoder, on_progress=stop)


# Encoders that fail on the way


class FailingAt:
    """Means of colours, until its call of a number: then what is said, once."""

    def __init__(self, call: int, fail: Any) -> None:
        self.calls, self._at, self._fail = 0, call, fail

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.calls += 1
        rows = batch.mean(axis=(1, 2), dtype=np.float64)
        return self._fail(rows) if self.calls == self._at else rows


def to_nan(rows: np.ndarray) -> np.ndarray:
    rows[3] = np.nan
    return rows


def out_of_memory(rows: np.ndarray) -> np.ndarray:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


def mistaken(rows: np.ndarray) -> np.ndarray:
    raise KeyError("weights")


FAILURES = [
    (to_nan, UnusableEmbedding, "non-finite values for 1 of 10 masked copies, after 500 good ones"),
    (out_of_memory, Exhausted, "not enough memory"),
    (mistaken, Failed, r"KeyError: 'weights'\. 500 of 1000 masks are done; once it is mended, explorer\.extend\("),
]


@pytest.mark.parametrize(("fail", "kind", "words"), FAILURES, ids=["nan", "memory", "mistake"])
def test_what_was_embedded_before_a_failure_is_kept(picture: np.ndarray, fail: Any, kind: Any, words: str) -> None:
    function = FailingAt(51, fail)
    encoder = explorer.from_function(function)
    masking = MaskSettings(n_masks=1000)
    with pytest.raises(kind, match=words) as caught:
        explorer.probe(picture, encoder=encoder, masking=masking)
    assert function.calls == 51  # and not for every mask
    kept = caught.value.probe
    assert len(kept) == 500
    assert_same(explorer.extend(kept, n_masks=1000), explorer.probe(picture, encoder=encoder, masking=masking))
    with pytest.raises(kind) as caught:
        explorer.explain(
            picture, embedding=np.ones(3), encoder=explorer.from_function(FailingAt(51, fail)), masking=masking
        )
    assert len(caught.value.probe) == 500
    early = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=40))
    function.calls, function._at = 0, 3
    with pytest.raises(kind) as caught:
        explorer.extend(early, n_masks=1000)
    assert len(caught.value.probe) == 60


def test_an_encoder_of_ours_that_fails_keeps_its_masks_too(
    picture: np.ndarray, picture_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_encoder, "_forward", FailingAt(3, out_of_memory))
    with pytest.raises(Exhausted) as caught:
        explorer.probe(picture, encoder=picture_encoder, masking=MaskSettings(n_masks=40))
    assert len(caught.value.probe) == 2 * picture_encoder.batch_size


def test_embeddings_that_cannot_be_ranked_are_kept(picture: np.ndarray) -> None:
    """A vector of another length, or a copy without a direction, is seen once all is embedded."""
    masking = MaskSettings(n_masks=20)
    encoder = explorer.from_function(lambda batch: batch.mean(axis=(1, 2), dtype=np.float64))
    with pytest.raises(InvalidInput, match="must have shape") as refused:
        explorer.explain(picture, embedding=np.ones(4), encoder=encoder, masking=masking)
    assert explorer.rank(refused.value.probe, embedding=np.ones(3)).attribution.any()
    lost = explorer.from_function(lambda batch: (batch.mean(axis=(1, 2)) - 60).clip(0) * (batch[:, :1, 0, 0] > 0))
    with pytest.raises(UnusableEmbedding, match="zero-length") as caught:
        explorer.explain(picture, embedding=np.ones(3), encoder=lost, masking=masking)
    assert len(caught.value.probe) == 20


def test_a_reference_without_distances_costs_nothing(picture: np.ndarray) -> None:
    function = Counting()
    for bad in (np.full(12, np.nan), np.zeros(12)):
        with pytest.raises(UnusableEmbedding, match="embedding to compare with"):
            explorer.explain(picture, embedding=bad, encoder=explorer.from_function(function))
    assert function.rows == []


def test_float16_embeddings_are_judged_by_their_rounding(picture: np.ndarray) -> None:
    """Kept as float32, they are no finer for it; a finer encoder's differences of that size are a signal."""

    def near(batch: np.ndarray) -> np.ndarray:
        seen = batch.mean(axis=(1, 2), dtype=np.float64)
        return 1 + 2e-4 * seen / 255 + np.array([0, 0.3, 0.8])

    for kind, is_flat in ((np.float16, True), (np.float32, False)):
        encoder = explorer.from_function(lambda batch, kind=kind: near(batch).astype(kind))
        done = explorer.explain(picture, embedding=np.array([1.0, -1.0, 0.5]), encoder=encoder)
        assert done.probe.embeddings.dtype == np.float32
        assert done.probe.precision == float(np.finfo(kind).eps)
        assert bool(done.no_signal) == is_flat


def test_an_error_of_ones_own_callback_stays_what_it_is(picture: np.ndarray, encoder: Encoder) -> None:
    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        explorer.probe(picture, encoder=encoder, on_progress=stop)


# Snapshots


def test_snapshots_are_read_only_and_stay_as_they_were(picture: np.ndarray, encoder: Encoder) -> None:
    kept, copies = [], []
    for probe in explorer.stream(picture, encoder=encoder, masking=MaskSettings(n_masks=60)):
        with pytest.raises(ValueError, match="read-only"):
            probe.embeddings[0, 0] = 7
        kept.append(probe)
        copies.append(probe.embeddings.copy())
    for probe, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(probe.embeddings, copy)
    longer = explorer.extend(kept[-1], n_masks=80)
    np.testing.assert_array_equal(kept[-1].embeddings, copies[-1])
    assert not longer.embeddings.flags.writeable


def test_two_ways_on_from_one_snapshot(picture: np.ndarray, encoder: Encoder) -> None:
    """A snapshot continued twice, in turns, while its own stream goes on."""
    stream = explorer.stream(picture, encoder=encoder, masking=MaskSettings(n_masks=60))
    early = next(stream)
    other = replace(early, pixels=255 - early.pixels)
    *_, one, two = (pair for pair in zip(stream, grow(other), strict=True))
    whole = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=60))
    np.testing.assert_array_equal(two[0].embeddings, whole.embeddings)
    inverse = explorer.probe(255 - picture, encoder=encoder, masking=MaskSettings(n_masks=60))
    np.testing.assert_array_equal(two[1].embeddings[8:], inverse.embeddings[8:])
    assert len(one[0]) == 56


# Threads


def test_probes_in_threads_equal_those_in_turn(picture: np.ndarray) -> None:
    encoder = explorer.from_function(Counting(), batch_size=8)
    pictures = [np.roll(picture, k, axis=1) for k in range(6)]

    def run(image: np.ndarray) -> np.ndarray:
        return explorer.probe(image, encoder=encoder, masking=MaskSettings(n_masks=60)).embeddings

    in_turn = [run(image) for image in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, pictures))
    for one, other in zip(in_turn, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_network_in_threads(shared_picture: np.ndarray) -> None:
    pictures = [shared_picture, shared_picture[::-1], shared_picture[:, ::-1]]

    def run(image: np.ndarray) -> np.ndarray:
        return explorer.probe(image, masking=MaskSettings(n_masks=20)).embeddings

    in_turn = [run(image) for image in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(run, pictures))
    for one, other in zip(in_turn, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (in_turn[0] != in_turn[1]).any()


@pytest.fixture
def shared_picture() -> np.ndarray:
    """A picture for the real network."""
    return np.random.default_rng(8).integers(0, 256, (64, 80, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)


# What a function may answer, and be given


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8, bool])
def test_dtypes_of_embeddings(picture: np.ndarray, dtype: type) -> None:
    encoder = explorer.from_function(lambda batch: (batch.mean(axis=(1, 2)) > 50).astype(dtype))
    embeddings = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=20)).embeddings
    assert embeddings.dtype in (np.float32, np.float64)
    assert np.promote_types(embeddings.dtype, dtype) == embeddings.dtype


@pytest.mark.parametrize(
    ("function", "code", "message"),
    [
        (lambda batch: batch.mean(axis=(1, 2))[:-1], "embedding_shape", r"returned \(9, 3\) for 10 images"),
        (lambda batch: batch.mean(axis=(1, 2, 3)), "embedding_shape", r"returned \(10,\) for 10 images"),
        (lambda batch: batch.mean(), "embedding_shape", r"returned \(\) for 10 images"),
        (lambda batch: batch, "embedding_shape", r"returned \(10, 24, 40, 3\) for 10 images"),
        (lambda batch: np.full((len(batch), 3), "x"), "embedding_dtype", "expected real numbers"),
        (lambda batch: batch.mean(axis=(1, 2)) + 1j, "embedding_dtype", "returned complex128 values"),
        (lambda batch: None, "embedding_shape", r"returned \(\)"),
    ],
    ids=["a row short", "1-d", "a number", "4-d", "text", "complex", "nothing"],
)
def test_answers_that_are_no_embedding(
    picture: np.ndarray, function: Callable[[np.ndarray], object], code: str, message: str
) -> None:
    with pytest.raises(UnusableEmbedding, match=message) as caught:
        explorer.probe(picture, encoder=explorer.from_function(function))
    assert caught.value.code == code


def test_complex_numbers_are_refused_wherever_an_encoder_is_asked(picture: np.ndarray) -> None:
    """numpy would drop their imaginary part."""
    encoder = explorer.from_function(lambda batch: batch.mean(axis=(1, 2)) + 1j)
    question = make_question(picture, embedding=np.ones(3), encoder=encoder)
    for ask in (lambda: encoder.embed_images(picture[None]), lambda: run(question.distances([picture]))):
        with pytest.raises(UnusableEmbedding, match="returned complex128 values; expected real numbers"):
            ask()


@pytest.mark.parametrize(("first", "later"), [(np.float32, np.float64), (np.float64, np.float32)])
@pytest.mark.parametrize("stopped", [False, True])
def test_embeddings_whose_type_changes_keep_all_their_digits(
    picture: np.ndarray, first: type, later: type, stopped: bool
) -> None:
    """The finer type is kept for all, also where a probe is gone on with."""
    kinds = iter([first, *[later] * 99])
    answers = []

    def embed(copies: np.ndarray) -> np.ndarray:
        answers.append((copies.mean((1, 2)) / 3).astype(next(kinds)))
        return answers[-1]

    encoder = explorer.from_function(embed, batch_size=10)
    begun = prepare(picture, encoder=encoder, masking=MaskSettings(n_masks=30, feature_res=4))
    steps = grow(begun)
    probe = next(steps)
    *_, probe = grow(probe) if stopped else steps
    assert probe.embeddings.dtype == np.float64
    np.testing.assert_array_equal(probe.embeddings, np.concatenate(answers))


def test_embeddings_of_changing_length(picture: np.ndarray) -> None:
    lengths = iter([4, 4, 5])
    encoder = explorer.from_function(lambda batch: np.ones((len(batch), next(lengths))))
    with pytest.raises(UnusableEmbedding, match="length 5 after ones of 4"):
        explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=30))


@pytest.mark.parametrize(("before", "after"), [(4, 5), (1, 5), (5, 1)])
def test_embeddings_of_another_length_after_a_stop(picture: np.ndarray, before: int, after: int) -> None:
    lengths = iter([before, after, after])
    encoder = explorer.from_function(lambda batch: np.ones((len(batch), next(lengths))))
    early = next(explorer.stream(picture, encoder=encoder, masking=MaskSettings(n_masks=30)))
    with pytest.raises(UnusableEmbedding, match=f"length {after} after ones of {before}"):
        explorer.extend(early, n_masks=30)


@pytest.mark.parametrize("shape", [(24, 40), (24,), (1, 24, 40, 3), (0, 24, 3), (24, 40, 0)], ids=str)
def test_a_function_needs_height_width_channels(encoder: Encoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="Expected numbers of shape height x width x channels"):
        explorer.probe(np.ones(shape), encoder=encoder)


def test_non_finite_pixels_are_counted(encoder: Encoder) -> None:
    image = np.ones((24, 40, 3))
    image[3, 4:8] = np.nan
    with pytest.raises(InvalidInput, match="12 non-finite values"):
        explorer.probe(image, encoder=encoder)
    with pytest.raises(InvalidInput, match="height x width x channels"):
        explorer.probe(np.full((24, 40, 3), None), encoder=encoder)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("channels", [1, 2, 7])
def test_any_range_and_any_channels_pass_through(encoder: Encoder, scale: float, channels: int) -> None:
    image = np.random.default_rng(0).normal(size=(24, 40, channels)) * scale
    probe = explorer.probe(image, encoder=encoder, masking=MaskSettings(n_masks=10))
    assert probe.embeddings.shape == (10, 4 * channels)
    assert probe.picture is None
    assert probe.pixels.dtype == np.float64


def test_the_picture_given_is_left_alone(picture: np.ndarray, encoder: Encoder) -> None:
    before = picture.copy()
    explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=20, fill="noise"))
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("function", [None, 3, "efficientnet-lite0"])
def test_from_function_needs_a_function(function: object) -> None:
    with pytest.raises(InvalidInput, match="needs a callable"):
        explorer.from_function(function)  # type: ignore[arg-type]


def test_from_function_needs_a_batch_size() -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        explorer.from_function(np.mean, batch_size=0)


def test_unknown_encoder_names_the_nearest(picture: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"Unknown encoder; choose one of: .*did you mean 'efficientnet-lite0'"):
        explorer.probe(picture, encoder="efficientnet-lite")


def test_enlarge_does_no_work(picture: np.ndarray) -> None:
    function = Counting()
    probe = prepare(picture, encoder=explorer.from_function(function), masking=MaskSettings(n_masks=20))
    assert enlarge(probe, 50).wanted == 50
    assert function.rows == []


def test_masks_may_be_given_as_a_plain_array(encoder, picture):
    given = np.random.default_rng(1).random((12, *picture.shape[:2])) > 0.5
    plain = explorer.probe(picture, encoder=encoder, masks=given)
    wrapped = explorer.probe(picture, encoder=encoder, masks=explorer.masks_from_array(given))
    np.testing.assert_array_equal(plain.embeddings, wrapped.embeddings)
