"""Put the executed chapters together and build the HTML; publish it only when it is whole.

python -m book.pipeline.publish
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from book.pipeline import engine, ledger, pages
from book.pipeline.profiles import ROOT, chapters

BUILD = ROOT / "_build"
STAGE = BUILD / "stage"
LOG = BUILD / "jupyter-book.log"


def stage() -> None:
    """Copy the book to _build/stage, with what this build made in place of what is committed."""
    shutil.rmtree(STAGE, ignore_errors=True)
    skip = shutil.ignore_patterns("*.ipynb", "lab", "pipeline", "reference", "__pycache__")
    shutil.copytree(ROOT / "book", STAGE / "book", ignore=skip)
    scripts = ROOT / "book" / "lab" / "figures"
    only = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(scripts, STAGE / "book" / "lab" / "figures", ignore=only)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, STAGE / name)
    for name, source in chapters().items():
        target = STAGE / source.relative_to(ROOT)
        shutil.copy(BUILD / "chapters" / f"{name}.ipynb", target)
    pages.write(BUILD / "chapters", STAGE / "book")


def build() -> bool:
    """Build the staged book, every warning an error; return whether that succeeded."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [
        jupyter_book,
        "build",
        "-W",
        "-n",
        "--keep-going",
        "--all",
        str(STAGE),
    ]
    with LOG.open("w", encoding="utf-8") as log:
        return subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0


def complaints() -> str:
    """Return the lines of the log that name what went wrong."""
    lines = LOG.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if "WARNING" in line or "ERROR" in line)


def publish() -> None:
    """Move the built pages to _build/html and the figures to _build/figures."""
    html, figures = BUILD / "html", BUILD / "figures"
    for old in (html, figures):
        shutil.rmtree(old, ignore_errors=True)
    figures.mkdir()
    for name in chapters():
        for file in (BUILD / "chapters" / f"{name}.records" / "figures").glob("*.[sp][vn]g"):
            shutil.copy(file, figures / file.name)
    (STAGE / "_build" / "html").replace(html)


def main() -> int:
    """Stage, build and publish the book; return the exit status."""
    started = time.monotonic()
    try:
        stage()
    except ledger.LedgerError as error:
        print(f"error: ledger: {error}", file=sys.stderr)
        return 1
    if not build():
        print(
            f"error: the book does not build (log: {LOG})\n{complaints()}",
            file=sys.stderr,
        )
        return 1
    publish()
    seconds = {"html": round(time.monotonic() - started, 1)}
    (BUILD / "timings.json").write_text(json.dumps(seconds) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(engine.told(main))
