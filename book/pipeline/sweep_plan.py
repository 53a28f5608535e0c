"""What a sweep is: chapters × seeds × settings, from one file, checked before anything runs."""

import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from book.pipeline import profiles, sources
from book.pipeline.sweep_store import Fields, fingerprint
from lab.settings import ParameterError

HINTS = {
    "chapters": "write a list of chapters, or all",
    "seeds": "write a list such as [0, 1, 2], or {from: 0, to: 99}",
    "settings": "expected name: value pairs",
    "batch": "expected a whole number of at least 1",
    "timeout": "expected a whole number of at least 1",
}
PARENT = 400  # megabytes of the process that the runs of a job are forked from
UNKNOWN = 2000  # megabytes of a run, where memory.yml has no formula


def read(path: Path, root: Path = profiles.ROOT) -> Fields:
    """Return the sweep that a file describes, as runs and jobs, after checking all of it.

    `cases` lists what was asked for: chapter, setting, seed and the run that answers it. Two
    settings that are the same for a chapter share their runs.

    Raises:
        ParameterError: what is wrong, in one line.
    """
    name = f"{path.parent.name}/{path.name}"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ParameterError(f"there is no {name}; there are {known}")
    try:
        allowed = re.fullmatch(r"[A-Za-z0-9_-]+", path.stem)
        _require(allowed, "a sweep's name has letters, digits, - and _ only")
        return {"name": path.stem} | _plan(_text(path), root)
    except yaml.YAMLError as error:
        raise ParameterError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from None
    except ValueError as error:  # a ParameterError is one
        raise ParameterError(f"{name}: {error}") from None


def _text(path: Path) -> Fields:
    """Return what stands in the file; each value has the form that it should."""
    text, known = yaml.safe_load(path.read_text(encoding="utf-8")), ", ".join(sorted(HINTS))
    _require(isinstance(text, dict), f"expected the keys {known}")
    for key in text.keys() ^ HINTS.keys():
        word = "is missing" if key in HINTS else "is unknown"
        raise ValueError(f"{key!r} {word}; a sweep has {known}")
    chapters, settings = text["chapters"], text["settings"]
    right = {
        "chapters": chapters == "all" or (isinstance(chapters, list) and chapters),
        "seeds": {*map(type, _seeds(text["seeds"]))} == {int},
        "settings": isinstance(settings, dict) and settings,
        "batch": type(text["batch"]) is int and text["batch"] > 0,
        "timeout": type(text["timeout"]) is int and text["timeout"] > 0,
    }
    for key, is_right in right.items():
        _require(is_right, f"{key} = {text[key]!r}: {HINTS[key]}")
    return text


def _plan(text: Fields, root: Path) -> Fields:
    """Return the runs and jobs of a sweep, from what stands in its file."""
    chapters = _chapters(text["chapters"], profiles.chapters(root))
    settings = {
        str(name): _setting(f"setting {name}", values or {}, chapters, root)
        for name, values in text["settings"].items()
    }
    seeds = _once("seeds", _seeds(text["seeds"]))
    cases, runs = [], {}
    for chapter, notebook in chapters.items():
        for name, values in settings.items():
            found = _runs(notebook, values[chapter], seeds, root)
            cases += [[chapter, name, *pair] for pair in zip(seeds, found, strict=True)]
            runs |= found
    jobs = _jobs(runs, text["batch"])
    memory = {job: PARENT + max(runs[x]["mem_mb"] for x in marks) for job, marks in jobs.items()}
    plan = {"seeds": seeds, "mem_mb": memory, "cases": cases, "runs": runs, "jobs": jobs}
    return {"settings": text["settings"], "timeout": text["timeout"]} | plan


def _runs(notebook: Path, values: Fields, seeds: list[int], root: Path) -> dict[str, Fields]:
    """Return the run of a chapter for each seed, by its fingerprint."""
    for seed in {min(seeds), max(seeds)}:
        profiles.require(notebook, values | {"seed": seed})
    digest, defaults = sources.digest(notebook, root), profiles.defaults(notebook)
    memory = profiles.memory(notebook, values) or UNKNOWN
    runs = {}
    for own in ({"seed": seed} | values for seed in seeds):
        mark = fingerprint(digest, defaults | own)
        runs[mark] = {
            "fingerprint": mark,
            "chapter": notebook.stem,
            "notebook": str(notebook.relative_to(root)),
            "file": f"runs/{notebook.stem}/{mark}.json",
            "values": own,
            "parameters": defaults | own,
            "mem_mb": memory,
        }
    return runs


def _jobs(runs: dict[str, Fields], batch: int) -> dict[str, list[str]]:
    """Return the runs in groups of one chapter, each named by what it holds."""
    jobs = {}
    for chapter, same in groupby(runs, lambda mark: runs[mark]["chapter"]):
        marks = list(same)
        for group in (marks[i : i + batch] for i in range(0, len(marks), batch)):
            jobs[f"{chapter}-{fingerprint(group)[:12]}"] = group
    return jobs


def _chapters(value: Any, known: dict[str, Path]) -> dict[str, Path]:
    wanted = known if value == "all" else _once("chapters", [*map(str, value)])
    for chapter in wanted:
        if chapter not in known:
            raise profiles.unknown("chapter", chapter, known)
    return {chapter: known[chapter] for chapter in wanted}


def _seeds(value: Any) -> list[Any]:
    """Return the seeds of a list or a range; none for anything else."""
    match value:
        case {"from": first, "to": last} if len(value) == 2 and type(first) is type(last) is int:
            return list(range(first, last + 1))
    return value if isinstance(value, list) else []


def _setting(name: str, text: Any, chapters: dict[str, Path], root: Path) -> dict[str, Fields]:
    """Return what a setting sets, chapter by chapter: profile, then every, then the chapter."""
    _require(isinstance(text, dict), f"{name} = {text!r}: {HINTS['settings']}")
    what = "is neither profile, nor every, nor one of the chapters of this sweep"
    for key, values in text.items():
        known = key in {"profile", "every", *chapters}
        _require(known, f"{name}: {key!r} {what}: {', '.join(chapters)}")
        right = key == "profile" or isinstance(values, dict)
        _require(right, f"{name}, {key} = {values!r}: {HINTS['settings']}")
    base = profiles.profile(text["profile"], root) if "profile" in text else {}
    found = {c: base.get(c, {}) | text.get("every", {}) | text.get(c, {}) for c in chapters}
    for chapter, values in found.items():
        _require("seed" not in values, f"{name}: the seed of {chapter} comes from seeds")
    return found


def _once(what: str, values: list[Any]) -> list[Any]:
    twice = [name for name, count in Counter(map(str, values)).items() if count > 1]
    _require(not twice, f"{what}: {', '.join(twice)} stands there twice")
    return values


def _require(right: object, message: str) -> None:
    if not right:
        raise ValueError(message)
