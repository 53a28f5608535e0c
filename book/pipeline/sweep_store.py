"""The results of a sweep on disk: whole or absent, and known by what they were made from.

A result is named by a fingerprint of the chapter's code, the library, the locked packages and
the parameters. So a sweep that is started again finds what is finished, and what was computed
by another library is not found. Only the standard library is imported: every job starts here.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from book.pipeline.profiles import in_words

FORMAT = 1  # of a result; another number makes all of them anew


def folder(root: Path, name: str) -> Path:
    """Return where the sweep of this name keeps its plan, its results and its table."""
    return root / "_build" / "sweeps" / name


def path(base: Path, chapter: str, mark: str) -> Path:
    """Return the file of one result."""
    return base / "runs" / chapter / f"{mark}.json"


def code(notebook: Path) -> list[Any]:
    """Return what a chapter executes: its code cells, each with its tags."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        ["".join(cell["source"]), cell["metadata"].get("tags", [])]
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def library(root: Path) -> str:
    """Return a digest of the library's files and of the locked versions of the packages."""
    files = [p for p in (root / "mc_lib").rglob("*") if p.suffix in {".py", ".js"}]
    every = [*sorted(files), root / "requirements.lock"]
    digest = hashlib.sha256()
    for file in every:
        if file.exists():
            digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def fingerprint(code: list[Any], library: str, parameters: dict[str, Any]) -> str:
    """Return the name of a result: equal exactly when all that it was made from is equal."""
    text = json.dumps([FORMAT, code, library, parameters], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write(path: Path, text: str) -> None:
    """Put a file at `path`, whole or not at all, also when the machine stops meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the new name too
    finally:
        os.close(directory)


def read(path: Path, mark: str) -> dict[str, Any] | None:
    """Return the result at `path`, or None when it is absent, damaged or of something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("fingerprint") == mark and "claims" in found
    return found if whole else None


def describe(chapter: str, cell: int, parameters: dict[str, Any]) -> str:
    """Return where a run is: the chapter, the cell, and the parameters that were set."""
    where = f", cell {cell}" if cell else ", before its first cell"
    return f"chapter {chapter}{where} ({in_words(parameters)})"
