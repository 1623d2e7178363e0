"""The Evidence tab's questions put to other methods than the one on screen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.attributions.grad_cam import GradCam
from explorer.core.errors import InvalidInput
from explorer.core.selections import SelectionSettings
from explorer.core.steps import run
from explorer.evaluation.deletion import deletion
from explorer.evaluation.sensitivity import sensitivity
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.tabs.evidence.evidence import OWN, Subject
from explorer.ui.tabs.evidence.kinds import KINDS
from explorer.ui.tabs.evidence.trial import Ledger
from tests.pictured import pictured_subject
from tests.ui.trials import news_of, trial_of

ASSETS = Path(__file__).parents[4] / "assets"
PLAIN = SelectionSettings()
SMALL = {
    "deletion": {"steps": "10", "orders": "3", "fill": "map"},
    "sensitivity": {"samples": "5", "masks": "60"},
    "randomization": {"masks": "30"},
    "planting": {"masks": "60"},
}


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    return pictured_subject(monkeypatch)


@pytest.mark.parametrize("method", ["rise", "grad-cam", "ablation-cam", "integrated-gradients"])
@pytest.mark.parametrize("key", SMALL)
def test_every_method_can_be_put_to_every_test_at_its_price(subject: Subject, key: str, method: str):
    evidence = KINDS[key](subject, SMALL[key] | {"method": method})
    trial = trial_of(evidence)
    news = list(news_of(trial))
    assert trial.done == evidence.passes()
    report = news[-1][key]
    json.dumps(report, allow_nan=False)
    assert report["over"]
    assert report["of"]["method"] == method
    about, masks = (
        ("a cup planted in the lower right", 60) if key == "planting" else ("cat_and_espresso.jpg against", 40)
    )
    assert report["of"]["label"].startswith(about)
    assert report["of"]["of_masks"] == report["of"]["label"].endswith(f", {masks} masks") == (method == "rise")


def test_what_is_deleted_is_the_methods_map(subject: Subject):
    evidence = KINDS["deletion"](subject, SMALL["deletion"] | {"method": "grad-cam"})
    result, question = run(evidence.steps())["zero"], subject.question()
    expected = run(deletion(question, run(GradCam()(question)), steps=10, seeds=range(3)))
    np.testing.assert_array_equal(result.lodf, expected.lodf)
    assert evidence.report({"zero": result}, False)["strip"]["maps"][0]["title"] == "Grad-CAM"
    on_screen = KINDS["deletion"](subject, SMALL["deletion"])
    own = run(on_screen.steps())
    assert not np.array_equal(result.lodf, own["zero"].lodf)
    assert "strip" not in on_screen.report(own, False)  # it is on screen


def test_what_is_made_noisy_is_the_methods_map(subject: Subject):
    evidence = KINDS["sensitivity"](subject, SMALL["sensitivity"] | {"method": "grad-cam"})
    result = run(evidence.steps())
    expected = run(sensitivity(subject.question(), GradCam(), n_samples=5, law="gaussian", spread=25.5))
    np.testing.assert_array_equal(result.values, expected.values)
    assert "The paper" not in " ".join(evidence.report(result, False)["verdict"])


def test_masks_on_screen_are_not_embedded_again(subject: Subject):
    own, rise = (KINDS["deletion"](subject, SMALL["deletion"] | {"method": key}).passes() for key in (OWN, "rise"))
    assert own == rise == 47


def test_draws_of_masks_are_compared_for_the_map_on_screen_only(subject: Subject):
    with pytest.raises(InvalidInput, match="judge the map on screen"):
        KINDS["stability"](subject, {"method": "grad-cam"}).passes()


@pytest.mark.parametrize("key", SMALL)
def test_what_the_encoder_cannot_serve_is_refused_before_anything_runs(subject: Subject, key: str):
    with pytest.raises(InvalidInput, match="GAE needs attention, which Tiny does not give"):
        KINDS[key](subject, {"method": "gae"}).passes()


@pytest.mark.parametrize("method", ["grad-cma", None, 3, ["rise"]])
def test_what_is_no_method_is_refused(subject: Subject, method: object):
    with pytest.raises(InvalidInput) as refused:
        KINDS["deletion"](subject, {"method": method})
    assert refused.value.code == "unknown_method"


def test_a_blank_map_has_nothing_to_delete(subject: Subject):
    alike = replace(subject, request=replace(subject.request, reference=subject.request.picture))
    with pytest.raises(InvalidInput, match="no signal"):
        run(KINDS["deletion"](alike, SMALL["deletion"] | {"method": "grad-cam"}).steps())


def test_reports_about_two_methods_are_kept_apart(subject: Subject):
    ledger = Ledger(ProbeCache())
    ledger.keep(KINDS["deletion"](subject, {}), {"verdict": []})
    assert ledger.known(KINDS["deletion"](subject, {"method": OWN})) == {"verdict": []}
    assert ledger.known(KINDS["deletion"](subject, {"method": "rise"})) is None


@pytest.mark.parametrize("order", ["top_down", "independent"])
def test_what_chance_does_is_claimed_for_masks_only(subject: Subject, order: str):
    reports = {}
    for method in (OWN, "rise", "grad-cam"):
        evidence = KINDS["randomization"](subject, {"masks": "30", "order": order, "method": method})
        reports[method] = evidence.report(run(evidence.steps()), False)
    zones = {method: len(report["charts"][0]["zones"]) for method, report in reports.items()}
    assert zones == {OWN: 1, "rise": 1, "grad-cam": 0}
    said = " ".join(reports["grad-cam"]["verdict"])
    assert "is not known" in said
    assert "no more" not in said


def test_a_gradient_is_priced_by_its_own_method_and_not_before_it_was_measured(subject: Subject):
    """One of Grad-CAM's passes takes a hundredth of one of another's, so none says anything about the others."""
    ledger = Ledger(ProbeCache())
    cam, integrated = (KINDS["deletion"](subject, {"method": key}) for key in ("grad-cam", "integrated-gradients"))
    assert [kind for kind, _ in integrated.parts()] == ["integrated-gradients", "masked"]
    ledger.timed(cam, {"grad-cam": 0.5, "masked": 0.01})
    assert ledger.seconds(cam, cam.parts()) == pytest.approx(0.5 + 0.01 * cam.parts()[1][1])
    assert ledger.seconds(integrated, integrated.parts()) is None
    ledger.timed(integrated, {"integrated-gradients": 0.2})
    assert ledger.seconds(integrated, integrated.parts()) == pytest.approx(0.2 * 50 + 0.01 * cam.parts()[1][1])


def test_what_a_trial_measures_is_each_kind_by_itself(subject: Subject):
    probes = ProbeCache()
    evidence = KINDS["deletion"](subject, SMALL["deletion"] | {"method": "grad-cam"})
    ledger = Ledger(probes)
    list(news_of(trial_of(evidence, ledger)))
    request = subject.request
    assert probes.rates.seconds(request.encoder, request.precision, 1, "grad-cam") > 0
    assert probes.rates.seconds(request.encoder, request.precision, 1, "masked") > 0
    assert ledger.seconds(evidence, evidence.parts()) > 0
    assert probes.rates.seconds(request.encoder, request.precision, 1, "integrated-gradients") is None
