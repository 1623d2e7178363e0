"""The gym: what is known is found exactly, and what is wrong on purpose scores at chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.core.steps import run
from explorer.studies import gym
from explorer.studies.pairs import shipped_subjects
from explorer.studies.setup import Setup
from explorer.studies.study import STUDIES


@pytest.fixture(scope="module")
def outline_and_arrays(tmp_path_factory: pytest.TempPathFactory):
    setup = Setup({}, shipped_subjects(), tmp_path_factory.mktemp("gym") / ".embedded")
    outline = STUDIES["gym"].outline(setup)
    told: list[int] = []
    arrays = run(outline.needs[0].work(setup), told.append)
    return outline, arrays, told


def test_the_encoder_adds_what_is_known() -> None:
    question, known = gym.scene(3)
    rows = question.encoder.embed_pixels(question.pixels[None].copy())
    assert rows[0, 0] == pytest.approx(known.sum(), abs=1e-9)
    half = question.pixels.copy()
    half[:8, 8:16] = 0
    rows = question.encoder.embed_pixels(half[None])
    assert rows[0, 0] == pytest.approx(-known[0, 1], abs=1e-6)


def test_every_combination_gives_it_back_exactly(outline_and_arrays) -> None:
    _, arrays, _ = outline_and_arrays
    assert arrays["scores"][:, 0, 0].min() > 1 - 1e-9
    combinations = gym.every_combination()
    assert len(np.unique(combinations.reshape(512, -1), axis=0)) == 512


def test_what_is_wrong_on_purpose_scores_at_chance(outline_and_arrays) -> None:
    outline, arrays, told = outline_and_arrays
    assert told[-1] == outline.passes
    names = (gym.EXACT, "mirror", "rank weighted", *gym.CONTROLS)
    findings = gym._make(arrays, names)
    assert findings.compared[0].agrees is None  # nothing to mistrust
    assert "mistrust" not in " ".join(findings.said)
    spoilt = arrays["scores"].copy()
    spoilt[:, names.index("edges")] = spoilt[:, 2]  # a judge that takes edges for a map
    found = gym._make({**arrays, "scores": spoilt}, names)
    assert found.compared[0].agrees is False
    assert "mistrust" in " ".join(found.said)


def test_how_much_is_kept_tells_nothing_there(tmp_path: Path) -> None:
    assert all(abs(gym.scene(number)[1].sum()) < 1e-12 for number in range(gym.SCENES))
