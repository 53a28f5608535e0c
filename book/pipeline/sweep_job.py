"""Execute the runs of one job of a sweep, one after the other.

    python -m book.pipeline.sweep_job PLAN JOB OUT

reads the plan that `book.pipeline.sweep` has written, leaves one file for each finished run, and
writes OUT, all results of the job, when every run is finished. A run whose result is there is
not repeated. A run that was killed or timed out, and a full disk, are told in one line each; the
job then fails, and what is finished is kept. Run it in the folder that holds the book.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from book.pipeline import sweep_run, sweep_store


class Fault(Exception):
    """A run has no result, and the reason is not in the chapter."""


class Stop(Fault):
    """A fault that all later runs of the job would meet too."""


class Job:
    """The runs of one job, in the folder `root` that holds the book."""

    def __init__(self, plan: dict[str, Any], root: Path) -> None:
        self.plan, self.root = plan, root
        self.base = sweep_store.folder(root, plan["name"])
        os.environ.setdefault("MPLBACKEND", "Agg")  # of the process that the runs come from
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(sweep_run.PRELOAD))

    def results(self, job: str) -> list[dict[str, Any]]:
        """Return the result of each run, old or new, after printing the faults of the others."""
        found = []
        for mark in self.plan["jobs"][job]:
            try:
                found.append(self.result(mark))
            except Fault as fault:
                print(f"error: {fault}", file=sys.stderr, flush=True)
                if isinstance(fault, Stop):
                    break
        return found

    def result(self, mark: str) -> dict[str, Any]:
        """Return the result of one run: the finished one, or that of running it now."""
        run = self.plan["runs"][mark]
        path = sweep_store.path(self.base, run["chapter"], mark)
        found = sweep_store.read(path, mark)
        if found is None:
            found = self.execute(mark, run)
            try:
                sweep_store.write(path, json.dumps(found, ensure_ascii=False))
            except OSError as error:
                cells = found["cells"]
                where = sweep_store.describe(run["chapter"], cells, run["values"])
                raise Stop(
                    f"{where}: its result cannot be written: {error.strerror} ({path}); "
                    "what is finished is kept"
                ) from None
        return found

    def execute(self, mark: str, run: dict[str, Any]) -> dict[str, Any]:
        """Run the chapter in a process of its own and return its result."""
        notebook = self.root / run["notebook"]
        library = sweep_store.library(self.root)
        now = sweep_store.fingerprint(sweep_store.code(notebook), library, run["parameters"])
        if now != mark:
            raise Stop(
                f"chapter {run['chapter']}: it or the library has changed since the sweep began; "
                "start the sweep again"
            )
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=sweep_run.work, args=(sender, notebook, run["values"]), daemon=True
        )
        process.start()
        sender.close()
        try:
            cells, outcome = self._follow(receiver, process, run)
        finally:
            process.kill()
            process.join()
            receiver.close()
        made = {"format": sweep_store.FORMAT, "fingerprint": mark, "chapter": run["chapter"]}
        return made | {"parameters": run["parameters"], "cells": cells} | outcome

    def _follow(self, receiver: Any, process: Any, run: dict[str, Any]) -> tuple[int, Any]:
        """Wait for the outcome; return it with the number of the last cell."""
        limit, cell = self.plan["timeout"], 0
        deadline = time.monotonic() + limit
        reason = f"no result after {limit} s"
        while receiver.poll(max(0.0, deadline - time.monotonic())):
            try:
                kind, value = receiver.recv()
            except (EOFError, OSError):
                process.join()
                reason = f"its process was ended by {_ending(process.exitcode)}"
                break
            if kind == "done":
                return cell, value
            if kind == "fault":
                reason = value
                break
            cell = value
        raise Fault(f"{sweep_store.describe(run['chapter'], cell, run['values'])}: {reason}")


def _ending(status: int | None) -> str:
    """Say how a process ended, from its exit status."""
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"


def main(arguments: list[str] | None = None, root: Path | None = None) -> int:
    """Execute the job named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.sweep_job")
    parser.add_argument("plan", type=Path, help="the plan of the sweep, plan.json")
    parser.add_argument("job", help="the job's name in the plan")
    parser.add_argument("out", type=Path, help="where all results of the job go, one a line")
    options = parser.parse_args(arguments)
    plan = json.loads(options.plan.read_text(encoding="utf-8"))
    found = Job(plan, root or Path.cwd()).results(options.job)
    if len(found) < len(plan["jobs"][options.job]):
        return 1
    lines = "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in found)
    try:
        sweep_store.write(options.out, lines)
    except OSError as error:
        print(f"error: job {options.job}: {error.strerror} ({options.out})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the run is ended too
    sys.exit(main())
