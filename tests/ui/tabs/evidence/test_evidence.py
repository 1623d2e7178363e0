"""What the Evidence tab says and costs, without a browser."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from explorer.core.agreement import expected_agreement
from explorer.core.embedder import WHOLE
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.probe import first
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import load_encoder
from explorer.evaluation.deletion import Deletion
from explorer.evaluation.localization import Localization
from explorer.evaluation.randomization import Randomization
from explorer.evaluation.sensitivity import Sensitivity
from explorer.evaluation.stability import Stability, masks_to_reach
from explorer.pictures.examples import FIRST_PRESET
from explorer.pictures.images import as_picture
from explorer.ui import probe_cache
from explorer.ui.components import Look
from explorer.ui.jobs import Desk, Job
from explorer.ui.probe_cache import ProbeCache
from explorer.ui.session import RunRequest, Session
from explorer.ui.tabs.evidence import evidence as base
from explorer.ui.tabs.evidence import trial
from explorer.ui.tabs.evidence.charts import counted, plain, signed
from explorer.ui.tabs.evidence.deletion import DeletionEvidence, deletion_report, deletion_verdict
from explorer.ui.tabs.evidence.evidence import Evidence, Subject, subject_of
from explorer.ui.tabs.evidence.kinds import KINDS
from explorer.ui.tabs.evidence.pictures import LEVELS, strip
from explorer.ui.tabs.evidence.planted_patch import planting_verdict
from explorer.ui.tabs.evidence.randomization import RandomizationEvidence, randomization_report
from explorer.ui.tabs.evidence.sensitivity import sensitivity_report, sensitivity_verdict
from explorer.ui.tabs.evidence.stability import stability_report, stability_verdict
from explorer.ui.tabs.evidence.trial import REPORTS, Ledger
from tests.ui.trials import news_of, trial_of

ASSETS = Path(__file__).parents[4] / "assets"
PLAIN = SelectionSettings()
SMALL = {
    "deletion": {"steps": "10", "orders": "3", "fill": "map"},
    "stability": {"masks": "100", "runs": "2"},
    "sensitivity": {"samples": "5", "masks": "60"},
    "planting": {"masks": "60"},
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, picture_encoder) -> Session:
    """A page that has run 40 masks with a tiny encoder."""
    for module in (probe_cache, base):
        monkeypatch.setattr(module, "load_encoder", lambda key, **options: picture_encoder)
    picture, reference = as_picture(ASSETS / "cat_and_espresso.jpg"), as_picture(ASSETS / "espresso.jpg")
    request = RunRequest(picture, reference, None, "efficientnet-lite0", "float32", MaskSettings(n_masks=40, seed=3))
    page = Session()
    for _ in ProbeCache().run(request, page, PLAIN):
        pass
    return page


@pytest.fixture
def subject(session: Session) -> Subject:
    return subject_of(session, Look(PLAIN, None, session.shown(), 40))


# What is judged


def test_the_map_judged_is_the_one_on_screen(session: Session):
    selection = SelectionSettings(mode="closest", threshold=0.3)
    whole = subject_of(session, Look(selection, None, session.shown(), 40))
    expected = rank_against(session.probe, session.result.target, selection)
    np.testing.assert_array_equal(whole.explanation.relative, expected.relative)
    assert whole.wire()["label"] == "cat_and_espresso.jpg against espresso.jpg, closest 30 %, 40 masks"

    part = subject_of(session, Look(PLAIN, 20, session.shown(), 40))
    expected = rank_against(first(session.probe, 20), session.result.target, PLAIN)
    np.testing.assert_array_equal(part.explanation.relative, expected.relative)
    assert part.wire()["masks"] == part.request.masking.n_masks == 20
    assert part.recipe != whole.recipe


def test_an_answer_is_about_what_was_asked_of_it(subject: Subject):
    about = {key: kind(subject, {}).about() for key, kind in KINDS.items()}
    planted = about.pop("planting")
    assert planted == (
        "a cup planted in the lower right quarter of a picture of a rocket, against the cup, mirror 10 %, 200 masks"
    )
    assert set(about.values()) == {"cat_and_espresso.jpg against espresso.jpg, mirror 10 %, 40 masks"}


def test_another_map_is_refused(session: Session):
    for shown in (None, "another"):
        with pytest.raises(InvalidInput, match="no longer has the map on screen"):
            subject_of(session, Look(PLAIN, None, shown, 40))


def test_slices_that_do_not_say_what_brings_closer_are_not_judged(session: Session):
    far = SelectionSettings(farthest=(0.8, 1.0))
    subject_of(session, Look(far, None, session.shown(), 40))
    with pytest.raises(InvalidInput) as caught:
        subject_of(session, Look(SelectionSettings(closest=(0.8, 1.0)), None, session.shown(), 40))
    assert caught.value.code == "evidence_meaning"


def test_a_replay_is_judged_and_priced_without_an_encoder(monkeypatch: pytest.MonkeyPatch):
    page = Session()
    page.show_replay(FIRST_PRESET)
    replayed = subject_of(page, Look(PLAIN, None, page.shown(), 1000))

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("an encoder was loaded for a price")

    monkeypatch.setattr(base, "load_encoder", refuse)
    passes = {key: kind(replayed, {}).passes() for key, kind in KINDS.items() if not kind.slow}
    assert passes == {"deletion": 3 * 65, "stability": 900, "sensitivity": 2200, "planting": 200}
    monkeypatch.setattr(base, "load_encoder", load_encoder)
    question = replayed.question()
    np.testing.assert_allclose(question.pixels, replayed.explanation.probe.pixels, atol=16)  # whose picture is a JPEG
    assert question.pixels.shape[:2] == replayed.explanation.attribution.shape


# Prices and reports


def works(evidence: Evidence) -> tuple[int, list[object]]:
    """The passes it takes, and its results: those in part, and the last."""
    steps, passes, results = evidence.steps(), 0, []
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return passes, [*results, end.value]
        if isinstance(step, int):
            passes += step
        else:
            results.append(step)


@pytest.mark.parametrize("key", SMALL)
def test_a_price_is_what_is_embedded_and_every_report_can_be_sent(subject: Subject, picture_encoder, key: str):
    evidence = KINDS[key](subject, SMALL[key])
    wanted, before = evidence.passes(), picture_encoder.rows
    assert picture_encoder.rows == before
    passes, results = works(evidence)
    assert passes == wanted
    for result in results:
        for stopped in (False, True):
            report = evidence.report(result, stopped)
            json.dumps(report, allow_nan=False)
            assert report["verdict"]
            assert all(report["verdict"])
            assert {len(row) for row in report["table"]["rows"]} == {len(report["table"]["head"])}
            assert all(chart["alt"] for chart in report["charts"])


def test_the_same_settings_give_the_same_report(subject: Subject):
    reports = []
    for _ in range(2):
        evidence = KINDS["sensitivity"](subject, SMALL["sensitivity"])
        reports.append(evidence.report(works(evidence)[1][-1], False))
    assert reports[0] == reports[1]


def test_an_encoder_without_layers_says_so(subject: Subject):
    with pytest.raises(InvalidInput, match="layers"):
        RandomizationEvidence(subject, {}).passes()


def test_a_map_without_signal_has_nothing_to_delete(subject: Subject):
    flat = replace(subject, explanation=replace(subject.explanation, no_signal="flat"))
    with pytest.raises(InvalidInput, match="no signal"):
        DeletionEvidence(flat, {}).passes()


def test_only_what_is_offered_can_be_chosen(subject: Subject):
    for key, kind in KINDS.items():
        assert kind.key == key
        for option in kind.options:
            assert option.value in [value for value, _ in option.choices]
            with pytest.raises(InvalidInput, match="Unknown"):
                kind(subject, {option.name: "1000000"})


# A trial


def test_a_finished_report_is_known_to_the_next_who_asks(subject: Subject, picture_encoder):
    ledger = Ledger(ProbeCache())
    evidence = KINDS["deletion"](subject, SMALL["deletion"])
    assert ledger.known(evidence) is None
    last = list(news_of(trial_of(evidence, ledger)))[-1]
    assert last["progress"]["text"].startswith("47 passes in ")
    assert last["deletion"]["over"]

    before = picture_encoder.rows
    again = KINDS["deletion"](subject, SMALL["deletion"])
    (told,) = news_of(trial_of(again, ledger))
    assert picture_encoder.rows == before
    assert told["progress"]["text"] == "Known from an earlier run."
    assert told["deletion"]["charts"] == last["deletion"]["charts"]
    for other in (
        KINDS["deletion"](subject, SMALL["deletion"] | {"fill": "black"}),
        KINDS["planting"](subject, {}),
        KINDS["deletion"](replace(subject, request=replace(subject.request, encoder="conse-lite0")), {}),
    ):
        assert ledger.known(other) is None


def test_stop_ends_it_after_a_batch_and_shows_the_part(subject: Subject, picture_encoder):
    ledger, job, rows = Ledger(ProbeCache()), Job(), []
    evidence = KINDS["deletion"](subject, SMALL["deletion"])
    trial, desk = trial_of(evidence, ledger), Desk()
    trial.every, news = 0, []
    for told in news_of(trial, job, desk):
        news.append(told)
        if trial.done == 24:
            rows.append(picture_encoder.rows)
            desk.stop(job, job, 1)
    last = news[-1]
    assert picture_encoder.rows == rows[0]
    assert last["progress"]["text"].startswith("Stopped after 24 of 47 passes")
    assert last["deletion"]["over"]
    red = last["deletion"]["charts"][0]["series"][0]["points"]
    assert all(value is not None for _, value in red)
    assert last["deletion"]["verdict"] == [
        "Stopped before there was a random order to compare with; the lines show how far it came. Tested with deleted "
        "pixels in the network's neutral colour."
    ]
    assert ledger.known(evidence) is None


def test_a_trial_stopped_before_anything_was_found_says_so(subject: Subject):
    job, desk, trial = Job(), Desk(), trial_of(KINDS["planting"](subject, {}))
    trial.every, news = 0, []
    for told in news_of(trial, job, desk):
        news.append(told)
        if trial.done == 8:
            desk.stop(job, job, 1)
    last = news[-1]
    assert "planting" not in last
    assert last["progress"]["text"].startswith("Stopped after 8 of 200 passes")


def test_the_ledger_forgets_the_oldest(subject: Subject):
    ledger = Ledger(ProbeCache())
    asked = [KINDS["planting"](replace(subject, request=_numbered(subject, i)), {}) for i in range(REPORTS + 1)]
    for i, evidence in enumerate(asked):
        ledger.keep(evidence, {"number": i})
    assert ledger.known(asked[0]) is None
    assert ledger.known(asked[1]) == {"number": 1}
    assert ledger.known(asked[-1]) == {"number": REPORTS}


def _numbered(subject: Subject, seed: int) -> RunRequest:
    return replace(subject.request, masking=replace(subject.request.masking, seed=seed))


def test_seconds_are_said_where_every_kind_of_pass_was_measured(subject: Subject):
    ledger = Ledger(ProbeCache())
    masks, deleted = (KINDS[key](subject, {}) for key in ("planting", "deletion"))
    assert ledger.seconds(masks, masks.parts()) is None
    ledger.timed(masks, {"scrambled, masked": 0.1})
    assert ledger.seconds(masks, masks.parts()) is None  # a scrambled network is slower
    ledger.timed(masks, {"masked": 0.02})
    assert ledger.seconds(masks, masks.parts()) == pytest.approx(4)
    assert ledger.seconds(deleted, deleted.parts()) == pytest.approx(0.02 * deleted.passes())
    ledger.timed(masks, {"masked": 0.0})
    assert ledger.seconds(masks, masks.parts()) == pytest.approx(4)


def test_each_part_of_a_trial_goes_at_its_own_pace(monkeypatch: pytest.MonkeyPatch):
    clock = iter([0.0, 10.0, 30.0, 31.0, 32.0])
    monkeypatch.setattr(trial, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    pace = trial.Pace(
        [("gradient", 2), ("masked", 0), ("masked", 4)], lambda kind, passes: 5.0 if kind == "masked" else None
    )
    assert pace.left() is None
    pace.begin()  # at 10, once the encoder is there
    pace.did(2)
    assert pace.left() == 5.0  # as known before, not by the gradients' pace
    pace.did(1)
    pace.did(1)
    assert pace.rates() == {"gradient": 10.0, "masked": 1.0}
    assert pace.left() == 2.0


# Verdicts

SHARES = np.linspace(0, 1, 5)
RANDOM = np.array([[0.2, 0.3, 0.4, 0.45, 0.5], [0.2, 0.32, 0.41, 0.45, 0.5], [0.2, 0.31, 0.42, 0.44, 0.5]])
ABOVE, BELOW = np.array([0.2, 0.45, 0.5, 0.5, 0.5]), np.array([0.2, 0.1, 0.1, 0.2, 0.5])


@pytest.mark.parametrize(
    ("lodf", "hidf", "said"),
    [
        (ABOVE, BELOW, "Faithful: "),
        (ABOVE, RANDOM.mean(axis=0), "Faithful: "),
        (RANDOM.mean(axis=0), BELOW, "Faithful: "),
        (RANDOM[0], RANDOM[1], "No better than chance"),
        (BELOW, ABOVE, "Against the map"),
        (ABOVE, ABOVE, "No better than chance"),  # both above deleting at random: that is the specks', not the map's
    ],
)
def test_deletion_is_judged_against_the_random_orders(lodf, hidf, said: str):
    result = Deletion(SHARES, lodf, hidf, RANDOM)
    head, words = deletion_verdict({"black": result}, stopped=False)[:2]
    assert head.startswith(said)
    assert f"(SRG) is {signed(result.srg)}." in words
    assert signed(result.against_random("lodf")) in words
    assert signed(result.against_random("hidf")) in words
    assert plain(2 * result.random_areas().std(ddof=1)) in words


@pytest.mark.parametrize(
    ("other", "head", "outcome"),
    [
        ((ABOVE, BELOW), "Faithful: ", "Faithful: "),
        (
            (ABOVE, ABOVE),
            "It depends on what deleted pixels become: faithful where they are black, no better than chance where "
            "they are blurred.",
            "It depends",
        ),
        (
            (BELOW, ABOVE),
            "It depends on what deleted pixels become: faithful where they are black, against the map where they are "
            "blurred.",
            "It depends",
        ),
    ],
)
def test_a_verdict_says_whether_it_hangs_on_what_deleted_pixels_become(other, head: str, outcome: str):
    results = {"black": Deletion(SHARES, ABOVE, BELOW, RANDOM), "blur": Deletion(SHARES, *other, RANDOM)}
    report = deletion_report(results, "cosine distance", stopped=False)
    assert report["verdict"][0].startswith(head)
    assert report["outcome"].startswith(outcome)
    assert [line.partition(":")[0] for line in report["verdict"][1:]] == [
        "Deleted pixels black",
        "Deleted pixels blurred",
    ]
    assert f"black: faithful, SRG {signed(results['black'].srg)}; " in report["verdict"][1]
    assert "red is faithful (+" in report["verdict"][1]
    assert len(report["charts"]) == 2
    assert report["table"]["rows"][0][0] == "0 %, black"
    part = results | {"blur": Deletion(SHARES, ABOVE, BELOW, np.full_like(RANDOM, np.nan))}
    stopped = deletion_report(part, "cosine distance", stopped=True)["verdict"]
    assert stopped[0].startswith("Stopped with 1 of 2 ways to delete judged. Faithful: ")
    assert len(stopped) == 2


@pytest.mark.parametrize("key", KINDS)
def test_no_verdict_hangs_on_a_choice_that_is_neither_in_sight_nor_named(subject: Subject, key: str):
    """What is folded away makes an answer more exact: a count, and nothing else."""
    for option in KINDS[key].options:
        if option.folded:
            assert all(value.isdigit() for value, _ in option.choices), option.name
            continue
        words = {KINDS[key](subject, {option.name: value}).under() for value, _ in option.choices}
        ways = 3 if option.name == "fill" else 0  # "as in the map" and "as in the paper" are other names of one here
        assert len(words) == len(option.choices) - (ways and 2), option.name


def test_a_verdict_names_its_choices_and_what_others_gave(subject: Subject):
    ledger = Ledger(ProbeCache())
    told = {}
    for fill in ("map", "blur", "several"):
        evidence = KINDS["deletion"](subject, SMALL["deletion"] | {"fill": fill})
        told[fill] = list(news_of(trial_of(evidence, ledger)))[-1]["deletion"]
    neutral = "in the network's neutral colour"
    assert told["map"]["verdict"][0].endswith(f"Tested with deleted pixels {neutral}.")
    assert told["blur"]["verdict"][0].endswith("Tested with deleted pixels blurred.")
    assert told["several"]["verdict"][0].endswith(f"Tested with deleted pixels {neutral}, then blurred, then black.")
    assert told["map"]["beside"] == []
    outcome = {fill: report["outcome"] for fill, report in told.items()}
    expected = (
        f"The same with deleted pixels {neutral}."
        if outcome["map"] == outcome["blur"]
        else f"Otherwise with deleted pixels {neutral}: {outcome['map']}"
    )
    assert told["blur"]["beside"] == [expected]
    assert len(told["several"]["beside"]) == 2
    assert [len(report["sheet"]) for report in told.values()] == [3, 3, 5]


def test_a_stopped_deletion_counts_the_random_orders_that_are_whole():
    part = RANDOM.copy()
    part[2, 2:-1] = np.nan
    head, words = deletion_verdict({"black": Deletion(SHARES, ABOVE, BELOW, part)}, stopped=True)[:2]
    assert head.startswith("Stopped after 2 random orders. Faithful: ")
    assert signed(Deletion(SHARES, ABOVE, BELOW, part[:2]).against_random("lodf")) in words
    part[1:, 1] = np.nan
    head, words = deletion_verdict({"black": Deletion(SHARES, ABOVE, BELOW, part)}, stopped=True)[:2]
    assert "no better than chance" in words  # one order has no band
    assert "One random order only." in words


def test_the_curves_of_a_report():
    report = deletion_report({"black": Deletion(SHARES, ABOVE, BELOW, RANDOM)}, "cosine distance", stopped=False)
    (chart,) = report["charts"]
    assert chart["series"][2]["points"] == [[100 * s, v] for s, v in zip(SHARES, RANDOM.mean(axis=0), strict=True)]
    assert chart["band"][1] == [25, 0.3, 0.32]
    assert report["table"]["rows"][1] == ["25 %", "0.4500", "0.1000", "0.3100", "0.3000 to 0.3200"]


def stable(agreement: float, other: float) -> Stability:
    both = {"mirror 10 %": agreement, "rank weighted": other}
    curves = {name: np.array([value / 2, value]) for name, value in both.items()}
    return Stability(np.array([100, 300]), (0, 1, 2), {n: 1 - c for n, c in curves.items()}, curves, curves)


NAMES = ["mirror 10 %", "rank weighted"]


@pytest.mark.parametrize(("agreement", "said"), [(0.95, "settled"), (0.8, "large regions"), (0.3, "mostly noise")])
def test_stability_is_said_of_the_map_on_screen(agreement: float, said: str):
    words = stability_verdict(stable(agreement, 0.85), NAMES, 300, stopped=False)
    assert words[0].startswith(f"Another map of 300 masks would agree with yours by about {agreement:.2f}")
    assert said in words[0]
    assert "mean of 3 pairs (mirror 10 %)" in words[1]
    assert "rank weighted agrees by 0.85" in words[1]
    wanted = int(words[2].split("about ")[1].split()[0])
    assert wanted == masks_to_reach(agreement, 300, 0.9)
    twice = stability_verdict(stable(agreement, 0.85), NAMES, 600, stopped=False)[0]
    assert f"by about {expected_agreement(agreement):.2f}" in twice
    longer = stability_verdict(stable(agreement, 0.85), NAMES, wanted, stopped=False)[0]
    assert "by about 0.90" in longer


def test_a_stopped_stability_speaks_of_what_it_has():
    result = stable(0.8, 0.9)
    for curves in (result.agreement, result.spread, result.expected):
        for curve in curves.values():
            curve[1] = np.nan
    head, words, _ = stability_verdict(result, NAMES, 100, stopped=True)
    assert head.startswith("Stopped. Another map of 100 masks would agree with yours by about 0.40")
    assert "two runs of 100 masks agree by 0.40, the mean of the pairs done" in words
    report = stability_report(result, NAMES, 100, stopped=True)
    assert report["charts"][0]["series"][0]["points"] == [[100, 0.4], [300, None]]
    assert report["table"]["rows"][1] == ["300", "–", "–", "–", "–"]


def test_sensitivity_is_compared_with_the_paper_only_where_it_can_be():
    result = Sensitivity(np.array([0.05, 0.07, np.nan]), np.zeros((2, 2), np.float32))
    head, words = sensitivity_verdict(result, as_measured=True, stopped=False)
    assert head == "The map holds."
    assert "0.060 ± 0.020" in words  # 2 x 0.01414 / sqrt(2)
    assert "at most by 0.070" in words
    assert "The paper found 0.06" in words
    assert [rule["at"] for rule in sensitivity_report(result, True, False)["charts"][0]["rules"]] == [
        0.06,
        0.04,
        pytest.approx(0.06),
    ]
    assert len(sensitivity_report(result, False, False)["charts"][0]["rules"]) == 1
    assert "far weaker noise" in sensitivity_verdict(result, as_measured=False, stopped=False)[1]
    moved = Sensitivity(np.array([0.9]), np.zeros((2, 2), np.float32))
    assert sensitivity_verdict(moved, False, True)[0] == "Stopped after 1 noisy picture. Such noise makes another map."


def scrambled(order: str, values: list[float]) -> Randomization:
    names = tuple(f"block {i}" for i in range(1, len(values) + 1))
    similarity = np.array([1.0, *values])
    maps = np.zeros((len(similarity), 4, 4), np.float32)
    return Randomization(order, "shuffle", names, maps, similarity, similarity, 1 - similarity)


def said_of(result: Randomization, stopped: bool = False) -> list[str]:
    return randomization_report(result, 0.25, stopped)["verdict"]


def test_randomization_says_when_the_map_is_lost():
    lost = said_of(scrambled("top_down", [0.1, 0.5, -0.2, 0.1]))
    assert lost[0] == "About the model: with 4 blocks scrambled, no more of the map is left than by chance."
    assert "0.10 after the first step (block 1) and 0.10 after 4 steps" in lost[1]
    assert "From step 3 (block 3) on" in lost[1]
    assert "From step 1 (block 1) on" in said_of(scrambled("bottom_up", [0.1, -0.1]))[1]
    kept = said_of(scrambled("top_down", [0.9, 0.6]))
    assert kept[0].startswith("Part of the map outlives 2 scrambled blocks")
    assert "From step" not in kept[1]


def test_randomization_of_each_block_names_the_most_and_the_least():
    words = said_of(scrambled("independent", [0.9, 0.05, 0.4, -0.3]))
    assert words[0] == "Scrambled one at a time, 2 of 4 blocks leave no more of the map than chance does."
    assert "depends most on block 4 (ρ −0.30) and least on block 1 (0.90)" in words[1]


def test_a_stopped_randomization_speaks_of_the_maps_it_has():
    words = said_of(scrambled("top_down", [0.1, 0.2, math.nan]), stopped=True)
    assert words[0].startswith("Stopped after 2 maps. About the model: with 2 blocks")
    assert said_of(scrambled("top_down", [math.nan]), stopped=True) == ["Stopped before a scrambled network was asked."]


def test_planting_says_whether_it_was_found():
    good = Localization(True, 0.9, 0.8, 0.95, 0.25)
    assert planting_verdict(good)[0].startswith("Found")
    assert planting_verdict(replace(good, energy=0.3))[0].startswith("The strongest red lies on the cup")
    assert planting_verdict(replace(good, pointing=False))[0].startswith("Not found")
    assert "90 % of the red lies inside (chance 25 %)" in planting_verdict(good)[1]


def test_a_patch_is_planted_where_it_was_chosen_to_be(subject: Subject):
    chosen = {"masks": "200", "corner": "upper left"}
    pixels, attribution = works(KINDS["planting"](subject, chosen))[1][-1]
    plain_picture, _ = works(KINDS["planting"](subject, chosen | {"corner": "lower right"}))[1][-1]
    apart = np.abs(pixels - plain_picture).sum(axis=2) > 0
    assert apart[:16, :16].mean() > 0.9
    assert not apart[:13, 19:].any()  # but for what resizing mixes at the edges
    quarter = np.where(np.arange(32) < 16, 1.0, -1.0)
    both = np.minimum.outer(quarter, quarter).astype(np.float32)
    for corner, said in (("upper left", "Found"), ("lower right", "Not found")):
        report = KINDS["planting"](subject, chosen | {"corner": corner}).report((pixels, both), False)
        assert report["verdict"][0].startswith(said)
    assert attribution.shape == both.shape


# Numbers and pictures for the browser


def test_maps_survive_the_way_to_the_browser():
    random = np.random.default_rng(0)
    cells = random.normal(size=(2, 224, 112)).astype(np.float32)
    sent = strip(np.zeros((40, 60, 3), np.uint8), WHOLE, [(cells[0], "a", ""), (None, "b", ""), (cells[1], "c", "")])
    assert sent["size"] == [75, 38]
    assert [m["values"] is None for m in sent["maps"]] == [False, True, False]
    for values, number in ((cells[0], 0), (cells[1], 2)):
        whole = np.frombuffer(base64.b64decode(sent["maps"][number]["values"]), np.int16)
        back = whole.reshape(sent["size"]) * sent["most"] / LEVELS
        last = values[[*range(224), 223], :][:, [*range(112), 111, 111]]  # the last pixel counts again
        blocks = [[last[r : r + 3, c : c + 3].mean() for c in range(0, 114, 3)] for r in range(0, 225, 3)]
        np.testing.assert_allclose(back, blocks, atol=sent["most"] / LEVELS)


def test_numbers_for_people():
    assert [plain(-0.0004), plain(-1.5, 1), plain(math.nan), signed(0.25, 1)] == ["0.000", "−1.5", "–", "+0.2"]
    assert [counted(1, "block"), counted(0, "block"), counted(2, "pass")] == ["1 block", "0 blocks", "2 passes"]
