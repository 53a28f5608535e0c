"""Do the figures and the printed lines depend on threads or on the processor's instructions?

    python -m book.pipeline.drift [CHAPTER ...]

executes each chapter at the paper's settings with other numbers of threads and other vector
instructions, and compares all that it shows with what is committed, as `make test` does.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from book.pipeline import compare, engine, profiles
from book.pipeline.run import parameterized, variables

FOLDER = profiles.ROOT / "_build" / "drift"
INSTRUCTIONS = "ATEN_CPU_CAPABILITY"  # read by torch when it is imported
CASES = [(1, "default"), (1, "avx2"), (2, "avx2"), (4, "avx2"), (4, "default")]
SHORT = ("--tb=short", "-p", "no:cacheprovider", "-rfE")


def drift(notebook: Path, threads: int, instructions: str) -> list[str]:
    """Return one line for each figure or cell that differs from what is committed.

    A cell is told by its number in the committed chapter: before it stands, in the copy that
    is executed, the cell that sets the threads.
    """
    out = FOLDER / f"{threads}-{instructions}"
    copy, records = out / notebook.name, out / f"{notebook.stem}.records"
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(parameterized(notebook, {"threads": threads}), copy)
    with variables({INSTRUCTIONS: instructions, "OMP_NUM_THREADS": str(threads)}):
        said = compare.again(copy, records, *SHORT).stdout
    copy.with_suffix(".log").write_text(said, encoding="utf-8")
    cells = re.findall(r"^(?:FAILED|ERROR) .*::Cell (\d+)", said, re.M)
    lines = [f"cell {number} shows something else or fails" for number in cells]
    return lines + compare.shared(records / "figures", compare.REFERENCE)


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
    sys.exit(engine.told(main))
