"""Chapters and their parameters: what there is, what a profile sets, what is refused.

The lab is imported only where it is needed: with torch it takes seconds, in every run.
"""

import ast
import difflib
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "book") not in sys.path:
    sys.path.append(str(ROOT / "book"))  # where the chapters find the lab
MEMORY = Path(__file__).with_name("memory.yml")
DEFAULT = "default parameters"
LONG = ("02", "04", "04b", "07")  # the chapters that take longest
CASTS = ("integer", "integers", "number", "numbers")


def chapters(root: Path = ROOT) -> dict[str, Path]:
    """Return the chapters that are notebooks, by name, in the order of the table of contents."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    notebooks = [root / f"{file}.ipynb" for file in _files(toc)]
    return {path.stem: path for path in notebooks if path.exists()}


def find(name: str, root: Path = ROOT) -> Path:
    """Return the notebook of a chapter, by its name or by its number, such as 6, 06 or 06b."""
    known = chapters(root)
    if not name:
        raise _refusal(f"name a chapter, such as CH=06; there are {', '.join(known)}")
    for stem, path in known.items():
        number = stem.partition("-")[0]
        if name in (stem, number, number.lstrip("0")):
            return path
    raise unknown("chapter", name, known)


def unknown(what: str, name: str, known: Iterable[str], of: str = "") -> ValueError:
    """Return the refusal of a name that does not exist, with the one that may have been meant."""
    near = difflib.get_close_matches(str(name), known, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    has = "it has" if what == "parameter" else "there are"
    return _refusal(f"{of}unknown {what} {name!r}{meant}; {has} {', '.join(known)}")


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
        raise _refusal(f"{notebook.name}: {len(tagged)} cells tagged parameters, not 1")
    found = {}
    for node in ast.parse(tagged[0].source).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            raise _refusal(f"{notebook.name}: the parameters cell holds more than name = value")
        found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def profile(name: str, root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """Return what profiles/<name>.yaml sets, chapter by chapter, after checking all of it."""
    path = root / "profiles" / f"{name}.yaml"
    if not path.exists():
        known = sorted(p.stem for p in (root / "profiles").glob("*.yaml"))
        raise unknown("profile", name, known)
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise _refusal(f"profiles/{name}.yaml is not valid YAML: {error}") from None
    if not isinstance(settings, dict) or not all(isinstance(v, dict) for v in settings.values()):
        raise _refusal(f"profiles/{name}.yaml: expected chapter: {{parameter: value}}")
    known_chapters = chapters(root)
    for chapter, values in settings.items():
        if chapter not in known_chapters:
            raise unknown("chapter", chapter, known_chapters, f"profiles/{name}.yaml: ")
        require(known_chapters[chapter], values)
    return settings


def require(notebook: Path, values: dict[str, Any]) -> None:
    """Refuse values that the chapter has no parameter for, of another type, or out of range.

    papermill alone would warn, run the chapter with its defaults, and exit 0.
    """
    if not values:
        return
    known, allowed = defaults(notebook), casts(notebook)
    for name, value in values.items():
        if name not in known:
            raise unknown("parameter", name, known, f"{notebook.stem}: ")
        want, got = type(known[name]), type(value)
        if got is not want and not (want is float and got is int):
            hint = "; in YAML write 1.0e-3, not 1e-3" if want is float and got is str else ""
            raise _refusal(
                f"{notebook.stem}: {name} = {value!r}: expected {want.__name__}, "
                f"such as {known[name]!r}, got {got.__name__}{hint}"
            )
        try:
            allowed.get(name, lambda value: value)(value)
        except ValueError as error:  # a ParameterError is one
            raise _refusal(f"{notebook.stem}: {error}") from None
    _require_computing(notebook, known | values)


def _require_computing(notebook: Path, values: dict[str, Any]) -> None:
    """Refuse a device, a dtype or a number of threads that the chapter could not compute with."""
    from lab.settings import computing

    asked = [values.get(name) for name in ("device", "dtype", "threads")]
    if None not in asked:
        try:
            computing(*asked)
        except ValueError as error:
            raise _refusal(f"{notebook.stem}: {error}") from None


def casts(notebook: Path) -> dict[str, Callable[[Any], Any]]:
    """Return how the chapter casts its parameters, so that a range is refused before a run.

    They are the calls such as `settings.integer("seed", seed, at_least=0)` in its cells.
    """
    from lab import settings as parameters

    cells = nbformat.read(notebook, as_version=4).cells
    code = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    found = {}
    for call in (node for tree in code for node in ast.walk(tree)):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if call.func.attr not in CASTS or len(call.args) != 2:
            continue
        name = getattr(call.args[0], "value", None)
        if name == getattr(call.args[1], "id", ""):  # the parameter itself, not one of its entries
            limits = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
            found[name] = partial(getattr(parameters, call.func.attr), name, **limits)
    return found


def memory(notebook: Path, values: dict[str, Any], listed: Path = MEMORY) -> int:
    """Return about how many megabytes a run of the chapter needs, from memory.yml; 0: unknown."""
    formulas = yaml.safe_load(listed.read_text(encoding="utf-8"))
    known = defaults(notebook) | values
    names = {"max": max, "min": min, "len": len, "sum": sum, **known}
    return int(eval(str(formulas.get(notebook.stem, 0)), {"__builtins__": {}}, names))


def require_memory(notebook: Path, values: dict[str, Any]) -> None:
    """Refuse a setting that needs more memory than the machine has free."""
    needed, free = memory(notebook, values, MEMORY), psutil.virtual_memory().available >> 20
    if needed > free:
        formula = yaml.safe_load(MEMORY.read_text(encoding="utf-8"))[notebook.stem]
        raise _refusal(
            f"{notebook.stem}: these parameters need about {needed} MB and {free} MB are free; "
            f"in MB: {formula}"
        )


def _refusal(message: str) -> ValueError:
    from lab.settings import ParameterError

    return ParameterError(message)


def in_words(values: dict[str, Any]) -> str:
    """Return the parameters that were set as a message names them."""
    return ", ".join(f"{name} = {value!r}" for name, value in values.items()) or DEFAULT


def parse(assignments: list[str]) -> dict[str, Any]:
    """Return the values of command-line settings such as seed=3 or widths=[1,2]."""
    values = {}
    for text in _assignments(" ".join(assignments)):
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise _refusal(f"{text!r}: write parameter=value, such as seed=3")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise _refusal(f"{text!r}: {value!r} is not a value") from None
    return values


def _assignments(text: str) -> list[str]:
    """Return the assignments in a line; a list may hold blanks, as in depths=[2, 3] seed=1."""
    return [part for part in re.split(r"\s+(?=[A-Za-z_]\w*=)", text.strip()) if part]
