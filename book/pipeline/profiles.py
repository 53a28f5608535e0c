"""Chapters and their parameters: what there is, what a profile sets, what is refused."""

import ast
from pathlib import Path
from typing import Any

import nbformat
import yaml

from mc_lib import ParameterError

ROOT = Path(__file__).resolve().parents[2]


def chapters(root: Path = ROOT) -> dict[str, Path]:
    """Return the chapters that are notebooks, by name, in the order of the table of contents."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    notebooks = [root / f"{file}.ipynb" for file in _files(toc)]
    return {path.stem: path for path in notebooks if path.exists()}


def _files(entry: Any) -> list[str]:
    """Return the files that a table of contents names, in order."""
    if isinstance(entry, list):
        return [file for item in entry for file in _files(item)]
    if not isinstance(entry, dict):
        return []
    own = [entry[key] for key in ("root", "file") if key in entry]
    return own + [f for key in ("parts", "chapters", "sections") for f in _files(entry.get(key))]


def defaults(notebook: Path) -> dict[str, Any]:
    """Return the parameters of a chapter with their default values.

    They are the literal assignments in its cell tagged `parameters`.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(f"{notebook.name}: {len(tagged)} cells tagged parameters, not 1")
    found = {}
    for node in ast.parse(tagged[0].source).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            raise ParameterError(
                f"{notebook.name}: the parameters cell holds more than name = value"
            )
        found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def profile(name: str, root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """Return what params/<name>.yaml sets, chapter by chapter, after checking all of it."""
    path = root / "params" / f"{name}.yaml"
    if not path.exists():
        known = sorted(p.stem for p in (root / "params").glob("*.yaml"))
        raise ParameterError(f"unknown profile {name!r}; there are {', '.join(known)}")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f"params/{name}.yaml is not valid YAML: {error}") from None
    if not isinstance(settings, dict) or not all(isinstance(v, dict) for v in settings.values()):
        raise ParameterError(f"params/{name}.yaml: expected chapter: {{parameter: value}}")
    known_chapters = chapters(root)
    for chapter, values in settings.items():
        if chapter not in known_chapters:
            raise ParameterError(
                f"params/{name}.yaml: unknown chapter {chapter!r}; there are "
                f"{', '.join(known_chapters)}"
            )
        require(known_chapters[chapter], values)
    return settings


def require(notebook: Path, values: dict[str, Any]) -> None:
    """Refuse values that the chapter has no parameter for, or of another type.

    papermill alone would warn, run the chapter with its defaults, and exit 0.
    """
    known = defaults(notebook)
    for name, value in values.items():
        if name not in known:
            raise ParameterError(
                f"{notebook.stem}: unknown parameter {name!r}; it has {', '.join(known)}"
            )
        want, got = type(known[name]), type(value)
        if got is not want and not (want is float and got is int):
            hint = "; in YAML write 1.0e-3, not 1e-3" if want is float and got is str else ""
            raise ParameterError(
                f"{notebook.stem}: {name} = {value!r}: expected {want.__name__}, "
                f"such as {known[name]!r}, got {got.__name__}{hint}"
            )


def parse(assignments: list[str]) -> dict[str, Any]:
    """Return the values of command-line settings such as seed=3 or widths=[1,2]."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ParameterError(f"{text!r}: write parameter=value, such as seed=3")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ParameterError(f"{text!r}: {value!r} is not a value") from None
    return values
