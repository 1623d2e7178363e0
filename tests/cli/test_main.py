"""The command line: results, messages, exit status."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.cli import explain as explain_command
from explorer.cli import shared_options as cli
from explorer.cli.main import main
from explorer.core.errors import WeightsMissing
from explorer.core.probe import prepare
from explorer.core.truth import own_truth
from explorer.encoders import cards
from explorer.pictures import examples as presets
from explorer.pictures.images import as_picture
from explorer.results import match_wire, wire
from explorer.results.summary import describe, describe_truth
from explorer.studies import store
from explorer.studies.study import STUDIES

ASSETS = Path(__file__).parents[2] / "assets"
CAT, CUP = str(ASSETS / "cat.jpg"), str(ASSETS / "espresso.jpg")


def explain(out: Path, *options: str) -> int:
    return main(["explain", CAT, "--out", str(out), "--n-masks", "40", "--quiet", *options])


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """What was written to stderr: one line."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The complaint of a command line that argparse refuses."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 2
    return complaint(capsys)


def test_explain_writes_what_the_library_computes(tmp_path: Path, capsys):
    assert explain(tmp_path / "out", "--reference", CUP, "--mode", "closest", "--threshold", "0.2", "--seed", "3") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "attribution.npy", "distances.csv", "manifest.json", "overlay.png",
    ]  # fmt: skip
    e = explorer.explain(
        CAT,
        reference=CUP,
        masking=explorer.MaskSettings(n_masks=40, seed=3),
        selection=explorer.SelectionSettings(mode="closest", threshold=0.2),
    )
    saved = np.load(tmp_path / "out" / "attribution.npy", allow_pickle=False)
    assert saved.dtype == np.float32
    np.testing.assert_array_equal(saved, e.attribution)
    with (tmp_path / "out" / "distances.csv").open() as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_array_equal([float(r["distance"]) for r in rows], e.distances)
    np.testing.assert_array_equal([float(r["weight"]) for r in rows], e.weights)
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["masking"]["seed"] == 3
    assert facts["selected"] == {"closest": 8, "farthest": 0}
    said = capsys.readouterr().out
    assert f"{e.unmasked_distance:.4f}" in said
    assert describe(e) in said
    assert describe_truth(own_truth(e)) in said


def test_slices_and_captions(tmp_path: Path):
    assert explain(tmp_path, "--caption", "a cat", "--encoder", "conse-lite0", "--closest", "0.2", "0.5") == 0
    facts = json.loads((tmp_path / "manifest.json").read_text())
    assert facts["selected"] == {"closest": 12, "farthest": 0}
    assert facts["reference"] == "“a cat”"


def test_a_caption_it_cannot_read(tmp_path: Path, capsys):
    assert explain(tmp_path / "a", "--caption", "🐝", "--encoder", "conse-lite0") == 2
    assert "English only: ConSE-Lite0 knows no word of the caption" in complaint(capsys)
    assert explain(tmp_path / "b", "--caption", "a 🐝", "--encoder", "conse-lite0", "--n-masks", "10") == 0
    notice = "English only: 1 of 2 words is unknown to ConSE-Lite0 (“🐝”); the map says little about it."
    assert f"note: {notice}\n" in capsys.readouterr().err
    assert notice in json.loads((tmp_path / "b" / "manifest.json").read_text(encoding="utf-8"))["notices"]


def test_same_as_a_module(tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "explorer", "--help"], capture_output=True, text=True, check=True)
    assert "explain" in done.stdout


