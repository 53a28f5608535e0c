"""Build the book: chapters through Snakemake, then the pages, published only when they are whole.

python -m book.pipeline.book [--profile NAME] [--cores N] [--chapters | --pages | --dry-run]
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil

from book.pipeline import engine, ledger, pages, profiles
from book.pipeline.profiles import ROOT, chapters

BUILD = ROOT / "_build"
STAGE = BUILD / "stage"
LOG = BUILD / "jupyter-book.log"


def execute(profile: str, cores: int, *how: str) -> int:
    """Let Snakemake execute what has changed, with the profile, and return its exit status."""
    settings = profiles.profile(profile)
    for name, notebook in chapters().items():
        profiles.require_memory(notebook, settings.get(name, {}))
    free = psutil.virtual_memory().available >> 20
    limits = [f"--cores={cores}", f"--resources=mem_mb={free}"]
    return engine.run([*how, *limits, "--config", f"profile={profile}"])


def put_together() -> int:
    """Stage, build and publish the pages; return the exit status."""
    try:
        stage()
    except ledger.LedgerError as error:
        print(f"error: ledger: {error}", file=sys.stderr)
        return 1
    if not is_built():
        lines = LOG.read_text(encoding="utf-8").splitlines()
        named = (line for line in lines if "WARNING" in line or "ERROR" in line)
        print(f"error: the book does not build (log: {LOG})", *named, sep="\n", file=sys.stderr)
        return 1
    publish()
    return 0


def stage() -> None:
    """Copy the book to _build/stage, with what this build made in place of what is committed."""
    shutil.rmtree(STAGE, ignore_errors=True)
    _copy(ROOT / "book", STAGE / "book", "*.ipynb", "lab", "pipeline", "reference")
    _copy(ROOT / "book" / "lab" / "figures", STAGE / "book" / "lab" / "figures", "*.py")  # scripts
    (STAGE / "book" / "pipeline").mkdir()
    for name in ("_config.yml", "_toc.yml", "book/pipeline/statements.yml"):
        shutil.copy(ROOT / name, STAGE / name)
    for name, source in chapters().items():
        executed = BUILD / "chapters" / f"{name}.ipynb"
        renew(executed, source)
        shutil.copy(executed, STAGE / source.relative_to(ROOT))
    pages.write(BUILD / "chapters", STAGE / "book")


def renew(executed: Path, source: Path) -> None:
    """Give an executed chapter its prose and captions of today: only code is executed again.

    One whose code has changed since stays as it was executed.
    """
    ran, chapter = (nbformat.read(path, as_version=4) for path in (executed, source))
    left = [cell for cell in ran.cells if cell.cell_type == "code"]
    ours = [x.source for x in left if "injected-parameters" not in x.metadata.get("tags", [])]
    if ours != [cell.source for cell in chapter.cells if cell.cell_type == "code"]:
        return
    ran.cells = []
    for cell in chapter.cells:
        ran.cells.append(cell)
        if cell.cell_type == "code":
            done = left.pop(0)
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
        if left and "injected-parameters" in left[0].metadata.get("tags", []):
            ran.cells.append(left.pop(0))  # the values that a profile sets
    nbformat.write(ran, executed)


def _copy(source: Path, target: Path, *skip: str) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", *skip))


def is_built() -> bool:
    """Build the staged book, every warning an error; return whether that succeeded."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", "-W", "-n", "--keep-going", "--all", STAGE]
    with LOG.open("w", encoding="utf-8") as log:
        return subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0


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


def main(arguments: list[str] | None = None) -> int:
    """Build what the command line asks for and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.book")
    parser.add_argument("--profile", default="paper", help="the file profiles/PROFILE.yaml")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--chapters", action="store_true", help="execute them and stop there")
    parser.add_argument("--pages", action="store_true", help="put the executed chapters together")
    parser.add_argument("--dry-run", action="store_true", help="say what would be executed")
    options = parser.parse_args(arguments)
    if options.pages:
        return put_together()
    how = ["--dry-run"] * options.dry_run + ["chapters"] * options.chapters
    try:
        status = execute(options.profile, options.cores, *how)
    except (ValueError, engine.Busy) as error:  # a ParameterError is a ValueError
        print(f"error: {error}", file=sys.stderr)
        return 2
    if status == 0 and not how:
        print("book: open _build/html/index.html (figures: _build/figures)")
    return status


if __name__ == "__main__":
    sys.exit(engine.told(main))
