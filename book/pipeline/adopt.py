"""Take the executed chapters of the last build as the committed ones.

    python -m book.pipeline.adopt

The notebooks go to book/, without the traces of this machine and this run; the arrays of
the figures go to book/reference, which later runs are compared with, and each array that
differs from the one it replaces is named with the difference; the generated pages are written
anew.
"""

import shutil
import sys

import nbformat

from book.pipeline import compare, pages
from book.pipeline.profiles import ROOT, chapters

CHAPTERS = ROOT / "_build" / "chapters"
REFERENCE = ROOT / "book" / "reference"


def without_traces(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop the metadata that papermill and the kernel add: times, paths, versions."""
    notebook.metadata = nbformat.from_dict(
        {key: notebook.metadata[key] for key in ("kernelspec",) if key in notebook.metadata}
    )
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    return notebook


def main() -> int:
    """Copy notebooks and arrays, and return the exit status."""
    REFERENCE.mkdir(exist_ok=True)
    for name, target in chapters().items():
        executed = nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4)
        nbformat.write(without_traces(executed), target)
        figures = CHAPTERS / f"{name}.records" / "figures"
        print(f"adopted {name}")
        for line in compare.shared(figures, REFERENCE):
            print(f"  changed: figure {line}")
        for arrays in figures.glob("*.npz"):
            if not (REFERENCE / arrays.name).exists():
                print(f"  new: figure {arrays.stem}")
            shutil.copy(arrays, REFERENCE / arrays.name)
    pages.write(CHAPTERS, ROOT / "book")
    return 0


if __name__ == "__main__":
    sys.exit(main())
