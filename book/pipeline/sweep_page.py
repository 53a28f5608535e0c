"""The table of a sweep as a page of the book, readable by eye, by keyboard and by ear."""

import html
from typing import Any

from book.pipeline import sweep_table
from book.pipeline.ledger import number

HEAD = """\
<!-- Written by `make sweep-adopt`. Do not edit. -->
# Seeds

One seed proves little. Here chapters ran again with other seeds, and every claim that they \
check was counted: in how many runs it held, how near it came to failing, and how much the \
measured value varies. A theorem must hold for every seed, up to rounding. A claim about what \
training finds may fail for some; then its line says for which seeds. A run that stopped early \
counts against all claims that it did not reach.
"""

NAMES = ("statement", "claim", "setting", "held", "closest to failing", "median (5–95 %)")


def page(found: dict[str, Any]) -> str:
    """Return the page of a table."""
    failures = sweep_table.failures(found)
    parts = [HEAD, summary(found, len(failures)), _facts(found)]
    if failures:
        parts.append("## Claims that did not hold in every run\n")
        parts.append(_region("claims that did not hold", [(True, c, e) for c, e in failures]))
    stopped = [
        f"- {{doc}}`{chapter}`, cell {e['cell']}, setting {e['setting']}: {e['runs']} runs "
        f"stopped with <code>{_safe(e['name'])}: {_safe(e['message'][:200])}</code> "
        f"(seeds {_seeds(e['seeds'], e['runs'])})"
        for chapter, part in found["chapters"].items()
        for e in part["errors"]
    ]
    if stopped:
        parts.append("## Runs that stopped\n\n" + "\n".join(stopped) + "\n")
    for chapter, part in found["chapters"].items():
        parts.append(_chapter(chapter, part))
    return "\n".join(parts)


def summary(found: dict[str, Any], failed: int) -> str:
    """Return the outcome in one sentence."""
    total = sum(len(part["claims"]) for part in found["chapters"].values())
    entries = [c["settings"].values() for _, c in sweep_table.failures(found)]
    unreached = sum(all(e["held"] + e["missing"] == e["runs"] for e in row) for row in entries)
    verdict = f"{total - failed} held in every run, {failed} did not" if failed else "all held"
    if unreached:
        verdict += f", of which {unreached} only because a run stopped before them"
    return (
        f"**{total} claims of {len(found['chapters'])} chapters in {found['runs']:,} runs: "
        f"{verdict}.**\n"
    )


def _facts(found: dict[str, Any]) -> str:
    seeds = found["seeds"]
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    listed = f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))
    settings = "; ".join(f"`{name}`: `{value}`" for name, value in found["settings"].items())
    rows = {
        "command": f"`make sweep SWEEP={found['name']}`",
        "commit": found["commit"],
        "seeds": listed,
        "settings": settings,
        "runs": f"{found['runs']:,}, together {found['seconds']:,.0f} s "
        f"({found['cpu']:,.0f} s of one core)",
        "processor": f"{found['processor']}, {found['cores']} cores; torch {found['torch']}",
    }
    lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| | |\n|---|---|\n{lines}\n"


def _chapter(chapter: str, part: dict[str, Any]) -> str:
    short = {
        id(claim): any(e["held"] < e["runs"] for e in claim["settings"].values())
        for claim in part["claims"]
    }
    bad = sum(short.values())
    outcome = f"{bad} did not hold in every run" if bad else "all held in every run"
    ordered = sorted(part["claims"], key=lambda claim: not short[id(claim)])  # failed ones first
    region = _region(f"claims of {chapter}", [(False, chapter, claim) for claim in ordered])
    return (
        f"## {{doc}}`{chapter}`\n\n{len(ordered)} claims, {outcome} "
        f"({part['seconds']:,.0f} s for all runs).\n\n"
        f"<details><summary>the claims of {_safe(chapter)}</summary>\n{region}</details>\n"
    )


def _region(label: str, claims: list[tuple[bool, str, dict[str, Any]]]) -> str:
    """Return a table that scrolls inside its region, for (name the chapter?, chapter, claim)."""
    head = "".join(f'<th scope="col">{name}</th>' for name in NAMES)
    rows = "\n".join(
        _line(named, chapter, claim, setting, entry)
        for named, chapter, claim in claims
        for setting, entry in claim["settings"].items()
    )
    return (
        f'<div class="ledger" tabindex="0" role="region" aria-label="{_safe(label)}">\n'
        f'<table class="ledger"><tr>{head}</tr>\n{rows}\n</table>\n</div>\n'
    )


def _line(
    named: bool, chapter: str, claim: dict[str, Any], setting: str, entry: dict[str, Any]
) -> str:
    statement = _safe(claim["statement"])
    if named:
        statement += f' <a href="{_safe(chapter)}.html">{_safe(chapter.partition("-")[0])}</a>'
    short = entry["held"] < entry["runs"]
    held = f"{entry['held']} of {entry['runs']}"
    if entry["missing"]:
        held += f", {entry['missing']} not reached"
    if short:
        fewer = entry["runs"] - entry["held"]
        held = f"<strong>{held}</strong>; not for {_seeds(entry['failed'], fewer)}"
    cells = (statement, _safe(claim["what"]), _safe(setting), held, _worst(claim, entry))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in (*cells, _spread(entry))) + "</tr>"


def _worst(claim: dict[str, Any], entry: dict[str, Any]) -> str:
    if "worst" not in entry:
        return ""
    worst = entry["worst"]
    if claim["relation"] == "=" and worst["measured"] == worst["reference"]:
        return f"= {_value(worst['reference'])}"
    seed = f" (seed {worst['seed']})" if entry["runs"] > 1 else ""
    return f"{_value(worst['measured'])} {claim['relation']} {_value(worst['reference'])}{seed}"


def _spread(entry: dict[str, Any]) -> str:
    if "median" not in entry:
        return ""
    low, middle, high = (number(entry[name]) for name in ("low", "median", "high"))
    return f"{middle} ({low} – {high})"


def _value(value: Any) -> str:
    text = number(value)
    return _safe(text if len(text) <= 60 else text[:59] + "…")


def _seeds(seeds: list[int], count: int) -> str:
    more = f" and {count - len(seeds)} more" if count > len(seeds) else ""
    return ", ".join(map(str, seeds)) + more


def _safe(text: str) -> str:
    return html.escape(str(text))
