"""Take the executed chapters of the last build as the committed ones.

    python -m book.pipeline.adopt

The notebooks go to book/, without the traces of this machine and this run; the arrays of
figures that differ by more than the comparison allows go to book/reference, which later runs
are compared with, and each such array is named with the difference; the generated pages are
written anew.
"""

import shutil
import sys
from pathlib import Path

import nbformat

from book.pipeline import compare, pages, sources
from book.pipeline.profiles import ROOT, chapters

CHAPTERS = ROOT / "_build" / "chapters"


def without_traces(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from run to run: times, paths, versions, where a stream was cut."""
    notebook.metadata = nbformat.from_dict(
        {key: notebook.metadata[key] for key in ("kernelspec",) if key in notebook.metadata}
    )
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join the pieces of a stream that follow each other."""
    whole: list[nbformat.NotebookNode] = []
    for output in outputs:
        if whole and output.get("name") and output.get("name") == whole[-1].get("name"):
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def adopt_figures(figures: Path, reference: Path) -> list[str]:
    """Copy the arrays that are new or differ, and return one line for each."""
    lines = []
    for new in sorted(figures.glob("*.npz")):
        old = reference / new.name
        found = compare.of_figure(new, old) if old.exists() else [f"{new.stem}: new"]
        if found:
            shutil.copy(new, old)
        lines += found
    return lines


def main() -> int:
    """Copy notebooks and arrays, and return the exit status."""
    compare.REFERENCE.mkdir(exist_ok=True)
    for name, target in chapters().items():
        executed = nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4)
        nbformat.write(without_traces(sources.with_text_of(target, executed)), target)
        figures = CHAPTERS / f"{name}.records" / "figures"
        print(f"adopted {name}")
        for line in adopt_figures(figures, compare.REFERENCE):
            print(f"  figure {line}")
    pages.write(CHAPTERS, ROOT / "book")
    return 0


if __name__ == "__main__":
    sys.exit(main())