BAD_OPTIONS = [
    (("--n-masks", "9"), "n_masks must be 10 to 100000, got 9"),
    (("--n-masks", "1000.5"), "n_masks must be a whole number"),
    (("--n-masks", "many"), "n_masks must be a whole number"),
    (("--p-keep", "0"), "p_keep must be 0.01 to 0.99, got 0 (0 hides all, 1 hides nothing)"),
    (("--p-keep", "nan"), "p_keep must be a number"),
    (("--feature-res", "0"), "feature_res must be 1 to 128"),
    (("--seed", "-1"), "seed must be 0 to 4294967295"),
    (("--threshold", "0.6"), "threshold must be 0.01 to 0.5"),
    (("--mode", "best"), "invalid choice"),
    (("--nonsense",), "unrecognized arguments"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options_get_one_line(tmp_path: Path, capsys, options, message):
    text = refused(capsys, "explain", CAT, "--reference", CUP, "--out", str(tmp_path), *options)
    assert message in text


def test_exactly_one_reference(tmp_path: Path, capsys):
    assert "required" in refused(capsys, "explain", CAT, "--out", str(tmp_path))
    assert "not allowed" in refused(
        capsys, "explain", CAT, "--reference", CUP, "--caption", "a cat", "--out", str(tmp_path)
    )


def test_bad_pictures(tmp_path: Path, capsys):
    (tmp_path / "cut.jpg").write_bytes((ASSETS / "cat.jpg").read_bytes()[:5000])
    cases = {
        "gone.jpg": "No such file: gone.jpg",
        str(tmp_path): "is a folder",
        str(tmp_path / "cut.jpg"): "The image file is incomplete",
    }
    for picture, message in cases.items():
        status = main(["explain", picture, "--reference", CUP, "--out", str(tmp_path / "out"), "--quiet"])
        assert status == 2
        assert message in complaint(capsys)
        assert not (tmp_path / "out").exists()


def test_results_are_not_overwritten_unasked(tmp_path: Path, capsys):
    assert explain(tmp_path, "--reference", CUP) == 0
    capsys.readouterr()
    assert explain(tmp_path, "--reference", CUP) == 2
    assert "--overwrite" in complaint(capsys)
    assert explain(tmp_path, "--reference", CUP, "--overwrite") == 0


def test_unwritable_output(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert explain(tmp_path / "file", "--reference", CUP) == 4
    assert "nothing was kept" in complaint(capsys)


def test_unknown_encoder(tmp_path: Path, capsys):
    assert explain(tmp_path, "--reference", CUP, "--encoder", "../../etc") == 2
    text = complaint(capsys)
    assert "Unknown encoder; choose one of: efficientnet-lite0" in text
    assert "etc" not in text


def test_missing_weights_exit_with_3(tmp_path: Path, capsys, monkeypatch):
    def absent(*_: object, **__: object) -> None:
        raise WeightsMissing("X is not on this computer; run `explorer models fetch X`.", code="weights_missing")

    monkeypatch.setattr(cards, "load_encoder", absent)
    assert explain(tmp_path, "--reference", CUP) == 3
    assert "explorer models fetch X" in complaint(capsys)


def test_models_lists_every_card(capsys):
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    for card in explorer.encoders():
        assert card.key in listed
    assert "efficientnet-lite0" in listed
    assert explorer.encoders()[0].here


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path, capsys, monkeypatch):
    """Ctrl-C arrives as KeyboardInterrupt wherever the loop is."""
    grow = cli.grow

    def stopped_by_hand(probe, on_progress=None):
        for partial in grow(probe, on_progress=on_progress):
            yield partial
            if len(partial) == 24:
                raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr(cli, "grow", stopped_by_hand)
    assert explain(out, "--reference", CUP) == 130
    assert "stopped at 24/40; the same command with --resume goes on" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["probe.npz"]
    monkeypatch.setattr(cli, "grow", grow)

    kept = (out / "probe.npz").read_bytes()
    assert explain(out, "--reference", CUP, "--seed", "2") == 2  # it would take the place of what was stopped
    assert "holds a run that was stopped; go on with it (--resume)" in complaint(capsys)
    assert (out / "probe.npz").read_bytes() == kept
    assert explain(out, "--reference", CUP, "--seed", "2", "--resume") == 2
    assert "Cannot resume: seed changed 0 -> 2" in complaint(capsys)
    assert explain(out, "--reference", CUP, "--resume") == 0
    assert not (out / "probe.npz").exists()
    assert explain(tmp_path / "straight", "--reference", CUP) == 0
    np.testing.assert_array_equal(np.load(out / "attribution.npy"), np.load(tmp_path / "straight" / "attribution.npy"))


def test_a_second_map_that_is_stopped_leaves_the_first_and_its_probe(tmp_path: Path, capsys, monkeypatch):
    grow, plan = cli.grow, explain_command.plan_run

    def of_two(seen, encoder, masking, *rest):
        return replace(plan(seen, encoder, masking, *rest), second=plan(seen, encoder, masking.but(p_keep=0.2), *rest))

    def stopped_by_hand(probe, on_progress=None):
        for partial in grow(probe, on_progress=on_progress):
            yield partial
            if len(partial) == 24 and probe.masking.p_keep == 0.2:
                raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr(explain_command, "plan_run", of_two)
    monkeypatch.setattr(cli, "grow", stopped_by_hand)
    assert explain(out, "--reference", CUP, "--keep") == 130
    said = capsys.readouterr().err
    assert "stopped at 24/40 of the second map" in said
    assert "--resume" not in said
    assert len(explorer.load(out).probe) == 40
    assert len(explorer.load(out / "second" / "probe.npz")) == 24
    monkeypatch.setattr(cli, "grow", grow)
    monkeypatch.setattr(cli, "KEPT_SECONDS", 0.0)
    assert explain(out, "--reference", CUP, "--overwrite") == 0
    assert explorer.load(out).second.probe.masking.p_keep == 0.2
    assert not list(out.rglob("probe.npz"))


def test_examples_record_writes_the_presets_named(tmp_path: Path, capsys, monkeypatch):
    asked = []

    def record(preset, folder):
        asked.append((preset.key, folder))
        (folder / "x.json").write_text("{}")
        return folder / "x.json"

    matched = []

    def note(preset, folder):
        matched.append(preset.key)
        return folder / "x.json"

    monkeypatch.setattr(wire, "record", record)
    monkeypatch.setattr(match_wire, "record_match", note)
    monkeypatch.setattr(presets, "replay_folder", lambda: tmp_path)
    assert main(["examples", "record", "two-cat", "two-espresso", "--out", str(tmp_path)]) == 0
    assert asked == [("two-cat", tmp_path), ("two-espresso", tmp_path)]
    assert "two-cat" in capsys.readouterr().out
    assert matched == ["two-cat", "two-espresso"]
    asked.clear()
    assert main(["examples", "record", "two-cat", "--matches"]) == 0
    assert asked == []
    assert matched[2:] == ["two-cat"]
    assert main(["examples", "record"]) == 0
    assert asked == [(preset.key, tmp_path) for preset in presets.shipped_presets()]


def test_examples_record_refuses_what_is_not_shipped(tmp_path: Path, capsys):
    for key in ("bee-fly", "../../etc"):  # the paper's pictures may not be passed on
        assert main(["examples", "record", key, "--out", str(tmp_path / "out")]) == 2
        text = complaint(capsys)
        assert "No such preset; choose from: espresso-closer" in text
        assert key not in text
    assert not (tmp_path / "out").exists()


def test_examples_record_says_where_it_cannot_write(tmp_path: Path, capsys, monkeypatch):
    few = explorer.MaskSettings(n_masks=10)
    monkeypatch.setattr(wire, "prepare", lambda picture, encoder: prepare(picture, encoder=encoder, masking=few))
    (tmp_path / "file").write_text("in the way")
    assert main(["examples", "record", "two-caption-cat", "--out", str(tmp_path / "file")]) == 4
    assert "nothing was kept" in complaint(capsys)


# Studies


@pytest.fixture
def tiny(monkeypatch, picture_encoder):
    """All encoders are the tiny one."""
    monkeypatch.setattr(cards, "load_encoder", lambda *_, **__: picture_encoder)
    return picture_encoder


def study(out: Path, *arguments: str) -> int:
    return main(["study", *arguments, "--draft", "--out", str(out), "--quiet"])


def test_study_list_names_every_study(capsys):
    assert main(["study", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(STUDIES)
    assert all(line.split()[0] in STUDIES for line in lines)


def test_study_says_the_price_and_stops(tmp_path: Path, capsys, tiny):
    assert study(tmp_path, "figure-14", "figure-15", "--price") == 0
    said = capsys.readouterr().out
    assert "figure-14          100 passes, about" in said
    assert "figure-15            0 passes, about" in said
    assert "in all             100 passes, about" in said
    assert list(tmp_path.iterdir()) == []


def test_study_makes_figures_and_a_report_once(tmp_path: Path, capsys, tiny):
    assert study(tmp_path, "figure-14") == 0
    assert str(tmp_path / "index.html") in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure-14", "index.html"]
    before = tiny.rows
    assert study(tmp_path, "figure-14") == 0
    assert tiny.rows - before < 100
    assert "finished" in capsys.readouterr().out


def test_study_does_not_replace_what_is_not_its_own(tmp_path: Path, capsys, tiny):
    assert study(tmp_path, "figure-14") == 0
    tiny.fingerprint = "tiny:2"
    capsys.readouterr()
    assert study(tmp_path, "figure-14") == 2
    assert "--overwrite" in complaint(capsys)
    assert study(tmp_path, "figure-14", "--overwrite") == 0


def test_study_stopped_and_called_again_goes_on(tmp_path: Path, capsys, monkeypatch, tiny):
    grow = store.grow

    def stopped_by_hand(probe):
        for partial in grow(probe):
            if len(partial) == 48:
                raise KeyboardInterrupt
            yield partial

    monkeypatch.setattr(store, "grow", stopped_by_hand)
    assert study(tmp_path, "figure-14") == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    monkeypatch.setattr(store, "grow", grow)
    assert study(tmp_path, "figure-14", "--price") == 0
    assert "in all              60 passes" in capsys.readouterr().out
    assert study(tmp_path, "figure-14") == 0
    assert study(tmp_path / "straight", "figure-14") == 0
    csvs = [(folder / "figure-14" / "figure-14.csv").read_bytes() for folder in (tmp_path, tmp_path / "straight")]
    assert csvs[0] == csvs[1]


def test_study_refuses_what_it_cannot_do(tmp_path: Path, capsys, tiny):
    assert study(tmp_path, "figure-17") == 2
    assert "Unknown study; choose one of: figure-1" in complaint(capsys)
    assert study(tmp_path, "figure-1", "--pictures", str(tmp_path)) == 2
    assert "lacks bee.jpg" in complaint(capsys)
    (tmp_path / "file").write_text("in the way")
    assert study(tmp_path / "file", "figure-14") == 4


def test_what_was_explained_is_named(tmp_path: Path) -> None:
    assert explain(tmp_path / "out", "--reference", CUP) == 0
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for item, path in (("picture", CAT), ("compared_with", CUP)):
        picture = as_picture(path)
        height, width = picture.size
        assert facts[item] == {"name": Path(path).name, "sha256": picture.sha256, "width": width, "height": height}


def test_sigterm_stops_as_ctrl_c_does(tmp_path: Path) -> None:
    """Queues of clusters send it shortly before the end."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "explorer", "explain", CAT, "--reference", CUP, "--n-masks", "100000"]
    script = (
        "import sys, explorer.cli.shared_options as shared; from explorer.cli.main import main; "
        "shared.KEPT_SECONDS = 0; sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, *command[3:], "--out", str(out), "--quiet"],
        cwd=ASSETS.parent, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while not (out / "probe.npz").exists():  # a long run keeps what it has
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "/100000; the same command with --resume goes on" in said


# What the machine lacks


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is kept by Linux")
def test_too_little_memory_is_one_line(tmp_path: Path):
    command = [sys.executable, "-m", "explorer", "explain", CAT, "--reference", CUP, "--out", str(tmp_path / "out")]
    limited = ["bash", "-c", 'ulimit -v 500000; exec "$@"', "-", *command]
    answer = subprocess.run(limited, cwd=ASSETS.parent, capture_output=True, text=True)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("explorer: There is not enough memory for this")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        (MemoryError(), "There is not enough memory", 1),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "There is not enough memory", 1),
        (OSError(28, "No space left on device"), "The storage is full", 4),
        (OSError(24, "Too many open files"), "Too many files are open", 1),
    ],
)
def test_what_fails_midway_is_said_and_can_be_taken_up(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, picture_encoder, error: Exception, words: str, status: int
):
    monkeypatch.setattr(cards, "load_encoder", lambda *_, **__: picture_encoder)
    plain = type(picture_encoder)._forward

    def failing(encoder, pixels):
        if encoder.rows >= 8 * 3:  # the reference, and two batches
            raise error
        return plain(encoder, pixels)

    monkeypatch.setattr(type(picture_encoder), "_forward", failing)
    assert explain(tmp_path / "out", "--reference", CUP) == status
    said = capsys.readouterr().err
    assert words in said
    assert "stopped at 16/40; the same command with --resume goes on" in said
    monkeypatch.setattr(type(picture_encoder), "_forward", plain)
    assert explain(tmp_path / "out", "--reference", CUP, "--resume") == 0


def test_what_turns_to_nan_midway_is_said_at_once_and_can_be_taken_up(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, picture_encoder
):
    monkeypatch.setattr(cards, "load_encoder", lambda *_, **__: picture_encoder)
    plain = type(picture_encoder)._forward

    def failing(encoder, pixels):
        broken = encoder.rows >= 8 * 3  # the reference, and two batches
        return plain(encoder, pixels) * (np.nan if broken else 1)

    monkeypatch.setattr(type(picture_encoder), "_forward", failing)
    assert explain(tmp_path / "out", "--reference", CUP) == 2
    said = capsys.readouterr().err
    assert "non-finite values for 8 of 8 masked copies, after 16 good ones" in said
    assert "stopped at 16/40; the same command with --resume goes on" in said
    monkeypatch.setattr(type(picture_encoder), "_forward", plain)
    assert explain(tmp_path / "out", "--reference", CUP, "--resume") == 0


# Other methods


def test_another_method_makes_the_map(tmp_path: Path, capsys):
    out = tmp_path / "out"
    assert explain(out, "--reference", CUP, "--method", "rise") == 0
    assert sorted(file.name for file in out.iterdir()) == ["attribution.npy", "manifest.json", "overlay.png"]
    kept = json.loads((out / "manifest.json").read_text())
    assert kept["method"]["key"] == "rise"
    assert kept["method"]["settings"]["masking"]["n_masks"] == 40
    few = explorer.MaskSettings(n_masks=40)
    expected = explorer.explain(CAT, reference=CUP, masking=few, method="rise")
    np.testing.assert_array_equal(np.load(out / "attribution.npy"), expected.attribution)
    assert "brings the pair closer most" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--method", "grad-cam"), "Grad-CAM has no masks"),  # 40 masks were asked for
        (("--method", "rise", "--resume"), "Only maps of distance-explainer can be resumed"),
        (("--method", "rise", "--mode", "closest"), "RISE selects no masks"),
        (("--method", "gae"), "needs attention"),
    ],
)
def test_what_a_method_has_not_is_refused(tmp_path: Path, capsys, options, said):
    assert explain(tmp_path / "out", "--reference", CUP, *options) == 2
    assert said in complaint(capsys)
    assert not (tmp_path / "out").exists()


def test_auto_settles_as_the_library_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["explain", CAT, "--reference", CUP, "--out", str(tmp_path / "out"), "--quiet", "--feature-res", "2"]
    assert main([*command, "--n-masks", "auto", "--mode", "rank_weighted"]) == 0
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    masking = explorer.MaskSettings(n_masks="auto", feature_res=2)
    selection = explorer.SelectionSettings(mode="rank_weighted")
    e = explorer.explain(CAT, reference=CUP, masking=masking, selection=selection)
    assert facts["masks_done"] == len(e.probe) == facts["masking"]["n_masks"]
    assert facts["chosen"] == dict(e.probe.chosen)
    assert np.array_equal(np.load(tmp_path / "out" / "attribution.npy", allow_pickle=False), e.attribution)
    assert f"n_masks auto: {len(e.probe)} masks were taken" in capsys.readouterr().err
    for odd in ("automatic", "", "AUTO"):
        assert "n_masks must be a whole number" in refused(capsys, *command, "--n-masks", odd)
    assert "seed must be a whole number" in refused(capsys, *command, "--seed", "auto")
    assert main([*command, "--overwrite", "--method", "rise", "--p-keep", "auto"]) == 2
    assert "p_keep can be auto where" in complaint(capsys)
