"""The claims ledger: what the chapters of one build recorded, statement by statement.

A statement without a record and a record of an unknown statement are errors. So is a record
that fails, unless the chapter ran with other parameters than its own: then the ledger says so.
"""

import html
import json
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from book.pipeline import made

STATEMENTS = Path(__file__).with_name("statements.yml")
OURS = " (ours)"  # how a chapter marks what is not in the paper
BOTH = r", (?=[A-Z])"  # one check of two statements: "E1, E2", but not "Fig 3(b, c)"
COMPUTING = {"device", "dtype", "threads"}  # parameters that are no size and no seed
UNLISTED = {"Exercise"}  # recorded and checked, but no statement of its own


class LedgerError(ValueError):
    """The records of a build do not cover the statements of the book."""


@dataclass(frozen=True)
class Statement:
    """One row of the ledger: a statement and the records that check it."""

    id: str
    title: str
    where: str  # page#anchor
    verdict: str
    note: str
    section: str
    records: tuple[dict[str, Any], ...]

    @property
    def cases(self) -> int:
        """In how many cases the statement was checked, over all records."""
        return sum(record["cases"] for record in self.records)

    @property
    def failed(self) -> int:
        """How many of the records do not hold."""
        return sum(not record["holds"] for record in self.records)

    @property
    def tightest(self) -> dict[str, Any] | None:
        """The record that failed, or came closest to it, as measured / bound or its inverse."""
        numeric = [r for r in self.records if closeness(r) is not None]
        return max(numeric, key=lambda r: (not r["holds"], closeness(r) or 0.0), default=None)


def closeness(record: dict[str, Any]) -> float | None:
    """Return the share of its bound that a comparison used up: 1 is just holding, None for =."""
    measured, bound = record["measured"], record["reference"]
    if record["relation"] == "=" or not isinstance(measured, int | float):
        return None
    low, high = (measured, bound) if record["relation"] == "≤" else (bound, measured)
    if low * high <= 0:  # no share of zero, or of a bound with another sign
        return 0.0
    return low / high if low > 0 else high / low


