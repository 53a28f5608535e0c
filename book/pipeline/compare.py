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
    lines = []
    for name in sorted(new.keys() & old):
        with np.load(new[name]) as ours, np.load(old[name]) as theirs:
            if set(ours) != set(theirs):
                lines.append(f"{name}: arrays {sorted(ours)}, not {sorted(theirs)}")
                continue
            found = (_difference(name, key, ours[key], theirs[key]) for key in ours)
            lines += [line for line in found if line]
    return lines


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
