"""The engine ray: the same table bit for bit, with a worker and the driver killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

import explorer
from explorer import MaskSettings
from tests.batch.tables import pictures, table

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(pairs: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "explorer", "batch", str(pairs), "--encoder", "conse-lite0", "--n-masks", "32",
            "--maps", "npy", "--quiet", "--out", str(out), *options]  # fmt: skip


def workers_of(driver: int) -> list[int]:
    """Processes of Ray's workers that are, over some generations, children of a driver."""
    parents, found = dict[int, int](), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, state = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:  # it has ended
            continue
        number = int(folder.name)
        parents[number] = int(state.rpartition(")")[2].split()[1])
        if name.startswith(b"ray::MapWorker"):
            found.append(number)
    return [number for number in found if driver in _line(number, parents)]


def _line(number: int, parents: dict[int, int]) -> Iterator[int]:
    while number in parents:
        number = parents[number]
        yield number


def lines_of(out: Path) -> int:
    path = out / "rows.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(run: subprocess.Popen[bytes], condition: Any) -> None:
    while not condition():
        assert run.poll() is None, "it ended too early"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_ray_is_local_bit_for_bit_with_a_worker_and_the_driver_killed(tmp_path: Path) -> None:
    names, captions = pictures(tmp_path / "pictures", 8), ["a bee", "a red thing"]
    rows = [(f"{n}{c}", f"pictures/{n}", captions[c]) for n in names for c in (0, 1)]
    pairs = table(tmp_path / "pairs.csv", [*rows, ("bad", "pictures/none.png", "a bee")], "id,picture,caption")
    local, out = tmp_path / "local", tmp_path / "ray"
    subprocess.run(command(pairs, local), env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen(command(pairs, out, "--engine", "ray", "--workers", "2"), env=ENVIRONMENT) as run:
        wait_for(run, lambda: lines_of(out) >= 3)
        lost = workers_of(run.pid)
        assert len(lost) == 2
        os.kill(lost[0], signal.SIGKILL)
        before = lines_of(out)
        wait_for(run, lambda: lines_of(out) >= before + 2)
        run.kill()
    assert not (out / "results.parquet").exists()
    reached = lines_of(out)
    subprocess.run(command(pairs, out, "--engine", "ray", "--workers", "2"), env=ENVIRONMENT, check=True)
    assert 5 <= reached < 17 == lines_of(out)
    one, other = (pyarrow.parquet.read_table(folder / "results.parquet") for folder in (local, out))
    assert one.equals(other)
    for name in one["npy"].to_pylist():
        assert name is None or (local / name).read_bytes() == (out / name).read_bytes()


DEADLY = 3.0


def deadly(batch: np.ndarray) -> np.ndarray:
    """Ends the process at a very bright picture, as one does that needs more memory than there is."""
    if batch.max() > DEADLY:
        os._exit(9)
    return batch.mean(axis=1).reshape(len(batch), -1)


def test_a_picture_that_ends_every_worker_is_a_row_with_an_error_and_the_others_go_on() -> None:
    encoder, masking = explorer.from_function(deadly), MaskSettings(n_masks=20)
    shown = [np.random.default_rng(seed).random((16, 16, 3)) for seed in range(4)]
    against = shown.pop()
    shown[1] = shown[1] * 9
    found = dict(explorer.explain_many(shown, [against], encoder=encoder, masking=masking, engine="ray", workers=2))
    assert list(found) == [0, 1, 2]
    assert "was lost" in str(found[1])
    for number in (0, 2):
        alone = explorer.explain(shown[number], reference=against, encoder=encoder, masking=masking)
        assert np.array_equal(found[number].attribution, alone.attribution)
        assert found[number].probe.encoder is encoder
        assert found[number].unmasked_distance == alone.unmasked_distance


def test_an_encoder_that_cannot_go_to_workers_is_refused_before_any_is_started() -> None:
    encoder = explorer.from_function(lambda batch: deadly(batch))
    shown = [np.zeros((16, 16, 3)), np.ones((16, 16, 3))]
    with pytest.raises(explorer.InvalidInput, match="cannot be pickled"):
        list(explorer.explain_many(shown, encoder=encoder, engine="ray", masking=MaskSettings(n_masks=10)))


def test_ray_reports_to_nobody_and_is_told_so_before_it_is_imported() -> None:
    code = (
        "from explorer.batch.ray_engine import import_ray; import os; os.environ['RAY_USAGE_STATS_ENABLED'] = '1'\n"
        "ray = import_ray()\n"
        "from ray._common.usage import usage_lib\n"
        "assert not usage_lib.usage_stats_enabled()"
    )
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)


def test_without_ray_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.batch.engines.not_importable", lambda modules: modules[:1])
    with pytest.raises(explorer.WeightsMissing, match=r"needs ray, .*pip install .distance-explorer\[ray\]"):
        explorer.explain_many(["a.jpg"], captions="a bee", encoder="conse-lite0", engine="ray")
