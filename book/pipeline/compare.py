"""Execute the committed chapters again and compare: printed lines exactly, arrays within bounds.

    python -m book.pipeline.compare

The chapters run in nbval, which compares what each cell prints, but for what a check measured:
its last digits are rounding. PNG pixels are never compared: they depend on fonts. The numbers
behind them must agree. If all do, the next build of the book takes what was executed here, unless
what a chapter is made from has changed since.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from book.pipeline import engine, sources
from book.pipeline.execute import COMPARED
from book.pipeline.profiles import LONG, ROOT, chapters
from book.pipeline.run import environ, surroundings

RTOL, ATOL = 1e-6, 1e-9
REFERENCE = ROOT / "book" / "reference"
NBVAL = (
    *("--override-ini", "addopts=-q", "-W", "default"),
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "300"),
    *("--nbval-sanitize-with", str(Path(__file__).with_name("measured.cfg"))),
)
KEPT = ("-p", "no:cacheprovider", "-p", "book.pipeline.kept")


def again(notebook: Path, records: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Execute a chapter with nbval; what is drawn goes to `records`."""
    shutil.rmtree(records, ignore_errors=True)
    records.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", *NBVAL, *options, str(notebook)]
    settings = environ(surroundings(records))
    return subprocess.run(
        command, cwd=ROOT, env=settings, check=False, text=True, stdout=subprocess.PIPE
    )


def differences(folders: Iterable[Path], reference: Path) -> list[str]:
    """Return one line for each figure or array that is missing, new or different."""
    new, old = _figures(*folders), _figures(reference)
    lines = [f"{name}: in {reference}, not drawn by this run" for name in sorted(old.keys() - new)]
    lines += [f"{name}: drawn, but not in {reference}" for name in sorted(new.keys() - old)]
    return lines + _shared(new, old)


def shared(folder: Path, reference: Path) -> list[str]:
    """Return one line for each array that differs, of the figures that both folders hold."""
    return _shared(_figures(folder), _figures(reference))


def _shared(new: dict[str, Path], old: dict[str, Path]) -> list[str]:
    return [line for name in sorted(new.keys() & old) for line in of_figure(new[name], old[name])]


def of_figure(new: Path, old: Path) -> list[str]:
    """Return one line for each array of a figure that differs between two files."""
    with np.load(new) as ours, np.load(old) as theirs:
        if set(ours) != set(theirs):
            return [f"{new.stem}: arrays {sorted(ours)}, not {sorted(theirs)}"]
        found = (_difference(new.stem, key, ours[key], theirs[key]) for key in ours)
        return [line for line in found if line]


def _figures(*folders: Path) -> dict[str, Path]:
    return {path.stem: path for folder in folders for path in folder.glob("*.npz")}


def _difference(name: str, key: str, a: np.ndarray, b: np.ndarray) -> str:
    if a.shape != b.shape:
        return f"{name}: {key} has shape {a.shape}, not {b.shape}"
    if not np.allclose(a, b, rtol=RTOL, atol=ATOL):
        return f"{name}: {key} differs by up to {np.abs(a - b).max():.3g}"
    return ""


def _passed(name: str, notebook: Path) -> bool:
    """Execute a chapter, say how that ended, and return whether it shows what is committed."""
    done = again(notebook, COMPARED / name / f"{name}.records", *KEPT)
    last = "".join(done.stdout.splitlines()[-1:])
    print(f"{name}: {last}" if done.returncode == 0 else done.stdout, flush=True)
    return done.returncode == 0


def main(reference: Path = REFERENCE) -> int:
    """Execute and compare, and return the exit status."""
    COMPARED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=COMPARED.parent) as old:
        COMPARED.replace(old)  # at once: a build may be taking from it
    made = {name: sources.digest(path) for name, path in chapters().items()}
    first = sorted(made, key=lambda name: name.partition("-")[0] not in LONG)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = list(pool.map(_passed, first, map(chapters().get, first)))
    found = differences(COMPARED.glob("*/*.records/figures"), reference)
    for line in found:
        print(f"error: figure {line}", file=sys.stderr)
    if not found:
        print(f"figures: {len(list(reference.glob('*.npz')))} agree with the committed arrays")
    if found or not all(passed):
        return 1
    for name, digest in made.items():
        if sources.digest(chapters()[name]) == digest:
            (COMPARED / name).replace(COMPARED / digest)
    return 0


if __name__ == "__main__":
    sys.exit(engine.told(main))
