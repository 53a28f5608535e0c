"""What a build executes again: content decides, and modification times do not."""

import os
import shutil
import subprocess
import sys
import time

import nbformat
import pytest

from book.pipeline import sources
from book.pipeline.profiles import ROOT

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write(folder, name, source):
    cells = [nbformat.v4.new_code_cell(text) for text in ("seed = 0", source)]
    cells.insert(0, nbformat.v4.new_markdown_cell("# A title"))
    cells[1].metadata["tags"] = ["parameters"]
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
    write(root / "book", "1", "from lab.first import x\nprint(x)")
    write(root / "book", "2", "from lab import second\nprint(second.x)")
    return root


def executed(root):
    """The chapters that a build executes."""
    command = [sys.executable, "-m", "book.pipeline.book", "--chapters"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(
        line.split(":")[0] for line in done.stdout.splitlines() if ": executed in" in line
    )


def dated(root, when):
    for path in root.rglob("*"):
        if "_build" not in path.parts and ".snakemake" not in path.parts:
            os.utime(path, (when, when))


def test_a_chapter_runs_again_exactly_when_what_it_is_made_from_has_changed(project):
    lab = project / "book" / "lab"
    assert executed(project) == ["1", "2"]
    for when in (time.time(), 0, time.time() + 10**7):  # now, an unpacked archive, the future
        dated(project, when)
        assert executed(project) == []
    (lab / "first.py").write_text("x = 10\n")
    dated(project, 0)  # older than the results, and yet another content
    assert executed(project) == ["1"]
    (lab / "common.py").write_text("y = 4\n")
    assert executed(project) == ["2"]
    (project / "mc_lib" / "__init__.py").write_text("one = 2\n")
    assert executed(project) == ["1", "2"]


def test_text_does_not_execute_a_chapter_again_and_is_shown_as_it_is_now(tmp_path):
    write(tmp_path, "1", "print(seed)")
    path = tmp_path / "1.ipynb"
    before, said = sources.code(path), sources.text(path)
    done = nbformat.read(path, as_version=4)
    for number, cell in enumerate(done.cells[1:], 1):
        cell.outputs = [nbformat.v4.new_output("stream", text=str(number))]
        cell.metadata["papermill"] = {"duration": number}
    injected = nbformat.v4.new_code_cell("seed = 1", metadata={"tags": ["injected-parameters"]})
    done.cells.insert(2, injected)
    now = nbformat.read(path, as_version=4)
    now.cells[0].source = "# Another title"
    now.cells.append(nbformat.v4.new_markdown_cell("The end."))
    now.cells[2].metadata["mystnb"] = {"figure": {"caption": "Said better."}}
    nbformat.write(now, path)
    assert sources.code(path) == before and sources.text(path) != said
    shown = sources.with_text_of(path, done)
    sent = ["# Another title", "seed = 0", "seed = 1", "print(seed)", "The end."]
    assert [cell.source for cell in shown.cells] == sent
    assert [c.outputs[0].text for c in shown.cells[1:4:2]] == ["1", "2"]
    assert shown.cells[3].metadata["mystnb"]["figure"]["caption"] == "Said better."
    assert shown.cells[3].metadata["papermill"] == {"duration": 2}


def test_a_chapter_whose_code_has_changed_since_is_shown_as_it_ran(tmp_path):
    write(tmp_path, "1", "print(seed)")
    done = nbformat.read(tmp_path / "1.ipynb", as_version=4)
    write(tmp_path, "1", "print(seed + 1)")
    assert sources.with_text_of(tmp_path / "1.ipynb", done).cells[2].source == "print(seed)"
