"""The table of a sweep as a page of the book, readable by eye, by keyboard and by ear."""

import html
from typing import Any

from book.pipeline import sweep_table
from book.pipeline.ledger import number
from book.pipeline.sweep_store import Fields

HEAD = """\
<!-- Written by `make sweep-adopt`. Do not edit. -->
# Seeds

One seed proves little. Here chapters ran again with other seeds, and every claim that they \
check was counted: in how many runs it held, how near it came to failing, and how much the \
measured value varies. A theorem must hold for every seed, up to rounding. A claim about what \
training finds may fail for some; then its line says for which seeds. A run that stopped early \
counts against all claims that it did not reach.
"""

FACTS = """\
| | |
|---|---|
| command | `make sweep SWEEP={name}` |
| commit | {commit} |
| seeds | {seeds} |
| settings | {settings} |
| runs | {runs:,}, together {seconds:,.0f} s ({cpu:,.0f} s of one core) |
| processor | {processor}, {cores} cores; torch {torch} |
"""

NAMES = ("statement", "claim", "setting", "held", "closest to failing", "median (5–95 %)")


def page(found: Fields) -> str:
    """Return the page of a table."""
    parts = [HEAD, f"**{summary(found)}**\n", _facts(found)]
    if failures := sweep_table.failures(found):
        parts.append("## Claims that did not hold in every run\n")
        parts.append(_region("claims that did not hold", failures))
    chapters = found["chapters"].items()
    if stopped := [_stop(chapter, e) for chapter, part in chapters for e in part["errors"]]:
        parts.append("## Runs that stopped\n\n" + "\n".join(stopped) + "\n")
    return "\n".join([*parts, *(_chapter(chapter, part) for chapter, part in chapters)])


def summary(found: Fields) -> str:
    """Return the outcome in one sentence."""
    failed = [claim["settings"].values() for _, claim in sweep_table.failures(found)]
    total = sum(len(part["claims"]) for part in found["chapters"].values())
    unreached = sum(all(e["held"] + e["missing"] == e["runs"] for e in row) for row in failed)
    verdict = "all held"
    if failed:
        verdict = f"{total - len(failed)} held in every run, {len(failed)} did not"
    if unreached:
        verdict += f", of which {unreached} only because a run stopped before them"
    head = f"{total} claims of {len(found['chapters'])} chapters in {found['runs']:,} runs"
    return f"{head}: {verdict}."


def _facts(found: Fields) -> str:
    seeds = found["seeds"]
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    listed = f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))
    settings = "; ".join(f"`{name}`: `{value}`" for name, value in found["settings"].items())
    return FACTS.format(**found | {"seeds": listed, "settings": settings})


def _stop(chapter: str, error: Fields) -> str:
    return (
        f"- {{doc}}`{chapter}`, cell {error['cell']}, setting {error['setting']}: {error['runs']} "
        f"runs stopped with <code>{_safe(error['name'])}: {_safe(error['message'][:200])}</code> "
        f"(seeds {_seeds(error['seeds'], error['runs'])})"
    )


def _chapter(chapter: str, part: Fields) -> str:
    claims = sorted(part["claims"], key=sweep_table.fails, reverse=True)  # those that failed first
    bad = sum(map(sweep_table.fails, claims))
    outcome = f"{bad} did not hold in every run" if bad else "all held in every run"
    return (
        f"## {{doc}}`{chapter}`\n\n"
        f"{len(claims)} claims, {outcome} ({part['seconds']:,.0f} s for all runs).\n\n"
        f"<details><summary>the claims of {chapter}</summary>\n"
        f"{_region(f'claims of {chapter}', [('', claim) for claim in claims])}</details>\n"
    )


def _region(label: str, claims: list[tuple[str, Fields]]) -> str:
    """Return a table that scrolls in its region; a claim comes with the chapter to name, or ""."""
    head = "".join(f'<th scope="col">{name}</th>' for name in NAMES)
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(chapter, claim, *pair)) + "</tr>\n"
        for chapter, claim in claims
        for pair in claim["settings"].items()
    )
    return (
        f'<div class="ledger" tabindex="0" role="region" aria-label="{label}">\n'
        f'<table class="ledger"><tr>{head}</tr>\n{rows}</table>\n</div>\n'
    )


def _cells(chapter: str, claim: Fields, setting: str, entry: Fields) -> list[str]:
    link = f' <a href="{chapter}.html">{chapter.partition("-")[0]}</a>' if chapter else ""
    texts = [_safe(claim["statement"]) + link, _safe(claim["what"]), _safe(setting)]
    return [*texts, _held(entry), _worst(claim["relation"], entry), _spread(entry)]


def _held(entry: Fields) -> str:
    held = f"{entry['held']} of {entry['runs']}"
    if entry["missing"]:
        held += f", {entry['missing']} not reached"
    if fewer := entry["runs"] - entry["held"]:
        held = f"<strong>{held}</strong>; not for {_seeds(entry['failed'], fewer)}"
    return held


def _worst(relation: str, entry: Fields) -> str:
    if not (worst := entry.get("worst")):
        return ""
    if relation == "=" and worst["measured"] == worst["reference"]:
        return f"= {_value(worst['reference'])}"
    seed = f" (seed {worst['seed']})" if entry["runs"] > 1 else ""
    return f"{_value(worst['measured'])} {relation} {_value(worst['reference'])}{seed}"


def _spread(entry: Fields) -> str:
    shown = [number(entry[key]) for key in ("median", "low", "high") if key in entry]
    return "{} ({} – {})".format(*shown) if shown else ""


def _value(value: Any) -> str:
    text = number(value)
    return _safe(text if len(text) <= 60 else text[:59] + "…")


def _seeds(seeds: list[int], count: int) -> str:
    more = f" and {count - len(seeds)} more" if count > len(seeds) else ""
    return ", ".join(map(str, seeds)) + more


def _safe(text: str) -> str:
    return html.escape(str(text))
