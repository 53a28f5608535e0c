"""Run a sweep, chapters × seeds × settings, and put together what its runs found.

    python -m book.pipeline.sweep NAME [--on local|slurm|kubernetes|FOLDER] [--cores N]
    python -m book.pipeline.sweep NAME --adopt

The first writes _build/sweeps/NAME/table.json and page.md; it continues where it was stopped.
The second makes that table the one of the book.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from book.pipeline import colophon, engine, sweep_page, sweep_plan, sweep_store, sweep_table
from book.pipeline.profiles import ROOT
from book.pipeline.sweep_store import Fields

ADOPTED = Path("book") / "generated" / "seeds.json"
PAGE = Path("book") / "seeds.md"


class SweepFailed(RuntimeError):
    """The sweep has no table; the message says why, in one line for each fault."""


def run(name: str, on: str, cores: int, root: Path = ROOT) -> Fields:
    """Run the sweep of this name and return its table.

    Raises:
        ParameterError: the file of the sweep asks for what there is not.
        SweepFailed: a job failed, or there is no such profile.
        Busy: the sweep is running already.
        OSError: the disk is full.
    """
    if not (root / "clusters" / on / "config.yaml").exists():
        raise SweepFailed(f"there is no clusters/{on}/config.yaml")
    plan = sweep_plan.read(root / "sweeps" / f"{name}.yaml", root)
    base = sweep_store.folder(root, name)
    arguments = ["--snakefile", "sweep.smk", "--config", f"sweep={name}"]
    arguments += ["--workflow-profile", str(Path("clusters") / on)]
    arguments += ["--cores", str(cores)] if on == "local" else []
    with engine.lock(base / "lock", f"sweep {name}") as held:
        sweep_store.write(base / "plan.json", json.dumps(plan))
        shutil.rmtree(base / "faults", ignore_errors=True)
        with engine.start(arguments, root, held) as process:
            printed = _follow(process, plan, base)
        with suppress(OSError):  # a full disk must not hide the reason
            sweep_store.write(base / "faults" / "snakemake.log", printed)
        if process.returncode:
            raise SweepFailed(_faults(printed, base))
        found = _table(plan, base)
        text = json.dumps(found, indent=1, ensure_ascii=False)
        sweep_store.write(base / "table.json", text + "\n")
        sweep_store.write(base / "page.md", sweep_page.page(found))
    return found


def _follow(process: subprocess.Popen[str], plan: Fields, base: Path) -> str:
    """Return all that Snakemake prints; a bar on a terminal shows how many runs are finished."""
    what, total = f"sweep {plan['name']}", len(plan["runs"])
    with tqdm(desc=what, total=total, unit="run", disable=None, leave=False) as bar:
        while True:
            if not bar.disable:
                bar.n = _finished(plan, base)
                bar.refresh()
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=1)[0]


def _finished(plan: Fields, base: Path) -> int:
    """Return how many runs have a result; some clusters bring only the files of whole jobs."""
    done = 0
    for job, marks in plan["jobs"].items():
        whole = (base / "jobs" / f"{job}.jsonl").exists()
        done += sum(whole or (base / plan["runs"][mark]["file"]).exists() for mark in marks)
    return done


def _faults(printed: str, base: Path) -> str:
    """Return what went wrong: the lines of the jobs, here or in the files of a cluster."""
    files = [p.read_text(encoding="utf-8").splitlines() for p in base.glob("faults/*.txt")]
    lines = [line.strip() for line in printed.splitlines() if line.strip()] or ["it said nothing"]
    every = [line.strip() for line in chain(lines, *files)]
    told = [line.removeprefix("error: ") for line in every if line.startswith("error: ")]
    told = told or [file[-1] for file in files if file]  # a traceback's last line
    if not told:
        tail = next((line for line in lines if line.startswith("message: ")), lines[-1])
        log = base / "faults" / "snakemake.log"
        told = [f"Snakemake failed: {tail}" + f" (all of it: {log})" * log.exists()]
    return "\n".join(f"sweep {base.name}: {line}" for line in dict.fromkeys(told))


def _table(plan: Fields, base: Path) -> Fields:
    """Return the table of what all jobs have found, and on what."""
    files = [base / "jobs" / f"{job}.jsonl" for job in plan["jobs"]]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    results: dict[str, Fields] = {}
    with suppress(ValueError):  # not JSON
        results = {result["fingerprint"]: result for result in map(json.loads, lines)}
    if results.keys() != plan["runs"].keys():
        reason = f"{base / 'jobs'} holds what is not of this sweep; remove it and start again"
        raise SweepFailed(f"sweep {base.name}: {reason}")
    return sweep_table.table(plan, results) | {
        "commit": colophon.commit(),
        "processor": colophon.processor(),
        "cores": os.cpu_count(),
        "torch": ", ".join(sorted({result["torch"] for result in results.values()})),
    }


def adopt(name: str, root: Path = ROOT) -> None:
    """Make the table of the last run of a sweep the one of the book."""
    table = sweep_store.folder(root, name) / "table.json"
    if not table.exists():
        raise SweepFailed(f"sweep {name} has no table; make sweep SWEEP={name}")
    text = table.read_text(encoding="utf-8")
    sweep_store.write(root / ADOPTED, text)
    sweep_store.write(root / PAGE, sweep_page.page(json.loads(text)))


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run or adopt the sweep named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.sweep")
    parser.add_argument("name", help="of the file sweeps/NAME.yaml")
    parser.add_argument("--on", default="local", help="a folder in clusters/, or another one")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="for local runs")
    parser.add_argument("--adopt", action="store_true", help="make the table that of the book")
    options = parser.parse_args(arguments)
    try:
        if options.adopt:
            adopt(options.name, root)
            print(f"sweep {options.name}: adopted in {ADOPTED} and {PAGE}")
        else:
            found = run(options.name, options.on, options.cores, root)
            table = sweep_store.folder(root, options.name) / "table.json"
            print(f"{sweep_page.summary(found)}\nsweep {options.name}: {table}")
    except (ValueError, SweepFailed, engine.Busy) as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1  # a ParameterError is one
    return 0


if __name__ == "__main__":
    sys.exit(engine.told(main))
