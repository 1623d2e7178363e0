"""Which words bring a sentence closer: against loops, against a known answer, and by the sentence model."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.masks import MaskSettings
from explorer.core.probe import grow
from explorer.core.references import embed_reference
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.sentences import (
    FLAT,
    HIDINGS,
    SAME,
    WordsExplanation,
    prepare_words,
    rank_words,
    sentences_to_embed,
    split_words,
    word_masks,
)
from explorer.encoders.base import Encoder
from explorer.encoders.functions import FunctionEncoder
from explorer.verbs import explain_words
from tests.oracles import slow

ASSETS = Path(__file__).parents[2] / "assets"
PULL = {"cat": 3.0, "grey": 1.0, "a": 0.0, "car": -2.0, "red": -0.5}
"""How far each word moves a bag of words along the first axis."""
LONG = "the small grey cat that slept all day on the warm bonnet of a red car"


class Bag(Encoder):
    """A linear bag of words: the sum of the words' pulls, how many words there are, and 1. Counts what it embeds."""

    card = replace(FunctionEncoder.card, key="bag", title="A bag", compares=("image-caption",))
    batch_size = 8
    fingerprint = "bag:1"

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def _forward(self, pixels):  # pragma: no cover - it reads text only
        raise NotImplementedError

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        words = [text.split() for text in texts]
        return np.array([[sum(PULL.get(w, 0.0) for w in ws), 0.1 * len(ws), 1.0] for ws in words])


@pytest.fixture
def bag() -> Bag:
    return Bag()


AHEAD = np.array([1.0, 0.0, 0.0])


# Against loops


def loops(found: WordsExplanation, embed: Encoder, reference: np.ndarray, hide: str) -> list[float]:
    """The method once more: one masked sentence at a time, one word at a time."""
    selection, masks = found.ranked.selection, found.ranked.probe.masks.render(0, len(found.distances))[:, 0]
    distances = []
    for mask in masks:
        text = []
        for word, kept in zip(found.words, mask, strict=True):
            if kept:
                text.append(word)
            elif hide == "ellipsis":
                text.append("…")
        distances.append(slow.DISTANCES[selection.distance](embed.embed_texts([" ".join(text)])[0], reference))
    if selection.mode == "rank_weighted":
        weights = slow.rank_weights([round(d, 12) for d in distances])
    else:
        near = (0.0, selection.threshold) if selection.mode in ("closest", "mirror") else (0.0, 0.0)
        far = (1 - selection.threshold, 1.0) if selection.mode in ("farthest", "mirror") else (0.0, 0.0)
        weights = slow.slice_weights(found.distances, near, far)  # ties broken as the engine saw them
    np.testing.assert_allclose(found.distances, distances, atol=1e-9)
    return [sum(w * m[j] for w, m in zip(weights, masks, strict=True)) for j in range(len(found.words))]


