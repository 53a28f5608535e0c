"""The table of a sweep: claim by claim and setting by setting, in how many runs it held.

A run that raised an exception counts against every claim that it did not reach.
"""

import math
import re
import statistics
from collections import Counter, defaultdict
from typing import Any

from book.pipeline import ledger
from book.pipeline.sweep_store import Fields

Case = tuple[str, int, Fields]  # setting, seed, result of the run
Claim = tuple[list[str], dict[int, Fields]]  # its texts, and its record in each case
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
SHOWN = 10  # seeds named of those in which a claim failed


def table(plan: Fields, results: dict[str, Fields]) -> Fields:
    """Return the table of a sweep from its plan and the result of every run, by fingerprint."""
    cases: dict[str, list[Case]] = defaultdict(list)
    for chapter, setting, seed, mark in plan["cases"]:
        cases[chapter].append((setting, seed, results[mark]))
    total = {k: round(sum(r[k] for r in results.values()), 1) for k in ("seconds", "cpu")}
    head = {"name": plan["name"], "settings": plan["settings"], "seeds": plan["seeds"]}
    chapters = {chapter: _chapter(own) for chapter, own in cases.items()}
    return head | {"runs": len(results)} | total | {"chapters": chapters}


def fails(claim: Fields) -> bool:
    """Return whether a claim of a table did not hold in every run."""
    return any(entry["held"] < entry["runs"] for entry in claim["settings"].values())


def failures(found: Fields) -> list[tuple[str, Fields]]:
    """Return the claims of a table that did not hold in every run, each with its chapter."""
    chapters = found["chapters"].items()
    return [(chapter, c) for chapter, part in chapters for c in part["claims"] if fails(c)]


def _chapter(cases: list[Case]) -> Fields:
    """Return what a table says of a chapter, the claims in the order in which they are made."""
    claims: dict[tuple[str, str, int], dict[int, Fields]] = defaultdict(dict)
    for number, (_, _, result) in enumerate(cases):
        counts: Counter[tuple[str, str]] = Counter()
        for record in result["claims"]:
            text = (record["statement"], record["what"])
            claims[*text, counts[text]][number] = record  # those of the same text in their order
            counts[text] += 1
    return {
        "seconds": round(sum(result["seconds"] for _, _, result in cases), 1),
        "errors": _errors(cases),
        "claims": [_row(claim, cases) for claim in _joined(claims)],
    }


def _errors(cases: list[Case]) -> list[Fields]:
    """Return the exceptions that ended runs, each kind once with the seeds it met."""
    seeds = defaultdict(list)
    for setting, seed, result in cases:
        if error := result["error"]:
            seeds[setting, error["cell"], error["name"], error["message"]].append(seed)
    names = ("setting", "cell", "name", "message")
    return [
        dict(zip(names, key, strict=True)) | {"runs": len(which), "seeds": which[:SHOWN]}
        for key, which in seeds.items()
    ]


def _joined(claims: dict[tuple[str, str, int], dict[int, Fields]]) -> list[Claim]:
    """Return the claims, as one where texts differ in numbers only and no run makes two of them.

    So a claim about "12 networks" under one setting is the claim about "100 networks" under
    another, while two claims of one run are never taken for one.
    """
    joined: list[Claim] = []
    partners: dict[tuple[str, str, int], list[Claim]] = defaultdict(list)
    for (statement, what, which), records in claims.items():
        alike = partners[statement, NUMBER.sub("…", what), which]
        claim = next((c for c in alike if c[1].keys().isdisjoint(records)), None)
        if claim is None:
            claim = ([], {})
            joined.append(claim)
            alike.append(claim)
        claim[0].append(what)
        claim[1].update(records)
    return joined


def _text(whats: list[str]) -> str:
    """Return one text for all: a number in which they differ becomes an ellipsis."""
    rows = [NUMBER.findall(what) for what in whats]
    same = iter([len(set(column)) == 1 for column in zip(*rows, strict=True)])
    return NUMBER.sub(lambda found: found[0] if next(same) else "…", whats[0])


def _row(claim: Claim, cases: list[Case]) -> Fields:
    """Return a claim with what each setting that makes it says about it."""
    whats, records = claim
    settings = {}
    for setting in dict.fromkeys(case[0] for case in cases):
        own = {number: case for number, case in enumerate(cases) if case[0] == setting}
        made = [(own[n][1], records[n]) for n in own if n in records]
        missed = [own[n][1] for n in own if n not in records]
        if made or any(case[2]["error"] for case in own.values()):
            settings[setting] = _entry(made, missed)
    first = next(iter(records.values()))
    head = {"statement": first["statement"], "what": _text(whats), "relation": first["relation"]}
    return head | {"settings": settings}


def _entry(made: list[tuple[int, Fields]], missed: list[int]) -> Fields:
    """Return what one setting says about a claim, from (seed, record) and the seeds without."""
    failed = [seed for seed, record in made if not record["holds"]]
    entry: Fields = {
        "runs": len(made) + len(missed),
        "held": len(made) - len(failed),
        "missing": len(missed),
        "failed": (failed + missed)[:SHOWN],
        "cases": sum(record["cases"] for _, record in made),
    }
    if made:
        seed, worst = max(made, key=lambda pair: _badness(pair[1]))
        entry["worst"] = {"seed": seed} | {k: worst[k] for k in ("measured", "reference")}
    values = [record["measured"] for _, record in made]
    if all(map(_numeric, values)) and len(set(values)) > 1:
        entry |= spread(values)
    return entry


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the 5 % and 95 % quantiles, by linear interpolation.

    >>> spread([0.0, 1.0, 2.0])
    {'median': 1.0, 'low': 0.1, 'high': 1.9}
    """
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    ends = {"median": statistics.median(values), "low": cuts[0], "high": cuts[-1]}
    return {name: float(f"{value:.6g}") for name, value in ends.items()}


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _badness(record: Fields) -> tuple[bool, float, float]:
    """Return what orders the records of a claim: failure first, then how near its bound it is."""
    measured, reference = record["measured"], record["reference"]
    if record["relation"] == "=" or not (_numeric(measured) and _numeric(reference)):
        return not record["holds"], 0.0, 0.0
    excess = measured - reference if record["relation"] == "≤" else reference - measured
    return not record["holds"], ledger.closeness(record) or 0.0, excess
