"""A plugin of pytest: what nbval executes is kept in the form in which papermill leaves it.

So `make book` need not execute again what `make test` has executed and found as committed. One
process executes one chapter. Nothing is kept if a cell failed, was left out, or shows another
kind of output than the committed one: nbval joins the pieces of a stream, wherever they stood.
"""

import os
import time
from pathlib import Path

import nbformat
import pytest

from book.pipeline import execute
from book.pipeline.run import RECORDS

STARTED = time.monotonic()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> None:
    """Note how long a cell took, as papermill does."""
    if call.when == "call":
        item.cell.metadata["papermill"] = {"duration": call.duration}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the executed chapter and what ran beside its records, once its kernel has ended."""
    if exitstatus or any(_kinds(c.test_outputs) != _kinds(c.cell.outputs) for c in session.items):
        return
    for item in session.items:
        for output in item.test_outputs:
            if "execution_count" in output:  # which nbval does not count
                output.execution_count = item.cell.execution_count
        item.cell.outputs = item.test_outputs
    file, records = session.items[0].parent, Path(os.environ[RECORDS])
    execute.record(file.nb, file.path, {}, records, time.monotonic() - STARTED)
    nbformat.write(file.nb, records.with_suffix(".ipynb"))


def _kinds(outputs: list[nbformat.NotebookNode] | None) -> list[str] | None:
    return None if outputs is None else [output.output_type for output in outputs]
