"""Data randomisation for a question: does the map depend on what is asked?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from explorer.attributions.question import Question, make_class_question
from explorer.core.spearman import spearman
from explorer.core.steps import Steps, run
from explorer.encoders.torch_layers import from_torch
from explorer.evaluation.randomization import Randomization, randomised_target, randomization
from tests.evaluation import networks
from tests.evaluation.classes import Classes, about_class, noise_map


@dataclass
class Gradient:
    """A map of a linear network's class: its weights. It counts how often it was asked."""

    asked: int = 0

    def passes(self, question: Question) -> int:
        return 1

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        self.asked += 1
        yield 1
        assert isinstance(question.encoder, Classes)
        cells = (question.encoder.weights @ question.target.embedding).reshape(4, 4, 3).sum(axis=2)
        return np.kron(cells, np.ones((8, 8))).astype(np.float32)


class Always(Gradient):
    """A map that does not care, or says nothing at all."""

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        yield 1
        return noise_map().astype(np.float32)


class Nothing(Gradient):
    def __call__(self, question: Question) -> Steps[np.ndarray]:
        yield 1
        return np.full((32, 32), 3, np.float32)


def test_maps_of_two_classes() -> None:
    one, other = about_class(0), about_class(1)
    first, second = (run(Gradient()(question)) for question in (one, other))
    found = run(randomised_target(one, Gradient(), other))
    assert found == pytest.approx(spearman(first, second))
    assert abs(found) < 0.9
    absolute = run(randomised_target(one, Gradient(), other, absolute=True))
    assert absolute == pytest.approx(spearman(np.abs(first), np.abs(second)))
    assert absolute != found


def test_a_map_that_is_there_is_not_made_again() -> None:
    one, other = about_class(0), about_class(1)
    method = Gradient()
    told: list[int] = []
    found = run(randomised_target(one, method, other, attribution=run(Gradient()(one))), told.append)
    assert method.asked == told[-1] == 1
    assert found == run(randomised_target(one, method, other))


def test_a_method_that_does_not_care() -> None:
    assert run(randomised_target(about_class(0), Always(), about_class(1))) == pytest.approx(1)


def test_a_map_without_an_order_has_no_similarity() -> None:
    assert np.isnan(run(randomised_target(about_class(0), Nothing(), about_class(1))))


def test_constant_maps_are_told_apart_from_maps_that_differ() -> None:
    maps = np.stack([noise_map(), noise_map(1), np.zeros((32, 32)), np.full((32, 32), np.nan)]).astype(np.float32)
    numbers = np.array([1, 0.1, 0, np.nan])
    result = Randomization("top_down", "shuffle", ("a", "b", "c"), maps, numbers, numbers, numbers)
    assert result.constant.tolist() == [False, False, True, False]
    assert replace(result, maps=maps[:2]).constant.tolist() == [False, False]


@dataclass
class Remembering(Gradient):
    """Keeps which class it was asked about."""

    classes: list[int] = field(default_factory=list)

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        self.classes.append(int(question.target.embedding.argmax()))
        yield 1
        scores = question.encoder.embed_pixels(question.pixels[None])[0]
        return (noise_map(1, 16) * float(scores[0]) + noise_map(2, 16)).astype(np.float32)


def test_a_network_made_random_step_by_step_is_asked_about_the_class_of_the_whole_one() -> None:
    """The DIX paper's section 4.5: k layers from the output are random; maps with their signs, and without."""
    question = make_class_question(networks.picture(1), encoder=from_torch(networks.plain_cnn(), batch_size=8))
    method = Remembering()
    found = run(randomization(question, method, how="reinitialise"))
    assert found.similarity[0] == found.similarity_absolute[0] == 1
    assert found.layers == ("11", "9", "6", "3", "0")  # layers[k - 1] is random from k on
    assert method.classes == [int(question.target.embedding.argmax())] * 6
    assert not found.constant.any()
