"""What a sweep is: chapters × seeds × settings, from one file, checked before anything runs."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from book.pipeline import profiles, sweep_store

KEYS = {"chapters", "seeds", "settings", "batch", "timeout"}
OWN = {"profile", "every"}  # keys of a setting that are not chapters
PARENT = 400  # megabytes of the process that the runs of a job are forked from
UNKNOWN = 2000  # megabytes of a run, where memory.yml has no formula


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file describes it, after checking all of it."""

    name: str
    chapters: dict[str, Path]
    seeds: list[int]
    settings: dict[str, dict[str, dict[str, Any]]]  # setting → chapter → what it sets
    described: dict[str, Any]  # the settings as they stand in the file
    batch: int  # runs in one job
    timeout: float  # seconds for one run


def read(path: Path, root: Path = profiles.ROOT) -> Sweep:
    """Return the sweep that a file describes, or raise a ParameterError of one line."""
    try:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise _refusal(f"there is no {path.parent.name}/{path.name}; there are {known}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise _refusal(f"{path.name} is not valid YAML: {reason}") from None
    try:
        return _sweep(path.stem, text, root)
    except ValueError as error:  # a ParameterError is one
        raise _refusal(f"{path.parent.name}/{path.name}: {error}") from None


def _sweep(name: str, text: Any, root: Path) -> Sweep:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise _refusal(f"{name!r}: a sweep's name has letters, digits, - and _ only")
    if not isinstance(text, dict):
        raise _refusal(f"expected the keys {', '.join(sorted(KEYS))}")
    for key in text.keys() ^ KEYS:
        word = "is missing" if key in KEYS else "is unknown"
        raise _refusal(f"{key!r} {word}; a sweep has {', '.join(sorted(KEYS))}")
    known = profiles.chapters(root)
    chapters = _chapters(text["chapters"], known)
    seeds = _seeds(text["seeds"])
    settings = {
        str(setting): _setting(str(setting), values, chapters, root)
        for setting, values in _mapping("settings", text["settings"]).items()
    }
    for chapter, notebook in chapters.items():
        for setting in settings.values():
            for seed in {min(seeds), max(seeds)}:
                profiles.require(notebook, setting[chapter] | {"seed": seed})
    return Sweep(
        name=name,
        chapters=chapters,
        seeds=seeds,
        settings=settings,
        described=text["settings"],
        batch=_count("batch", text["batch"]),
        timeout=_count("timeout", text["timeout"]),
    )


def _chapters(value: Any, known: dict[str, Path]) -> dict[str, Path]:
    if value == "all":
        return known
    if not isinstance(value, list) or not value:
        raise _refusal(f"chapters = {value!r}: write a list of chapters, or all")
    for chapter in value:
        if chapter not in known:
            raise _refusal(f"unknown chapter {chapter!r}; there are {', '.join(known)}")
    _once("chapters", value)
    return {chapter: known[chapter] for chapter in value}


def _seeds(value: Any) -> list[int]:
    hint = "write a list such as [0, 1, 2], or {from: 0, to: 99}"
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        ends = (value["from"], value["to"])
        if all(type(end) is int for end in ends) and ends[0] <= ends[1]:
            return list(range(ends[0], ends[1] + 1))
    if not isinstance(value, list) or not value or any(type(seed) is not int for seed in value):
        raise _refusal(f"seeds = {value!r}: {hint}")
    _once("seeds", value)
    return value


def _setting(
    name: str, text: Any, chapters: dict[str, Path], root: Path
) -> dict[str, dict[str, Any]]:
    """Return what a setting sets, chapter by chapter: profile, then every, then the chapter."""
    text = _mapping(f"setting {name}", text or {})
    for key, values in text.items():
        if key not in OWN | chapters.keys():
            raise _refusal(
                f"setting {name}: {key!r} is neither profile, nor every, nor one of the chapters "
                f"of this sweep: {', '.join(chapters)}"
            )
        if key != "profile":
            _mapping(f"setting {name}, {key}", values)
    base = profiles.profile(text["profile"], root) if "profile" in text else {}
    made = {}
    for chapter in chapters:
        made[chapter] = base.get(chapter, {}) | text.get("every", {}) | text.get(chapter, {})
        if "seed" in made[chapter]:
            raise _refusal(f"setting {name}: the seed of {chapter} comes from seeds")
    return made


def _mapping(what: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict) or (what == "settings" and not value):
        raise _refusal(f"{what} = {value!r}: expected name: value pairs")
    return value


def _count(what: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _refusal(f"{what} = {value!r}: expected a whole number of at least 1")
    return value


def _once(what: str, values: list[Any]) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise _refusal(f"{what}: {', '.join(twice)} stands there twice")


def _refusal(message: str) -> ValueError:
    from lab.settings import ParameterError

    return ParameterError(message)


def plan(sweep: Sweep, root: Path = profiles.ROOT) -> dict[str, Any]:
    """Return the sweep as runs and jobs.

    `cases` lists what was asked for: chapter, setting, seed and the run that answers it. Two
    settings that are the same for a chapter share their runs.
    """
    library = sweep_store.library(root)
    runs: dict[str, dict[str, Any]] = {}
    cases = []
    for chapter, notebook in sweep.chapters.items():
        code, defaults = sweep_store.code(notebook), profiles.defaults(notebook)
        for setting, settings in sweep.settings.items():
            memory = profiles.memory(notebook, settings[chapter]) or UNKNOWN
            for seed in sweep.seeds:
                values = {"seed": seed} | settings[chapter]
                parameters = defaults | values
                mark = sweep_store.fingerprint(code, library, parameters)
                runs[mark] = {
                    "chapter": chapter,
                    "notebook": str(notebook.relative_to(root)),
                    "values": values,
                    "parameters": parameters,
                    "mem_mb": memory,
                }
                cases.append([chapter, setting, seed, mark])
    jobs = _jobs(runs, sweep.batch)
    return {
        "name": sweep.name,
        "seeds": sweep.seeds,
        "settings": sweep.described,
        "batch": sweep.batch,
        "timeout": sweep.timeout,
        "mem_mb": {  # a job has one run at a time
            job: PARENT + max(runs[mark]["mem_mb"] for mark in marks) for job, marks in jobs.items()
        },
        "cases": cases,
        "runs": runs,
        "jobs": jobs,
    }


def _jobs(runs: dict[str, dict[str, Any]], batch: int) -> dict[str, list[str]]:
    """Return the runs in groups of one chapter, each named by what it holds."""
    by_chapter: dict[str, list[str]] = {}
    for mark, run in runs.items():
        by_chapter.setdefault(run["chapter"], []).append(mark)
    jobs = {}
    for chapter, marks in by_chapter.items():
        for start in range(0, len(marks), batch):
            group = marks[start : start + batch]
            digest = hashlib.sha256(json.dumps(group).encode()).hexdigest()[:12]
            jobs[f"{chapter}-{digest}"] = group
    return jobs
