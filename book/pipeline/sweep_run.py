"""One run of a chapter inside a process of its own, without a notebook kernel.

The process is forked from one that has imported the library. What a parameter means is left to
papermill: it adds the cell that sets them. Then the code cells run in order in a new namespace.
Nothing is drawn to a file; a claim that fails is recorded and the run goes on: MPLBACKEND and
MC_LIB_CHECKS say so in the environment of the process that it is forked from.
"""

import errno
import linecache
import os
import resource
import sys
import threading
import time
import types
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from book.pipeline.sweep_store import Fields

PRELOAD = [
    *("torch", "mc_lib", "lab.figures", "matplotlib.pyplot", "scipy.stats", "sklearn"),
    *("papermill.iorw", "papermill.parameterize", "book.pipeline.sweep_run"),
]
"""What the process imports from which all runs of a job are forked."""


def work(connection: Connection, notebook: Path, values: Fields) -> None:
    """Run the chapter; send the number of each cell that begins, and then the result.

    An exception that the chapter raises belongs to the result. When something else is at fault,
    such as a full disk or no memory, the reason is sent instead of a result.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what the chapter prints; its claims are kept
        os.dup2(nowhere, stream)
    os.chdir(notebook.parent)
    begun = time.monotonic()
    try:
        error = run(parameterized(notebook, values), notebook.stem, connection)
        connection.send(_found(error) | {"seconds": round(time.monotonic() - begun, 3)})
    except Exception as fault:
        connection.send(f"{type(fault).__name__}: {fault}".splitlines()[0])


def parameterized(notebook: Path, values: Fields) -> list[str]:
    """Return the code cells that papermill would execute, in order; empty ones do not run."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    chapter = parameterize_notebook(load_notebook_node(str(notebook)), values)
    return [c.source for c in chapter.cells if c.cell_type == "code" and c.source.strip()]


def run(cells: list[str], chapter: str, connection: Connection) -> Fields | None:
    """Execute the cells in a new namespace; return the exception that stopped them, if any.

    Raises:
        OSError: the disk is full.
        MemoryError: there is no memory left.
    """
    from matplotlib import pyplot

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module  # as in a notebook, where a cell is the main program
    for number, source in enumerate(cells, start=1):
        connection.send(number)
        name = f"<{chapter}, cell {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            exec(compile(source, name, "exec"), module.__dict__)
        except (Exception, SystemExit) as error:
            full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
            if full or isinstance(error, MemoryError):
                raise
            reason = (str(error).splitlines() or [""])[0]
            return {"cell": number, "name": type(error).__name__, "message": reason}
        pyplot.close("all")  # as a notebook does after each cell
    return None


def _found(error: Fields | None) -> Fields:
    """Return what the run found and what it cost."""
    import torch

    from lab.claims import claims_table

    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "claims": [claim.entry() for claim in claims_table().claims],
        "error": error,
        "cpu": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": used.ru_maxrss >> 10,
        "torch": torch.__version__,
    }


def _end_with_parent() -> None:
    """End when the process that asked for the run has ended, even by kill -9."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
