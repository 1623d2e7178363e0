"""What a map costs: the arithmetic of the race, and its contenders on a network that costs nothing."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import explorer
from explorer.attributions.question import make_question
from explorer.benchmark import contenders as peers
from explorer.benchmark.contenders import Contender, contenders
from explorer.benchmark.speed import Cost, Standing, climb, measured, race, table
from explorer.encoders.functions import from_function


def standing(*walls: float) -> Standing:
    found = Standing(Contender("a", lambda n, seed, tell: None))
    found.costs = [Cost(wall, wall / 2, wall, 0) for wall in walls]
    return found


def test_ratios_are_those_of_a_round() -> None:
    """A round in which the machine was slow for all is no reason for another ratio."""
    assert standing(2, 20, 2).ratio(standing(1, 10, 1), "wall") == 2
    assert standing(2, 2, 9).median("cpu") == 1


def test_reached_is_where_all_longer_runs_are_as_good() -> None:
    found = standing()
    found.ladder = {64: 1.0, 128: 2.0, 256: 4.0}
    assert found.reached({64: 0.95, 128: 0.8, 256: 0.9}, 0.9) == 4.0
    assert found.reached({64: 0.9, 128: 0.9, 256: 0.9}, 0.9) == 1.0
    assert found.reached({64: 0.9, 128: 0.9, 256: 0.8}, 0.9) is None
    assert found.reached({64: float("nan")}, 0.9) is None


def test_measured_tells_when_there_was_something_to_show() -> None:
    def act(tell):
        tell()
        return sum(range(10**5))

    cost, found = measured(act)
    assert found == sum(range(10**5))
    assert 0 <= cost.first < cost.wall


@pytest.fixture
def question():
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    encoder = from_function(lambda batch: batch[:, ::8, ::8].reshape(len(batch), -1).astype(np.float32) + 1)
    reference = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return make_question(picture, reference=reference, encoder=encoder), picture, reference


def test_ours_runs_a_race_and_climbs(question, monkeypatch) -> None:
    monkeypatch.setattr(peers, "PEERS", ())
    standings = [Standing(runner) for runner in contenders(*question)]
    assert list(race(standings, 64, 2)) == [1, 2]
    for each in standings:
        climb(question[0], each, 128)
    alone, ours = table(standings, 0.5, 0.5)
    assert alone["times_network_wall"] == ours["times_ours_cpu"] == 1
    assert alone["ladder"] == []
    assert [step["passes"] for step in ours["ladder"]] == [64, 128]
    assert all(-1 <= step["agreement"] <= 1 for step in ours["ladder"])
    assert ours["first"] < ours["wall"]  # a map is there long before the end


def test_a_peer_that_is_not_installed_says_how(question, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    absent = contenders(*question)[2:]
    assert [runner.why_not for runner in absent] == [f"not installed: pip install {p}" for _, p, _ in peers.PEERS]


@pytest.mark.parametrize("peer", range(len(peers.PEERS)))
def test_every_contender_finds_the_only_part_that_counts(peer, monkeypatch) -> None:
    """The embedding is the colour of one corner, and a constant."""
    torch = pytest.importorskip("torch")
    title, package, make = peers.PEERS[peer]
    pytest.importorskip(package.replace("-", "_"), reason=f"{package} is not installed; pip install {package}")
    monkeypatch.setattr(peers, "PEERS", ((title, package, make),))

    class Corner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, planes):
            corner = planes[:, :, :16, :16].mean((2, 3)) * self.scale - 0.4  # hidden, it points the other way
            return torch.cat([corner, torch.full_like(corner[:, :1], 0.1)], 1)

    encoder = explorer.from_torch(Corner().eval())
    picture = np.random.default_rng(0).uniform(0.5, 1, (32, 32, 3)).astype(np.float32)
    question = make_question(picture, reference=picture, encoder=encoder)
    *_, ours, theirs = contenders(question, picture, picture)
    for runner in (ours, theirs):
        found = runner.run(1000, 0, lambda: None)
        assert found.shape == (32, 32)
        assert found[:16, :16].mean() > found[16:, 16:].mean(), runner.title
