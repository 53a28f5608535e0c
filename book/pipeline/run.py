"""What a run of a chapter is, whoever runs it.

papermill runs it for the book, nbval to compare it, a process without a notebook for a sweep. They
share the environment in which the cells run and what a parameter means: papermill adds the cell
that sets them.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from book.pipeline.profiles import ROOT

RECORDS, CHECKS = "MC_LIB_RECORDS", "MC_LIB_CHECKS"  # as in lab.claims, slow to import
FOREIGN = (
    *("MATPLOTLIBRC", "PYTHONSTARTUP", "PYTHONHOME", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH"),
    *("IPYTHON_DIR", "JUPYTER_PLATFORM_DIRS"),
)
"""Variables by which a reader's own configuration would reach a chapter."""


def surroundings(records: Path, root: Path = ROOT) -> dict[str, str | None]:
    """Return the environment in which every chapter runs, whoever runs it; None unsets a variable.

    The reader's own configuration of Python, IPython, Jupyter and matplotlib stays outside, and
    nothing is read from or written to a home folder. glibc keeps the memory of tensors of a few
    MB, which come and go, instead of giving it back each time.
    """
    own = Path(sys.prefix) / "configuration"
    own.mkdir(exist_ok=True)
    return dict.fromkeys(FOREIGN) | {
        RECORDS: str(records.resolve()),  # absolute: a chapter runs in its own folder
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "book")]),
        "PYTHONNOUSERSITE": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(own),
        "IPYTHONDIR": str(own / "ipython"),
        "JUPYTER_CONFIG_DIR": str(own / "jupyter"),
        "JUPYTER_DATA_DIR": str(own / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    }


def environ(settings: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment of a process of its own, with these variables."""
    return {name: v for name, v in (os.environ | settings).items() if v is not None}


@contextmanager
def variables(settings: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables, which the kernels inherit, for as long as this lasts."""
    before = {name: os.environ.get(name) for name in settings}
    _set(settings)
    try:
        yield
    finally:
        _set(before)


def _set(settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def parameterized(notebook: Path, values: dict[str, Any]) -> nbformat.NotebookNode:
    """Return the chapter as papermill would execute it, with the cell that sets the values."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    return parameterize_notebook(load_notebook_node(str(notebook)), values)
