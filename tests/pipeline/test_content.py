"""What a build executes again: content decides, and modification times do not."""

import json
import os
import shutil
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from book.pipeline import book, compare, execute, profiles, sources
from book.pipeline.profiles import ROOT

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write(folder, name, source, printed):
    """Write a chapter as it is committed, with what it prints."""
    cells = [nbformat.v4.new_code_cell(text) for text in ("seed = 0", source)]
    cells[0].metadata["tags"] = ["parameters"]
    cells[1].outputs = [nbformat.v4.new_output("stream", text=printed)]
    cells[0].execution_count, cells[1].execution_count = 1, 2
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def project(tmp_path):
    """The pipeline with two tiny chapters, each with a lab file of its own and one in common."""
    root = tmp_path / "a folder & more"  # as a reader may call it
    shutil.copytree(ROOT / "book" / "pipeline", root / "book" / "pipeline")
    shutil.copy(ROOT / "Snakefile", root)
    for folder in ("profiles", "mc_lib", "book/lab"):
        (root / folder).mkdir()
    (root / "profiles" / "paper.yaml").touch()
    (root / "requirements.lock").touch()
    (root / "_toc.yml").write_text("root: book/index\nchapters: [{file: book/1}, {file: book/2}]")
    (root / "mc_lib" / "__init__.py").write_text("one = 1\n")
    for name, text in {
        "__init__": "",
        "first": "x = 1",
        "second": "from lab import common\nx = 2",
    }.items():
        (root / "book" / "lab" / f"{name}.py").write_text(text + "\n")
    (root / "book" / "lab" / "common.py").write_text("y = 3\n")
    write(root / "book", "1", "from lab.first import x\nprint(x)", "1\n")
    write(root / "book", "2", "from lab import second\nprint(second.x)", "2\n")
    return root


def run(root, *command):
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def executed(root, how="executed in"):
    """The chapters that a build executes, or those that it takes from the comparison."""
    done = run(root, "book.pipeline.book", "--chapters")
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(line.split(":")[0] for line in done.stdout.splitlines() if f": {how}" in line)


def results(root):
    """All that the pipeline knows of the runs of the chapters, but for times."""
    folder = root / "_build" / "chapters"
    notebooks = [nbformat.read(path, as_version=4) for path in sorted(folder.glob("*.ipynb"))]
    shown = [(c.source, c.outputs, c.execution_count) for n in notebooks for c in n.cells]
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("*.records/run.json"))]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    varying = ("seconds", "slowest", "peak_mb")
    return shown, files, [{k: v for k, v in r.items() if k not in varying} for r in runs]


def dated(root, *times):
    """Give the files these times, in turn."""
    for path, when in zip(sorted(root.rglob("*")), cycle(times), strict=False):
        if "_build" not in path.parts and ".snakemake" not in path.parts:
            os.utime(path, (when, when))


def test_a_chapter_runs_again_exactly_when_what_it_is_made_from_has_changed(project):
    lab = project / "book" / "lab"
    assert executed(project) == ["1", "2"]
    dated(project, time.time(), 0, time.time() + 10**7)  # now, an unpacked archive, the future
    assert executed(project) == []
    (lab / "first.py").write_text("x = 10\n")
    dated(project, 0)  # older than the results, and yet another content
    assert executed(project) == ["1"]
    (lab / "common.py").write_text("y = 4\n")
    assert executed(project) == ["2"]
    (project / "mc_lib" / "__init__.py").write_text("one = 2\n")
    assert executed(project) == ["1", "2"]


def test_what_was_found_as_committed_is_not_executed_again_until_something_changes(project):
    done = run(project, "book.pipeline.compare")
    assert done.returncode == 0, done.stdout + done.stderr
    first = project / "book" / "lab" / "first.py"
    first.write_text("x = 1 + 0\n")
    assert executed(project) == ["1"]  # and 2 is taken
    before = results(project)
    first.write_text("x = 1\n")  # as it was when it was compared
    assert executed(project, "taken from") == ["1"]
    assert results(project) == before
    assert sorted({Path(name).parts[0] for name in before[1]}) == [
        *("1.ipynb", "1.records", "2.ipynb", "2.records")
    ]


