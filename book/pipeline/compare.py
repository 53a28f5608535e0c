"""Execute the committed chapters again and compare: printed lines exactly, arrays within bounds.

    python -m book.pipeline.compare

The chapters run in nbval, in the surroundings in which every chapter runs. PNG pixels are never
compared: they depend on fonts. The numbers behind them must agree.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np

from book.pipeline.execute import surroundings, variables
from book.pipeline.profiles import ROOT

RTOL, ATOL = 1e-6, 1e-9
REFERENCE = ROOT / "book" / "reference"
UNCOMPARED = {"nbval-ignore-output", "injected-parameters"}  # tags
NBVAL = (
    *("--override-ini", "addopts=-q", "-W", "default", "-n", "auto", "--dist", "loadfile"),
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "300"),
)


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


def lines(committed: Path, executed: Path) -> list[str]:
    """Return the cells whose printed output differs, by their number in the committed chapter."""
    theirs, ours = (
        [cell for cell in nbformat.read(path, as_version=4).cells if _is_compared(cell)]
        for path in (committed, executed)
    )
    pairs = enumerate(zip(theirs, ours, strict=True), start=1)
    return [f"cell {number} prints otherwise" for number, (a, b) in pairs if _text(a) != _text(b)]


def _is_compared(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and not UNCOMPARED & set(cell.metadata.get("tags", []))


def _text(cell: nbformat.NotebookNode) -> str:
    """Return what a cell printed or showed as text; pictures are compared as arrays."""
    outputs = cell.outputs
    shown = (x.get("text") or x.get("data", {}).get("text/html", "") for x in outputs)
    return "".join("".join(text) for text in shown)


def executed(folder: Path) -> int:
    """Execute all chapters with nbval, with their records in `folder`; return the exit status."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with variables(surroundings(folder)):
        command = [sys.executable, "-m", "pytest", *NBVAL, "book"]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


def main(folder: Path = ROOT / "_build" / "check", reference: Path = REFERENCE) -> int:
    """Execute and compare, and return the exit status."""
    status = executed(folder)
    found = differences(folder / "figures", reference)
    for line in found:
        print(f"error: figure {line}", file=sys.stderr)
    if not found:
        print(f"figures: {len(list(reference.glob('*.npz')))} agree with the committed arrays")
    return status or bool(found)


if __name__ == "__main__":
    sys.exit(main())
