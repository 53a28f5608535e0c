"""Open the chapters in JupyterLab, which offers the scripts of their interactive figures.

python -m book.pipeline.jupyter [OPTION OF JUPYTERLAB ...]
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from book.pipeline.profiles import ROOT


def command() -> list[str]:
    """Return what starts JupyterLab in the folder of the chapters."""
    (plotly,) = find_spec("plotly").submodule_search_locations
    folders = [ROOT / "book" / "lab" / "figures", Path(plotly) / "package_data"]
    served = [f"--LabApp.extra_labextensions_path={folder}" for folder in folders]
    program = Path(sys.executable).with_name("jupyter")
    return [str(program), "lab", f"--ServerApp.root_dir={ROOT / 'book'}", *served]


if __name__ == "__main__":
    started = command()
    os.execv(started[0], [*started, *sys.argv[1:]])
