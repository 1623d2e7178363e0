"""A machine with next to nothing: no home, a user without a name, one folder to write to, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.core.storage import cache_folder

ROOT = Path(__file__).parents[1]
CAT, LION = (ROOT / "assets" / name for name in ("cat.jpg", "lion.jpg"))

LAY_OUT = """
set -e
{python} -c 'from tests.space.rehearsal import loopback_up; loopback_up()'
mount --make-rprivate /
mount --bind {folder} {folder}
mount -o remount,ro,bind /
if touch {root}/written 2>/dev/null; then echo "the disk can be written"; exit 9; fi
cd {folder}
exec unshare --user --map-user=54321 --map-group=54321 env -i PATH="$PATH" TMPDIR={folder} PYTHONPATH={root} \\
    PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 $MORE {python} -c "$JOB"
"""

LIBRARY_AND_COMMAND = f"""
import os, pwd, subprocess, sys
import explorer
assert "HOME" not in os.environ
try:
    pwd.getpwuid(os.getuid())
except KeyError:
    pass
else:
    sys.exit("the user has a name")
e = explorer.explain({str(CAT)!r}, reference={str(LION)!r}, masking=explorer.MaskSettings(n_masks=20))
e.save("library")
assert "data:image/png" in e._repr_html_()
command = ["explain", {str(CAT)!r}, "--caption", "a cat", "--encoder", "conse-lite0", "--n-masks", "20", "--out", "out"]
subprocess.run([sys.executable, "-m", "explorer", *command], check=True)
subprocess.run([sys.executable, "-m", "explorer", "models"], check=True)
"""

APP = f"""
import signal, time, uuid
from pathlib import Path
from tests.ui.gate.test_lifecycle import Listener, press, serving, upload
with serving(Path.cwd(), command=("-m", "explorer", "app")) as process:
    picture = upload(process.url, Path({str(CAT)!r}).read_bytes())
    session = uuid.uuid4().hex
    assert press(process, session, picture, 20)[0] == 200
    listener = Listener(process.url, session)
    listener.join(120)
    assert '"process_completed"' in listener.text and '"success":true' in listener.text.replace(" ", ""), listener.text
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(30) == 0
"""


@pytest.mark.parametrize("job", [LIBRARY_AND_COMMAND, APP], ids=["library and command", "app"])
def test_the_main_job_is_done_where_there_is_next_to_nothing(job: str, tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("a disk that cannot be written and a cut network need root, and unshare of util-linux")
    bare = ["unshare", "--mount", "--net", "unshare", "--user", "--map-user=54321", "true"]
    if subprocess.run(bare, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody have a disk and a network of its own")
    folder = tmp_path / "only"
    folder.mkdir(mode=0o777)
    # the app as an image has it, whose networks were read before: a cache that can be read
    more = f"EXPLORER_CACHE={cache_folder()}" if job is APP else ""
    script = LAY_OUT.format(python=sys.executable, folder=folder, root=ROOT)
    ran = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script],
        cwd=ROOT, env=os.environ | {"JOB": job, "MORE": more}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    log = folder / "log"
    said = ran.stdout[-1500:] + ran.stderr[-3000:] + (log.read_text()[-2000:] if log.is_file() else "")
    assert ran.returncode == 0, said
    if job is LIBRARY_AND_COMMAND:
        assert (folder / "library" / "manifest.json").is_file()
        assert (folder / "out" / "overlay.png").is_file()
        assert "Traceback" not in ran.stderr
