"""Execute one chapter with papermill: the notebook and its records, or nothing.

    python -m book.pipeline.execute CHAPTER OUT [--profile NAME] [--timeout SECONDS] [name=value]

writes OUT.ipynb and the folder OUT.records with the chapter's claims and figures. What nbval has
executed from the same inputs, with `--made` as their digest, and found as committed, is taken.

A run works in a folder of its own beside OUT and moves its results there at the end, so that
nothing unfinished is ever found under OUT. A run that fails leaves OUT.failed.ipynb, up to and
with the cell that failed.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil

from book.pipeline import colophon, engine, profiles
from book.pipeline.profiles import ROOT
from book.pipeline.run import CHECKS, surroundings, variables

RESULTS = (".records", ".ipynb")  # the notebook last: with it the run is whole
SCRATCH = ".running-"
LONGEST = 3600  # seconds for one cell, unless a command says otherwise
COMPARED = ROOT / "_build" / "check"  # where nbval's results wait, each in a folder of its digest


class ChapterFailed(Exception):
    """A chapter stopped before its end; the message names chapter, cell and parameters."""


def execute(
    notebook: Path,
    out: Path,
    values: dict[str, Any],
    timeout: int = LONGEST,
    *,
    progress: bool = False,
) -> None:
    """Run `notebook` with the given parameters and put the result at `out`, whole or not at all.

    Raises:
        ChapterFailed: a cell raised or ran longer than `timeout` seconds, its kernel died, or
            the results could not be written.
    """
    failed = out.with_suffix(".failed.ipynb")
    _clear(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{SCRATCH}{out.name}-{os.getpid()}-"
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=prefix) as scratch:
            draft = Path(scratch) / out.name
            try:
                _run(notebook, draft, values, timeout, progress)
            except Exception:
                if draft.with_suffix(".ipynb").exists():
                    draft.with_suffix(".ipynb").replace(failed)
                raise
            _move(draft, out)
    except Exception as error:
        raise ChapterFailed(_message(notebook, values, failed, error)) from error


def take(out: Path, made: str) -> bool:
    """Move what nbval has executed from the inputs of this digest to `out`, if it is there."""
    _clear(out)
    try:
        _move(COMPARED / made / out.name, out)
    except FileNotFoundError:
        return False
    return True


def _move(source: Path, target: Path) -> None:
    for suffix in RESULTS:
        source.with_suffix(suffix).replace(target.with_suffix(suffix))


def _clear(out: Path) -> None:
    """Remove the results of an earlier run, and what a run that was killed left."""
    failed = out.with_suffix(".failed.ipynb")
    for old in (*map(out.with_suffix, RESULTS), failed, *_abandoned(out)):
        _remove(old)


def _run(notebook: Path, draft: Path, values: dict[str, Any], timeout: int, progress: bool) -> None:
    """Run the chapter and write the notebook and its records at `draft`."""
    import papermill  # slow to import, and not needed to refuse a parameter

    started, records = time.monotonic(), draft.with_suffix(".records")
    records.mkdir()
    logging.disable()  # what it logs is raised as well
    with variables(surroundings(records)):
        executed = papermill.execute_notebook(
            notebook,
            draft.with_suffix(".ipynb"),
            values,
            kernel_name="python3",
            cwd=notebook.parent,
            progress_bar={"leave": False} if progress else False,
            log_output=False,
            execution_timeout=timeout,
            extra_arguments=["--IPKernelApp.log_level=50"],
        )
    record(executed, notebook, values, records, time.monotonic() - started)


def record(
    executed: nbformat.NotebookNode,
    notebook: Path,
    values: dict[str, Any],
    records: Path,
    seconds: float,
) -> None:
    """Add to the records of a run what ran, after its kernel has ended; refuse one that lacks."""
    _require_pictures(executed)
    parameters = profiles.defaults(notebook) | values
    run = colophon.record(executed, parameters, seconds)
    run["estimated_mb"] = profiles.memory(notebook, values)
    (records / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")


def _require_pictures(executed: nbformat.NotebookNode) -> None:
    """Refuse a run in which a cell with a caption drew nothing."""
    for cell in executed.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure and not any("data" in output for output in cell.get("outputs", [])):
            raise ValueError(f"the cell of {figure['name']} shows no picture")


def _message(notebook: Path, values: dict[str, Any], failed: Path, error: Exception) -> str:
    """Say in one line which chapter failed, in which cell, with which parameters, and why."""
    where = f"chapter {notebook.stem}{_cell(failed)} ({profiles.in_words(values)})"
    look = f" (see {failed})" if failed.exists() else ""
    return f"{where}: {_reason(error)}{look}"


def _cell(draft: Path) -> str:
    """Return the number of the cell begun last, as the notebook shows it, if there is one.

    papermill marks a cell that ran out of time, and all that follow it, as completed.
    """
    try:
        cells = nbformat.read(draft, as_version=4).cells
    except (OSError, ValueError):  # none was written, or the disk was full half-way
        return ""
    code = [cell.metadata.get("papermill", {}) for cell in cells if cell.cell_type == "code"]
    begun = sum(bool(record.get("start_time")) for record in code)
    return f", cell {begun}" if begun else ""


def _reason(error: Exception) -> str:
    kind = type(error).__name__  # of nbclient, which is slow to import
    if kind == "PapermillExecutionError":
        return f"{error.ename}: {error.evalue}".splitlines()[0]  # type: ignore[attr-defined]
    if kind == "DeadKernelError":
        return "its process was killed, by a signal or for want of memory"
    if kind == "CellTimeoutError":
        return "the cell ran longer than it may (--timeout)"
    return f"{kind}: {error}".splitlines()[0]


def _abandoned(out: Path) -> list[Path]:
    """Return the folders of runs of this chapter that were killed."""
    found = out.parent.glob(f"{SCRATCH}{out.name}-*")
    return [path for path in found if not _is_alive(int(path.name.split("-")[-2]))]


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; a killed one may stay listed until its parent looks."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="book.pipeline.execute")
    parser.add_argument("chapter", help="its name, such as 04-connected-components, or its number")
    parser.add_argument("out", type=Path, help="the folder for the results, or their name in it")
    parser.add_argument("--profile", default="paper", help="the file profiles/PROFILE.yaml")
    parser.add_argument("--made", default="", help="the digest of what the chapter is made from")
    parser.add_argument("--timeout", type=int, default=LONGEST, help="seconds for one cell")
    parser.add_argument("values", nargs="*", metavar="parameter=value")
    return parser.parse_intermixed_args(arguments)


def _asked(options: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Return the chapter and the parameters that are asked for, or refuse them."""
    notebook = profiles.find(options.chapter)
    settings = profiles.profile(options.profile).get(notebook.stem, {})
    overrides = profiles.parse(options.values)
    values = settings | overrides  # the settings of a profile are checked with it
    profiles.require(notebook, overrides)
    profiles.require_memory(notebook, values)
    return notebook, values


