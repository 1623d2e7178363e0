"""The loads: who comes, what they do, and what is promised to them."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from crowd import Crowd, Verdict, Visit, growth
from ledger import share
from page import Refused
from questions import MOST, Ask, draw, photo

from explorer.pictures.examples import presets

DOINGS = {"run": 70, "cancel": 15, "leave": 10, "bad": 5}
FRESH = 0.1
"""Share of the runs that nobody has asked for before; the others may be known to the server."""
GROWTH_MB = 50
TABS_MB = 25
PHONE_MB = 600
PAUSE = (2.0, 12.0)
"""Seconds in which a visitor looks at a result."""
BAD: list[tuple[dict[str, Any], str]] = [
    ({"n-masks": 5}, "10"),
    ({"n-masks": float("nan")}, "whole number"),
    ({"n-masks": 10**9}, "10000"),
    ({"seed": -1}, "0 to 4294967295"),
    ({"feature-res": 500}, "64"),
    ({"p-keep": 1}, "0.99"),
    ({"kind": "a caption", "caption": "  "}, "The caption is empty"),
    ({"kind": "a caption", "caption": "x" * 501}, "500"),
    ({"picture": None}, "Add an image first"),
    ({"picture": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}, "upload"),
]
"""Values put in the place of good ones, and what the answer must say."""


async def mixed(crowd: Crowd, seconds: float, users: int) -> list[Verdict]:
    """Visitors who run, cancel, leave and err, all at once."""
    others = await crowd.fill(functools.partial(photo, width=4000, height=3000))
    print("the load begins ...", flush=True)
    began = time.monotonic()
    await asyncio.gather(*(_visitor(crowd, random.Random(number), began + seconds) for number in range(users)))
    ended = time.monotonic()
    drained = await crowd.drained()
    for visit in others:
        await visit.page.close()
    return [*await _sound(crowd), drained, *_swift(crowd, began, ended), *_grown(crowd, began, began + seconds)]


async def _visitor(crowd: Crowd, chance: random.Random, until: float) -> None:
    await asyncio.sleep(chance.uniform(0, 3))
    while time.monotonic() < until:
        try:
            visit = await crowd.visit()
        except httpx.TransportError as error:
            crowd.ledger.problem(f"the page did not load: {type(error).__name__}")
            return
        for _ in range(chance.randint(1, 6)):
            doing, *_ = chance.choices(list(DOINGS), list(DOINGS.values()))
            crowd.ledger.counts[f"visitors who chose {doing}"] += 1
            try:
                if await DO[doing](crowd, visit, chance):
                    break
            except Refused as refused:
                crowd.ledger.problem(f"a good {doing} was refused: {refused}")
            except httpx.TransportError as error:
                crowd.ledger.problem(f"{doing}: no answer, {type(error).__name__}")
                if crowd.server.ended:
                    return
            await asyncio.sleep(chance.uniform(*PAUSE))
            if time.monotonic() > until:
                break
        await visit.leave()


async def _run(crowd: Crowd, visit: Visit, chance: random.Random) -> bool:
    fresh = chance.random() < FRESH
    ask = draw(list(crowd.files), chance, (50, 100) if fresh else (50, MOST), chance.getrandbits(32) if fresh else 0)
    await visit.run(ask)
    return False


async def _cancel(crowd: Crowd, visit: Visit, chance: random.Random) -> bool:
    values = await visit.values(draw(list(crowd.files), chance, (2000, 3000), chance.getrandbits(32)))
    running = await visit.press(values)
    await asyncio.sleep(chance.uniform(0, 4))
    await visit.stop(running, values)
    return False


async def _leave(crowd: Crowd, visit: Visit, chance: random.Random) -> bool:
    await visit.press(await visit.values(draw(list(crowd.files), chance, (1000, 2000), chance.getrandbits(32))))
    await asyncio.sleep(chance.uniform(0, 3))
    await visit.page.close()  # with the run still on
    return True


async def _err(crowd: Crowd, visit: Visit, chance: random.Random) -> bool:
    changed, words = chance.choice(BAD)
    values = await visit.values(Ask("cat.jpg", "lion.jpg", "a cat", "conse-lite0", 50)) | changed
    try:
        event = await visit.pressed(values)
        said = "" if event is None else event.error or ""
    except Refused as refused:
        said = refused.words
    if words not in said:
        crowd.ledger.problem(f"{str(changed)[:60]} was answered with {said[:100]!r}")
    return False


DO: dict[str, Callable[[Crowd, Visit, random.Random], Awaitable[bool]]] = {
    "run": _run,
    "cancel": _cancel,
    "leave": _leave,
    "bad": _err,
}
"""What a visitor does; whether the page is closed by it."""


async def one_session(crowd: Crowd, seconds: float, users: int) -> list[Verdict]:
    """One visitor who presses Run two hundred times, each time for other masks."""
    others = await crowd.fill(functools.partial(photo, width=4000, height=3000))
    visit, began, runs, mb = await crowd.visit(), time.monotonic(), 200, []
    chance = random.Random(0)
    for number in range(runs):
        caption = "a cat" if number % 2 else "a dog"
        await visit.run(Ask("cat.jpg", None, caption, "conse-lite0", 20, chance.getrandbits(32)))
        mb.append(crowd.server.mb())
        if time.monotonic() - began > seconds:
            break
    for each in (visit, *others):
        await each.page.close()
    before, after = share(mb[19:29], 0.5), share(mb[-10:], 0.5)
    promise = f"{len(mb)} runs of one page let it grow by at most {GROWTH_MB} MB after the first 20"
    return [*await _sound(crowd), Verdict(promise, _grew(before, after), after - before <= GROWTH_MB)]


async def left_open(crowd: Crowd, seconds: float, users: int) -> list[Verdict]:
    """A hundred visitors who try what is cheap and leave the tab open; and then all leave."""
    visits, examples = [], [preset.key for preset in presets()]

    async def come(count: int) -> None:
        for _ in range(count):
            visit = await crowd.visit()
            example = examples[1 + len(visits) % (len(examples) - 1)]
            for element, trigger, values in (
                ("n-masks", "input", {"n-masks": 500}),
                ("preset", "chosen", {"preset": example}),
                ("caption", "submit", {"kind": "a caption", "caption": example}),
            ):
                await visit.page.press(element, trigger, values)
                await visit.page.settle()
            visits.append(visit)

    await come(10)
    await asyncio.sleep(2)
    idle, files = crowd.server.mb(), crowd.server.uses[-1].files
    await come(100)
    await asyncio.sleep(5)
    opened, cpu = crowd.server.mb(), len(crowd.server.uses)
    await asyncio.sleep(min(seconds / 2, 60))
    share_of_core = share([use.cpu for use in crowd.server.uses[cpu:]], 0.5)
    held = crowd.server.uses[-1].files - files
    for visit in visits:
        await visit.page.close()
    await asyncio.sleep(20)
    left, kept = crowd.server.mb(), crowd.server.uses[-1].files - files
    return [
        *await _sound(crowd),
        Verdict(f"100 open tabs take at most {TABS_MB} MB", _grew(idle, opened), opened - idle <= TABS_MB),
        Verdict(f"100 tabs that were left keep at most {TABS_MB} MB", _grew(idle, left), left - idle <= TABS_MB),
        Verdict("100 idle tabs take at most 10 % of a core", f"{share_of_core:.0f} %", share_of_core <= 10),
        Verdict("100 open tabs hold at most 250 files", str(held), held <= 250),
        Verdict("tabs that were left hold no files", str(kept), kept <= 5),
    ]


async def phone_photos(crowd: Crowd, seconds: float, users: int) -> list[Verdict]:
    """Two hundred visitors with two photos of 12 megapixels each, all of whom leave the page open."""
    visit = await crowd.visit()
    await visit.run(Ask("cat.jpg", None, "a cat", "conse-lite0", 10))
    await visit.run(Ask("cat.jpg", "lion.jpg", None, "efficientnet-lite0", 10))
    await asyncio.sleep(2)
    idle, began, numbers, visits = crowd.server.mb(), time.monotonic(), iter(range(200)), []

    async def come() -> None:
        for number in numbers:
            if time.monotonic() - began > seconds:
                return
            visit = await crowd.visit()
            pair = [
                await visit.page.upload(await asyncio.to_thread(photo, 2 * number + i, 4000, 3000, grain=True), "p.jpg")
                for i in range(2)
            ]
            event = await visit.pressed(Ask("", "", None, "efficientnet-lite0", 20).values(*pair))
            if event is None or event.error is not None or "result" not in event.shown.get("instrument", {}):
                crowd.ledger.problem(f"a run on photos failed: {event and event.error}")
            visits.append(visit)

    await asyncio.gather(*(come() for _ in range(3)))
    await asyncio.sleep(3)
    after, peak = crowd.server.mb(), max(use.mb for use in crowd.server.uses)
    for visit in visits:
        await visit.page.close()
    promise = f"{len(visits)} pages with two photos of 12 megapixels each take at most {PHONE_MB} MB above idle"
    return [
        *await _sound(crowd),
        Verdict(promise, _grew(idle, after), after - idle <= PHONE_MB),
        Verdict("most memory at any moment", f"{peak:.0f} MB"),
        Verdict("temporary files at the end", f"{crowd.server.disk_mb():.0f} MB"),
        *_swift(crowd, began, time.monotonic(), promised=False),
    ]


async def classroom(crowd: Crowd, seconds: float, users: int) -> list[Verdict]:
    """Thirty open tabs, eight of which press Run together, over and over; the others come and go."""
    chance, began = random.Random(0), time.monotonic()
    visits = [await crowd.visit() for _ in range(30)]
    large = photo(1, 4000, 3000, grain=True)
    alone = await _alone(crowd, visits[0])
    crowd.ledger.times.clear()
    while time.monotonic() - began < seconds:
        busy = asyncio.Event()
        others = [asyncio.create_task(_look(crowd, busy)), asyncio.create_task(_bring(visits[-1], large, busy))]
        ends = await asyncio.gather(*(_pupil(crowd, visit, chance, number) for number, visit in enumerate(visits[:8])))
        busy.set()
        await asyncio.gather(*others)
        for place, end in enumerate(sorted(end for end in ends if end is not None), 1):
            crowd.ledger.time("end in the class, in runs alone per place", end / (place * alone))
    idle = await _cancelled(crowd, visits[0], chance)
    for visit in visits:
        await visit.page.close()
    ended = time.monotonic()
    return [
        *await _sound(crowd),
        *_swift(crowd, began, ended),
        Verdict("a run of 300 masks alone", f"{alone:.1f} s"),
        Verdict("a cancelled run leaves the processor idle within 2 s", f"{idle:.1f} s", idle <= 2),
    ]


async def _alone(crowd: Crowd, visit: Visit) -> float:
    """Seconds that a run takes with nobody else there, the encoder loaded."""
    await visit.run(Ask("cat.jpg", None, "a cat", "conse-lite0", 10))
    began = time.monotonic()
    await visit.run(Ask("cat.jpg", None, "a cat", "conse-lite0", 300, 1))
    return time.monotonic() - began


async def _pupil(crowd: Crowd, visit: Visit, chance: random.Random, number: int) -> float | None:
    """Press Run with the others; two of the eight stop it. Returns the seconds it took where it came to its end."""
    ask, began = Ask("cat.jpg", None, "a cat", "conse-lite0", 300, chance.getrandbits(32)), time.monotonic()
    if number not in (0, 5):
        return None if await visit.run(ask) is None else time.monotonic() - began
    values = await visit.values(ask)
    running = await visit.press(values)
    await asyncio.sleep(chance.uniform(0.5, 3))
    await visit.stop(running, values)
    return None


async def _look(crowd: Crowd, busy: asyncio.Event) -> None:
    """Others open the page."""
    while not busy.is_set():
        visit = await crowd.visit()
        await asyncio.sleep(0.5)
        await visit.page.close()


async def _bring(visit: Visit, content: bytes, busy: asyncio.Event) -> None:
    """Others upload photos."""
    while not busy.is_set():
        await visit.page.upload(content, "photo.jpg")
        await asyncio.sleep(1)


async def _cancelled(crowd: Crowd, visit: Visit, chance: random.Random) -> float:
    """Seconds from Stop until the server has nothing to do."""
    values = await visit.values(Ask("cat.jpg", None, "a cat", "conse-lite0", 3000, chance.getrandbits(32)))
    running = await visit.press(values)
    await asyncio.sleep(2)
    began = time.monotonic()
    stopping = asyncio.create_task(visit.stop(running, values))
    await crowd.server.idle(15)
    idle = time.monotonic() - began
    await stopping
    return idle


async def _sound(crowd: Crowd) -> list[Verdict]:
    """Nothing wrong, nothing lost, nothing said badly."""
    await asyncio.to_thread(crowd.check_rest)
    ledger = crowd.ledger
    ledger.close()
    ends = ", ".join(f"{ledger.counts[name]} {name}" for name in ("completed", "cancelled", "failed in words", "left"))
    return [
        Verdict("every result is the library's", f"{len(ledger.wrong)} wrong of {crowd.checked}", not ledger.wrong),
        Verdict(
            "no error, and every accepted event ends once", f"{len(ledger.problems)} problems", not ledger.problems
        ),
        Verdict("accepted events", f"{ledger.counts['accepted']}: {ends}"),
        Verdict("refused in words", ", ".join(f"{n} x {status}" for status, n in ledger.refused.items()) or "none"),
    ]


LIMITS = {"page": 1.0, "upload": 3.0, "cancel acknowledged": 2.0}
"""Seconds that 95 of 100 must keep to."""


def _swift(crowd: Crowd, began: float, ended: float, *, promised: bool = True) -> list[Verdict]:
    found = []
    for what, times in sorted(crowd.ledger.times.items()):
        half, most, worst = share(times, 0.5), share(times, 0.95), max(times)
        limit = LIMITS.get(what) if promised else None
        unit = "" if "per place" in what else " s"
        measured = f"{half:.2f} / {most:.2f} / {worst:.2f}{unit} of {len(times)}"
        promise = f"{what}, p50 / p95 / most" + (f"; p95 at most {limit:.0f} s" if limit else "")
        found.append(Verdict(promise, measured, None if limit is None else most <= limit))
    cpu = [use.cpu for use in crowd.server.uses if began <= use.at < ended]
    found.append(Verdict("share of a core the server took", f"{share(cpu, 0.5):.0f} % in the middle"))
    late = f"{share(crowd.lags, 0.95):.2f} / {max(crowd.lags):.2f} s"
    found.append(Verdict("how late the visitors themselves were, p95 / most", late))
    return found


def _grown(crowd: Crowd, began: float, ended: float) -> list[Verdict]:
    before, after, grown = growth(crowd.server.uses, began, ended)
    uses = [use for use in crowd.server.uses if began <= use.at < ended]
    middle = uses[len(uses) // 3]
    return [
        Verdict(f"memory grows by at most {GROWTH_MB} MB once warm", _grew(before, after), grown <= GROWTH_MB),
        Verdict("memory minute by minute", ", ".join(f"{use.mb:.0f}" for use in uses[::60]) + " MB"),
        Verdict("threads, a third through and at the end", f"{middle.threads} and {uses[-1].threads}"),
        Verdict("open files, a third through and at the end", f"{middle.files} and {uses[-1].files}"),
        Verdict("temporary files at the end", f"{crowd.server.disk_mb():.0f} MB"),
    ]


def _grew(before: float, after: float) -> str:
    return f"{before:.0f} MB to {after:.0f} MB: {after - before:+.0f} MB"


SCENARIOS: dict[str, Callable[[Crowd, float, int], Awaitable[list[Verdict]]]] = {
    "mixed": mixed,
    "one-session": one_session,
    "left-open": left_open,
    "phone-photos": phone_photos,
    "classroom": classroom,
}
