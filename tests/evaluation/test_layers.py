"""What randomising one layer does, on networks where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from explorer.attributions.question import DistanceExplainer
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.steps import run
from explorer.encoders.functions import from_function
from explorer.evaluation.layers import LayerFact, layer_facts, layer_facts_passes
from explorer.evaluation.randomization import pose
from tests.conftest import quarters
from tests.evaluation.networks import EXPLAINER, question

FEW = DistanceExplainer(MaskSettings(n_masks=10, feature_res=4))


def test_a_row_says_what_changed() -> None:
    case = question()
    rows = run(layer_facts(case, EXPLAINER))
    assert [row.layer for row in rows] == list(case.encoder.layers())
    row = rows[1]
    changed = case.encoder.randomised((row.layer,))
    before, after = (run(EXPLAINER.explain(c)) for c in (case, pose(case, changed)))
    assert row.similarity == pytest.approx(spearmanr(before.attribution.ravel(), after.attribution.ravel())[0])
    assert row.agreement == pytest.approx(spearmanr(before.distances, after.distances)[0])
    assert row.similarity_absolute == pytest.approx(
        spearmanr(np.abs(before.attribution).ravel(), np.abs(after.attribution).ravel())[0]
    )
    kernel = case.encoder.weights(row.layer)["weight"]
    assert row.n_parameters == kernel.size + 12
    assert row.mean == pytest.approx(kernel.mean(), abs=1e-7)
    assert row.deviation == pytest.approx(kernel.std())
    assert row.moved == pytest.approx(np.sqrt(2), rel=0.1)  # weights around 0
    assert row.still < 0.05
    assert 0 < row.shift < 1


def test_weights_of_low_variance_hardly_move() -> None:
    """The paper's guess, as a network that it is true of."""
    case = question()
    kernel = case.encoder.weights("3")["weight"]
    weights = {"weight": 0.1 + 0.001 * kernel / kernel.std(), "bias": np.zeros(12, np.float32)}
    flat = case.encoder.replaced({"3": weights}, "flat")
    (row,) = run(layer_facts(replace(case, encoder=flat), EXPLAINER, layers=("3",)))
    (own,) = run(layer_facts(case, EXPLAINER, layers=("3",)))
    assert row.moved < 0.1 < own.moved
    assert row.shift < own.shift
    assert row.agreement > 0.95


def test_rows_of_kernels_move_less_than_all_their_numbers() -> None:
    case = question()
    (rows,), (whole,) = (run(layer_facts(case, FEW, layers=("0",), how=how)) for how in ("shuffle_rows", "shuffle"))
    assert rows.n_parameters == whole.n_parameters
    assert rows.moved <= whole.moved * 1.1


def test_an_array_of_zeros_moves_not_at_all_or_wholly() -> None:
    case = question()
    zeros = {"weight": np.zeros((10, 20), np.float32), "bias": np.ones(10, np.float32)}
    bare = replace(case, encoder=case.encoder.replaced({"11": zeros}, "bare"))
    (shuffled,) = run(layer_facts(bare, FEW, layers=("11",), how="shuffle"))
    (new,) = run(layer_facts(bare, FEW, layers=("11",), how="reinitialise"))
    assert (shuffled.moved, shuffled.still) == (0, 1)
    assert new.moved == pytest.approx(1, abs=0.05)
    assert new.still == 0


def test_the_price_is_what_is_embedded_and_parts_are_whole() -> None:
    case = question()
    steps = list(layer_facts(case, FEW, layers=("0", "3")))
    paid = sum(step for step in steps if isinstance(step, int))
    assert paid == layer_facts_passes(case, FEW, layers=("0", "3")) == 33
    parts = [step for step in steps if not isinstance(step, int)]
    assert [len(part) for part in parts] == [1, 2]
    assert isinstance(parts[0][0], LayerFact)
    assert parts[1][:1] == parts[0]


def test_functions_show_no_layers() -> None:
    with pytest.raises(InvalidInput, match="from_torch"):
        run(layer_facts(question(from_function(quarters)), FEW))