def main(arguments: list[str] | None = None) -> int:
    """Execute the chapter named on the command line and return the exit status."""
    options, started = _options(arguments), time.monotonic()
    try:
        notebook, values = _asked(options)
        out = options.out / notebook.stem if options.out.is_dir() else options.out
        if options.made and not values and take(out, options.made):
            print(f"{notebook.stem}: taken from the comparison with what is committed")
            return 0
        # with other parameters than the paper's a failing claim is a finding, and the run goes on
        with variables({CHECKS: "record"} if values else {}):
            execute(notebook, out, values, options.timeout, progress=sys.stderr.isatty())
    except (ValueError, ChapterFailed) as error:  # a ParameterError is a ValueError
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, ChapterFailed) else 2
    records, seconds = out.with_suffix(".records"), time.monotonic() - started
    print(
        f"{notebook.stem}: executed in {seconds:.0f} s; "
        f"{out.with_suffix('.ipynb')}, figures in {records / 'figures'}"
    )
    _report(records / "claims.jsonl")
    return 0


def _report(claims: Path) -> None:
    """Say which claims of the run do not hold."""
    if not claims.exists():
        return
    found = [json.loads(line) for line in claims.read_text(encoding="utf-8").splitlines()]
    broken = [claim for claim in found if not claim["holds"]]
    if broken:
        print(f"{len(broken)} of {len(found)} claims do not hold with these parameters:")
    for claim in broken:
        bound = f"not {claim['relation']} {claim['reference']}"
        print(f"  {claim['statement']}: {claim['what']}: {claim['measured']}, {bound}")


if __name__ == "__main__":
    sys.exit(engine.told(main))
