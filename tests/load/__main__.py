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
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import psutil
from crowd import Crowd, Verdict
from questions import Oracle, pictures
from scenarios import SCENARIOS
from served import ROOT, Server

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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is ended too
    starter = ThreadPoolExecutor(1)
    starter.submit(int).result()
    files = pictures()
    oracle = Oracle(files)
    names = options.only or list(SCENARIOS)
    if "mixed" in names:
        print("asking the library first ...", flush=True)
        oracle.prepare()
    os.nice(10)  # visitors have computers of their own; the starter's thread stays as it is, and so do its servers
    os.environ.pop("OMP_NUM_THREADS", None)  # the server is to be as its users have it
    script = Path(__file__).with_name("leaking.py") if options.leak else ROOT / "app.py"
    sections, broken = [], 0
    for name in names:
        minutes = options.minutes or MINUTES[name]
        print(f"\n{name}", flush=True)
        with Server(starter, script) as server:
            verdicts, problems = asyncio.run(visit(name, server, 60 * minutes, options.users, oracle, files))
        verdicts += ending(server)
        problems += ["the server's log ends with " + server.last_words[-1000:]] if TRACE in server.last_words else []
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


TRACE = "Traceback (most recent call last)"
MARKS = {True: "kept  ", False: "BROKEN", None: "      "}


async def visit(
    name: str, server: Server, seconds: float, users: int, oracle: Oracle, files: dict[str, bytes]
) -> tuple[list[Verdict], list[str]]:
    """One load: what was found, and what went wrong."""
    began = time.monotonic()
    async with Crowd.gather(server, oracle, files) as crowd:
        verdicts = await SCENARIOS[name](crowd, seconds, users)
        took = Verdict("time taken", f"{(time.monotonic() - began) / 60:.1f} min")
        return [*verdicts, took], crowd.ledger.wrong + crowd.ledger.problems


def ending(server: Server) -> list[Verdict]:
    """How the server ended and what it left."""
    took, traces = server.seconds_to_end, server.last_words.count(TRACE)
    return [
        Verdict(
            "the server lasts as long as the load", "yes" if server.lasted else "it ended by itself", server.lasted
        ),
        Verdict("the server ends within 25 s of SIGTERM", f"{took:.1f} s", took <= 25),
        Verdict("the server's log holds no traceback", str(traces), traces == 0),
        Verdict("temporary files it left", f"{server.left_mb:.1f} MB"),
    ]


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