def test_nothing_is_taken_from_a_comparison_that_found_a_difference(project):
    write(project / "book", "1", "print(1)\nprint(2)", "1\n3\n")
    done = run(project, "book.pipeline.compare")
    assert done.returncode == 1 and "Cell outputs differ" in done.stdout
    assert sorted(p.name for p in (project / "_build" / "check").iterdir()) == ["1", "2"]


@pytest.mark.parametrize("name", ["execute.py", "kept.py", "run.py"])
def test_another_way_of_executing_makes_another_digest(project, name):
    chapter = project / "book" / "1.ipynb"
    before = sources.digest(chapter, project)
    with (project / "book" / "pipeline" / name).open("a") as file:
        file.write("# changed\n")
    assert sources.digest(chapter, project) != before


def test_a_chapter_that_changes_while_it_is_compared_is_not_taken(project, monkeypatch):
    chapters = {name: project / "book" / f"{name}.ipynb" for name in ("1", "2")}
    for name in chapters:
        write(project / "book", name, "print(1)", "1\n")

    def again(notebook, records, *_):
        records.mkdir(parents=True)
        if notebook.stem == "1":
            write(project / "book", "1", "print(2)", "2\n")
        return SimpleNamespace(returncode=0, stdout="passed")

    for name, value in {
        "COMPARED": project / "check",
        "chapters": lambda: chapters,
        "again": again,
    }.items():
        monkeypatch.setattr(compare, name, value)
    assert compare.main(project / "reference") == 0
    names = [path.name for path in (project / "check").iterdir()]
    assert sorted(names) == sorted(["1", sources.digest(chapters["2"])])


def test_with_other_parameters_a_chapter_is_executed(project, monkeypatch):
    chapter, out = project / "book" / "1.ipynb", project / "out"
    compared = project / "check" / "digest"
    (compared / "out.records").mkdir(parents=True)
    (compared / "out.ipynb").touch()
    ran = []
    monkeypatch.setattr(execute, "COMPARED", compared.parent)
    monkeypatch.setattr(execute, "execute", lambda *_, **__: ran.append("executed"))
    monkeypatch.setattr(profiles, "find", lambda name: chapter)
    monkeypatch.setattr(profiles, "require_memory", lambda *_: None)
    for values in (["seed=1"], []):
        assert execute.main(["1", str(out), "--made", "digest", *values]) == 0
    assert ran == ["executed"] and out.with_suffix(".ipynb").exists()


def cells(*sources):
    kinds = {"#": nbformat.v4.new_markdown_cell}
    return [kinds.get(x[0], nbformat.v4.new_code_cell)(x) for x in sources]


def test_prose_and_captions_are_those_of_today_and_what_was_executed_stays(tmp_path):
    ran, now = tmp_path / "ran.ipynb", tmp_path / "now.ipynb"
    old = cells("# Old", "seed = 0", "seed = 1", "print(seed)")
    old[2].metadata["tags"] = ["injected-parameters"]
    old[3].outputs, old[3].execution_count = [nbformat.v4.new_output("stream", text="1")], 3
    new = cells("# New", "seed = 0", "# More", "print(seed)")
    new[3].metadata["mystnb"] = {"figure": {"caption": "new"}}
    for path, content in ((ran, old), (now, new)):
        nbformat.write(nbformat.v4.new_notebook(cells=content), path)
    for _ in range(2):  # once more changes nothing
        book.renew(ran, now)
        found = nbformat.read(ran, as_version=4).cells
        assert [c.source for c in found] == [
            *("# New", "seed = 0", "seed = 1", "# More", "print(seed)")
        ]
        assert found[-1].metadata["mystnb"] and found[-1].outputs[0].text == "1"
        assert found[-1].execution_count == 3 and found[2].metadata["tags"]
    new[3].source = "print(seed + 1)"  # of which nothing has been executed
    new[0].source = "# Newer"
    nbformat.write(nbformat.v4.new_notebook(cells=new), now)
    book.renew(ran, now)
    assert nbformat.read(ran, as_version=4).cells[0].source == "# New"
