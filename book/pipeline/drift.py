"""Do the figures and the printed lines depend on threads or on the processor's instructions?

    python -m book.pipeline.drift [CHAPTER ...]

executes each chapter at the paper's settings with other numbers of threads and other vector
instructions, and compares all that it shows with what is committed: the arrays behind every
figure within the tolerances of `compare`, every printed line exactly.
"""

import argparse
import sys
from pathlib import Path

from book.pipeline import compare, profiles
from book.pipeline.execute import ChapterFailed, execute, variables
from book.pipeline.profiles import ROOT

FOLDER = ROOT / "_build" / "drift"
INSTRUCTIONS = "ATEN_CPU_CAPABILITY"  # read by torch when it is imported
CASES = [(1, "default"), (1, "avx2"), (2, "avx2"), (4, "avx2"), (4, "default")]


def drift(notebook: Path, threads: int, instructions: str) -> list[str]:
    """Return one line for each figure or cell that differs from what is committed."""
    out = FOLDER / f"{threads}-{instructions}" / notebook.stem
    settings = {INSTRUCTIONS: instructions, "OMP_NUM_THREADS": str(threads)}
    try:
        with variables(settings):
            execute(notebook, out, {"threads": threads})
    except ChapterFailed as error:
        return [str(error)]
    figures = compare.shared(out.with_suffix(".records") / "figures", compare.REFERENCE)
    return figures + compare.lines(notebook, out.with_suffix(".ipynb"))


def main(arguments: list[str] | None = None) -> int:
    """Run all cases and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.drift")
    parser.add_argument("chapters", nargs="*", help="names or numbers; all of them by default")
    options = parser.parse_args(arguments)
    try:
        notebooks = [profiles.find(name) for name in options.chapters]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = 0
    for notebook in notebooks or profiles.chapters().values():
        for threads, instructions in CASES:
            lines = drift(notebook, threads, instructions)
            found += len(lines)
            verdict = "; ".join(lines) or "as committed"
            print(f"{notebook.stem}, threads = {threads}, {instructions}: {verdict}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
