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
import sys
import threading
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from book.pipeline import engine, made, sweep_page, sweep_plan, sweep_store, sweep_table
from book.pipeline.profiles import ROOT

ADOPTED = Path("book") / "generated" / "seeds.json"
PAGE = Path("book") / "seeds.md"


class SweepFailed(RuntimeError):
    """The sweep has no table; the message says why, in one line for each fault."""


def run(name: str, on: str, cores: int, root: Path = ROOT) -> dict[str, Any]:
    """Run the sweep of this name and return its table.

    Raises:
        ParameterError: the file of the sweep asks for what there is not.
        SweepFailed: a job failed, or there is no such profile.
        Busy: the sweep is running already.
    """
    if not (root / "profiles" / on / "config.yaml").exists():
        raise SweepFailed(f"there is no profiles/{on}/config.yaml")
    sweep = sweep_plan.read(root / "sweeps" / f"{name}.yaml", root)
    plan = sweep_plan.plan(sweep, root)
    base = sweep_store.folder(root, name)
    with engine.lock(base / "lock", f"sweep {name}") as held:
        try:
            sweep_store.write(base / "plan.json", json.dumps(plan, ensure_ascii=False))
            shutil.rmtree(base / "faults", ignore_errors=True)
            _snakemake(plan, base, on, cores, root, held)
            found = sweep_table.table(plan, _results(plan, base)) | _circumstances(plan, base)
            sweep_store.write(
                base / "table.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n"
            )
            sweep_store.write(base / "page.md", sweep_page.page(found))
        except OSError as error:
            reason = f"{error.strerror} ({error.filename or base})"
            raise SweepFailed(f"{reason}; what is finished is kept") from None
    return found


def _snakemake(
    plan: dict[str, Any], base: Path, on: str, cores: int, root: Path, held: IO[str]
) -> None:
    """Run the jobs through Snakemake, with a bar on a terminal; its output goes to a file."""
    arguments = ["--snakefile", "sweep.smk", "--rerun-triggers", "mtime"]
    arguments += ["--workflow-profile", str(Path("profiles") / on)]
    arguments += ["--config", f"sweep={plan['name']}"]
    if on == "local":
        arguments += ["--cores", str(cores)]
    process = engine.start(arguments, root, held)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(plan, base, over), daemon=True)
    watch.start()
    with process:
        assert process.stdout is not None
        lines = list(process.stdout)
    over.set()
    watch.join()
    if process.returncode:
        raise SweepFailed(_faults(lines, base))
    _note(base / "snakemake.log", lines)


def _note(path: Path, lines: list[str]) -> bool:
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError:  # a full disk must not hide the reason
        return False
    return True


def _faults(lines: list[str], base: Path) -> str:
    """Return what went wrong: the lines of the jobs, here or in the files of a cluster."""
    written = [p.read_text(encoding="utf-8").splitlines() for p in base.glob("faults/*.txt")]
    every = [line.strip() for line in lines] + [line for file in written for line in file]
    told = dict.fromkeys(x.removeprefix("error: ") for x in every if x.startswith("error: "))
    told = told or dict.fromkeys(file[-1] for file in written if file)  # a traceback's last line
    if told:
        return "\n".join(f"sweep {base.name}: {line}" for line in told)
    kept = _note(base / "snakemake.log", lines)
    said = [line.strip() for line in lines if line.strip()] or ["it said nothing"]
    tail = next((line for line in said if line.startswith("message: ")), said[-1])
    where = f" (all of it: {base / 'snakemake.log'})" if kept else ""
    return f"sweep {base.name}: Snakemake failed: {tail}{where}"


def _watch(plan: dict[str, Any], base: Path, over: threading.Event) -> None:
    """Move the bar once a second to the number of runs that have a result."""
    waiting = {mark: sweep_store.path(base, r["chapter"], mark) for mark, r in plan["runs"].items()}
    total = len(waiting)
    with tqdm(desc=f"sweep {base.name}", total=total, unit="run", disable=None, leave=False) as bar:
        while not bar.disable:
            for job, marks in plan["jobs"].items():
                if (base / "jobs" / f"{job}.jsonl").exists():  # a cluster may bring only these
                    for mark in marks:
                        waiting.pop(mark, None)
            for mark in [mark for mark, path in waiting.items() if path.exists()]:
                del waiting[mark]
            bar.n = total - len(waiting)
            bar.refresh()
            if over.wait(1.0):
                break


def _results(plan: dict[str, Any], base: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for job, marks in plan["jobs"].items():
        lines = (base / "jobs" / f"{job}.jsonl").read_text(encoding="utf-8").splitlines()
        results = {result["fingerprint"]: result for result in map(json.loads, lines)}
        if results.keys() != set(marks):
            raise SweepFailed(f"sweep {base.name}: jobs/{job}.jsonl is not that of this sweep")
        found |= results
    return found


def _circumstances(plan: dict[str, Any], base: Path) -> dict[str, Any]:
    versions = {result["torch"] for result in _results(plan, base).values()}
    return {
        "commit": made.commit(),
        "processor": made.processor(),
        "cores": os.cpu_count(),
        "torch": ", ".join(sorted(versions)),
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
    parser.add_argument("--on", default="local", help="a folder in profiles/, or another one")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="for local runs")
    parser.add_argument("--adopt", action="store_true", help="make the table that of the book")
    options = parser.parse_args(arguments)
    try:
        if options.adopt:
            adopt(options.name, root)
            print(f"sweep {options.name}: adopted in {ADOPTED} and {PAGE}")
            return 0
        found = run(options.name, options.on, options.cores, root)
    except ValueError as error:  # a ParameterError is one
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (SweepFailed, engine.Busy) as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 1
    failed = sweep_table.failures(found)
    print(sweep_page.summary(found, len(failed)).strip("*\n"))
    print(f"sweep {options.name}: {sweep_store.folder(root, options.name) / 'table.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