def read(chapters: Path, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each chapter, in the order in which they were made."""
    found = {}
    for name in names:
        path = chapters / f"{name}.records" / "claims.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found[name] = [json.loads(line) | {"chapter": name} for line in lines]
    return found


def settings(chapters: Path, names: list[str]) -> dict[str, str]:
    """Return the sizes and seeds with which each chapter ran, in words."""
    found = {}
    for name, run in made.runs(chapters, names).items():
        values = {k: v for k, v in run["parameters"].items() if k not in COMPUTING}
        found[name] = ", ".join(f"{key} = {value}" for key, value in values.items())
    return found


def over_seeds(table: Path) -> dict[str, tuple[int, int]]:
    """Return for each statement in how many runs of a sweep, of how many, its weakest check held.

    The table is the one that `make sweep-adopt` keeps; without one nothing is known.
    """
    if not table.exists():
        return {}
    found: dict[str, tuple[int, int]] = {}
    chapters = json.loads(table.read_text(encoding="utf-8"))["chapters"].values()
    for claim in (claim for chapter in chapters for claim in chapter["claims"]):
        for entry in claim["settings"].values():
            for name in _names(claim["statement"]):
                pair = (entry["held"], entry["runs"])
                found[name] = min(found.get(name, pair), pair, key=lambda p: p[0] / p[1])
    return found


def _names(statement: str) -> list[str]:
    return re.split(BOTH, statement.removesuffix(OURS))


def collect(
    records: dict[str, list[dict[str, Any]]],
    listed: Path = STATEMENTS,
    changed: Collection[str] = (),
) -> list[Statement]:
    """Return all statements with their records; refuse gaps, strangers and failures.

    Args:
        records: of all chapters.
        listed: the file with the statements.
        changed: the chapters with other parameters than their own, whose checks may fail.
    """
    by_id = defaultdict(list)
    for record in (r for chapter in records.values() for r in chapter):
        for name in _names(record["statement"]):
            by_id[name].append(record)
    sections = yaml.safe_load(listed.read_text(encoding="utf-8"))
    found = [
        Statement(
            id=entry["id"],
            title=entry["title"],
            where=entry["where"],
            verdict=entry["verdict"],
            note=entry.get("note", ""),
            section=section,
            records=tuple(by_id[entry["id"]]),
        )
        for section, entries in sections.items()
        for entry in entries
    ]
    unchecked = [s.id for s in found if not s.records]
    strangers = sorted(by_id.keys() - {s.id for s in found} - UNLISTED)
    failures = (r for rs in by_id.values() for r in rs if not r["holds"])
    failed = [str(r["what"]) for r in failures if r["chapter"] not in changed]
    for what, names in (
        ("statements without a record", unchecked),
        ("records of statements that statements.yml does not list", strangers),
        ("records that failed", failed),
    ):
        if names:
            raise LedgerError(f"{what}: {', '.join(names)}")
    return found


def number(value: Any) -> str:
    """Return a measured value as the ledger shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def page(
    statements: list[Statement],
    records: dict[str, list[dict[str, Any]]],
    sizes: dict[str, str],
    seeds: dict[str, tuple[int, int]],
) -> str:
    """Return the ledger as a page of the book.

    Args:
        statements: the rows.
        records: of all chapters.
        sizes: the parameters with which each chapter ran, in words.
        seeds: in how many runs of a sweep each statement held, and of how many.
    """
    parts = [HEAD, summary(statements, records)]
    for section in dict.fromkeys(s.section for s in statements):
        rows = "\n".join(row(s, sizes, seeds) for s in statements if s.section == section)
        parts.append(f"## {section}\n\n{TABLE}\n{rows}\n</table>\n</div>\n")
    return "\n".join(parts)


HEAD = """\
<!-- Written by the build, from what the chapters recorded. Do not edit. -->
# Claims ledger

Every numbered statement of the paper and every panel of its figures, with what this very \
build checked. A *check* compares a measurement with a bound, a number or a truth value, \
over one case or many. With the settings of the paper it stops the build when it fails, with \
others it is marked. The column "closest to failing" \
shows, of all comparisons with a bound, the one that used up most of it. Follow the arrow of \
a row to see all its checks, and the sizes and seeds with which they ran. The theorems are \
proved in the appendices; a check confirms them numerically, it does not prove them. The column \
"seeds" says for how many seeds the weakest check of the row held, in a sweep with smaller \
sizes: {doc}`seeds`.
"""

TABLE = (
    '<div class="ledger" tabindex="0" role="region" aria-label="ledger">\n'
    '<table class="ledger"><tr><th>statement</th><th>what it says, and its checks</th>'
    "<th>checks</th><th>cases</th><th>closest to failing</th><th>seeds</th><th>verdict</th></tr>"
)


def row(s: Statement, sizes: dict[str, str], seeds: dict[str, tuple[int, int]]) -> str:
    """Return the row of a statement as HTML, its checks and their sizes below what it says."""
    page, _, anchor = s.where.partition("#")
    link = f'<a href="{page}.html{"#" + anchor if anchor else ""}">{html.escape(s.id)}</a>'
    checks = "".join(f"<li>{html.escape(line(r))}</li>" for r in s.records)
    note = f'<div class="note">{html.escape(s.note)}</div>' if s.note else ""
    ran = "".join(
        f"<p>Sizes and seeds in {html.escape(name)}: {html.escape(sizes[name])}</p>"
        for name in dict.fromkeys(r["chapter"] for r in s.records)
    )
    folded = (
        f"<details><summary>{html.escape(s.title)}</summary><ul>{checks}</ul>{ran}</details>{note}"
    )
    tight = s.tightest
    bound = (
        f"{number(tight['measured'])} {tight['relation']} {number(tight['reference'])}"
        if tight
        else "all exact"
    )
    held = f'<a href="seeds.html">{"{} of {}".format(*seeds[s.id])}</a>' if s.id in seeds else "–"
    verdict = html.escape(s.verdict)
    if s.failed:
        verdict = f"<strong>{s.failed} of {len(s.records)} checks failed here</strong>"
    cells = (
        *(link, folded, len(s.records), s.cases),
        *(html.escape(bound), held, verdict),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def line(record: dict[str, Any]) -> str:
    """Return one check in words: what, the measured value, the bound, the cases, the chapter."""
    measured, bound = number(record["measured"]), number(record["reference"])
    count = f", {record['cases']} cases" if record["cases"] > 1 else ""
    failed = "" if record["holds"] else "; does not hold with these parameters"
    return f"{record['what']}: {measured} {record['relation']} {bound}{count}{failed}"


def summary(statements: list[Statement], records: dict[str, list[dict[str, Any]]]) -> str:
    """Return the ledger at a glance: how many checks, and how many verdicts of each kind."""
    every = [r for chapter in records.values() for r in chapter]
    verdicts = defaultdict(int)
    for s in statements:
        verdicts[s.verdict] += 1
    kinds = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.items())
    cases = sum(r["cases"] for r in every)
    failed = sum(not r["holds"] for r in every)
    passed = f"{failed} of them failed with the settings of" if failed else "all passed in"
    return (
        f"**{len(every)} checks in {cases:,} cases over {len(records)} chapters, {passed} "
        f"this build.** The {len(statements)} entries by verdict: {kinds}.\n"
    )


def glance(statements: list[Statement]) -> str:
    """Return the table of all verdicts for the front page: one line a section."""
    rows = []
    for section in dict.fromkeys(s.section for s in statements):
        marks = " · ".join(
            f'<a href="{s.where.replace("#", ".html#") if "#" in s.where else s.where + ".html"}"'
            f' title="{html.escape(s.title)}">{html.escape(s.id)}</a>'
            f"{'' if s.verdict in PLAIN else ' <em>' + html.escape(s.verdict) + '</em>'}"
            for s in statements
            if s.section == section
        )
        rows.append(f"<tr><th>{html.escape(section)}</th><td>{marks}</td></tr>")
    return '<table class="glance">\n' + "\n".join(rows) + "\n</table>\n"


PLAIN = {"holds", "definition"}
