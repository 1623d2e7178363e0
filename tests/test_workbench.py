"""The app's shared probes: what is known is never embedded again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.encoders.cards import load_encoder
from explorer.images import as_picture
from explorer.schema import MaskSettings, SelectionSettings
from explorer.ui.workbench import Question, Session, Workbench

ASSETS = Path(__file__).parents[1] / "assets"


def question(n_masks: int) -> Question:
    picture, reference = as_picture(ASSETS / "cat.jpg"), as_picture(ASSETS / "espresso.jpg")
    masking = MaskSettings(n_masks=n_masks, seed=77)
    return Question(picture, reference, None, "efficientnet-lite0", "float32", masking, SelectionSettings())


def test_a_stopped_run_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch):
    encoder, rows = load_encoder("efficientnet-lite0"), []
    plain = encoder.embed_pixels
    monkeypatch.setattr(encoder, "embed_pixels", lambda pixels, **o: (rows.append(len(pixels)), plain(pixels, **o))[1])
    workbench, session = Workbench(), Session()
    for step in workbench.run(question(80), session):
        if step.done >= 24:
            break  # as Stop does
    assert len(session.probe) == 24
    rows.clear()
    last = list(workbench.run(question(80), session))[-1]
    assert (last.done, last.embedded) == (80, 56)
    assert sum(rows) == 56 + 1  # and the reference

    rows.clear()
    other = Session()
    assert list(workbench.run(question(40), other))[-1].done == 40  # cut from what is known
    assert rows == [1]
    np.testing.assert_array_equal(other.probe.embeddings, session.probe.embeddings[:40])


def test_the_oldest_probes_are_forgotten_first():
    workbench = Workbench(cache_bytes=1)
    for seed in (1, 2):
        asked = question(10)
        asked = Question(**{**vars(asked), "masking": MaskSettings(n_masks=10, seed=seed)})
        list(workbench.run(asked, Session()))
    assert len(workbench._probes) == 1
