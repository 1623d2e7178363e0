"""The sentence about a map says what its colours say."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer import Explanation, MaskSettings, SelectionSettings
from explorer.core.agreement import wobble
from explorer.core.embedder import Box
from explorer.core.explanation import MethodExplanation
from explorer.core.rank import rank_against
from explorer.core.selections import MODES
from explorer.core.truth import Truth
from explorer.encoders.base import Encoder
from explorer.pictures.examples import shipped_presets
from explorer.results.summary import NOT_SETTLED, UNSETTLED, describe, describe_truth
from explorer.results.wire import load_replay, replay_of, unpack
from tests.oracles.colours import strongest_regions

FAINT = 0.25
"""Colours so weak may be left out."""


def named(sentence: str) -> tuple[str, str]:
    """What is said to bring closer, and what to push apart."""
    closer = re.search(r"the ([a-z ]+?) brings", sentence, re.IGNORECASE)
    apart = re.search(r"the ([a-z ]+?) pushes", sentence, re.IGNORECASE)
    return closer[1] if closer else "", apart[1] if apart else ""


@pytest.fixture
def explanation(picture: np.ndarray, picture_encoder: Encoder) -> Explanation:
    masking = MaskSettings(n_masks=200, seed=3)
    return explorer.explain(picture, reference=picture[::-1].copy(), encoder=picture_encoder, masking=masking)


def by_method(explanation: Explanation, attribution: np.ndarray, signed: bool = True) -> MethodExplanation:
    probe = explanation.probe
    seen = replace(probe.encoder.read(np.zeros((24, 40, 3), np.uint8)), box=probe.box)
    return MethodExplanation(
        attribution.astype("f4"), "dix1", {}, probe.encoder, seen, explanation.reference, "cosine", signed
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", [preset.key for preset in shipped_presets()])
def test_every_presets_map(key: str, mode: str) -> None:
    probe, target = unpack(load_replay(replay_of(key)))
    shown = rank_against(probe, target, SelectionSettings(mode=mode))
    hatched = UNSETTLED * wobble(shown)
    said = named(describe(shown))
    for name, regions, sign in zip(said, strongest_regions(shown.relative, hatched), (1, -1), strict=True):
        peak = float((sign * shown.relative).max())
        assert name in regions or (not name and peak < max(hatched, FAINT * np.abs(shown.relative).max()))
    assert any(said)


def test_a_peak_is_named_and_not_a_mean(explanation: Explanation) -> None:
    spot = np.full((30, 30), 0.4)
    spot[:, :10] = 0.1
    spot[2, 3] = 1.0
    assert describe(by_method(explanation, spot)) == "The top left brings the pair closer most."


def test_what_chance_could_make_is_not_named(explanation: Explanation) -> None:
    """Distances that know nothing of the masks."""
    masking = MaskSettings(n_masks=200, feature_res=2)
    probe = explorer.probe(explanation.probe.picture, encoder=explanation.probe.encoder, masking=masking)
    for seed in range(20):
        rows = np.random.default_rng(seed).normal(size=probe.embeddings.shape)
        noise = explorer.rank(replace(probe, embeddings=rows), embedding=rows.mean(axis=0))
        settled = np.abs(noise.relative).max() >= UNSETTLED * wobble(noise)
        assert (describe(noise) == NOT_SETTLED) == (not settled)
        if not settled:
            return
    pytest.fail("no seed left chance alone")


def test_nothing_stands_out_in_nothing(explanation: Explanation) -> None:
    assert describe(by_method(explanation, np.zeros((9, 9)))) == "Nothing stands out."
    every = explorer.rank(explanation.probe, embedding=explanation.reference.embedding,
                          selection=SelectionSettings(closest=(0.0, 1.0)))  # fmt: skip
    assert describe(every) == NOT_SETTLED


def test_regions_are_those_of_the_picture_on_screen(explanation: Explanation) -> None:
    """An encoder that sees the middle half of a wide picture, and one that sees edges beside it."""
    corner = np.zeros((30, 30), "f4")
    corner[0, 0], corner[15, 29] = 1, -1
    shown = by_method(explanation, corner)
    for box, closer, apart in (
        (Box(0.4, 0.0, 0.65, 1.0), "top centre", "centre"),
        (Box(-0.5, 0.0, 1.5, 1.0), "", ""),
        (Box(0.0, 0.0, 1.0, 1.0), "top left", "middle right"),
    ):
        assert named(describe(shown, box=box)) == (closer, apart)


def test_a_map_without_signs_claims_none(explanation: Explanation) -> None:
    ramp = np.linspace(0, 1, 81).reshape(9, 9)
    assert describe(by_method(explanation, ramp, signed=False)) == "The bottom right matters most."


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ({"closest": (0.9, 1.0)}, "This slice kept the |This slice hid the "),
        ({"closest": (0.3, 0.7)}, "This slice kept the |This slice hid the "),
        ({"farthest": (0.0, 0.1)}, "This slice hid the |This slice kept the "),
        ({"closest": (0.8, 1.0), "farthest": (0.0, 0.2)}, "The first slice kept the |The second slice kept the "),
    ],
)
def test_slices_in_no_order_are_called_what_they_are(explanation: Explanation, slices: dict, said: str) -> None:
    probe, target = explanation.probe, explanation.reference.embedding
    shown = explorer.rank(probe, embedding=target, selection=SelectionSettings(**slices))
    sentence = describe(shown)
    assert sentence.startswith(tuple(said.split("|"))) or sentence == NOT_SETTLED
    assert "closer" not in sentence
    assert any("only what they kept" in notice for notice in shown.notices)


def test_how_true_a_map_is() -> None:
    assert describe_truth(None) == ""
    assert describe_truth(Truth(0.5, 0.25, 1000)) == (
        "This map alone puts two copies it was not made from in their right order about 67 times in 100 (a coin: 50); "
        "the rest is regions acting together, or chance."
    )
    assert "no better than a coin" in describe_truth(Truth(0.01, 0.0, 1000))
    assert "the opposite of the truth" in describe_truth(Truth(-0.5, -0.25, 1000))
