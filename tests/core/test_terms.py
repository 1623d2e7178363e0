"""One name for each setting, and no word without a meaning."""

from __future__ import annotations

from dataclasses import fields

import pytest

from explorer import InvalidInput, MaskSettings, SelectionSettings
from explorer.core.limits import AGREEMENT, FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD, Range
from explorer.core.terms import SETTINGS, TERMS


def test_every_setting_has_a_label_of_its_own() -> None:
    chosen = {field.name for kind in (MaskSettings, SelectionSettings) for field in fields(kind)}
    assert chosen - {"closest", "farthest"} <= set(SETTINGS)  # the slices, which stand for the mode
    assert len({term.label for term in TERMS.values()}) == len(TERMS)
    assert SETTINGS["p_keep"].title == "Share kept (p_keep)"
    assert SETTINGS["seed"].title == "Seed"
    assert all(term.about.endswith((".", "?")) for term in TERMS.values())


@pytest.mark.parametrize("cap", [N_MASKS, FEATURE_RES, P_KEEP, SEED, THRESHOLD, AGREEMENT], ids=lambda cap: cap.name)
def test_an_error_calls_a_setting_as_code_does(cap: Range) -> None:
    for wrong in (cap.high + 1, "many"):
        with pytest.raises(InvalidInput) as caught:
            cap.check(wrong)
        assert str(caught.value).startswith(f"{cap.name} must be ")
