"""Compare the arrays behind the figures of a run with the committed ones.

    python -m book.pipeline.compare FOLDER REFERENCE

PNG pixels are never compared: they depend on fonts. The numbers must agree.
"""

import sys
from pathlib import Path

import numpy as np

RTOL, ATOL = 1e-6, 1e-9


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


def main(arguments: list[str]) -> int:
    """Compare two folders and return the exit status."""
    folder, reference = map(Path, arguments)
    lines = differences(folder, reference)
    for line in lines:
        print(f"error: figure {line}", file=sys.stderr)
    if not lines:
        print(f"figures: {len(list(reference.glob('*.npz')))} agree with the committed arrays")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
