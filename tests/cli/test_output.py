"""What a terminal cannot show, or does not take, ends no command with a traceback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

PRESET = "\u732b \U0001f41d"


def command(arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line run by a shell, which can close and break streams."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", arguments.replace("explorer", f"{sys.executable} -m explorer", 1)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


STREAMS = [
    ("explorer models", {"PYTHONIOENCODING": "ascii"}, 0),
    ("explorer models", {"PYTHONIOENCODING": "cp1252:strict"}, 0),
    ("explorer models | true", {}, 0),
    ("explorer --help | true", {}, 0),
    ("explorer models >&-", {}, 0),
    ("explorer models >&- 2>&-", {}, 0),
    ("explorer models 2>&-", {}, 0),
    ("explorer explain gone.jpg --caption x --out nowhere 2>&-", {}, 2),
    ("explorer explain gone.jpg --caption x --out nowhere 2>&1 >&- | true", {}, 2),
]


@pytest.mark.parametrize(("arguments", "environment", "status"), STREAMS)
def test_no_traceback(arguments: str, environment: dict[str, str], status: int) -> None:
    done = command(arguments, **environment)
    assert (done.returncode, done.stderr) == (status, "")
    if status == 0 and ">&-" not in arguments and "|" not in arguments:
        assert "efficientnet-lite0" in done.stdout
    assert "explorer:" not in done.stdout  # complaints take no other way out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_told() -> None:
    done = command("explorer models > /dev/full")
    assert done.returncode == 4
    assert done.stderr == (
        "explorer: Not all could be written to the standard output: no space left on device; the files of the results "
        "are complete.\n"
    )


def test_letters_a_terminal_lacks_are_spelled(tmp_path: Path) -> None:
    """As the words of a sentence, which come after the files are written."""
    script = f"from explorer.cli.output import lasting_output\nwith lasting_output(): print({PRESET!a})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False,
                          env=os.environ | {"PYTHONIOENCODING": "cp1252"})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [b"\\u732b", b"\\U0001f41d"]


def test_a_closed_output_lends_its_number_to_no_file(tmp_path: Path) -> None:
    """With standard output closed, the next file opened would be file 1, where other libraries write."""
    script = (
        "import os\nfrom explorer.cli.output import lasting_output\n"
        f"with lasting_output():\n    file = open({str(tmp_path / 'result')!r}, 'w')\n    assert file.fileno() > 2\n"
        "    print('words')\n    os.write(1, b'noise')"
    )
    done = subprocess.run(["bash", "-c", '"$0" -c "$1" >&-', sys.executable, script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "result").read_text() == ""


def test_a_dumb_terminal_of_no_columns_gets_a_bar_of_plain_letters() -> None:
    import pty

    leader, follower = pty.openpty()
    script = (
        "from explorer.cli.output import lasting_output\nfrom explorer.cli.shared_options import progress\n"
        "with lasting_output(), progress(False, 'mask', 3) as step: step(1, 3); step(3, 3)"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=follower, stderr=follower, check=False,
                          env=os.environ | {"TERM": "dumb", "PYTHONIOENCODING": "ascii"})  # fmt: skip
    os.close(follower)
    said = b""
    with contextlib.suppress(OSError):  # its end
        while part := os.read(leader, 10_000):
            said += part
    os.close(leader)
    assert done.returncode == 0
    assert b"3/3" in said
    assert b"Traceback" not in said
    assert said.isascii()
