"""Run Snakemake: one run at a time, a live bar on a terminal, and only the lines that matter.

A lock that the operating system holds takes the place of Snakemake's own, which outlives a
killed run and would have to be removed by hand.
"""

import fcntl
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from tqdm import tqdm

from book.pipeline.execute import SCRATCH
from book.pipeline.profiles import ROOT

OURS = re.compile(r"error: |.*: executed in ")  # the lines of our own commands
STEPS = re.compile(r"(\d+) of (\d+) steps")
TOTAL = re.compile(r"total +(\d+)")


class Busy(RuntimeError):
    """Another run holds the lock."""


def run(arguments: list[str], root: Path = ROOT) -> int:
    """Run Snakemake with the given arguments in `root` and return its exit status.

    Raises:
        Busy: another run works in this folder.
    """
    with lock(root / "_build" / "lock", "a build") as held:
        with start([*arguments, "--quiet", "rules", "host"], root, held) as process:
            lines = _follow(process.stdout, root)
    if process.returncode and not any(line.startswith("error: ") for line in lines):
        print("".join(lines), end="", file=sys.stderr)
    return process.returncode


def start(arguments: list[str], root: Path, held: IO[str]) -> subprocess.Popen[str]:
    """Start Snakemake in `root`, its two streams as one, and return its process.

    The file of the lock is held until Snakemake has ended, even if we are killed.
    """
    command = [str(Path(sys.executable).with_name("snakemake")), *arguments]
    return subprocess.Popen(
        [*command, "--nolock", "--rerun-incomplete", "--keep-going"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[held.fileno()],
    )


@contextmanager
def lock(path: Path, what: str) -> Iterator[TextIO]:
    """Hold a lock that the operating system gives back when the last process with the file ends.

    Raises:
        Busy: another process holds it; the message says `what` is running.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{what} is running already; wait for it") from None
        yield file


def _follow(output: IO[str] | None, root: Path) -> list[str]:
    """Print our own lines as they come, move the bar, and return all lines."""
    assert output is not None
    lines: list[str] = []
    printed: set[str] = set()  # Snakemake repeats what a failed job said
    over = threading.Event()
    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
    with tqdm(desc="book", bar_format=layout, leave=False, disable=None, total=1.0) as bar:
        watch = threading.Thread(target=_watch, args=(bar, root, lines, over), daemon=True)
        watch.start()
        for line in output:
            lines.append(line)
            if OURS.match(line) and line not in printed:
                printed.add(line)
                stream = sys.stderr if line.startswith("error: ") else sys.stdout
                tqdm.write(line.rstrip(), file=stream)
        over.set()
        watch.join()
    return lines


def _watch(bar: tqdm, root: Path, lines: list[str], over: threading.Event) -> None:
    """Move the bar once a second: finished steps, and the cells of the chapters under way."""
    while not over.wait(1.0) and not bar.disable:
        text = "".join(lines)
        found, totals = STEPS.findall(text), TOTAL.findall(text)
        done, total = found[-1] if found else (0, totals[-1] if totals else 1)
        running = dict(_cells(root))
        bar.total = float(total)
        bar.n = min(float(done) + sum(running.values()), bar.total)
        bar.set_description_str("book: " + (", ".join(sorted(running)) or "pages"))


def _cells(root: Path) -> Iterator[tuple[str, float]]:
    """Yield the chapters under way, each with the share of its cells that are done."""
    for draft in (root / "_build" / "chapters").glob(f"{SCRATCH}*/*.ipynb"):
        try:
            cells = json.loads(draft.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError):  # it is being written, or has just been moved
            continue
        states = [c["metadata"].get("papermill", {}).get("status") for c in cells]
        yield draft.stem, states.count("completed") / max(len(states), 1)
