"""Execute the committed chapters again and compare: printed lines exactly, arrays within bounds.

    python -m book.pipeline.compare

The chapters run in nbval, which compares what each cell prints, but for what a check measured:
its last digits are rounding. PNG pixels are never compared: they depend on fonts. The numbers
behind them must agree.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from book.pipeline import engine
from book.pipeline.profiles import ROOT
from book.pipeline.run import surroundings, variables

RTOL, ATOL = 1e-6, 1e-9
REFERENCE = ROOT / "book" / "reference"
NBVAL = (
    *("--override-ini", "addopts=-q", "-W", "default"),
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "300"),
    *("--nbval-sanitize-with", str(Path(__file__).with_name("measured.cfg"))),
)
CORES = ("-n", "auto", "--dist", "loadfile")


def again(
    notebooks: Path, records: Path, *options: str, output: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Execute a chapter, or a folder of them, with nbval; what is drawn goes to `records`."""
    shutil.rmtree(records, ignore_errors=True)
    records.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", *NBVAL, *options, str(notebooks)]
    with variables(surroundings(records)):
        return subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=output)


def differences(folder: Path, reference: Path) -> list[str]:
    """Return one line for each figure or array that is missing, new or different."""
    new, old = _figures(folder), _figures(reference)
    lines = [f"{name}: in {reference}, not drawn by this run" for name in sorted(old.keys() - new)]
    lines += [f"{name}: drawn, but not in {reference}" for name in sorted(new.keys() - old)]
    return lines + shared(folder, reference)


def shared(folder: Path, reference: Path) -> list[str]:
    """Return one line for each array that differs, of the figures that both folders hold."""
    new, old = _figures(folder), _figures(reference)
    return [line for name in sorted(new.keys() & old) for line in of_figure(new[name], old[name])]


def of_figure(new: Path, old: Path) -> list[str]:
    """Return one line for each array of a figure that differs between two files."""
    with np.load(new) as ours, np.load(old) as theirs:
        if set(ours) != set(theirs):
            return [f"{new.stem}: arrays {sorted(ours)}, not {sorted(theirs)}"]
        found = (_difference(new.stem, key, ours[key], theirs[key]) for key in ours)
        return [line for line in found if line]


def _figures(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.npz")}


def _difference(name: str, key: str, a: np.ndarray, b: np.ndarray) -> str:
    if a.shape != b.shape:
        return f"{name}: {key} has shape {a.shape}, not {b.shape}"
    if not np.allclose(a, b, rtol=RTOL, atol=ATOL):
        return f"{name}: {key} differs by up to {np.abs(a - b).max():.3g}"
    return ""


def main(records: Path = ROOT / "_build" / "check", reference: Path = REFERENCE) -> int:
    """Execute and compare, and return the exit status."""
    status = again(ROOT / "book", records, *CORES).returncode
    found = differences(records / "figures", reference)
    for line in found:
        print(f"error: figure {line}", file=sys.stderr)
    if not found:
        print(f"figures: {len(list(reference.glob('*.npz')))} agree with the committed arrays")
    return status or bool(found)


if __name__ == "__main__":
    sys.exit(engine.told(main))
