"""The lab serves the chapters: each file says which, and has the sizes of the library's files."""

import ast
import json
import re

import pytest

from book.pipeline import profiles, sources

LAB = profiles.ROOT / "book" / "lab"
FILES = sorted(p for p in LAB.rglob("*.py") if p != LAB / "__init__.py")
SERVED = {
    name.partition("-")[0].lstrip("0"): sources.lab(path)
    for name, path in profiles.chapters().items()
}
every_file = pytest.mark.parametrize(
    "file", FILES, ids=lambda p: str(p.relative_to(LAB).with_suffix(""))
)


def first_line(file):
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))).splitlines()[0]


@every_file
def test_every_file_serves_a_chapter_and_its_first_line_says_which(file):
    serves = [chapter for chapter, files in SERVED.items() if file in files]
    said, colon, _ = first_line(file).partition(": ")
    assert serves, "no chapter uses this file"
    assert colon and said.startswith(("Chapter", "Every chapter")), said
    if said == "Every chapter":
        assert serves == list(SERVED)
    else:
        assert re.findall(r"[0-9]+[a-z]?", said) == serves


@every_file
def test_a_file_has_at_most_300_lines_and_a_function_40(file):
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            assert not body or node.end_lineno - body[0].lineno < 40, node.name


@every_file
def test_every_public_function_has_a_docstring(file):
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


def test_what_is_imported_by_a_name_that_a_package_passes_on_is_found(tmp_path):
    lab = tmp_path / "book" / "lab"
    (lab / "shapes").mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "shapes/__init__": "from lab.shapes.round import disc as disc\n"
        "from lab.shapes.flat import line as line\n",
        "shapes/round": "from lab.tools import pen\ndef disc(): pass\n",
        "shapes/flat": "def line(): pass\n",
        "tools": "def pen(): pass\n",
        "unused": "",
    }.items():
        (lab / f"{name}.py").write_text(text)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}

    def found(source):
        notebook = tmp_path / "book" / "1.ipynb"
        text = {"cells": [cell | {"source": source}], "metadata": {}, "nbformat": 4}
        notebook.write_text(json.dumps(text | {"nbformat_minor": 5}))
        return {
            p.relative_to(lab).with_suffix("").as_posix() for p in sources.lab(notebook, tmp_path)
        }

    both = {"__init__", "shapes/__init__"}
    assert found("from lab import shapes\nshapes.disc()") == both | {"shapes/round", "tools"}
    assert found("from lab.shapes import line\nline()") == both | {"shapes/flat"}
    assert found("from lab import tools as t\nt.pen()") == {"__init__", "tools"}
    assert found("from lab import shapes\nprint(shapes)") == both | {
        "shapes/round",
        "shapes/flat",
        "tools",
    }
    assert found("import math") == set()
