"""What the engine of a sweep costs for each run.

    python benchmarks/sweep_overhead.py [RUNS BATCH]...

A chapter that does nothing is run RUNS times, BATCH runs in a job, one job at a time. Printed is
the wall time of the sweep less the seconds that the runs took, over the number of runs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
USUAL = [(20, 1), (200, 10), (1000, 50)]


def book(root: Path, runs: int, batch: int) -> None:
    """Write a book with one chapter that does nothing, and a sweep over it."""
    for folder in ("book", "profiles", "sweeps"):
        (root / folder).mkdir()
    shutil.copytree(ROOT / "clusters", root / "clusters")
    shutil.copy(ROOT / "sweep.smk", root)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/01-nothing\n")
    (root / "profiles" / "quick.yaml").write_text("{}\n")
    cell = nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, root / "book" / "01-nothing.ipynb")
    sweep = {
        "chapters": "all",
        "seeds": {"from": 0, "to": runs - 1},
        "settings": {"nothing": {}},
        "batch": batch,
        "timeout": 60,
    }
    (root / "sweeps" / "nothing.yaml").write_text(json.dumps(sweep))


def overhead(runs: int, batch: int) -> float:
    """Return the seconds that the engine adds to each run."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        book(root, runs, batch)
        code = (
            "import sys, pathlib; from book.pipeline import sweep; "
            f"sys.exit(sweep.main(['nothing', '--cores', '1'], pathlib.Path({scratch!r})))"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)
        wall = time.monotonic() - started
        table = root / "_build" / "sweeps" / "nothing" / "table.json"
        return (wall - json.loads(table.read_text(encoding="utf-8"))["seconds"]) / runs


def main() -> None:
    """Print one line for each pair of runs and batch."""
    numbers = [int(text) for text in sys.argv[1:]]
    for runs, batch in list(zip(numbers[::2], numbers[1::2], strict=True)) or USUAL:
        print(f"{runs} runs, {batch} in a job: {overhead(runs, batch):.3f} s a run", flush=True)


if __name__ == "__main__":
    main()
