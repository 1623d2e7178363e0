"""Load on a server of its own: whether it stays right, swift and small with a class of visitors.

    python tests/load [--only mixed] [--minutes 15] [--users 20] [--report FILE] [--leak]

Each scenario starts the app anew, as ``make run`` does, on a free port of this machine, and speaks to it as the page
does. The exit status is 1 where a promise is broken. ``--leak`` starts a server that keeps every result it sends: the
load is worth something only as long as that one fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import psutil
from crowd import Crowd, Verdict
from questions import Oracle, pictures
from scenarios import SCENARIOS
from served import Server

MINUTES = {"mixed": 15.0, "one-session": 10.0, "left-open": 2.0, "phone-photos": 15.0, "classroom": 3.0}
"""How long each may take, where nothing else is said; some end earlier."""
FEATURES = ("avx2", "avx512f", "amx_tile", "amx_bf16")
LIST = 12
"""Problems that are printed."""


def main() -> int:
    """Run what was asked for, print it and write the report."""
    parser = argparse.ArgumentParser(prog="python tests/load", description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--only", choices=list(SCENARIOS), action="append", help="a scenario; all without")
    parser.add_argument("--minutes", type=float, help="of each scenario")
    parser.add_argument("--users", type=int, default=20, help="of the mixed load")
    parser.add_argument("--report", type=Path, help="where the figures go, as Markdown")
    parser.add_argument("--leak", action="store_true", help="the negative control, which must fail")
    options = parser.parse_args()
    files = pictures()
    oracle = Oracle(files)
    names = options.only or list(SCENARIOS)
    if "mixed" in names:
        print("asking the library first ...", flush=True)
        oracle.prepare()
    sections, broken = [], 0
    for name in names:
        minutes = options.minutes or MINUTES[name]
        print(f"\n{name}", flush=True)
        verdicts, problems = scenario(name, minutes, options.users, oracle, files, leak=options.leak)
        for verdict in verdicts:
            print(f"{MARKS[verdict.holds]}  {verdict.promise}: {verdict.measured}", flush=True)
        for problem in problems[:LIST]:
            print(f"      {problem}")
        broken += sum(verdict.holds is False for verdict in verdicts)
        sections.append(section(name, verdicts, problems))
    if options.report:
        options.report.write_text("\n".join([*heading(sys.argv[1:]), *sections]), encoding="utf-8")
    print(f"\n{broken} promises broken" if broken else "\nall promises kept")
    return min(broken, 1)


MARKS = {True: "kept  ", False: "BROKEN", None: "      "}


def scenario(
    name: str, minutes: float, users: int, oracle: Oracle, files: dict[str, bytes], *, leak: bool
) -> tuple[list[Verdict], list[str]]:
    """One load on a server of its own: what was found, and what went wrong."""
    server = Server(Path(__file__).with_name("leaking.py")) if leak else Server()
    os.environ.pop("OMP_NUM_THREADS", None)  # the server is to be as its users have it

    async def load() -> tuple[list[Verdict], list[str]]:
        async with Crowd.gather(server, oracle, files) as crowd:
            found = await SCENARIOS[name](crowd, 60 * minutes, users)
            return found, crowd.ledger.wrong + crowd.ledger.problems

    def visitors() -> tuple[list[Verdict], list[str]]:
        os.nice(10)  # of this thread alone: visitors have computers of their own, and the next server starts from here
        return asyncio.run(load())

    with server:
        began = time.monotonic()
        with ThreadPoolExecutor(1) as thread:
            verdicts, problems = thread.submit(visitors).result()
        took = time.monotonic() - began
    ends = Verdict(
        "the server ends within 25 s of SIGTERM", f"{server.seconds_to_end:.1f} s", server.seconds_to_end <= 25
    )
    traces = server.last_words.count("Traceback")
    said = Verdict("the server's log holds no traceback", str(traces), traces == 0)
    left = Verdict("temporary files it left", f"{server.left_mb:.1f} MB")
    if traces:
        problems.append(server.last_words[-1500:])
    return [*verdicts, ends, said, left, Verdict("time taken", f"{took / 60:.1f} min")], problems


def heading(options: list[str]) -> list[str]:
    """What was run, and on what."""
    memory = psutil.virtual_memory().total / 2**30
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    features = [feature for feature in FEATURES if f" {feature} " in flags] or ["unknown"]
    packages = ", ".join(f"{name} {version(name)}" for name in ("gradio", "starlette", "uvicorn", "openvino"))
    return [
        "# Load",
        "",
        f"`python tests/load {' '.join(options)}`".replace(" `", "`"),
        "",
        f"{psutil.cpu_count()} cores ({', '.join(features)}), {memory:.0f} GB, shared by the server and its visitors; "
        f"Python {platform.python_version()}, {packages}.",
        "",
    ]


def section(name: str, verdicts: list[Verdict], problems: list[str]) -> str:
    """A scenario's figures as a table."""
    rows = [
        f"| {v.promise} | {v.measured} | {'' if v.holds is None else 'yes' if v.holds else '**no**'} |"
        for v in verdicts
    ]
    about = (SCENARIOS[name].__doc__ or "").strip()
    listed = ["", *(f"- {problem[:200]}" for problem in problems[:LIST])] if problems else []
    return "\n".join(
        [f"## {name}", "", about, "", "| promise | measured | kept |", "|---|---|---|", *rows, *listed, ""]
    )


if __name__ == "__main__":
    sys.exit(main())
