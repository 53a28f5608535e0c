"""Run Snakemake: one run at a time, and only the lines that matter.

A lock that the operating system holds takes the place of Snakemake's own, which outlives a
killed run and would have to be removed by hand.
"""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from book.pipeline.profiles import ROOT

# of our commands, of a dry run
OURS = re.compile(r"error: |.*: (executed in|taken from) | +output: ")


class Busy(RuntimeError):
    """Another run holds the lock."""


def told(main: Callable[[], int]) -> int:
    """Run a command and return its exit status; what stops it from outside is told in one line."""
    try:
        return main()
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept", file=sys.stderr, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what the tasks under way say as they end
        return 130
    except OSError as error:  # a full disk, a folder that cannot be written
        print(f"error: {error.strerror or error} ({error.filename or ROOT})", file=sys.stderr)
        return 1


def run(arguments: list[str], root: Path = ROOT) -> int:
    """Run Snakemake with the given arguments in `root` and return its exit status.

    Raises:
        Busy: another run works in this folder.
    """
    with lock(root / "_build" / "lock", "a build") as held:
        quiet = [] if "--dry-run" in arguments else ["--quiet", "rules", "host"]
        with start([*arguments, *quiet], root, held) as process:
            lines = _follow(process.stdout)
    if process.returncode and not any(line.startswith("error: ") for line in lines):
        print("".join(lines), end="", file=sys.stderr)
    return process.returncode


def start(arguments: list[str], root: Path, held: IO[str]) -> subprocess.Popen[str]:
    """Start Snakemake in `root`, its two streams as one, and return its process.

    What has changed is told by content: the rules carry digests as parameters. The file of the
    lock is held until Snakemake has ended, even if we are killed.
    """
    triggers = ["--rerun-triggers", "params", "code"]
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments, *triggers, "--nolock"]
        + ["--rerun-incomplete", "--keep-going"],
        cwd=root,
        env=os.environ | {"XDG_CACHE_HOME": str(root / "_build" / "cache")},
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


def _follow(output: IO[str] | None) -> list[str]:
    """Print our own lines as they come, each once, and return all lines."""
    lines: list[str] = []
    for line in output or ():
        if OURS.match(line) and line not in lines:  # Snakemake repeats what a failed job said
            print(line, end="", flush=True, file=_stream(line))
        lines.append(line)
    return lines


def _stream(line: str) -> TextIO:
    return sys.stderr if line.startswith("error: ") else sys.stdout
