"""The table of a sweep: claim by claim and setting by setting, in how many runs it held.

A run that raised an exception counts against every claim that it did not reach.
"""

import math
import re
import statistics
from collections import defaultdict
from typing import Any

from book.pipeline import ledger

Key = tuple[str, str, str, int]  # chapter, statement, what, which of those of this text
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
SHOWN = 10  # seeds named of those in which a claim failed


def table(plan: dict[str, Any], results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the table of a sweep from its plan and the result of every run, by fingerprint."""
    chapters: dict[str, Any] = {}
    for chapter in dict.fromkeys(case[0] for case in plan["cases"]):
        cases = [(s, seed, results[mark]) for c, s, seed, mark in plan["cases"] if c == chapter]
        chapters[chapter] = {
            "seconds": round(sum(result["seconds"] for _, _, result in cases), 1),
            "errors": _errors(cases),
            "claims": _claims(chapter, cases),
        }
    return {
        "name": plan["name"],
        "settings": plan["settings"],
        "seeds": plan["seeds"],
        "runs": len(results),
        "seconds": round(sum(result["seconds"] for result in results.values()), 1),
        "cpu": round(sum(result["cpu"] for result in results.values()), 1),
        "chapters": chapters,
    }


def failures(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the claims of a table that did not hold in every run, each with its chapter."""
    return [
        (chapter, claim)
        for chapter, part in found["chapters"].items()
        for claim in part["claims"]
        if any(entry["held"] < entry["runs"] for entry in claim["settings"].values())
    ]


def _errors(cases: list[tuple[str, int, dict[str, Any]]]) -> list[dict[str, Any]]:
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


def _claims(chapter: str, cases: list[tuple[str, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the rows of a chapter, in the order in which its claims are made."""
    found: dict[Key, dict[int, dict[str, Any]]] = defaultdict(dict)  # claim → case → record
    for number, (_, _, result) in enumerate(cases):
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for record in result["claims"]:
            text = (record["statement"], record["what"])
            found[chapter, *text, counts[text]][number] = record
            counts[text] += 1
    return [_row(texts, records, cases) for texts, records in _matched(found, len(cases))]


def _matched(
    found: dict[Key, dict[int, dict[str, Any]]], count: int
) -> list[tuple[list[Key], dict[int, dict[str, Any]]]]:
    """Join claims whose texts differ in numbers only, when no run makes more than one of them.

    So a claim about "12 networks" under one setting is the claim about "100 networks" under
    another, while two claims of one run are never taken for one.
    """
    joined: list[tuple[list[Key], dict[int, dict[str, Any]]]] = []
    partners = defaultdict(list)  # rows with the same text up to numbers, not yet in every run
    for key, records in found.items():
        chapter, statement, what, occurrence = key
        alike = partners[chapter, statement, NUMBER.sub("…", what), occurrence]
        home = next((row for row in alike if not row[1].keys() & records.keys()), None)
        if home is not None:
            home[0].append(key)
            home[1].update(records)
            continue
        row = ([key], dict(records))
        joined.append(row)
        if len(records) < count:
            alike.append(row)
    return joined


def _text(whats: list[str]) -> str:
    """Return one text for all: a number in which they differ becomes an ellipsis."""
    rows = [NUMBER.findall(what) for what in dict.fromkeys(whats)]
    same = iter([len(set(column)) == 1 for column in zip(*rows, strict=True)])
    return NUMBER.sub(lambda found: found[0] if next(same) else "…", whats[0])


def _row(
    texts: list[Key],
    records: dict[int, dict[str, Any]],
    cases: list[tuple[str, int, dict[str, Any]]],
) -> dict[str, Any]:
    settings = {}
    for setting in dict.fromkeys(case[0] for case in cases):
        own = [number for number, case in enumerate(cases) if case[0] == setting]
        stopped = any(cases[number][2]["error"] for number in own)
        made = [(cases[n][1], records[n]) for n in own if n in records]
        if made or stopped:  # otherwise this setting makes no such claim
            missed = [cases[n][1] for n in own if n not in records]
            settings[setting] = _entry(made, missed)
    first = next(iter(records.values()))
    return {
        "statement": texts[0][1],
        "what": _text([key[2] for key in texts]),
        "relation": first["relation"],
        "settings": settings,
    }


def _entry(made: list[tuple[int, dict[str, Any]]], missed: list[int]) -> dict[str, Any]:
    """Return what one setting says about a claim, from (seed, record) and the seeds without."""
    failed = [seed for seed, record in made if not record["holds"]]
    entry: dict[str, Any] = {
        "runs": len(made) + len(missed),
        "held": len(made) - len(failed),
        "missing": len(missed),
        "failed": (failed + missed)[:SHOWN],
        "cases": sum(record["cases"] for _, record in made),
    }
    if made:
        seed, worst = max(made, key=lambda pair: _badness(pair[1]))
        entry["worst"] = {
            "seed": seed,
            "measured": worst["measured"],
            "reference": worst["reference"],
        }
    values = [record["measured"] for _, record in made]
    if values and all(_numeric(value) for value in values) and len(set(values)) > 1:
        entry |= spread([float(value) for value in values])
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


def _badness(record: dict[str, Any]) -> tuple[bool, float, float]:
    """Order the records of a claim: one that fails first, then how near its bound it came."""
    measured, reference = record["measured"], record["reference"]
    if record["relation"] == "=" or not (_numeric(measured) and _numeric(reference)):
        return not record["holds"], 0.0, 0.0
    excess = measured - reference if record["relation"] == "≤" else reference - measured
    return not record["holds"], ledger.closeness(record) or 0.0, excess
