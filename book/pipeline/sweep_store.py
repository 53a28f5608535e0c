"""The results of a sweep on disk: whole or absent, and known by what they were made from.

A result is named by a fingerprint of all that its chapter is made from, and of the parameters.
So a sweep that is started again finds what is finished, and what other sources gave is not found.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

FORMAT = 1  # of a result; another number makes all of them anew
Fields = dict[str, Any]  # of a plan, a run, a result or a table: what JSON has


def folder(root: Path, name: str) -> Path:
    """Return where the sweep of this name keeps its plan, its results and its table."""
    return root / "_build" / "sweeps" / name


def fingerprint(*parts: Any) -> str:
    """Return a name for what is made from these parts: equal exactly when all of them are."""
    text = json.dumps([FORMAT, *parts], sort_keys=True)
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


def read(path: Path, mark: str) -> Fields | None:
    """Return the result at `path`, or None when it is absent, damaged or of something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("fingerprint") == mark and "claims" in found
    return found if whole else None
