"""A gym with known answers: each part of a picture moves the embedding by itself, by a number that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question, make_question, probe_question
from explorer.attributions.rise import Rise
from explorer.core.masks import MaskSettings, masks_from_array
from explorer.core.rank import rank_against
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.steps import Steps
from explorer.core.streams import Stream, generator
from explorer.core.truth import truth
from explorer.encoders.functions import from_function
from explorer.evaluation.bootstrap import Interval, mean_interval
from explorer.evaluation.controls import CONTROLS
from explorer.evaluation.deletion import symmetric_gain, symmetric_passes
from explorer.reports.drawing import Panel, draw_maps
from explorer.studies.needs import Arrays, WorkNeed
from explorer.studies.setup import Setup
from explorer.studies.study import Compared, Entry, Findings, Outline, Table, study

SCENES, CELLS, SIDE = 12, 3, 24
"""Pictures, cells a side, and pixels a side: few enough cells that every combination of them can be embedded."""
FRESH, STEPS = 100, 9
"""Masked copies that truth is measured on, and steps of deletion: a cell each."""
EXACT = "every combination of cells"
MEASURES = ("known answer", "truth", "SRG")


@study(
    "gym",
    title="Known answers: what right maps score, and wrong ones",
    about="Pictures of nine cells, each of which moves the embedding by itself, by a number that is known. Embedding "
    "every combination of cells must give the numbers back exactly; maps of random masks should come near; maps that "
    "are wrong on purpose, shuffled or made of the picture's edges, must score at chance, and the opposite map must "
    "score the opposite. The numbers add up to nothing, or a map that knows how much is kept would be true, too.",
    roles=(),
)
def gym(setup: Setup) -> Outline:
    """The encoder is a sum, so that no network is needed."""
    masking = MaskSettings(n_masks=setup.masks(300), feature_res=CELLS)
    names = (EXACT, *(MODES[mode].label for mode in ("mirror", "rank_weighted")), *CONTROLS)
    passes = SCENES * (2**CELLS**2 + masking.n_masks + FRESH + len(names) * symmetric_passes(scene(0)[0], steps=STEPS))

    def work(_: Setup) -> Steps[Arrays]:
        scores = np.zeros((SCENES, len(names), len(MEASURES)))
        for number in range(SCENES):
            question, known = scene(number)
            maps = yield from _maps(question, masking, number)
            if not number:
                first = np.stack([maps[name] for name in names])
            scores[number] = yield from _scores(question, known, [maps[name] for name in names], number)
        return {"scores": scores, "maps": first, "known": scene(0)[1]}

    settings = {"masking": masking.to_dict(), "scenes": SCENES, "cells": CELLS, "fresh": FRESH, "steps": STEPS}
    need = WorkNeed("gym", settings, passes, work)
    return Outline((need,), lambda setup: _make(setup.arrays(need), names))


def scene(number: int) -> tuple[Question, NDArray[np.float64]]:
    """A question about a picture (24, 24, 1), and what each of its cells (3, 3) adds to the closeness."""
    random = generator(number, Stream.SCENES)
    known = random.normal(size=(CELLS, CELLS))
    known -= known.mean()
    picture = random.uniform(0.5, 1.5, (CELLS, SIDE // CELLS, CELLS, SIDE // CELLS))
    picture /= picture.mean(axis=(1, 3), keepdims=True)
    encoder = from_function(_adder(known), batch_size=64)
    pixels = picture.reshape(SIDE, SIDE, 1)
    return make_question(pixels, embedding=[1.0], encoder=encoder, distance="dot"), known


def _adder(known: NDArray[np.float64]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    def add(batch: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((by_cell(batch[..., 0]) * known).sum((1, 2))[:, None])

    return add


def by_cell(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mean of maps (n, h, w) in each cell, (n, 3, 3)."""
    return np.asarray(maps.reshape(len(maps), CELLS, SIDE // CELLS, CELLS, -1).mean(axis=(2, 4), dtype=np.float64))


def every_combination() -> NDArray[np.float32]:
    """(512, 24, 24) masks: each cell kept or hidden, in every way."""
    bits = np.array(list(product((0, 1), repeat=CELLS**2)), np.float32).reshape(-1, CELLS, CELLS)
    return np.kron(bits, np.ones((1, SIDE // CELLS, SIDE // CELLS), np.float32))


def _maps(question: Question, masking: MaskSettings, number: int) -> Steps[dict[str, NDArray[np.float64]]]:
    """All of them by name; each wrong one is made of that by rank."""
    combinations = masks_from_array(every_combination())
    every = yield from probe_question(question, replace(masking, n_masks=len(combinations)), combinations)
    found = {EXACT: Rise().of_distances(every.masks, -every.embeddings[:, 0].astype(np.float64))}
    probe = yield from probe_question(question, masking)
    for mode in ("mirror", "rank_weighted"):
        selection = SelectionSettings(mode=mode, distance="dot")
        found[MODES[mode].label] = rank_against(probe, question.target, selection).relative
    last = found[MODES["rank_weighted"].label]
    wrong = {name: spoil(last, question.pixels, number) for name, spoil in CONTROLS.items()}
    return {name: values.astype(np.float64) for name, values in (found | wrong).items()}


def _scores(
    question: Question, known: NDArray[np.float64], maps: list[NDArray[np.float64]], number: int
) -> Steps[NDArray[np.float64]]:
    """(maps, measures)."""
    fresh = yield from probe_question(question, MaskSettings(n_masks=FRESH, feature_res=CELLS, seed=10_000 + number))
    aimed = rank_against(fresh, question.target, SelectionSettings(distance="dot"))
    scores = []
    for values in maps:
        gain = yield from symmetric_gain(question, values, steps=STEPS)
        alike = float(np.corrcoef(by_cell(values[None]).ravel(), known.ravel())[0, 1])
        scores.append((alike, truth(values, probe=fresh, reference=aimed).spearman, gain))
    return np.array(scores)


def _make(kept: Arrays, names: tuple[str, ...]) -> Findings:
    known = {
        (name, measure): mean_interval(kept["scores"][:, i, j])
        for i, name in enumerate(names)
        for j, measure in enumerate(MEASURES)
    }
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (name, *(end for measure in MEASURES for end in _ends(known[name, measure]))) for name in names
    )
    header = ("map", *(f"{measure}{end}" for measure in MEASURES for end in ("", ", low", ", high")))
    said, right = _said(known)
    true = np.kron(kept["known"], np.ones((SIDE // CELLS, SIDE // CELLS))).astype(np.float32)
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    panels = [Panel(true, blank, "the known answer")]
    panels += [
        Panel(values.astype(np.float32), blank, name, below=f"{known[name, MEASURES[0]].value:.2f} on average")
        for name, values in zip(names, kept["maps"], strict=True)
    ]
    alt = "The known answer of the first picture, and maps of it. " + " ".join(said)
    about = f"Means over {SCENES} pictures with 95 % intervals; known answer: correlation with it over the cells."
    compared = (Compared("known answers", "not in the paper", " ".join(said), None if right else False),)
    return Findings(draw_maps(panels, 4, alt), Table(header, rows, about), said, compared)


def _ends(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def _said(known: dict[tuple[str, str], Interval]) -> tuple[tuple[str, ...], bool]:
    """What was found, and whether it is as it should be."""
    first, ranked = MEASURES[0], MODES["rank_weighted"].label
    exact = known[EXACT, first].value > 1 - 1e-6
    by_chance = {name: not any(known[name, measure].sure for measure in MEASURES) for name in ("shuffled", "edges")}
    opposite = all(known["inverted", measure].high < 0 for measure in MEASURES)
    better = all(known[ranked, measure].low > 0 for measure in MEASURES)
    listed = "; ".join(f"{name} {known[name, first].shown()}" for name, measure in known if measure == first)
    said = (
        f"Every combination gives the known answer back {'exactly' if exact else 'not exactly: mistrust this'}.",
        f"Correlation with the known answer, mean [95 %]: {listed}.",
        *(f"The map that is {name} scores {'at chance' if fine else 'above or below chance: mistrust this'}."
          for name, fine in by_chance.items()),
        f"The opposite map scores {'the opposite' if opposite else 'not the opposite: mistrust this'}.",
    )  # fmt: skip
    return said, exact and opposite and better and all(by_chance.values())
