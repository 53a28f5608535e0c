"""The claims ledger: what the chapters of one build recorded, statement by statement.

A statement without a record and a record of an unknown statement are errors. So is a record
that fails, unless the chapter ran with other parameters than its own: then the ledger says so.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

STATEMENTS = Path(__file__).with_name("statements.yml")
OURS = " (ours)"  # how a chapter marks what is not in the paper
BOTH = r", (?=[A-Z])"  # one check of two statements: "E1, E2", but not "Fig 3(b, c)"
UNLISTED = {"Exercise"}  # recorded and checked, but no statement of its own

Records = dict[str, list[dict[str, Any]]]
"""The records of each chapter, in the order in which they were made."""


class LedgerError(ValueError):
    """The records of a build do not cover the statements of the book."""


@dataclass(frozen=True)
class Statement:
    """One row of the ledger: a statement and the records that check it."""

    id: str
    title: str
    where: str  # page#anchor
    verdict: str
    section: str
    records: tuple[dict[str, Any], ...]
    note: str = ""

    @property
    def link(self) -> str:
        """Where the statement is explained."""
        page, hash, anchor = self.where.partition("#")
        return f"{page}.html{hash}{anchor}"

    @property
    def chapters(self) -> list[str]:
        """The chapters that check the statement."""
        return list(dict.fromkeys(record["chapter"] for record in self.records))

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


@dataclass(frozen=True)
class Ledger:
    """All statements with their records, and all records."""

    statements: list[Statement]
    records: Records

    def shown(self) -> dict[str, Any]:
        """Return what a page shows of it: the summary, and the statements by section."""
        grouped = groupby(self.statements, key=lambda s: s.section)
        return {"summary": self.summary(), "sections": {name: [*rows] for name, rows in grouped}}

    def summary(self) -> str:
        """Return the ledger at a glance: how many checks, and how many verdicts of each kind."""
        every = [r for chapter in self.records.values() for r in chapter]
        verdicts = Counter(s.verdict for s in self.statements)
        kinds = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.items())
        failed = sum(not r["holds"] for r in every)
        passed = f"{failed} of them failed with the settings of" if failed else "all passed in"
        return (
            f"**{len(every)} checks in {sum(r['cases'] for r in every):,} cases over "
            f"{len(self.records)} chapters, {passed} this build.** "
            f"The {len(self.statements)} entries by verdict: {kinds}."
        )


def closeness(record: dict[str, Any]) -> float | None:
    """Return the share of its bound that a comparison used up: 1 is just holding, None for =."""
    measured, bound = record["measured"], record["reference"]
    if record["relation"] == "=" or not isinstance(measured, int | float):
        return None
    low, high = (measured, bound) if record["relation"] == "≤" else (bound, measured)
    if low * high <= 0:  # no share of zero, or of a bound with another sign
        return 0.0
    return low / high if low > 0 else high / low


def number(value: Any) -> str:
    """Return a measured value as the ledger shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def read(chapters: Path, names: list[str]) -> Records:
    """Return the records of each chapter, in the order in which they were made."""
    found = {}
    for name in names:
        path = chapters / f"{name}.records" / "claims.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found[name] = [json.loads(line) | {"chapter": name} for line in lines]
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
            for name in names(claim["statement"]):
                pair = (entry["held"], entry["runs"])
                found[name] = min(found.get(name, pair), pair, key=lambda p: p[0] / p[1])
    return found


def of_seeds(table: Path) -> str:
    """Return in one sentence what a sweep over seeds found, and nothing where there is none."""
    if not table.exists():
        return ""
    sweep = json.loads(table.read_text(encoding="utf-8"))
    claims = [claim for chapter in sweep["chapters"].values() for claim in chapter["claims"]]
    settings = [claim["settings"].values() for claim in claims]
    failed = sum(any(x["held"] < x["runs"] for x in each) for each in settings)
    return (
        f"With {len(sweep['seeds'])} seeds, at smaller sizes, {len(claims) - failed} of "
        f"{len(claims)} checks held every time; the other {failed}, and for which seeds they "
        "failed, are on a page of their own: {doc}`seeds`."
    )


def names(statement: str) -> list[str]:
    """Return the statements that a check is of."""
    return re.split(BOTH, statement.removesuffix(OURS))


def entries(listed: Path = STATEMENTS) -> Iterator[dict[str, str]]:
    """Yield what is listed of each statement, in order, with its section."""
    for section, rows in yaml.safe_load(listed.read_text(encoding="utf-8")).items():
        yield from ({"section": section, **row} for row in rows)


def collect(records: Records, listed: Path = STATEMENTS, changed: Collection[str] = ()) -> Ledger:
    """Return all statements with their records; refuse gaps, strangers and failures.

    Args:
        records: of all chapters.
        listed: the file with the statements.
        changed: the chapters with other parameters than their own, whose checks may fail.
    """
    by_id = defaultdict(list)
    for record in (r for chapter in records.values() for r in chapter):
        for name in names(record["statement"]):
            by_id[name].append(record)
    found = [Statement(records=tuple(by_id[entry["id"]]), **entry) for entry in entries(listed)]
    _require("statements without a record", [s.id for s in found if not s.records])
    strangers = sorted(by_id.keys() - {s.id for s in found} - UNLISTED)
    _require("records of statements that statements.yml does not list", strangers)
    every = [r for name, rs in records.items() if name not in changed for r in rs]
    _require("records that failed", [str(r["what"]) for r in every if not r["holds"]])
    return Ledger(found, records)


def _require(what: str, names: list[str]) -> None:
    if names:
        raise LedgerError(f"{what}: {', '.join(names)}")
