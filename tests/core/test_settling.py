"""Settings that choose themselves: what is chosen is in the result, and nothing but the question decides it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import Encoder, InvalidInput, MaskSettings, SelectionSettings
from explorer.attributions.question import question_of_class
from explorer.core.agreement import expected_agreement, split_half
from explorer.core.masks import SCHEMES
from explorer.core.pilot import MASKS_EACH, P_KEEPS
from explorer.core.probe import first, start
from explorer.core.references import Reference
from explorer.core.settling import CHECK_EVERY, MOST, Run, explain_run, plan_run

AUTO = MaskSettings(n_masks="auto", feature_res=4)
RANKED = SelectionSettings(mode="rank_weighted")


@pytest.fixture
def picture() -> np.ndarray:
    """Bright where it is like the reference, so that maps settle soon."""
    picture = np.random.default_rng(5).random((24, 24, 3))
    picture[:12, :12] += 2
    return picture


def corners(batch: np.ndarray) -> np.ndarray:
    """Brightness of the four quarters."""
    h, w = batch.shape[1] // 2, batch.shape[2] // 2
    parts = (batch[:, :h, :w], batch[:, :h, w:], batch[:, h:, :w], batch[:, h:, w:])
    return np.stack([part.mean(axis=(1, 2, 3), dtype=np.float64) for part in parts], axis=1)


def either(batch: np.ndarray) -> np.ndarray:
    """Near (1, 0) where the first quarter is seen much, or, with little seen at all, where the last one is."""
    first, _, _, last = corners(batch).T
    seen = corners(batch).mean(axis=1)
    little = seen < 0.35 * either.whole  # type: ignore[attr-defined]
    return np.stack([np.where(little, last * 4, first), np.full(len(batch), 0.5)], axis=1)


def explain(
    picture: np.ndarray, masking: MaskSettings = AUTO, batch_size: int = 8, **more: Any
) -> explorer.Explanation:
    encoder = explorer.from_function(corners, batch_size=batch_size)
    given = {"embedding": np.array([1.0, 0, 0, 0]), "selection": RANKED} | more
    return explorer.explain(picture, encoder=encoder, masking=masking, **given)


def test_a_run_ends_at_the_first_hundred_masks_that_agree(picture: np.ndarray) -> None:
    found = explain(picture)
    n = len(found.probe)
    assert n % CHECK_EVERY == 0
    assert n < MOST
    assert found.probe.masking.n_masks == n
    assert found.probe.complete

    def agreement(count: int) -> float:
        by_hand = explain(picture, replace(AUTO, n_masks=count))
        return expected_agreement(split_half(by_hand.probe, by_hand.reference, RANKED))

    assert agreement(n) >= 0.9
    assert all(agreement(count) < 0.9 for count in range(CHECK_EVERY, n, CHECK_EVERY))
    same = explain(picture, replace(AUTO, n_masks=n))
    assert np.array_equal(found.attribution, same.attribution)  # bit for bit
    assert not same.probe.chosen


@pytest.mark.parametrize("masking", [AUTO, replace(AUTO, n_masks=50).but(p_keep="auto"), AUTO.but(p_keep="auto")])
def test_the_size_of_a_batch_changes_nothing(picture: np.ndarray, masking: MaskSettings) -> None:
    one, *others = (explain(picture, masking, size) for size in (7, 64, 333))
    for other in others:
        assert other.probe.masking == one.probe.masking
        assert dict(other.probe.chosen) == dict(one.probe.chosen)
        assert np.array_equal(other.attribution, one.attribution)


def test_resolved_numbers_and_reasons_reach_the_manifest(picture: np.ndarray, tmp_path: Path) -> None:
    found = explain(picture, AUTO.but(p_keep="auto"))
    found.save(tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["masking"]["n_masks"] == len(found.probe) == facts["masks_done"]
    assert facts["masking"]["p_keep"] == found.probe.masking.p_keep in P_KEEPS
    assert facts["chosen"].keys() == {"n_masks", "p_keep"}
    assert f"n_masks auto: {len(found.probe)} masks were taken" in facts["chosen"]["n_masks"]
    assert all(why in found.notices for why in facts["chosen"].values())
    plain = explain(picture, MaskSettings(n_masks=20, feature_res=4))
    plain.save(tmp_path / "plain")
    assert "chosen" not in json.loads((tmp_path / "plain" / "manifest.json").read_text())


def test_what_never_settles_ends_and_says_so(picture: np.ndarray) -> None:
    def noise(batch: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(1e7 * batch.mean(axis=(1, 2, 3), dtype=np.float64)), np.ones(len(batch))], axis=1)

    encoder = explorer.from_function(noise, batch_size=500)
    found = explorer.explain(picture, embedding=np.array([1.0, 0]), encoder=encoder, masking=AUTO, selection=RANKED)
    assert len(found.probe) == MOST
    assert "short of 0.9: it is the most that auto takes" in found.probe.chosen["n_masks"]


def test_a_probe_without_reference_settles_beside_the_picture_itself(picture: np.ndarray) -> None:
    encoder = explorer.from_function(corners, batch_size=8)
    probe = explorer.probe(picture, encoder=encoder, masking=AUTO)
    assert probe.complete
    assert "beside the picture itself" in probe.chosen["n_masks"]
    *_, last = explorer.stream(picture, encoder=encoder, masking=AUTO)
    assert np.array_equal(last.embeddings, probe.embeddings)
    assert last.masking == probe.masking
    assert dict(last.chosen) == dict(probe.chosen)
    longer = explorer.extend(probe, n_masks=len(probe) + 10)
    assert "n_masks" not in longer.chosen  # that number is somebody's own


def test_several_references_are_all_settled(picture: np.ndarray) -> None:
    encoder = explorer.from_function(corners, batch_size=8)
    targets = [Reference(np.eye(4)[place], f"quarter {place}") for place in range(4)]
    run = plan_run(encoder.read(picture), encoder, AUTO, targets, RANKED)
    done = run.complete()
    assert min(expected_agreement(split_half(done, target, RANKED)) for target in targets) >= 0.9
    alone = [len(plan_run(encoder.read(picture), encoder, AUTO, [target], RANKED).complete()) for target in targets]
    assert len(done) >= max(alone)


def test_two_stories_come_as_two_maps(picture: np.ndarray, tmp_path: Path) -> None:
    picture = np.ones((24, 24, 3))
    either.whole = float(corners(picture[None]).mean())  # type: ignore[attr-defined]
    told: list[tuple[int, int]] = []
    encoder = explorer.from_function(either, batch_size=50)
    found = explorer.explain(
        picture, embedding=np.array([1.0, 0]), encoder=encoder, selection=RANKED,
        masking=MaskSettings(n_masks=300, feature_res=4, p_keep="auto"), on_progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert found.second is not None
    assert "two stories" in found.probe.chosen["p_keep"]
    assert any("is its second" in line for line in found.notices)
    assert found.second.probe.masking.p_keep != found.probe.masking.p_keep
    assert np.corrcoef(found.relative.ravel(), found.second.relative.ravel())[0, 1] < 0.5
    passes = len(P_KEEPS) * MASKS_EACH + 2 * (300 - MASKS_EACH)
    assert told[-1] == (passes, passes)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    found.save(tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "second" / "manifest.json").read_text())
    assert kept["masking"]["p_keep"] == found.second.probe.masking.p_keep
    replace(found, second=None).save(tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "second").exists()  # one of before would be another pair's


def test_one_story_has_no_second(picture: np.ndarray) -> None:
    assert explain(picture, MaskSettings(n_masks=50, feature_res=4, p_keep="auto")).second is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"p_keep": "auto", "scheme": "orthogonal"}, "drawn for p_keep 0.5 only, got auto"),
        ({"n_masks": "auto", "scheme": "dianna"}, "n_masks cannot be auto"),
        ({"n_masks": "automatic"}, "n_masks must be a whole number"),
        ({"seed": "auto"}, "seed must be a whole number"),
        ({"feature_res": "auto"}, "feature_res must be a whole number"),
    ],
)
def test_what_cannot_be_left_open(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        MaskSettings.from_dict(settings)


def test_who_cannot_choose_says_so(picture: np.ndarray, encoder: Encoder) -> None:
    vector = np.ones(12)
    masks = np.random.default_rng(0).random((10, 24, 24))
    for ask in (
        lambda: explorer.explain(picture, embedding=vector, encoder=encoder, masking=AUTO, method="rise"),
        lambda: explorer.explain(picture, embedding=vector, encoder=encoder, masking=AUTO, masks=masks),
        lambda: explorer.explain_words("a cat", caption="a dog", masking=MaskSettings(n_masks="auto")),
    ):
        with pytest.raises(InvalidInput, match="n_masks can be auto where"):
            ask()


def test_open_settings_are_plain_values_too() -> None:
    assert MaskSettings.from_dict(AUTO.to_dict()) == AUTO
    assert AUTO.open == ("n_masks",)
    assert all(MaskSettings(n_masks="auto").but(scheme=key) for key, scheme in SCHEMES.items() if scheme.grows)


def test_a_link_or_a_config_names_numbers() -> None:
    from explorer.results.links import from_query
    from explorer.results.recipe import Recipe

    asked = {"picture": "cat.jpg", "caption": "a cat", "encoder": "conse-lite0"}
    assert from_query(asked | {"n_masks": "20"})
    for name in ("n_masks", "p_keep"):
        with pytest.raises(InvalidInput, match=f"{name}"):
            from_query(asked | {name: "auto"})
        with pytest.raises(InvalidInput, match="can be auto where"):
            Recipe(picture="cat.jpg", picture_sha256="0" * 64, caption="a cat", encoder="conse-lite0",
                   precision="float32", masking=MaskSettings().but(**{name: "auto"}))  # fmt: skip


@pytest.mark.parametrize("open_ones", [{"p_keep": "auto"}, {"n_masks": "auto"}, {"n_masks": "auto", "p_keep": "auto"}])
def test_masks_that_depend_on_their_number_cannot_be_auto(open_ones: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"so {' and '.join(open_ones)} cannot be auto") as error:
        MaskSettings(scheme="dianna", **open_ones)
    assert error.value.code == "scheme_auto"


def test_masks_that_depend_on_their_number_are_not_cut(picture: np.ndarray) -> None:
    masking = MaskSettings(n_masks=20, feature_res=4, scheme="dianna")
    probe = explorer.probe(picture, encoder=explorer.from_function(corners), masking=masking)
    with pytest.raises(InvalidInput, match="cannot be cut"):
        first(probe, 10)
    assert first(probe, 20).embeddings.shape == (20, 4)


def test_a_second_story_that_fails_keeps_the_first(picture: np.ndarray) -> None:
    done = 0

    def failing(batch: np.ndarray) -> np.ndarray:
        nonlocal done
        done += len(batch)
        if done > 60:
            raise ValueError("broken")
        return corners(batch)

    encoder = explorer.from_function(failing)
    target, seen = Reference(np.array([1.0, 0, 0, 0]), "an embedding"), encoder.read(picture)
    one, other = (
        Run(start(seen, encoder, MaskSettings(n_masks=40, feature_res=4, p_keep=share)), None, [target], RANKED)
        for share in (0.5, 0.2)
    )
    with pytest.raises(explorer.ExplorerError) as error:
        explain_run(replace(one, second=other))
    assert error.value.probe is not None
    assert (len(error.value.probe), error.value.probe.masking.p_keep) == (40, 0.5)


def test_what_fails_in_a_look_at_the_agreement_keeps_the_probe(picture: np.ndarray) -> None:
    def nothing(batch: np.ndarray) -> np.ndarray:
        return corners(batch) * (np.abs(batch).sum((1, 2, 3)) == np.abs(picture).sum())[:, None]

    with pytest.raises(explorer.UnusableEmbedding) as error:
        explorer.explain(
            picture, encoder=explorer.from_function(nothing), masking=AUTO, embedding=np.array([1.0, 0, 0, 0])
        )
    assert error.value.probe is not None
    assert len(error.value.probe) >= CHECK_EVERY


def test_a_reference_of_another_length_is_refused_at_the_first_batch_of_the_pilot(picture: np.ndarray) -> None:
    rows = 0

    def counted(batch: np.ndarray) -> np.ndarray:
        nonlocal rows
        rows += len(batch)
        return corners(batch)

    encoder = explorer.from_function(counted, batch_size=8)
    with pytest.raises(InvalidInput):
        explorer.explain(
            picture, encoder=encoder, masking=MaskSettings(feature_res=4, p_keep="auto"), embedding=np.ones(5)
        )
    assert rows <= 16


def test_classes_choose_for_themselves(picture: np.ndarray) -> None:
    scores = explorer.from_function(corners)
    (found,) = explorer.explain_classes(picture, [0], encoder=scores, masking=AUTO)
    question = question_of_class(scores, scores.read(picture), class_index=0)
    run = plan_run(scores.read(picture), scores, AUTO, [question.target], SelectionSettings(distance="dot"))
    assert len(found.distances) == len(run.complete())
    assert "beside the picture itself" not in found.probe.chosen["n_masks"]
