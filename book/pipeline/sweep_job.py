"""Execute the runs of one job of a sweep, one after the other.

    python -m book.pipeline.sweep_job PLAN JOB OUT

reads the plan that `book.pipeline.sweep` has written, leaves one file for each finished run, and
writes OUT, all results of the job, when every run is finished. A run whose result is there is
not repeated. A run that was killed or timed out, and a full disk, are told in one line each; the
job then fails, and what is finished is kept. Run it in the folder that holds the book.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from book.pipeline import profiles, sources, sweep_run, sweep_store
from book.pipeline.run import CHECKS, RECORDS, surroundings, variables
from book.pipeline.sweep_store import Fields

CONTEXT = multiprocessing.get_context("forkserver")


class Fault(Exception):
    """A run has no result, and the reason is not in the chapter."""


class Stop(Exception):
    """A fault that all later runs of the job would meet too."""


def results(plan: Fields, job: str, root: Path) -> list[Fields]:
    """Return the result of each run, old or new, after printing the faults of the others."""
    base, found = sweep_store.folder(root, plan["name"]), []
    for run in (plan["runs"][mark] for mark in plan["jobs"][job]):
        path = base / run["file"]
        result = sweep_store.read(path, run["fingerprint"])
        try:
            if result is None:
                result = execute(run, plan["timeout"], root)
                _write(path, [result], f"{_where(result)}: its result")
            found.append(result)
        except Fault as fault:
            _tell(fault)
    return found


def execute(run: Fields, limit: int, root: Path) -> Fields:
    """Run the chapter in a process of its own and return its result."""
    notebook, chapter = root / run["notebook"], run["chapter"]
    mark = sweep_store.fingerprint(sources.digest(notebook, root), run["parameters"])
    if mark != run["fingerprint"]:
        change = "it or the library has changed since the sweep began"
        raise Stop(f"chapter {chapter}: {change}; start the sweep again")
    cell, outcome = forked(notebook, run["values"], limit, root)
    if isinstance(outcome, str):
        raise Fault(f"{_where(run | {'cells': cell})}: {outcome}")
    return run | {"cells": cell} | outcome


def forked(notebook: Path, values: Fields, limit: int, root: Path) -> tuple[int, Fields | str]:
    """Run a chapter in a process of its own; return its last cell, and its result or a fault."""
    _prepare(root)
    receiver, sender = CONTEXT.Pipe(duplex=False)
    what = (sender, notebook, values)
    process = CONTEXT.Process(target=sweep_run.work, args=what, daemon=True)
    process.start()
    sender.close()
    try:
        return _follow(receiver, process, limit)
    finally:
        process.kill()
        process.join()
        receiver.close()


def _prepare(root: Path) -> None:
    """Start the process that the runs are forked from, unless it is there.

    Python 3.11 has it import what PYTHONPATH leads to, whatever this process would find.
    """
    CONTEXT.set_forkserver_preload(sweep_run.PRELOAD)
    path = os.pathsep.join([str(root / "book"), *sys.path])
    own = {"PYTHONPATH": path, "MPLBACKEND": "Agg", CHECKS: "record", RECORDS: None}
    with variables(surroundings(root) | own):
        forkserver.ensure_running()


def _follow(receiver: Connection, process: Any, limit: int) -> tuple[int, Fields | str]:
    """Return the last cell and what a run found, or the reason why it has no result."""
    cell, end = 0, time.monotonic() + limit
    while receiver.poll(max(0.0, end - time.monotonic())):
        try:
            message = receiver.recv()
        except (EOFError, OSError):
            process.join()
            return cell, f"its process was ended by {_ending(process.exitcode)}"
        if not isinstance(message, int):
            return cell, message
        cell = message
    return cell, f"no result after {limit} s"


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _where(run: Fields) -> str:
    """Return where a run is: the chapter, the cell, and the parameters that were set."""
    cell = f"cell {run['cells']}" if run["cells"] else "before its first cell"
    return f"chapter {run['chapter']}, {cell} ({profiles.in_words(run['values'])})"


def _write(path: Path, found: list[Fields], what: str) -> None:
    """Put results in a file, one a line; a full disk stops the job."""
    try:
        sweep_store.write(path, "".join(json.dumps(result) + "\n" for result in found))
    except OSError as error:
        reason = f"cannot be written: {error.strerror} ({path}); what is finished is kept"
        raise Stop(f"{what} {reason}") from None


def _tell(fault: Exception) -> None:
    print(f"error: {fault}", file=sys.stderr, flush=True)


def main(arguments: list[str], root: Path) -> int:
    """Execute a job, given its plan, its name and its file, and return the exit status."""
    path, job, out = arguments
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        found = results(plan, job, root)
        if len(found) < len(plan["jobs"][job]):
            return 1
        _write(Path(out), found, f"job {job}")
    except (Stop, OSError) as stop:
        _tell(stop)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the run is ended too
    sys.exit(main(sys.argv[1:], Path.cwd()))
