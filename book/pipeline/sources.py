"""What a chapter is made from: the library, and the lab files that it uses, by their content.

A name that a package of the lab passes on, such as figures.dots, leads to the file that it comes
from: a chapter depends on the figures that it draws, and not on those of other chapters.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat

from book.pipeline.profiles import ROOT


def of(notebook: Path, root: Path = ROOT) -> list[Path]:
    """Return the files of library and lab that a chapter depends on, sorted."""
    library = [p for p in (root / "mc_lib").rglob("*") if p.suffix in {".py", ".js"}]
    return sorted({*library, *lab(notebook, root)})


def digest(notebook: Path, root: Path = ROOT) -> str:
    """Return a digest of all that a chapter is made from, but its parameters."""
    making = [root / "book" / "pipeline" / name for name in ("execute.py", "run.py")]
    files = [*of(notebook, root), root / "requirements.lock", *making]
    return hashlib.sha256((repr(code(notebook)) + of_files(files, root)).encode()).hexdigest()


def pages(root: Path = ROOT) -> list[Path]:
    """Return the files that the pages are made from besides chapters, and what makes them."""
    files = [p for p in (root / "book").rglob("*") if p.suffix not in {".ipynb", ".npz", ".pyc"}]
    lab = root / "book" / "lab"  # of which the pages hold the scripts only
    ours = [p for p in files if p.suffix == ".js" or not p.is_relative_to(lab)]
    return sorted([root / "_config.yml", root / "_toc.yml", *ours])


def of_files(files: Iterable[Path], root: Path = ROOT) -> str:
    """Return a digest of the names and the contents of files; one that is missing is left out."""
    found = hashlib.sha256()
    for file in files:
        if file.is_file():
            found.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()


def code(notebook: Path) -> list[tuple[str, list[str]]]:
    """Return what a chapter executes: its code cells, each with its tags."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [(c.source, c.metadata.get("tags", [])) for c in cells if c.cell_type == "code"]


def text(notebook: Path) -> str:
    """Return a digest of all of a chapter that is not executed: text, captions, titles of folds."""
    cells = nbformat.read(notebook, as_version=4).cells
    said = [(c.metadata, c.source if c.cell_type != "code" else "") for c in cells]
    return hashlib.sha256(repr(said).encode()).hexdigest()


def with_text_of(notebook: Path, executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an executed chapter with its text as it is now, since text does not execute it again.

    A chapter whose code has changed since is returned as it was executed.
    """
    now = nbformat.read(notebook, as_version=4)
    injected = [c for c in executed.cells if "injected-parameters" in c.metadata.get("tags", [])]
    runs = [c for c in executed.cells if c.cell_type == "code" and c not in injected]
    if [c.source for c in runs] != [source for source, _ in code(notebook)]:
        return executed
    left, cells = iter(runs), []
    for cell in now.cells:
        if cell.cell_type == "code":
            run = next(left)
            cell.outputs, cell.execution_count = run.outputs, run.execution_count
            kept = {k: v for k, v in run.metadata.items() if k in {"papermill", "execution"}}
            cell.metadata.update(kept)
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += injected
    executed.cells = cells
    return executed


def lab(notebook: Path, root: Path = ROOT) -> set[Path]:
    """Return the files of book/lab that a chapter uses, itself or through another of them."""
    left = set(_used("\n".join(source for source, _ in code(notebook)), root))
    found: set[Path] = set()
    while left:
        found.add(file := left.pop())
        if file.suffix == ".py" and file.name != "__init__.py":  # that one passes names on
            left |= {*_used(file.read_text(encoding="utf-8"), root)} - found
            left |= {*file.parent.glob(f"{file.stem}.js")}
    return found


def _used(source: str, root: Path) -> Iterator[Path]:
    """Yield the files of the names of the lab that a source uses."""
    tree = ast.parse(source)
    bound = dict(_imports(tree))
    members = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    for name, member in members:
        if name in bound:
            yield from _files(f"{bound[name]}.{member}", root)
    for name in bound.keys() - {name for name, _ in members}:
        yield from _files(bound[name], root)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a source imports from the lab, each with its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("lab."):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _files(name: str, root: Path) -> Iterator[Path]:
    """Yield the file that a full name leads to, and the packages on the way; of a package, all."""
    folder, (*parents, last) = root / "book", name.split(".")
    for part in parents:
        if not (folder / part).is_dir():
            yield folder / f"{part}.py"
            return
        folder /= part
        yield folder / "__init__.py"
    if (folder / last).is_dir():
        yield from (folder / last).rglob("*.py")
    elif (folder / f"{last}.py").is_file():
        yield folder / f"{last}.py"
    else:
        passed_on = dict(_imports(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))))
        if last in passed_on:
            yield from _files(passed_on[last], root)
