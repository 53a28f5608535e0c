"""How this was made: what ran, on what, with which numbers, how long and in how much memory."""

import json
import os
import platform
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat

from book.pipeline.profiles import ROOT

PACKAGES = ("mc_lib", "torch", "numpy", "scipy", "matplotlib", "papermill", "jupyter-book")
SLOWEST = 3  # cells named for each chapter

HEAD = """\
<!-- Written by the build. Do not edit. -->
# How this was made

Every chapter was executed from its first cell to its last by one command, `make book`, and \
each wrote down what follows while it ran.
"""


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit of the sources, or that they come from none."""
    git = ["git", "-C", str(ROOT)]
    try:
        found = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "mc_lib", "book"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "not from a repository"
    return found.stdout.strip() + (", with changes" if changed.stdout else "")


def record(
    notebook: nbformat.NotebookNode, parameters: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Return what a run of a chapter leaves behind, after its kernel has ended."""
    cells = [
        (cell.metadata.get("papermill", {}).get("duration") or 0.0, cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    slowest = sorted(cells, key=lambda pair: -pair[0])[:SLOWEST]
    return {
        "parameters": parameters,
        "seconds": round(seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "slowest": [
            {"seconds": round(duration, 1), "cell": source.strip().splitlines()[0][:60]}
            for duration, source in slowest
            if source.strip()
        ],
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "as torch chooses"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def runs(chapters: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what `record` kept of the run of each chapter."""
    return {
        name: json.loads((chapters / f"{name}.records" / "run.json").read_text(encoding="utf-8"))
        for name in names
    }


def page(chapters: Path, names: list[str]) -> str:
    """Return the page of the book, from the runs of all chapters."""
    found = runs(chapters, names)
    first = next(iter(found.values()))
    packages = ", ".join(f"{name} {number}" for name, number in first["packages"].items())
    total = sum(run["seconds"] for run in found.values())
    rows = "\n".join(_row(name, run) for name, run in found.items())
    settings = "\n".join(
        f"| {{doc}}`{name}` | "
        + ", ".join(f"`{key} = {value}`" for key, value in run["parameters"].items())
        + " |"
        for name, run in found.items()
    )
    return f"""{HEAD}
| | |
|---|---|
| commit | {", ".join(dict.fromkeys(run["commit"] for run in found.values()))} |
| Python | {first["python"]} on {first["system"]} |
| packages | {packages} |
| processor | {first["processor"]}, {first["cores"]} cores |
| threads | OMP_NUM_THREADS: {first["threads"]}; the chapters set one thread for torch |
| all chapters | {total:.0f} s, added up |

## Time and memory

The seconds are those of the whole chapter, starting its kernel included, while other chapters \
ran beside it on the other cores. The memory is the largest that the kernel held, and beside it \
what was estimated before the run: a setting whose estimate is more than the machine has free \
is refused.

| chapter | seed | seconds | MB | estimated | the slowest cells, by their first line |
|---|---|---|---|---|---|
{rows}

## Parameters

| chapter | as it ran |
|---|---|
{settings}
"""


def _row(name: str, run: dict[str, Any]) -> str:
    slowest = "; ".join(f"`{s['cell']}` ({s['seconds']:.0f} s)" for s in run["slowest"])
    seed = run["parameters"].get("seed", "")
    memory = f"{run['peak_mb']} | {run.get('estimated_mb', '')}"
    return f"| {{doc}}`{name}` | {seed} | {run['seconds']:.0f} | {memory} | {slowest} |"
