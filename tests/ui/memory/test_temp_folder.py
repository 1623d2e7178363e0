"""The server's own folder: made before gradio looks for one, locked, removed; and users who have no home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer.core.errors import CannotWrite, InvalidInput
from explorer.pictures.examples import asset_path
from explorer.pictures.images import as_picture
from explorer.ui.memory import temp_folder

ROOT = Path(__file__).parents[3]
LIGHT = """
import sys, types
sys.modules["explorer.ui.server"] = types.SimpleNamespace(build_app=0, launch=0, mount=0)  # spares gradio
from explorer.ui.memory import temp_folder as folders
"""
WAITS = f"{LIGHT}\nprint(folders.root(), flush=True)\nimport time; time.sleep(60)"
HOMELESS = """
import os, pwd
os.environ.pop("HOME", None)
def nobody(*_): raise KeyError("no such user")
pwd.getpwuid = nobody
"""


def environment(base: Path | None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("GRADIO_TEMP_DIR", "TMPDIR")}
    return kept | ({} if base is None else {"TMPDIR": str(base)}) | {"OMP_NUM_THREADS": "1"} | more


def run(code: str, base: Path | None, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=ROOT, env=environment(base, **more), capture_output=True, text=True, timeout=120)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Starts processes that hold a folder in ``tmp_path`` and live."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-c", WAITS]
        process = subprocess.Popen(command, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_a_killed_server_leaves_goes_when_another_starts(waiting, tmp_path):
    killed, left = waiting()
    _, alive = waiting()
    (left / "uploads").mkdir()
    (left / "uploads" / "picture.jpg").write_bytes(b"a visitor's")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    _, third = waiting()
    assert not left.exists()
    assert alive.is_dir()  # whoever lives keeps theirs
    assert third.stat().st_mode & 0o777 == 0o700
    assert {folder.name for folder in tmp_path.iterdir()} == {alive.name, third.name}


def test_the_folder_goes_at_the_end(tmp_path):
    answer = run(f"{LIGHT}\nprint(folders.root().is_dir())", tmp_path)
    assert answer.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_choice_is_kept_and_nothing_else_in_it_touched(tmp_path):
    ours = tmp_path / f"{temp_folder.PREFIX}link"
    (tmp_path / "files").mkdir()
    ours.symlink_to(tmp_path / "files")
    (tmp_path / f"{temp_folder.PREFIX}file").write_bytes(b"")
    (tmp_path / "files" / "thesis.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    answer = run(f"{LIGHT}\nimport os; print(os.environ['GRADIO_TEMP_DIR'])", None, GRADIO_TEMP_DIR=str(tmp_path))
    assert Path(answer.stdout.strip()).parent == tmp_path
    assert sorted(tmp_path.rglob("*")) == before


def test_a_process_and_its_children_have_one_each(tmp_path):
    code = """
    import os
    own = folders.root()
    child = os.fork()
    if child == 0:
        print(folders.root() != own, flush=True)
        folders.remove()
        folders.remove()
        os._exit(0)
    os.waitpid(child, 0)
    print(own.is_dir(), flush=True)
    """
    assert run(LIGHT + textwrap.dedent(code), tmp_path).stdout == "True\nTrue\n"
    inherited = f"{LIGHT}\nprint(folders.root().parent)"
    answer = run(inherited, None, GRADIO_TEMP_DIR=str(tmp_path / f"{temp_folder.PREFIX}parents"))
    assert answer.stdout.strip() == str(tmp_path)


UNUSABLE = {
    "a file": "import os; os.environ['GRADIO_TEMP_DIR'] = 'pyproject.toml'",
    "full": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "no folder at all": "import tempfile\ndef nowhere(): raise FileNotFoundError(2, 'No usable temporary directory')\n"
    "tempfile.gettempdir = nowhere",
    "not ours": "import tempfile\ndef denied(**_): raise PermissionError(13, 'Permission denied')\n"
    "tempfile.mkdtemp = denied",
}


@pytest.mark.parametrize("fault", UNUSABLE)
def test_without_a_folder_one_line_says_why(fault, tmp_path):
    answer = run(f"{UNUSABLE[fault]}\n{LIGHT}", tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Cannot start: The server cannot write its temporary files (")
    assert answer.stderr.count("\n") == 1


def test_a_user_without_a_home_gets_one(tmp_path):
    prints = "import os; print(os.environ['HOME'], os.path.isdir(os.environ['HOME']), folders.root())"
    for start in (HOMELESS, "import os; os.environ['HOME'] = '/nonexistent'"):
        home, there, root = run(f"{start}\n{LIGHT}\n{prints}", tmp_path).stdout.split()
        assert Path(home).is_relative_to(root)
        assert there == "True"
    home, *_ = run(f"{LIGHT}\n{prints}", tmp_path, HOME=str(tmp_path)).stdout.split()
    assert home == str(tmp_path)


def test_the_app_is_built_for_a_user_without_a_home(tmp_path):
    code = """
    import explorer.ui
    demo = explorer.ui.build_app()
    from gradio.route_utils import DEFAULT_TEMP_DIR  # fixed when gradio was imported
    from explorer.ui.memory import temp_folder as folders
    print(DEFAULT_TEMP_DIR == str(folders.root()))
    """
    answer = run(HOMELESS + textwrap.dedent(code), tmp_path)
    assert answer.stdout.strip() == "True", answer.stderr
    assert not (tmp_path / "gradio").exists()


# What is written there


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(temp_folder, "root", lambda: tmp_path)
    return tmp_path


def test_examples_are_copied_once_and_are_the_same_pictures(root):
    copy = temp_folder.example_copy("cat.jpg")
    written = copy.stat().st_mtime_ns
    assert copy == root / "examples" / "cat.jpg"
    assert as_picture(copy).sha256 == as_picture(asset_path("cat.jpg")).sha256
    assert temp_folder.example_copy("cat.jpg") == copy
    assert copy.stat().st_mtime_ns == written
    with pytest.raises(InvalidInput, match="No such example"):
        temp_folder.example_copy("../cat.jpg")


def test_files_are_written_whole_or_not_at_all(root, monkeypatch):
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(CannotWrite, match=r"storage is full; try again later\.$"):
        temp_folder.write(root / "new" / "file", broken())
    assert list(root.iterdir()) == []
    temp_folder.write(root / "new" / "file", [b"a", b"b"])
    assert [path.read_bytes() for path in (root / "new").iterdir()] == [b"ab"]
    with pytest.raises(CannotWrite, match="cannot store files now"):
        temp_folder.write(root / "new" / "file" / "below", [b""])


def test_the_oldest_exports_make_room(root, monkeypatch):
    monkeypatch.setattr(temp_folder, "EXPORTS_BYTES", 25)
    kept = []
    for age in range(4):
        kept.append(temp_folder.keep_export(bytes(10)))
        os.utime(kept[-1], (age, age))
    assert [path.exists() for path in kept] == [False, False, True, True]
    assert not kept[0].parent.exists()
    assert temp_folder.keep_export(bytes(30)).stat().st_size == 30  # one alone is kept whatever its size
    assert len(temp_folder.files_in(root / "exports")) == 1
