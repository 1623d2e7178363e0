"""``explain_many``: what a pair costs, what it gives, and rows that cannot be explained."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import InvalidInput, MaskSettings, SelectionSettings
from explorer.batch.items import Bank
from explorer.batch.plan import Ask, Plan
from explorer.batch.record import UNKEPT, Recording
from explorer.batch.rows import Manner, every_pair, make_row
from explorer.batch.store import COLUMNS, SUFFIXES
from explorer.core.explanation import with_second
from explorer.encoders.base import Encoder
from tests.asked import watch
from tests.batch.tables import pictures, table
from tests.conftest import quarters

MASKS = MaskSettings(n_masks=40)


def arrays(count: int, start: int = 0) -> list[Any]:
    return [np.random.default_rng(start + seed).random((24, 40, 3)) for seed in range(count)]


def test_each_picture_is_probed_once_and_each_reference_embedded_once(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    watch(monkeypatch, encoder, batches.append)
    done = []
    found = list(
        explorer.explain_many(
            arrays(3), arrays(20, 9), encoder=encoder, masking=MASKS, on_progress=lambda *told: done.append(told)
        )
    )
    assert sum(batches) == 3 * 40 + 20
    assert batches[:3] == [8, 8, 4]  # full batches
    assert [key for key, _ in found] == list(range(60))
    assert done[-1] == (140, 140)


def test_an_explanation_is_that_of_explain(encoder: Encoder) -> None:
    shown, against = arrays(3), arrays(4, 9)
    selection = SelectionSettings(mode="closest", threshold=0.2)
    every = explorer.explain_many(shown, against, encoder=encoder, masking=MASKS, selection=selection)
    for number, found in every:
        alone = explorer.explain(shown[number // 4], reference=against[number % 4], encoder=encoder, masking=MASKS,
                                 selection=selection)  # fmt: skip
        assert isinstance(found, explorer.Explanation)
        assert np.array_equal(found.attribution, alone.attribution)
        assert np.array_equal(found.distances, alone.distances)
        assert found.unmasked_distance == alone.unmasked_distance


def test_pictures_alone_are_all_their_pairs(encoder: Encoder) -> None:
    shown = arrays(4)
    found = dict(explorer.explain_many(shown, encoder=encoder, masking=MASKS))
    assert len(found) == 6
    alone = explorer.explain(shown[1], reference=shown[3], encoder=encoder, masking=MASKS)
    assert np.array_equal(found[4].attribution, alone.attribution)
    with pytest.raises(InvalidInput, match="nothing to be compared with"):
        explorer.explain_many(shown[:1], encoder=encoder)


def test_pairs_by_place_by_value_and_by_name_in_the_rows_order(encoder: Encoder) -> None:
    shown, against = arrays(2), arrays(3, 9)
    pairs = [("last", 1, 2), (0, 1), {"id": "own", "picture": shown[1], "reference": against[0], "n_masks": 20}, (1, 0)]
    found = list(explorer.explain_many(shown, against, pairs=pairs, encoder=encoder, masking=MASKS))
    assert [key for key, _ in found] == ["last", 1, "own", 3]
    for (_, got), (i, j, n) in zip(found, [(1, 2, 40), (0, 1, 40), (1, 0, 20), (1, 0, 40)], strict=True):
        alone = explorer.explain(shown[i], reference=against[j], encoder=encoder, masking=MaskSettings(n_masks=n))
        assert np.array_equal(got.attribution, alone.attribution)


def test_bad_rows_have_their_error_and_the_rest_goes_on(picture_encoder: Encoder, tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in pictures(tmp_path, 2)]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    pairs = [
        (names[0], names[1]),
        (names[0], str(tmp_path / "absent.png")),
        (str(tmp_path / "broken.png"), names[1]),
        {"picture": names[0], "reference": names[1], "caption": "both"},
        {"picture": names[0], "caption": "x" * 501},
        {"picture": names[0], "reference": names[1], "n_masks": 1},
        {"picture": names[0], "reference": names[1], "colour": "red"},
        (names[0], names[1], names[1], names[1]),
        {"id": 0, "picture": names[0], "reference": names[1]},
        (7, names[1]),
        (names[1], names[0]),
    ]
    found = list(explorer.explain_many(pairs=pairs, encoder=picture_encoder, masking=MASKS))
    good = {number for number, (_, got) in enumerate(found) if isinstance(got, explorer.Explanation)}
    assert good == {0, 10}
    said = [str(got) for number, (_, got) in enumerate(found) if number not in good]
    for text, expected in zip(
        said,
        [f"No such file: {tmp_path / 'absent.png'}", "incomplete|damaged", "both a reference and a caption",
         "cannot read captions|501 char", "n_masks must be 10",
         "The pair has colour", "A pair must be", "The id 0 is that of row 0", "not given"],
        strict=True,
    ):  # fmt: skip
        assert any(part in text for part in expected.split("|")), text


def test_a_network_that_fails_at_one_picture_costs_its_rows_alone() -> None:
    shown, against = arrays(3), arrays(2, 9)

    def moody(batch: np.ndarray) -> np.ndarray:
        if batch.max() > 2:
            raise ValueError("too bright")
        return batch.mean(axis=1).reshape(len(batch), -1)

    shown[1] = shown[1] * 4
    found = explorer.explain_many(shown, against, encoder=explorer.from_function(moody), masking=MASKS)
    texts = [str(got) if isinstance(got, explorer.ExplorerError) else "" for _, got in found]
    assert [bool(text) for text in texts] == [False, False, True, True, False, False]
    assert "too bright" in texts[2]


def test_a_method_that_masks_embeds_its_masks_once_for_all_references(
    picture_encoder: Encoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [str(tmp_path / name) for name in pictures(tmp_path, 4)]
    batches: list[int] = []
    watch(monkeypatch, picture_encoder, batches.append)
    found = dict(explorer.explain_many(names[:1], names[1:], method="rise", encoder=picture_encoder, masking=MASKS))
    alone = explorer.explain(names[0], reference=names[2], method="rise", encoder=picture_encoder, masking=MASKS)
    assert np.array_equal(found[1].attribution, alone.attribution)
    rows: int = picture_encoder.rows  # type: ignore[attr-defined]
    assert rows == 8 + 40 + 40 + 8  # references and one probe here; alone, a reference in a batch filled up


def test_a_table_is_read_from_its_own_folder(picture_encoder: Encoder, tmp_path: Path) -> None:
    names = pictures(tmp_path / "below", 2)
    pairs = table(tmp_path / "pairs.csv", [("a", f"below/{names[0]}", f"below/{names[1]}")])
    ((key, got),) = explorer.explain_many(pairs=pairs, encoder=picture_encoder, masking=MASKS)
    assert key == "a"
    assert isinstance(got, explorer.Explanation)


def test_folders_of_pictures(picture_encoder: Encoder, tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    found = list(explorer.explain_many(tmp_path, tmp_path, encoder=picture_encoder, masking=MASKS))
    assert len(found) == 9
    assert found[0][1].probe.origin.name == "p00.png"
    assert "Identical inputs" in " ".join(found[0][1].notices)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Give pictures"),
        ({"pictures": []}, "pictures is empty"),
        ({"pictures": 3}, "pictures must be a list"),
        ({"pictures": ["a"], "references": []}, "references is empty"),
        ({"pictures": ["a"], "captions": []}, "captions is empty"),
        ({"pictures": ["a"], "captions": 3}, "captions must be a list"),
        ({"pairs": []}, "pairs is empty"),
        ({"pairs": 3}, "pairs must be a list"),
        ({"pictures": ["a"], "pairs": "pairs.csv"}, "leave those arguments out"),
        ({"pictures": ["a"], "captions": "a", "engine": "steam"}, "Unknown engine"),
        ({"pictures": ["a"], "captions": "a", "masking": 3}, "masking must be MaskSettings"),
        ({"pictures": ["a"], "captions": "a", "workers": 2}, "for the engine ray"),
        ({"pictures": ["a"], "captions": "a", "method": "dix3"}, "Your function"),
    ],
)
def test_what_cannot_be_begun_is_refused_when_called(encoder: Encoder, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        explorer.explain_many(**arguments, encoder=encoder)


def test_references_that_are_embedded_already_cost_nothing(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, other = arrays(1), arrays(1, 9)[0]
    alone = explorer.explain(shown[0], reference=other, encoder=encoder, masking=MASKS)
    batches: list[int] = []
    watch(monkeypatch, encoder, batches.append)
    given = [alone.reference, alone.reference.embedding]
    found = dict(explorer.explain_many(shown, given, encoder=encoder, masking=MASKS))
    assert sum(batches) == 40
    bank = explorer.embed([other, shown[0]], encoder=encoder)
    assert np.array_equal(
        dict(explorer.explain_many(shown, bank, encoder=encoder, masking=MASKS))[0].attribution, alone.attribution
    )
    other_one = explorer.from_function(lambda batch: quarters(batch))
    foreign = dict(explorer.explain_many(shown, bank, encoder=other_one, masking=MASKS))
    assert "embedded by" in str(foreign[0])
    assert all(np.array_equal(found[number].attribution, alone.attribution) for number in (0, 1))


def test_methods_that_are_not_ours_do_not_choose_settings(encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match="auto"):
        explorer.explain_many(arrays(2), encoder=encoder, method="rise", masking=MaskSettings(n_masks="auto"))


def test_pictures_are_named_by_whole_paths_since_a_worker_may_stand_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Plan(Manner()).add(every_pair(["a.png", Path("b.png")], None, None))
    listed = Plan(Manner(), Path("lists")).add(every_pair(["a.png", "b.png"], None, None))
    assert [unit.picture for unit in given.units(set())] == [str(tmp_path / "a.png")]
    assert given.items == [("picture", str(tmp_path / "b.png"))]
    assert listed.items == [("picture", str(tmp_path / "lists" / "b.png"))]


@pytest.mark.parametrize("masking", [MaskSettings(n_masks="auto", feature_res=4), MASKS.but(p_keep="auto")])
def test_settings_that_choose_themselves_choose_for_each_row(masking: MaskSettings) -> None:
    """As explain does; a copy that two rows of a picture need is embedded once."""
    batches: list[int] = []

    def counted(batch: Any) -> Any:
        batches.append(len(batch))
        return quarters(batch)

    encoder = explorer.from_function(counted, batch_size=8)
    shown, against = [array + 1 for array in arrays(1)], arrays(3, 9)
    alone = [explorer.explain(shown[0], reference=one, encoder=encoder, masking=masking) for one in against]
    by_themselves, batches[:] = sum(batches), []
    for _, found in explorer.explain_many(shown, against, encoder=encoder, masking=masking):
        assert isinstance(found, explorer.Explanation)
        one = alone.pop(0)
        assert found.probe.masking == one.probe.masking
        assert dict(found.probe.chosen) == dict(one.probe.chosen)
        assert np.array_equal(found.attribution, one.attribution)
    assert not alone
    assert sum(batches) <= by_themselves * 0.6


def test_one_picture_that_fails_leaves_the_rest_of_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(batch: np.ndarray) -> np.ndarray:
        if (batch.reshape(len(batch), -1).max(axis=1) == 0).any():
            raise ValueError("too dark")
        return batch.reshape(len(batch), -1)[:, ::7]

    against, done = arrays(5, 9), []
    against[2] = np.zeros_like(against[2])
    found = list(explorer.explain_many(arrays(1), against, encoder=explorer.from_function(picky), masking=MASKS,
                                       on_progress=lambda *told: done.append(told)))  # fmt: skip
    assert [isinstance(one, explorer.ExplorerError) for _, one in found] == [False, False, True, False, False]
    assert "too dark" in str(found[2][1])
    assert done[-1] == (45, 45)


def test_one_array_of_two_axes_is_no_list(encoder: Encoder) -> None:
    grey = np.zeros((24, 40))
    with pytest.raises(InvalidInput, match=r"\[array\]"):
        explorer.explain_many(grey, arrays(1), encoder=encoder, masking=MASKS)
    with pytest.raises(InvalidInput, match=r"\[array\]"):
        explorer.explain_many(arrays(1), grey, encoder=encoder, masking=MASKS)


def test_a_rows_own_choice_of_masks_counts_where_slices_are_given_for_all() -> None:
    sliced = Manner(selection=SelectionSettings(closest=(0, 0.1), farthest=(0.9, 1)))
    own = make_row(0, {"picture": "a", "reference": "b", "mode": "closest", "threshold": "0.3"}, sliced).manner
    assert own is not None
    assert own.selection == SelectionSettings(mode="closest", threshold=0.3)
    other = make_row(0, {"picture": "a", "reference": "b", "distance": "euclidean"}, sliced).manner
    assert other is not None
    assert other.selection.closest == (0, 0.1)


@pytest.mark.parametrize(
    ("own", "said"),
    [({"n_masks": "50"}, "has no masks; leave out n_masks"), ({"mode": "closest"}, "leave mode and threshold out")],
)
def test_a_row_says_what_its_method_has_not(own: dict[str, str], said: str) -> None:
    row = make_row(0, {"picture": "a", "reference": "b", "method": "grad-cam", **own}, Manner())
    assert said in str(row.error)


def test_both_of_two_maps_are_kept() -> None:
    """With files where they are asked for, and told to be left out where they are not."""
    encoder = explorer.from_function(quarters, batch_size=8)
    picture, against = arrays(2)
    first, other = (
        explorer.explain(picture, reference=against, encoder=encoder, masking=MaskSettings(n_masks=20, p_keep=p_keep))
        for p_keep in (0.5, 0.2)
    )
    both = with_second(first, other)
    bank = Bank([other.reference])
    ask = Ask(0, 0, 0, Manner())
    line, files = Recording(("npy", "overlay"))(ask, both, bank)
    assert line["second_p_keep"] == 0.2
    assert set(files) == {"npy", "overlay", "second_npy", "second_overlay"} == set(SUFFIXES) <= set(COLUMNS)
    np.testing.assert_array_equal(np.load(io.BytesIO(files["second_npy"])), other.attribution)
    assert "not kept" not in line["notices"]
    line, files = Recording()(ask, both, bank)
    assert not files
    assert line["notices"].endswith(UNKEPT)
    line, _ = Recording()(ask, first, bank)
    assert line["second_p_keep"] is None
    assert UNKEPT not in line["notices"]
