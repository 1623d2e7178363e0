"""What the Compare tab's other methods say and cost, without a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.attributions.grad_cam import GradCam
from explorer.attributions.method import METHODS
from explorer.attributions.rise import Rise
from explorer.core.errors import InvalidInput
from explorer.core.selections import SelectionSettings
from explorer.core.steps import run
from explorer.core.truth import Truth, truth
from explorer.evaluation.deletion import Deletion, deletion
from explorer.ui.tabs.compare.methods import SEEDS, STEPS, Answer, OtherMethods, verdict
from explorer.ui.tabs.evidence.charts import signed
from explorer.ui.tabs.evidence.evidence import Subject
from tests.pictured import pictured_subject
from tests.ui.trials import news_of, trial_of

ASSETS = Path(__file__).parents[4] / "assets"
PLAIN = SelectionSettings()
ASKED = {"methods": ["distance-explainer", "rise", "grad-cam"]}


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    return pictured_subject(monkeypatch)


def test_the_price_is_what_is_run(subject: Subject):
    asked = OtherMethods(subject, ASKED)
    trial = trial_of(asked)
    news = list(news_of(trial))
    assert trial.done == asked.passes() == 1 + 3 * (2 + (2 + len(SEEDS)) * (STEPS - 1))
    assert news[-1]["progress"]["text"].startswith(f"{trial.done} passes in ")
    assert news[-1]["methods"]["keys"] == ASKED["methods"]


def test_prices_need_no_reference(subject: Subject):
    unknown = replace(subject.explanation.reference, embedding=np.ones(2))  # as of an example embedded earlier
    sketched = replace(subject, explanation=replace(subject.explanation, reference=unknown))
    every = [key for key, kind in METHODS.items() if "attention" not in kind.needs or len(kind.needs) > 1]
    assert OtherMethods(sketched, {"methods": every}).passes() == OtherMethods(subject, {"methods": every}).passes()


def test_the_maps_are_those_of_the_library(subject: Subject):
    answers = {answer.key: answer for answer in run(OtherMethods(subject, ASKED).steps())}
    question, explanation = subject.question(), subject.explanation
    np.testing.assert_array_equal(answers["distance-explainer"].attribution, explanation.relative)
    np.testing.assert_allclose(answers["rise"].attribution, run(Rise(explanation.probe.masking)(question)), atol=1e-6)
    np.testing.assert_array_equal(answers["grad-cam"].attribution, run(GradCam()(question)))
    assert [answer.passes for answer in answers.values()] == [0, 0, 1]
    expected = run(deletion(question, answers["grad-cam"].attribution, steps=STEPS, seeds=SEEDS))
    np.testing.assert_allclose(answers["grad-cam"].faithful.lodf, expected.lodf, atol=1e-6)


def test_how_true_each_map_is_is_told(subject: Subject):
    """Of masks on screen by their parts, so that RISE is not judged by what it was made from."""
    asked = OtherMethods(subject, ASKED)
    answers = run(asked.steps())
    explanation = subject.explanation
    own, rise, cam = (answer.truth for answer in answers)
    assert own == truth(explanation)
    assert cam == truth(answers[2].attribution, probe=explanation.probe, reference=explanation)
    whole = truth(answers[1].attribution, probe=explanation.probe, reference=explanation)
    assert rise.spearman < whole.spearman
    assert rise.n == len(explanation.distances)
    table = asked.report(answers, False)["table"]
    column = table["head"].index("truth")
    assert [row[column] for row in table["rows"]] == [signed(one.spearman, 2) for one in (own, rise, cam)]


def test_a_map_that_is_not_true_is_named():
    true = replace(answer("rise", 0.9, 0.1), truth=Truth(0.6, 0.4, 1000))
    false = replace(answer("grad-cam", 0.8, 0.1), truth=Truth(0.02, 0.0, 1000))
    assert verdict([true, false], False)[1:] == [
        "Not true of copies it was not made from, which it orders no better than a coin: Grad-CAM."
    ]
    assert len(verdict([true], False)) == 1


def test_each_map_is_drawn_relative_to_its_own_strongest_value(subject: Subject):
    asked = OtherMethods(subject, ASKED)
    report = asked.report(run(asked.steps()), False)
    assert report["strip"]["limit"] <= 1
    assert [len(shown["values"]) for shown in report["strip"]["maps"]] == [
        len(report["strip"]["maps"][0]["values"])
    ] * 3


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "methods_empty"),
        ({"methods": []}, "methods_empty"),
        ({"methods": "grad-cam"}, "methods_empty"),
        ({"methods": ["grad-cam"] * 1000}, "methods_empty"),
        ({"methods": ["grad-cma"]}, "unknown_method"),
        ({"methods": [{}]}, "unknown_method"),
    ],
)
def test_what_is_no_choice_is_refused(subject: Subject, options, code):
    with pytest.raises(InvalidInput) as caught:
        OtherMethods(subject, options)
    assert caught.value.code == code


def test_a_method_that_the_encoder_cannot_serve_is_refused_before_anything_runs(subject: Subject):
    with pytest.raises(InvalidInput, match="needs attention, which"):
        OtherMethods(subject, {"methods": ["rise", "gae"]}).passes()


def answer(key: str, lodf: float, hidf: float) -> Answer:
    shares = np.linspace(0, 1, 3)
    faithful = Deletion(shares, np.array([0, lodf, 1]), np.array([0, hidf, 1]), np.full((1, 3), 0.5))
    return Answer(key, np.eye(2, dtype=np.float32), 1, 0.5, faithful)


def test_the_verdict_names_the_method_whose_deletion_tells_most():
    said = verdict([answer("rise", 0.6, 0.4), answer("grad-cam", 0.9, 0.1)], False)
    assert said == [
        "Deleting tells most for Grad-CAM: the distance is 0.400 higher on average when its red goes first than when "
        "its blue does."
    ]


def test_the_verdict_says_when_none_tells_anything():
    assert "No map moves the distance" in verdict([answer("rise", 0.4, 0.6), answer("grad-cam", 0.5, 0.5)], False)[0]
    blank = Answer("grad-cam", np.zeros((2, 2), np.float32), 1, 0.5, None)
    assert verdict([blank], True)[:2] == [
        "Stopped before all had answered.",
        "No map says anything here, so none can be judged.",
    ]
