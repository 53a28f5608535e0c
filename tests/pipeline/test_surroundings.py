"""The reader's own configuration does not reach a chapter, and what stops a command is one line."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from book.pipeline import engine, execute
from book.pipeline.profiles import ROOT

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
FIGURE = {"mystnb": {"figure": {"name": "figure-tiny", "caption": "A line."}}}


def chapter(folder, body, **metadata):
    cells = [nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["parameters"]})]
    cells.append(nbformat.v4.new_code_cell(body, metadata=metadata))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "01-tiny.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A reader whose configuration would change or stop every chapter."""
    home = tmp_path / "home"
    startup = home / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("raise SystemExit('my own start-up file')")
    (home / "matplotlibrc").write_text("figure.figsize: 1, 1\nsavefig.format: nonsense\n")
    (home / "start.py").write_text("print('my own start-up')")
    kernel = home / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "mine"}))
    shadow = home / "shadow" / "lab"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('another lab')")
    for name, value in {
        "HOME": "/proc/no-such-home",
        "MPLBACKEND": "Agg",
        "MATPLOTLIBRC": str(home / "matplotlibrc"),
        "MPLCONFIGDIR": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "PYTHONSTARTUP": str(home / "start.py"),
        "PYTHONPATH": str(home / "shadow"),
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_a_chapter_draws_and_prints_as_if_there_were_no_configuration(foreign):
    body = "import lab.settings\nimport matplotlib\nprint(matplotlib.rcParams['figure.figsize'])\n"
    notebook = chapter(foreign, body + DRAW, **FIGURE)
    execute.execute(notebook, foreign / "out", {})
    cell = nbformat.read(foreign / "out.ipynb", as_version=4).cells[-1]
    assert [output.output_type for output in cell.outputs] == ["stream", "display_data"]
    assert cell.outputs[0].text == "[6.4, 4.8]\n"
    assert "image/png" in cell.outputs[1].data


def test_a_figure_cell_without_a_picture_is_an_error(tmp_path):
    notebook = chapter(tmp_path, "print('no picture')", **FIGURE)
    with pytest.raises(execute.ChapterFailed, match="the cell of figure-tiny shows no picture"):
        execute.execute(notebook, tmp_path / "out", {})
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        pytest.param(
            OSError(28, "No space left on device", "/a/file"),
            1,
            "error: No space left on device (/a/file)\n",
            id="full disk",
        ),
        pytest.param(
            OSError(30, "Read-only file system", "/a"),
            1,
            "error: Read-only file system (/a)\n",
            id="read-only",
        ),
        pytest.param(
            KeyboardInterrupt(), 130, "interrupted; what is finished is kept\n", id="Ctrl-C"
        ),
    ],
)
def test_what_stops_a_command_from_outside_is_one_line(error, status, message, capsys, monkeypatch):
    def stopped():
        raise error

    monkeypatch.setattr(engine.os, "dup2", lambda *_: None)
    assert engine.told(stopped) == status
    assert capsys.readouterr().err == message


def test_an_interrupted_command_says_so_in_one_line(tmp_path):
    notebook = chapter(tmp_path, "import time\ntime.sleep(60)")
    program = f"""
import os, signal, sys, threading
from pathlib import Path
from book.pipeline import engine, execute
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
threading.Timer(6, lambda: os.killpg(0, signal.SIGINT)).start()
run = lambda: execute.execute(Path({str(notebook)!r}), Path({str(tmp_path / "out")!r}), {{}})
sys.exit(engine.told(run))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        env=os.environ,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted; what is finished is kept\n")
    assert [p.name for p in tmp_path.iterdir()] == ["01-tiny.ipynb"]
