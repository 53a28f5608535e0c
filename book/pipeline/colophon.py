"""What ran, on what, with which numbers, how long and in how much memory."""

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
COMPUTING = {"device", "dtype", "threads"}  # parameters that are no size and no seed


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit of the sources, or that they come from none."""
    try:
        found = _git("rev-parse", "--short=12", "HEAD").strip()
        return found + ", with changes" * bool(_git("status", "--porcelain", "mc_lib", "book"))
    except (OSError, subprocess.CalledProcessError):
        return "not from a repository"


def _git(*command: str) -> str:
    git = ["git", "-C", str(ROOT), *command]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout


def record(
    notebook: nbformat.NotebookNode, parameters: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Return what a run of a chapter leaves behind, after its kernel has ended."""
    return {
        "parameters": parameters,
        "seconds": round(seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "slowest": _slowest(notebook),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "as torch chooses"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _slowest(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """Return the first line of the slowest cells, each with its seconds."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    timed = [(c.metadata.get("papermill", {}).get("duration") or 0.0, c.source) for c in cells]
    return [
        {"seconds": round(duration, 1), "cell": source.strip().splitlines()[0][:60]}
        for duration, source in sorted(timed, key=lambda pair: -pair[0])[:SLOWEST]
    ]


def runs(chapters: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what `record` kept of the run of each chapter."""
    return {
        name: json.loads((chapters / f"{name}.records" / "run.json").read_text(encoding="utf-8"))
        for name in names
    }


def sizes(run: dict[str, Any]) -> str:
    """Return the sizes and seeds with which a chapter ran, in words."""
    values = {k: v for k, v in run["parameters"].items() if k not in COMPUTING}
    return ", ".join(f"{key} = {value}" for key, value in values.items())
