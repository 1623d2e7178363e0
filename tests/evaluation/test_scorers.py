"""What plays the probability of a class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax as scipys

import explorer
from explorer import InvalidInput
from explorer.attributions.question import Question, make_question
from explorer.core.errors import UnusableEmbedding
from explorer.core.steps import run
from explorer.evaluation.scorers import ClassScorer, class_of, make_scorer, similarity, softmax
from tests.evaluation.classes import Classes, about_class, about_distance, picture

ROWS = np.random.default_rng(7).normal(size=(6, 5)) * 3


def gallery_of(question: Question, place: int = 2) -> np.ndarray:
    """Five references, the case's own in one place."""
    rows = np.random.default_rng(8).normal(size=(5, len(question.target.embedding)))
    rows[place] = question.target.embedding
    return rows


def vectors(*, whole: Any, reference: Any, distance: str = "cosine") -> Question:
    """A question whose embeddings are given: of a bright picture, while a blank one is (1, 0)."""
    encoder = explorer.from_function(lambda batch: np.stack([whole if b.any() else np.array([1.0, 0]) for b in batch]))
    return make_question(np.ones((4, 4, 1)), embedding=np.array(reference, float), encoder=encoder, distance=distance)


# Classes


def test_softmax_is_scipys() -> None:
    np.testing.assert_allclose(softmax(ROWS), scipys(ROWS, axis=1), rtol=1e-14)
    assert softmax(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_a_class_is_its_probability() -> None:
    encoder = Classes()
    question = about_class(3, encoder=encoder)
    scorer = run(make_scorer(question))
    assert scorer.key == "class"
    assert scorer.decides
    rows = encoder.embed_pixels(question.pixels[None])
    assert scorer.score(rows) == pytest.approx([encoder.predict(question.pixels)[3]])
    np.testing.assert_allclose(scorer.score(ROWS), scipys(ROWS, axis=1)[:, 3])


def test_the_label_is_what_the_encoder_decides_unless_it_is_given() -> None:
    encoder = Classes()
    likeliest = int(encoder.predict(picture(1)).argmax())
    explained = (likeliest + 1) % 5  # another class than the likeliest
    question = about_class(explained, encoder=encoder)
    predicted = run(make_scorer(question))
    assert predicted == ClassScorer(explained, likeliest)
    assert encoder.rows == 1
    assert run(make_scorer(question, label=4)) == ClassScorer(explained, 4)
    assert encoder.rows == 1  # nothing to ask
    assert predicted.same(ROWS).tolist() == (ROWS.argmax(axis=1) == likeliest).tolist()


def test_a_class_is_told_by_its_one_hot_vector() -> None:
    assert class_of(about_class(3)) == 3
    assert class_of(about_distance()) is None
    assert class_of(about_distance(distance="dot")) is None
    assert class_of(replace(about_class(3), distance="cosine")) is None


def test_scores_that_are_none_are_refused() -> None:
    scorer = ClassScorer(0, 0)
    for ask in (scorer.score, scorer.same):
        with pytest.raises(UnusableEmbedding, match="non-finite"):
            ask(np.array([[np.nan, 1.0]]))


# Similarity


def test_the_whole_picture_scores_1_and_a_blank_one_0() -> None:
    question = about_distance()
    scorer = run(make_scorer(question))
    assert scorer.key == "similarity"
    whole, blank, half = question.pixels, np.zeros_like(question.pixels), question.pixels // 2
    rows = question.encoder.embed_pixels(np.stack([whole, blank, half]))
    score = scorer.score(rows)
    assert score[:2] == pytest.approx([1, 0])
    s = 1 - 2 * run(question.distances([whole, blank, half]))
    assert score[2] == pytest.approx((s[2] - s[1]) / (s[0] - s[1]))


def test_the_anchor_is_what_the_fill_makes_blank() -> None:
    question = about_distance()
    scorer = run(make_scorer(question, fill="mean"))
    mean = np.broadcast_to(question.pixels.mean(axis=(0, 1), dtype=np.float64), question.pixels.shape)
    assert scorer.score(question.encoder.embed_pixels(mean[None])) == pytest.approx([0], abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [("cosine", 0.6), ("dot", 12.0), ("euclidean", -np.sqrt(80)), ("angular", -np.arccos(0.6) / np.pi)],
)
def test_similarities(distance: str, expected: float) -> None:
    row, reference = np.array([[6.0, 8.0]]), np.array([2.0, 0.0])
    assert similarity(distance, row, reference) == pytest.approx([expected])


@pytest.mark.parametrize("whole", [(0.9, 0.4), (1.0, 0.0), (0.0, 1.0)])
def test_nothing_gained_over_a_blank_picture(whole: tuple[float, float]) -> None:
    """The blank picture lies at the reference, the whole one there too or farther off."""
    with pytest.raises(UnusableEmbedding, match="blank") as refused:
        run(make_scorer(vectors(whole=np.array(whole), reference=(1, 0))))
    assert refused.value.code == "anchor_small"


@pytest.mark.parametrize(("gain", "fits"), [(0.0199, False), (0.0201, True), (0.9, True)])
def test_the_least_gain(gain: float, fits: bool) -> None:
    question = vectors(whole=np.array([np.sqrt(1 - gain**2), gain]), reference=(0, 1))
    if fits:
        assert run(make_scorer(question)).score(np.array([[1.0, 0.0]])) == pytest.approx([0])
        return
    with pytest.raises(UnusableEmbedding) as refused:
        run(make_scorer(question))
    assert refused.value.code == "anchor_small"


@pytest.mark.parametrize(("gain", "fits"), [(0.019, False), (0.03, True), (5.0, True)])
def test_the_least_gain_of_a_distance_without_end_is_a_share(gain: float, fits: bool) -> None:
    """The blank picture's dot product is 100, the whole one's 100 times 1 + gain."""
    question = vectors(whole=np.array([1 + gain, 0]), reference=(100, 0), distance="dot")
    if fits:
        assert run(make_scorer(question)).score(np.array([[1.0, 0.0]])) == pytest.approx([0])
        return
    with pytest.raises(UnusableEmbedding) as refused:
        run(make_scorer(question))
    assert refused.value.code == "anchor_small"


def test_a_similarity_decides_nothing() -> None:
    scorer = run(make_scorer(about_distance()))
    assert not scorer.decides
    with pytest.raises(InvalidInput, match="gallery"):
        scorer.same(ROWS)


# Retrieval


@pytest.mark.parametrize("distance", ["cosine", "dot", "euclidean"])
def test_retrieval_is_the_softmax_of_similarities(distance: str) -> None:
    question = about_distance(distance=distance)
    gallery = gallery_of(question)
    scorer = run(make_scorer(question, gallery=gallery, truth=2, tau=0.5))
    assert scorer.key == "retrieval"
    assert scorer.decides
    rows = question.encoder.embed_pixels(np.stack([question.pixels, question.pixels[::-1]]))
    s = np.stack([similarity(distance, rows, row) for row in gallery], axis=1)
    np.testing.assert_allclose(scorer.score(rows), scipys(s / 0.5, axis=1)[:, 2])
    nearest = s[0].argmax()
    assert scorer.same(rows).tolist() == (s.argmax(axis=1) == nearest).tolist()
    assert scorer.same(rows)[0]


def test_retrieval_with_the_truth_as_label_asks_nothing() -> None:
    question = about_distance()
    scorer = run(make_scorer(question, gallery=gallery_of(question), truth=2, label=0))
    assert question.encoder.rows == 0
    rows = gallery_of(question)[[0, 2, 1]]
    assert scorer.same(rows).tolist() == [True, False, False]
    assert scorer.score(rows)[1] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"gallery": np.ones((1, 5))}, "gallery_shape"),
        ({"gallery": np.ones((3, 4))}, "gallery_shape"),
        ({"gallery": np.ones(5)}, "gallery_shape"),
        ({"truth": 5}, "truth_range"),
        ({"truth": -1}, "truth_range"),
        ({"truth": 1}, "gallery_truth"),
        ({"label": 5}, "label_range"),
        ({"tau": 0}, "tau_range"),
        ({"tau": np.nan}, "tau_range"),
    ],
)
def test_refusals_of_galleries(settings: dict[str, Any], code: str) -> None:
    question = about_distance()
    with pytest.raises(InvalidInput) as refused:
        run(make_scorer(question, **{"gallery": gallery_of(question), "truth": 2, **settings}))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("question", "settings", "code"),
    [
        (about_class(1), {"gallery": np.ones((2, 5))}, "gallery_class"),
        (about_class(1), {"label": 5}, "label_range"),
        (about_distance(), {"label": 1}, "label_without_classes"),
        (about_distance(), {"fill": "purple"}, "unknown_fill"),
    ],
)
def test_refusals(question: Question, settings: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        run(make_scorer(question, **settings))
    assert refused.value.code == code


@pytest.mark.parametrize(("question", "settings"), [(about_class(1), {}), (about_distance(), {})])
def test_what_is_embedded_is_told(question: Question, settings: dict[str, Any]) -> None:
    before = question.encoder.rows
    told: list[int] = []
    run(make_scorer(question, **settings), told.append)
    assert told[-1] == question.encoder.rows - before
