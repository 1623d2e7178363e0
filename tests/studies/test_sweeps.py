"""The sweeps are the paper's figures, and cost what they say."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS
from explorer.core.masks import MaskSettings
from explorer.core.probe import first
from explorer.core.selections import MODES, SelectionSettings
from explorer.encoders.base import Encoder
from explorer.studies.sweeps import MOST_MAPS, SWEEPS, Tile, columns, passes, plan, within

DEFAULT = MaskSettings(), SelectionSettings()
ODD = (
    MaskSettings(n_masks=730, feature_res=9, p_keep=0.42, seed=11, fill="blur"),
    SelectionSettings(mode="rank_weighted", threshold=0.33, distance="euclidean"),
)
SLICED = MaskSettings(seed=2), SelectionSettings(closest=(0.2, 0.5), farthest=(0.5, 0.8))
EXTREME = MaskSettings(n_masks=100_000, feature_res=128, p_keep=0.99, seed=2**32 - 1), SelectionSettings(threshold=0.5)
SETTINGS = [DEFAULT, ODD, SLICED, EXTREME]

every_sweep = pytest.mark.parametrize("key", SWEEPS)


def tiles(key: str, masking: MaskSettings = DEFAULT[0], selection: SelectionSettings = DEFAULT[1]) -> tuple[Tile, ...]:
    return SWEEPS[key].tiles(masking, selection)


# Every sweep


@every_sweep
@pytest.mark.parametrize("current", SETTINGS)
def test_the_current_settings_are_one_of_the_tiles(key: str, current: tuple[MaskSettings, SelectionSettings]) -> None:
    made = tiles(key, *current)
    assert [(tile.masking, tile.selection) for tile in made].count(current) == 1
    assert len({(tile.masking, tile.selection) for tile in made}) == len(made) > 1
    assert len({tile.title for tile in made}) == len(made)


@every_sweep
@pytest.mark.parametrize("current", SETTINGS)
def test_free_is_what_needs_no_other_probe(key: str, current: tuple[MaskSettings, SelectionSettings]) -> None:
    made = tiles(key, *current)
    assert SWEEPS[key].free == all(tile.masking == current[0] for tile in made)
    if not SWEEPS[key].free:
        assert {tile.selection for tile in made} == {current[1]}


@every_sweep
def test_rows_are_not_torn_apart(key: str) -> None:
    rows = [row for row, _ in itertools.groupby(tile.row for tile in tiles(key, *ODD))]
    assert len(set(rows)) == len(rows)


@every_sweep
def test_sweeps_say_what_they_are(key: str) -> None:
    sweep = SWEEPS[key]
    assert sweep.about.endswith(".")
    assert not sweep.title.endswith(".")


# The paper's figures, by the code that drew them


def test_figure_10() -> None:
    made = tiles("n_masks", MaskSettings(n_masks=2000, seed=1))
    drawn = [(tile.masking.n_masks, tile.masking.seed) for tile in made]
    assert drawn == list(itertools.product((100, 500, 2000), (1, 2, 3)))
    assert columns(made) == 3
    assert [tile.row for tile in made[::3]] == ["100 masks", "500 masks", "2000 masks"]


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 7])
def test_the_grid_always_has_three_seeds(seed: int) -> None:
    made = tiles("n_masks", MaskSettings(n_masks=1000, seed=seed))
    assert len(made) == 4 * 3
    assert columns(made) == 3
    seeds = [tile.masking.seed for tile in made[:3]]
    assert seed in seeds
    assert seeds == sorted(seeds)


def test_figure_11() -> None:
    assert [tile.masking.p_keep for tile in tiles("p_keep")] == [0.1, 0.3, 0.5, 0.7, 0.9]


def test_figure_12() -> None:
    assert [tile.masking.feature_res for tile in tiles("feature_res")] == [2, 4, 6, 8, 12, 16, 24, 32, 64, 128]


def test_figure_13() -> None:
    made = tiles("detail", MaskSettings(n_masks=2000, feature_res=16))
    drawn = [(tile.masking.feature_res, tile.masking.n_masks) for tile in made]
    assert drawn == [(16, 2000), (16, 4000), (16, 8000), (32, 2000), (32, 8000), (32, 32000)]
    assert columns(made) == 3


def test_figure_14() -> None:
    made = tiles("one_sided")
    drawn = [(tile.selection.mode, tile.selection.threshold) for tile in made[:10]]
    assert drawn == list(itertools.product(("farthest", "closest"), (0.1, 0.2, 0.3, 0.4, 0.5)))
    assert columns(made) == 5


def test_figure_15() -> None:
    made = tiles("thresholds")
    assert [tile.selection.threshold for tile in made] == [0.05, 0.1, 0.15, 0.2, 0.4]
    assert {tile.selection.mode for tile in made} == {"mirror"}


def test_figure_16() -> None:
    made = tiles("slices")
    drawn = [(tile.selection.closest, tile.selection.farthest) for tile in made[:4]]
    assert drawn == [
        ((0.4, 0.5), (0.5, 0.6)),
        ((0.3, 0.4), (0.6, 0.7)),
        ((0.2, 0.3), (0.7, 0.8)),
        ((0.1, 0.2), (0.8, 0.9)),
    ]
    assert made[4].selection == SelectionSettings(mode="mirror", threshold=0.1)
    assert len(made) == 5


def test_sides_are_the_modes_there_are() -> None:
    assert [tile.selection.mode for tile in tiles("sides", *ODD)] == list(MODES)
    assert {tile.selection.threshold for tile in tiles("sides", *ODD)} == {0.33}


# What joins the paper's values


def test_a_sliders_rounding_makes_no_tile_of_its_own() -> None:
    made = tiles("p_keep", MaskSettings(p_keep=0.1 + 0.2))
    assert [tile.masking.p_keep for tile in made] == [0.1, 0.1 + 0.2, 0.5, 0.7, 0.9]
    assert made[1].title == "p_keep 0.3"


def test_everything_but_what_is_swept_stays_as_it_was() -> None:
    assert {replace(tile.masking, p_keep=0.5) for tile in tiles("p_keep", *ODD)} == {replace(ODD[0], p_keep=0.5)}
    assert {tile.selection.distance for key in SWEEPS for tile in tiles(key, *ODD)} == {"euclidean"}


def test_thresholds_of_a_mode_without_any_are_those_of_mirror() -> None:
    made = tiles("thresholds", *ODD)
    assert [tile.selection.mode for tile in made] == ["mirror"] * 6 + ["rank_weighted"]
    assert made[-1].title == "as set"


def test_no_tile_asks_for_more_masks_than_there_may_be() -> None:
    assert [tile.masking.n_masks for tile in tiles("detail", MaskSettings(n_masks=60_000))] == [60_000] * 3


# What can be run


def test_cells_are_never_smaller_than_pixels() -> None:
    assert [tile.masking.feature_res for tile in within(tiles("feature_res"), 32)] == [2, 4, 6, 8, 12, 16, 24, 32]
    assert [tile.masking.feature_res for tile in within(tiles("feature_res"), 31)][-1] == 24
    for tile in within(tiles("feature_res"), 24):
        explorer.probe(np.ones((40, 24, 1)), encoder=flat(), masking=replace(tile.masking, n_masks=10))


def test_the_app_has_lower_caps() -> None:
    assert [tile.masking.feature_res for tile in within(tiles("feature_res"), 224, app=True)][-1] == 64
    drawn = tiles("detail", MaskSettings(n_masks=2000, feature_res=16))
    assert within(drawn, 224) == drawn
    assert within(drawn, 224, app=True) == drawn[:5]


def test_no_tiles_have_no_columns() -> None:
    assert columns(()) == 0


# What it costs


def flat() -> Encoder:
    return explorer.from_function(lambda batch: batch.reshape(len(batch), -1)[:, :4] + 1.0)


def test_numbers_of_masks_share_a_probe() -> None:
    made = tiles("n_masks")  # 100, 500, 1000 and 2000 masks of three seeds
    assert plan(made) == tuple(MaskSettings(n_masks=2000, seed=seed) for seed in (0, 1, 2))
    assert passes(made) == passes(made[::-1]) == 6000


def test_what_is_known_is_not_counted() -> None:
    known = {0: 1000, 1: 5000}
    asked: list[MaskSettings] = []

    def rows(masking: MaskSettings) -> int:
        asked.append(masking)
        return known.get(masking.seed, 0)

    assert passes(tiles("n_masks"), rows) == 1000 + 0 + 2000
    assert len(asked) == 3


def test_masks_that_depend_on_their_number_are_not_shared() -> None:
    made = tiles("n_masks", MaskSettings(scheme="dianna"))
    assert passes(made) == 3 * (100 + 500 + 1000 + 2000)


@every_sweep
def test_a_free_sweep_costs_one_probe(key: str) -> None:
    assert (passes(tiles(key)) == 1000) == SWEEPS[key].free
    if SWEEPS[key].free:
        assert passes(tiles(key), lambda _: 1000) == 0


def test_tiles_cut_from_the_planned_probe_are_the_tiles() -> None:
    picture = np.random.default_rng(3).random((20, 24, 1))
    made = [
        Tile("few", MaskSettings(n_masks=int(N_MASKS.low), feature_res=4), DEFAULT[1]),
        Tile("more", MaskSettings(n_masks=30, feature_res=4), DEFAULT[1]),
    ]
    (masking,) = plan(made)
    probe = explorer.probe(picture, encoder=flat(), masking=masking)
    for tile in made:
        alone = explorer.probe(picture, encoder=flat(), masking=tile.masking)
        cut = first(probe, tile.masking.n_masks)
        assert cut.masking == tile.masking
        np.testing.assert_array_equal(cut.embeddings, alone.embeddings)


# Values of one's own


@every_sweep
def test_values_of_ones_own_are_the_tiles(key: str) -> None:
    sweep = SWEEPS[key]
    assert sweep.over(None, *ODD) == sweep.tiles(*ODD)
    if sweep.own is None:
        with pytest.raises(InvalidInput, match="no values of your own"):
            sweep.over([0.5], *ODD)
        return
    low = sweep.own.low
    values = [low + i * sweep.own.step for i in range(sweep.most)]
    given = [int(value) if sweep.own.whole else value for value in values]
    made = sweep.over([*reversed(given)], *ODD)
    assert len(made) <= MOST_MAPS
    assert len(made) == MOST_MAPS // sweep.most * sweep.most
    assert made == sweep.over(given, *ODD)
    varied = {tile.selection.threshold if sweep.free else getattr(tile.masking, sweep.own.name) for tile in made}
    assert sorted(varied) == given
    assert len(sweep.over([given[0]] * sweep.most, *ODD)) == MOST_MAPS // sweep.most  # each once


@pytest.mark.parametrize("values", [[], [0.2] * 13, [2.0], ["0.2"], "0.2", [math.nan], [None], {}, 0.2, [True]])
def test_values_that_are_none_are_refused(values: object) -> None:
    with pytest.raises(InvalidInput):
        SWEEPS["p_keep"].over(values, *DEFAULT)


def test_the_app_has_caps_of_its_own() -> None:
    assert SWEEPS["feature_res"].over([128], *DEFAULT)
    with pytest.raises(InvalidInput, match="1 to 64"):
        SWEEPS["feature_res"].over([128], *DEFAULT, app=True)


def test_cells_of_whole_patches_only() -> None:
    """Where patches are left out, as many cells as now fit into them, and as many as divide that."""
    left_out = MaskSettings(feature_res=14, fill="drop")
    assert [tile.masking.feature_res for tile in tiles("feature_res", left_out)] == [2, 7, 14]
    assert {tile.masking.feature_res for tile in tiles("detail", left_out)} == {14}