@pytest.mark.parametrize("hide", HIDINGS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_against_loops(bag: Bag, mode: str, distance: str, hide: str) -> None:
    reference = np.array([1.0, 0.3, 0.2])
    found = explain_words(
        LONG, embedding=reference, encoder=bag, hide=hide, masking=MaskSettings(n_masks=60, p_keep=0.6, seed=3),
        selection=SelectionSettings(mode=mode, distance=distance, threshold=0.2),
    )  # fmt: skip
    expected = loops(found, Bag(), reference, hide)
    np.testing.assert_allclose(found.attribution, expected, atol=1e-6)
    assert found.attribution.shape == (16,)
    assert found.attribution.dtype == np.float32
    assert found.attribution.any()


# Against a known answer


@pytest.mark.parametrize("distance", ["dot", "euclidean"])
def test_a_linear_bag_gives_back_its_words_signs_and_order(bag: Bag, distance: str) -> None:
    """With every combination tried this holds exactly: to swap or add a word shifts all ranks one way."""
    found = explain_words("car red a grey cat", embedding=50 * AHEAD, encoder=bag,
                          selection=SelectionSettings(mode="rank_weighted", distance=distance))  # fmt: skip
    values = dict(zip(found.words, found.attribution, strict=True))
    assert sorted(values, key=values.__getitem__) == ["car", "red", "a", "grey", "cat"]
    assert values["car"] < values["red"] < 0 < values["grey"] < values["cat"]
    assert abs(values["a"]) < abs(values["red"]) / 2
    far = explain_words("car red a grey cat", embedding=-50 * AHEAD, encoder=bag,
                        selection=SelectionSettings(mode="rank_weighted", distance=distance))  # fmt: skip
    assert far.attribution[0] > 0 > far.attribution[4]


def test_repeated_words_share_one_value(bag: Bag) -> None:
    found = explain_words("cat red cat car cat", embedding=9 * AHEAD, encoder=bag)
    cats = found.attribution[[0, 2, 4]]
    np.testing.assert_allclose(cats, cats[0], atol=1e-6)
    assert cats[0] > 0 > found.attribution[3]


def test_random_masks_come_to_the_exact_answer(bag: Bag) -> None:
    text = "cat car red grey a b c d e f g h"
    exact = explain_words(text, embedding=50 * AHEAD, encoder=bag, masking=MaskSettings(n_masks=5000))
    drawn = explain_words(text, embedding=50 * AHEAD, encoder=bag, masking=MaskSettings(n_masks=2000))
    assert exact.chance == 0 < drawn.chance
    assert np.abs(exact.attribution - drawn.attribution).max() < 4 * drawn.chance


@pytest.mark.parametrize("mode", ["rank_weighted", "closest", "farthest"])
def test_one_word(bag: Bag, mode: str) -> None:
    for word, sign in (("cat", 1), ("car", -1)):
        found = explain_words(word, embedding=50 * AHEAD, encoder=bag,
                              selection=SelectionSettings(mode=mode, threshold=0.5))  # fmt: skip
        assert np.sign(found.relative).tolist() == [sign]
        assert sorted(found.copies) == ["", word]
        assert "one word" in found.notices[0]


def test_no_signal_says_why(bag: Bag) -> None:
    flat = explain_words("b b", embedding=AHEAD, encoder=bag, hide="ellipsis")
    assert not flat.attribution.any()
    assert flat.no_signal == FLAT
    none = explain_words("a cat", embedding=AHEAD, encoder=bag, selection=SelectionSettings(mode="closest"))
    assert "less than one mask" in none.no_signal  # a tenth of four
    same = explain_words("a cat", caption="  a cat ", encoder=bag)
    assert same.notices == (SAME,)
    assert same.unmasked_distance == 0
    assert same.attribution[1] > 0


# Masks, price and progress


def test_every_combination_once_where_there_are_few() -> None:
    for seed in (0, 1):
        masks = word_masks(5, MaskSettings(n_masks=32, p_keep=0.1, seed=seed)).array
        assert masks.shape == (32, 1, 5)
        assert {tuple(mask[0]) for mask in masks} == set(itertools.product((0.0, 1.0), repeat=5))
    first, second = (word_masks(5, MaskSettings(n_masks=32, seed=seed)).array for seed in (0, 1))
    assert (first != second).any()  # or a run that was stopped would always have hidden the last words
    assert len(word_masks(5, MaskSettings(n_masks=31))) == 31
    assert len(word_masks(1, MaskSettings(n_masks=10))) == 2


def test_random_masks_are_those_of_their_seed() -> None:
    masking = MaskSettings(n_masks=4000, p_keep=0.3, seed=7)
    masks = word_masks(20, masking).array
    np.testing.assert_array_equal(masks[:100], word_masks(20, replace(masking, n_masks=100)).array)
    assert (masks[:100] != word_masks(20, replace(masking, n_masks=100, seed=8)).array).any()
    assert set(np.unique(masks)) == {0.0, 1.0}
    np.testing.assert_allclose(masks.mean(axis=(0, 1)), 0.3, atol=0.04)
    np.testing.assert_allclose(np.cov(masks[:, 0].T), 0.21 * np.eye(20), atol=0.03)


@pytest.mark.parametrize("hide", HIDINGS)
@pytest.mark.parametrize("text", ["cat red cat", "cat cat cat car", LONG])
def test_the_price_is_what_is_embedded(bag: Bag, text: str, hide: str) -> None:
    masking = MaskSettings(n_masks=50)
    explained = explain_words(text, embedding=AHEAD, encoder=bag, masking=masking, hide=hide)
    assert len(bag.texts) == len(set(bag.texts)) == sentences_to_embed(split_words(text), masking, hide)
    assert sorted(set(explained.copies)) == sorted(bag.texts)
    assert explained.unmasked_distance >= 0
    assert len(bag.texts) - sentences_to_embed(split_words(text), masking, hide) == (text == LONG)


def test_progress_and_stop(bag: Bag) -> None:
    seen: list[tuple[int, int]] = []
    explain_words(LONG, embedding=AHEAD, encoder=bag, masking=MaskSettings(n_masks=20),
                  on_progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert seen == [(8, 20), (16, 20), (20, 20)]
    bag.texts.clear()
    stopped = next(iter(grow(prepare_words(LONG, encoder=bag, masking=MaskSettings(n_masks=20)))))
    assert len(bag.texts) == 8
    part = rank_words(stopped, embed_reference(bag, embedding=AHEAD))
    assert (len(part.distances), len(part.copies)) == (8, 8)
    assert part.attribution.any()
    *_, whole = grow(stopped)
    straight = explain_words(LONG, embedding=AHEAD, encoder=Bag(), masking=MaskSettings(n_masks=20))
    np.testing.assert_array_equal(whole.embeddings, straight.ranked.probe.embeddings)


def test_a_stopped_run_of_every_combination_admits_chance(bag: Bag) -> None:
    steps = grow(prepare_words("a grey cat red car", encoder=bag))
    target = embed_reference(bag, embedding=AHEAD)
    chances = [rank_words(probe, target).chance for probe in steps]
    assert chances[0] > 0
    assert chances[-1] == 0


# What it refuses


def test_refusals(bag: Bag, encoder: Encoder) -> None:
    for code, call in {
        "no_text_side": lambda: explain_words("a cat", embedding=AHEAD, encoder=encoder),
        "sentence_empty": lambda: explain_words("  ", embedding=AHEAD, encoder=bag),
        "unknown_hide": lambda: explain_words("a cat", embedding=AHEAD, encoder=bag, hide="burn"),
        "scheme_words": lambda: prepare_words("a cat", encoder=bag, masking=MaskSettings(scheme="dianna")),
        "reference_count": lambda: explain_words("a cat", encoder=bag),
        "caption_empty": lambda: explain_words("a cat", encoder=bag, caption=" "),
        "reference_shape": lambda: explain_words("a cat", encoder=bag, embedding=np.ones(4)),
        "probe_empty": lambda: rank_words(prepare_words("a cat", encoder=bag), embed_reference(bag, embedding=AHEAD)),
    }.items():
        with pytest.raises(InvalidInput) as caught:
            call()
        assert caught.value.code == code


def test_an_empty_sentence_that_has_no_length_is_told(bag: Bag, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = bag.embed_texts
    monkeypatch.setattr(bag, "embed_texts", lambda texts: plain(texts) * [1, 1, 0])
    with pytest.raises(UnusableEmbedding, match="zero-length embedding for 1 of 4"):
        explain_words("a cat", embedding=AHEAD, encoder=bag)


# Files


def test_saved_files(bag: Bag, tmp_path: Path) -> None:
    found = explain_words('a "grey" cat, 猫', embedding=AHEAD, encoder=bag)
    folder = found.save(tmp_path / "out")
    assert sorted(p.name for p in folder.iterdir()) == ["distances.csv", "manifest.json", "words.csv"]
    words = list(csv.DictReader((folder / "words.csv").open(encoding="utf-8")))
    assert [row["word"] for row in words] == ["a", '"grey"', "cat,", "猫"]
    assert [np.float32(row["attribution"]) for row in words] == found.attribution.tolist()
    rows = list(csv.DictReader((folder / "distances.csv").open(encoding="utf-8")))
    assert [float(row["distance"]) for row in rows] == found.distances.tolist()
    assert [float(row["weight"]) for row in rows] == found.weights.tolist()
    assert [row["sentence"] for row in rows] == found.copies
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["sentence"] == 'a "grey" cat, 猫'
    assert manifest["masking"] == {"n_masks": 1000, "p_keep": 0.5, "seed": 0, "hide": "drop"}
    assert (manifest["masks"], manifest["masks_done"]) == ("every combination", 16)
    assert manifest["encoder"]["key"] == "bag"
    with pytest.raises(InvalidInput, match="--overwrite"):
        found.save(folder)
    found.save(folder, overwrite=True)


# The sentence model


@pytest.fixture(scope="module")
def conse() -> Encoder:
    encoder = explorer.load_encoder("conse-lite0") if explorer.encoders()[1].here else None
    if encoder is None:
        pytest.skip("conse-lite0 is not here")
    return encoder


def best(found: WordsExplanation) -> str:
    return found.words[int(found.attribution.argmax())]


def worst(found: WordsExplanation) -> str:
    return found.words[int(found.attribution.argmin())]


@pytest.mark.parametrize("hide", HIDINGS)
def test_the_sentence_model_finds_the_word_that_means_the_same(conse: Encoder, hide: str) -> None:
    assert best(explain_words("a photo of a cat", caption="a kitten", encoder=conse, hide=hide)) == "cat"
    found = explain_words("a cat beside a car", caption="an automobile", encoder=conse, hide=hide)
    assert best(found) == "car"
    assert found.attribution[1] < 0  # the cat
    assert 0 < found.unmasked_distance < 0.5


def test_a_sentence_against_a_picture(conse: Encoder) -> None:
    text = "a cat beside an espresso"
    cat = explain_words(text, reference=ASSETS / "cat.jpg", encoder=conse)
    cup = explain_words(text, reference=ASSETS / "espresso.jpg", encoder=conse)
    assert (best(cat), worst(cat)) == ("cat", "espresso")
    assert (best(cup), worst(cup)) == ("espresso", "cat")


def test_sentences_longer_than_the_model_reads_are_cut_visibly(conse: Encoder) -> None:
    found = explain_words("🐱 cat " * 83, caption="a cat", encoder=conse, masking=MaskSettings(n_masks=10))
    assert found.sentence.cut == "" or found.notices  # one token each, or more
    found = explain_words("a.b.c.d. " * 55, caption="a cat", encoder=conse, masking=MaskSettings(n_masks=10))
    assert found.sentence.cut
    assert found.words[-1] == "a.b.c.d."
    assert found.notices == ("The sentence is longer than the text model reads; ignored from “a.b.c.d. …”.",)


@pytest.mark.parametrize("p_keep", [0.01, 0.99])
def test_masks_that_are_all_the_same_are_told(bag: Bag, p_keep: float) -> None:
    masking = MaskSettings(n_masks=10, p_keep=p_keep)
    found = explain_words("cat car red grey", embedding=AHEAD, encoder=bag, masking=masking)
    assert found.no_signal.startswith("All masks are the same")


def test_settings_that_are_about_pictures_are_refused(bag: Bag) -> None:
    for changes, named in (
        ({"fill": "blur"}, "fill are"),
        ({"feature_res": 3}, "feature_res are"),
        ({"feature_res": 3, "fill": "black"}, "feature_res and fill are"),
    ):
        with pytest.raises(InvalidInput, match=f"^{named} about pictures; leave them out"):
            explain_words("a cat", embedding=AHEAD, encoder=bag, masking=MaskSettings(**changes))


@pytest.mark.parametrize("mark", ["[PAD]", "[SEP]", "[CLS]", "[MASK]", "[UNK]"])
def test_marks_of_the_model_are_text_in_a_caption(conse: Encoder, mark: str) -> None:
    """They are read like their letters in brackets, which no model gives a meaning of its own."""
    marked, spaced, plain = conse.embed_texts([f"{mark} cat", f"[ {mark[1:-1]} ] cat", "cat"])
    np.testing.assert_array_equal(marked, spaced)
    assert marked @ plain < 0.99
