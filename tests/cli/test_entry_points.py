"""The command and the process it runs in: full disks, several pictures, bombs in threads."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.cli.main import main

ASSETS = Path(__file__).parents[2] / "assets"
CAT, CUP = str(ASSETS / "cat.jpg"), str(ASSETS / "espresso.jpg")


def explain(out: Path, *more: str) -> int:
    return main(["explain", CAT, "--reference", CUP, "--out", str(out), "--n-masks", "10", "--quiet", *more])


def test_a_full_disk_ends_the_command_and_keeps_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    assert explain(tmp_path / "out") == 4
    said = capsys.readouterr().err
    told = "no space left on device; nothing was kept. Free some space, or name another folder."
    assert said == f"explorer: Cannot write to out: {told}\n"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert explain(tmp_path / "out") == 0  # as soon as there is room


def test_the_command_explains_one_picture_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern is the shell's to fill in: one that fits two pictures, or none, is told in one line."""
    with pytest.raises(SystemExit) as end:
        explain(tmp_path / "out", CUP)
    assert end.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err
    assert main(["explain", "*.gif", "--reference", CUP, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("explorer: No such file: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_an_error_in_every_thread(tmp_path: Path) -> None:
    """Filters of warnings hold for a whole process; Pillow's own alarm must not be a line in a log."""
    code = (
        "import sys, threading, warnings\n"
        "from PIL import Image\n"
        "from explorer.pictures.formats import refuse_bombs\n"
        "refuse_bombs()\n"
        "Image.MAX_IMAGE_PIXELS = 50\n"
        "def read():\n"
        "    try: Image.open(sys.argv[1])\n"
        "    except Image.DecompressionBombWarning: print('refused')\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join()\n"
        "read()\n"
    )
    from PIL import Image

    Image.new("RGB", (9, 9)).save(tmp_path / "bomb.png")
    arguments = [sys.executable, "-c", code, str(tmp_path / "bomb.png")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\nrefused\n"


@pytest.mark.parametrize("module", ["explorer", "explorer.cli.main"])
def test_each_module_one_may_run_is_the_command(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'nonsense'" in done.stderr


def test_damaged_exif_is_no_line_of_pillows(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "a description that is longer than four letters"
    Image.new("RGB", (64, 48), "red").save(tmp_path / "damaged.jpg", exif=exif.tobytes()[:-40])
    code = (
        "import sys\n"
        "from explorer.pictures.formats import refuse_bombs\n"
        "from explorer.pictures.images import as_picture\n"
        "refuse_bombs()\n"
        "print(as_picture(sys.argv[1]).size)\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "damaged.jpg")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(48, 64)\n", "")
