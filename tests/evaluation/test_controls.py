"""Maps that are wrong on purpose are wrong as they say, and score so, by what is known and on scenes of cutouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

import explorer
from explorer.attributions.question import make_question
from explorer.core.steps import run
from explorer.datasets.scenes import Scene, cutouts_in, make_scene
from explorer.evaluation.bootstrap import mean_difference, mean_interval
from explorer.evaluation.controls import BLOCKS, BLUR, CONTROLS
from explorer.evaluation.deletion import symmetric_gain

MAP = np.random.default_rng(0).normal(size=(33, 50))
PICTURE = np.random.default_rng(1).integers(0, 256, (33, 50, 3)).astype(np.uint8)


def test_each_is_wrong_as_it_says() -> None:
    found = {name: spoil(MAP, PICTURE, 3) for name, spoil in CONTROLS.items()}
    np.testing.assert_array_equal(found["inverted"], -MAP)
    theirs = ndimage.gaussian_filter(MAP, BLUR * 33, mode="reflect", truncate=3)
    np.testing.assert_allclose(found["blurred"], theirs, atol=0.02 * theirs.std() + 1e-3)
    mixed = found["shuffled"]
    assert sorted(mixed.ravel()) == sorted(MAP.ravel())
    assert abs(np.corrcoef(mixed[:32, :48].ravel(), MAP[:32, :48].ravel())[0, 1]) < 0.2
    own = {MAP[i : i + 4, j : j + 6].tobytes() for i in range(0, 32, 4) for j in range(0, 48, 6)}
    assert {mixed[i : i + 4, j : j + 6].tobytes() for i in range(0, 32, 4) for j in range(0, 48, 6)} == own
    assert len(own) == BLOCKS**2
    np.testing.assert_array_equal(found["edges"], CONTROLS["edges"](-MAP, PICTURE))
    assert found["edges"].min() >= 0


def test_on_scenes_only_the_map_that_looks_at_the_reference_finds_the_right_object(shared: Path) -> None:
    """Of what is above the mean on the two objects, the share on the one that the reference shows; 0.5 by chance."""
    files = cutouts_in(shared / "cutouts")
    masking = explorer.MaskSettings(n_masks=100, scheme="orthogonal")
    selection = explorer.SelectionSettings(mode="rank_weighted")
    shares: dict[str, list[float]] = {name: [] for name in ("true", *CONTROLS)}
    gains: dict[str, list[float]] = {name: [] for name in ("true", "shuffled", "edges")}
    for number in range(10):
        scene = make_scene(files, number)
        explained = explorer.explain(scene.pixels, reference=scene.reference, masking=masking, selection=selection)
        question = make_question(scene.pixels, reference=scene.reference)
        for name, spoil in {"true": lambda found, *_: found, **CONTROLS}.items():
            maps = [spoil(explained.relative, question.pixels, 100 * number + i) for i in range(10)]
            shares[name].append(np.mean([on_the_right(one, scene) for one in maps]))
            if name in gains:
                gains[name].append(run(symmetric_gain(question, maps[0], steps=4)))
    found = {name: mean_interval(values) for name, values in shares.items()}
    assert found["true"].low > 0.6
    assert found["blurred"].low > 0.5
    assert found["inverted"].high < 0.5
    assert found["shuffled"].low < 0.5 < found["shuffled"].high
    assert found["edges"].low < 0.5 < found["edges"].high
    for name in ("shuffled", "edges"):  # edges find things, if not the right one
        assert mean_difference(gains["true"], gains[name]).low > 0


def on_the_right(attribution: np.ndarray, scene: Scene) -> float:
    above = (attribution - attribution.mean()).clip(min=0)
    own, its = above[scene.shared].mean(), above[scene.other].mean()
    return float(own / (own + its))
