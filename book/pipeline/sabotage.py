"""Break one hypothesis at a time in a chapter's code, and see which checks notice.

    python -m book.pipeline.sabotage

runs each chapter that `sabotage.yml` names with the quick profile, as it is, when no check may
fail, and with the changed code; it writes the page of the book that says which checks failed. A
check that passes whatever is broken checks nothing.
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
its code; a check of each statement named should then fail. Unbroken, all checks of these \
chapters pass with this profile. *Refused* means that the library stopped the chapter with an \
error that says why, before a check was reached.

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
    """The checks that failed, the statements none of whose checks did, and what stopped the run."""

    failed: list[str]
    silent: list[str]
    error: str

    @property
    def refused(self) -> bool:
        """Whether the library stopped the run before all statements noticed."""
        return bool(self.silent) and hasattr(errors, self.error.partition(":")[0])

    @property
    def noticed(self) -> bool:
        """Whether a check of each statement failed, or the library refused."""
        return not self.silent or self.refused

    def __str__(self) -> str:
        if not self.silent:
            more = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
            return f"failed: {self.failed[0]}{more}"
        if self.refused:
            return f"refused: {self.error}"
        missed = f"**not noticed** by {', '.join(self.silent)}"
        return f"**stopped**: {self.error}" if self.error else missed


def listed(path: Path = LISTED) -> list[Sabotage]:
    """Return what is broken, in the order of the file."""
    return [Sabotage(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def changed(chapter: str, change: dict[str, str]) -> nbformat.NotebookNode:
    """Return the chapter with the changed code.

    Raises:
        ValueError: a text to be changed does not occur exactly once in the chapter's code.
    """
    notebook = nbformat.read(profiles.chapters()[chapter], as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for old, new in change.items():
        times = sum(cell.source.count(old) for cell in cells)
        if times != 1:
            raise ValueError(f"{chapter}: {old!r} occurs {times} times, not once")
        for cell in cells:
            cell.source = cell.source.replace(old, new)
    return notebook


def run(sabotage: Sabotage) -> Outcome:
    """Run the chapter with the changed code and return what noticed it."""
    claims, error = result(sabotage.chapter, sabotage.change)
    names, heard = set(sabotage.statements), set[str]()
    failed = []
    for claim in claims:
        found = names & set(ledger.names(claim["statement"]))
        if found and not claim["holds"]:
            heard |= found
            failed.append(f"{claim['statement']}, {claim['what']}")
    return Outcome(failed, [name for name in sabotage.statements if name not in heard], error)


def control(chapter: str) -> None:
    """Run a chapter as it is.

    Raises:
        ValueError: one of its checks fails, or it stops: then it shows nothing when it is broken.
    """
    claims, error = result(chapter, {})
    failed = [claim["what"] for claim in claims if not claim["holds"]]
    if failed or error:
        raise ValueError(f"{chapter}, with nothing broken: {', '.join([*failed, error])}")


def result(chapter: str, change: dict[str, str]) -> tuple[list[sweep_store.Fields], str]:
    """Return the claims of a run in a process of its own, and the error that stopped it."""
    values = profiles.profile("quick").get(chapter, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{chapter}.ipynb"
        nbformat.write(changed(chapter, change), path)
        cell, found = sweep_job.forked(path, values, LIMIT, ROOT)
    if isinstance(found, str):
        raise sweep_job.Fault(f"{chapter}, cell {cell}, with {change}: {found}")
    error = found["error"]
    return found["claims"], f"{error['name']}: {error['message']}" if error else ""


def page(found: list[tuple[Sabotage, Outcome]]) -> str:
    """Return the page of the book."""
    checks = sum(not o.silent for _, o in found)
    refused = sum(o.refused for _, o in found)
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
    left = [entry["id"] for entry in ledger.entries() if entry["id"] not in tried]
    return f"Not sabotaged: {', '.join(left)}.\n"


def main() -> int:
    """Break everything that is listed, write the page and return the exit status."""
    every, found = listed(), []
    try:
        for one in every:
            changed(one.chapter, one.change)  # refuse the list before the first run
        for chapter in dict.fromkeys(one.chapter for one in every):
            control(chapter)
        for one in every:
            found.append((one, run(one)))
            print(f"{', '.join(one.statements)}: {one.broken}: {found[-1][1]}", flush=True)
    except (ValueError, sweep_job.Fault) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    PAGE.write_text(page(found), encoding="utf-8")
    return 0 if all(outcome.noticed for _, outcome in found) else 1


if __name__ == "__main__":
    sys.exit(engine.told(main))
