"""The README's tables, generated from the registries: ``python tests/readme.py --write`` (``make readme``)."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from explorer.attributions.method import METHODS
from explorer.core.distances import DISTANCES
from explorer.core.embedder import Card
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.selections import MODES
from explorer.core.terms import SETTINGS, TERMS
from explorer.encoders.cards import CARDS
from explorer.evaluation.metrics import METRICS

README = Path(__file__).parents[1] / "README.md"
MEASURED = Path(__file__).parent / "benchmarks" / "measured"
SPEED, SCHEMES = MEASURED / "bench.json", MEASURED / "schemes.json"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def encoders() -> str:
    rows = [
        (f"`{key}`", c.comparing, c.embedding, ", ".join(c.gives), _brought_by(c), c.size, c.licence, c.source)
        for key, c in CARDS.items()
    ]
    return table(("key", "compares", "embedding", "gives", "installed by", "weights", "licence", "source"), rows)


def _brought_by(card: Card) -> str:
    more = set(card.extra.split(",")) - {"lite", "sentences"}
    return "`make run" + f" EXTRAS={card.extra}" * bool(more) + "`"


def modes() -> str:
    return table(("mode", "what it does"), [(f"`{key}`", m.about) for key, m in MODES.items()])


def settings() -> str:
    rows = [
        (
            SETTINGS[c.name].label,
            f"`{c.name}`",
            f"{c.low:.10g} to {c.high:.10g}",
            f"{c.app_high:.10g}",
            f"{c.default:.10g}",
        )
        for c in (N_MASKS, FEATURE_RES, P_KEEP, THRESHOLD, SEED)
    ]
    rows.append((SETTINGS["fill"].label, "`fill`", ", ".join(FILLS), "", "auto"))
    rows.append((SETTINGS["distance"].label, "`distance`", ", ".join(DISTANCES), "", "cosine"))
    return table(("setting", "name", "range", "highest in the app", "default"), rows)


def methods() -> str:
    rows = [
        (f"`{key}`", kind.title, " or ".join(kind.needs) or "embeddings", kind.about, kind.source)
        for key, kind in METHODS.items()
    ]
    return table(("key", "method", "needs", "what it looks at", "source"), rows)


def metrics() -> str:
    rows = [(f"`{key}`", metric.title, metric.better, metric.about, metric.source) for key, metric in METRICS.items()]
    return table(("key", "metric", "better is", "what it is", "source"), rows)


def speed() -> str:
    """What ``explorer bench`` measured last; the command stands beside the table."""
    facts = json.loads(SPEED.read_text(encoding="utf-8"))

    def reached(seconds: float | None) -> str:
        return "not reached" if seconds is None else f"{seconds:.1f} s"

    rows = [
        (
            row["title"],
            f"{row['wall']:.1f} s",
            f"{row['cpu']:.1f} s",
            f"{row['times_network_wall']:.2f}",
            f"{row['times_network_cpu']:.2f}",
            f"{row['first']:.2f} s",
            f"{row['peak'] / 1e6:.0f} MB",
            reached(row["seconds_to_agreement"]) if row["ladder"] else "",
            reached(row["seconds_to_faithfulness"]) if row["ladder"] else "",
        )
        for row in facts["contenders"]
    ]
    wanted = (
        f"to agreement {facts['agreement']:g}",
        f"to {100 * facts['faithfulness']:.0f} % of the best deletion score",
    )
    head = "", "by the clock", "processor", "times the network: clock", "processor", "first map", "memory", *wanted
    here = facts["machine"]
    where = f"{here['processor']}, {here['cores']} cores"
    return f"{table(head, rows)}\n\n{facts['passes']} passes, `{facts['encoder']}`, {facts['precision']}; {where}."


def glossary() -> str:
    rows = [(term.label, f"`{term.name}`" if term.name else "", term.about) for term in TERMS.values()]
    return table(("word", "name", "meaning"), rows)


def schemes() -> str:
    """What ``bench_schemes.py`` measured last, whoever won."""
    if not SCHEMES.is_file():
        return "It is registered (`tests/benchmarks/registered/schemes.json`) and has not been run yet."
    facts = json.loads(SCHEMES.read_text(encoding="utf-8"))
    known = {(line["method"], line["measure"], line["passes"]): line for line in facts["lines"]}
    columns = [("truth", 64), ("truth", 256), ("truth", 1024), ("srg", 256), ("object", 256)]

    def shown(line: dict[str, float], sign: str = "") -> str:
        return f"{line['value']:{sign}.3f} [{line['low']:{sign}.3f}, {line['high']:{sign}.3f}]"

    heads = tuple({"truth": "truth", "srg": "SRG", "object": "right object"}[what] + f", {n}" for what, n in columns)
    rows = [
        (method, *(shown(known[method, what, n]) for what, n in columns))
        for method in dict.fromkeys(line["method"] for line in facts["lines"])
    ]
    claims: dict[str, list[str]] = {}
    for test in facts["tests"]:
        if test["primary"]:
            claims.setdefault(f"{test['id']}, {test['says']}", []).append(f"{shown(test, '+')}: {test['verdict']}")
    verdicts = table(("hypothesis, 256 passes", "truth", "SRG"), [(claim, *found) for claim, found in claims.items()])
    where = f"{facts['scenes']} scenes of cutouts and {facts['pairs'] - facts['scenes']} pairs of photographs; [95 %]."
    return f"{table(('masks, read-out', *heads), rows)}\n\n{where}\n\n{verdicts}"


TABLES = {
    "glossary": glossary,
    "schemes": schemes,
    "speed": speed,
    "encoders": encoders,
    "modes": modes,
    "settings": settings,
    "methods": methods,
    "metrics": metrics,
}


def generated(text: str) -> str:
    """The text with every table between its markers made anew."""
    for name, make in TABLES.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, found = re.subn(pattern, lambda m, make=make: m[1] + make() + "\n" + m[2], text, flags=re.DOTALL)
        assert found == 1, f"README.md needs the markers of the table {name} once"
    return text


if __name__ == "__main__":
    fresh = generated(README.read_text())
    if "--write" in sys.argv:
        README.write_text(fresh)
    elif fresh != README.read_text():
        sys.exit("README.md is behind the code; run: make readme")
