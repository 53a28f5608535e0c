"""Break one hypothesis at a time in a chapter's code, and see which checks notice.

    python -m book.pipeline.sabotage

runs each chapter that `sabotage.yml` names with the quick profile and the changed code, and
writes the page of the book that says which checks failed. A check that passes whatever is broken
checks nothing.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from book.pipeline import engine, ledger, profiles, sweep_job, sweep_store
from book.pipeline.profiles import ROOT
from mc_lib import errors

LISTED = Path(__file__).with_suffix(".yml")
PAGE = ROOT / "book" / "sabotage.md"
LIMIT = 600  # seconds for one run

HEAD = """\
<!-- Written by `make sabotage`. Do not edit. -->
# Sabotage

A check is worth something only if it can fail. Here each chapter ran again, with the quick \
profile, after one hypothesis of a statement, or one factor of a formula, had been broken in \
its code; the checks of that statement should then fail. *Refused* means that the library \
stopped the chapter with an error that says why, before a check was reached.

**{summary}**

| statement | what was broken | chapter | what happened |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Sabotage:
    """A hypothesis that is broken, and the statements whose checks should notice."""

    statements: list[str]
    broken: str
    chapter: str
    change: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """The checks of the statements that failed, all that were reached, and what stopped the run."""

    failed: list[str]
    checked: int
    error: str

    @property
    def noticed(self) -> bool:
        """Whether a check failed or the library refused."""
        return bool(self.failed) or hasattr(errors, self.error.partition(":")[0])

    def __str__(self) -> str:
        if self.failed:
            more = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
            return f"failed: {self.failed[0]}{more}"
        if self.noticed:
            return f"refused: {self.error}"
        return f"**stopped**: {self.error}" if self.error else "**not noticed**"


def listed(path: Path = LISTED) -> list[Sabotage]:
    """Return what is broken, in the order of the file."""
    return [Sabotage(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def broken(sabotage: Sabotage) -> nbformat.NotebookNode:
    """Return the chapter with the changed code.

    Raises:
        ValueError: a text to be changed does not occur exactly once in the chapter's code.
    """
    notebook = nbformat.read(profiles.chapters()[sabotage.chapter], as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for old, new in sabotage.change.items():
        times = sum(cell.source.count(old) for cell in cells)
        if times != 1:
            raise ValueError(f"{sabotage.chapter}: {old!r} occurs {times} times, not once")
        for cell in cells:
            cell.source = cell.source.replace(old, new)
    return notebook


def run(sabotage: Sabotage) -> Outcome:
    """Run the chapter with the changed code in a process of its own."""
    values = profiles.profile("quick").get(sabotage.chapter, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{sabotage.chapter}.ipynb"
        nbformat.write(broken(sabotage), path)
        cell, found = sweep_job.forked(path, values, LIMIT, ROOT)
    if isinstance(found, str):
        raise sweep_job.Fault(f"{sabotage.chapter}, cell {cell}, {sabotage.broken!r}: {found}")
    return outcome(sabotage, found)


def outcome(sabotage: Sabotage, found: sweep_store.Fields) -> Outcome:
    """Return what a run says of the statements."""
    names = set(sabotage.statements)
    claims = [c for c in found["claims"] if names & set(ledger.names(c["statement"]))]
    failed = [f"{c['statement']}, {c['what']}" for c in claims if not c["holds"]]
    error = found["error"]
    said = f"{error['name']}: {error['message']}" if error else ""
    return Outcome(failed, len(claims), said)


def page(found: list[tuple[Sabotage, Outcome]]) -> str:
    """Return the page of the book."""
    checks = sum(bool(o.failed) for _, o in found)
    refused = sum(o.noticed and not o.failed for _, o in found)
    summary = (
        f"{len(found)} things were broken: {checks} were noticed by a check of the "
        f"statement, {refused} were refused by the library, "
        f"{len(found) - checks - refused} were not noticed."
    )
    return HEAD.format(summary=summary) + "".join(_rows(found)) + "\n" + _left(found)


def _rows(found: list[tuple[Sabotage, Outcome]]) -> Iterator[str]:
    for sabotage, outcome in found:
        names = ", ".join(sabotage.statements)
        row = [names, sabotage.broken, f"{{doc}}`{sabotage.chapter}`", str(outcome)]
        yield "| " + " | ".join(x.replace("|", "\\|") for x in row) + " |\n"


def _left(found: list[tuple[Sabotage, Outcome]]) -> str:
    """Return the statements that were not tried."""
    tried = {name for sabotage, _ in found for name in sabotage.statements}
    sections = yaml.safe_load(ledger.STATEMENTS.read_text(encoding="utf-8")).values()
    left = [e["id"] for entries in sections for e in entries if e["id"] not in tried]
    return f"Not sabotaged: {', '.join(left)}.\n"


def main() -> int:
    """Break everything that is listed, write the page and return the exit status."""
    every = listed()
    for sabotage in every:
        broken(sabotage)  # refuse the list before the first run
    found = []
    for sabotage in every:
        found.append((sabotage, run(sabotage)))
        print(f"{', '.join(sabotage.statements)}: {sabotage.broken}: {found[-1][1]}", flush=True)
    PAGE.write_text(page(found), encoding="utf-8")
    return 0 if all(outcome.noticed for _, outcome in found) else 1


if __name__ == "__main__":
    sys.exit(engine.told(main))
