"""What a run leaves behind when it is killed, runs out of time or space, or raises."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from book.pipeline import execute

ROOT = Path(__file__).parents[2]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
FIRST = "print(seed)"
SLEEP = "import time\ntime.sleep(60 * seed)"  # the test's signal that the run hangs here


def write(folder, name, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in ("seed = 0", *sources)]
    cells[0].metadata["tags"] = ["parameters"]
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    return path


@pytest.fixture
def project(tmp_path):
    """The pipeline with two tiny chapters in place of the book's."""
    for folder in ("pipeline", "lab"):
        shutil.copytree(ROOT / "book" / folder, tmp_path / "book" / folder)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "paper.yaml").touch()
    (tmp_path / "profiles" / "hang.yaml").write_text("02-slow: {seed: 1}")
    (tmp_path / "_toc.yml").write_text(
        "root: book/index\nchapters: [{file: book/01-quick}, {file: book/02-slow}]"
    )
    (tmp_path / "book" / "pipeline" / "memory.yml").write_text("01-quick: 1\n02-slow: 1")
    write(tmp_path / "book", "01-quick", FIRST)
    write(tmp_path / "book", "02-slow", FIRST, SLEEP)
    return tmp_path


def start(project, *arguments, **options):
    command = [sys.executable, "-m", "book.pipeline.book", "--chapters", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=project, text=True, start_new_session=True, **streams)


def wait_for(condition, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.1)


def cell_under_way(project):
    """Whether chapter 2 has reached the cell in which it hangs."""
    drafts = (project / "_build" / "chapters").glob(f"{execute.SCRATCH}02-slow-*/*.ipynb")
    return any('"status": "running"' in d.read_text().split("time.sleep")[0] for d in drafts)


def results(project):
    return sorted(p.name for p in (project / "_build" / "chapters").iterdir())


def test_a_killed_build_keeps_what_is_finished_and_continues(project):
    chapters = project / "_build" / "chapters"
    build = start(project, "--profile", "hang", "--cores", "2")
    done, unfinished = chapters / "01-quick.ipynb", project / ".snakemake" / "incomplete"
    wait_for(lambda: done.exists() and len(list(unfinished.iterdir())) == 2)
    wait_for(lambda: cell_under_way(project))
    finished = done.stat().st_mtime_ns
    os.killpg(build.pid, signal.SIGKILL)  # make, Snakemake and papermill at once
    build.communicate()
    assert "02-slow.ipynb" not in results(project)
    again = start(project)
    printed, complaints = again.communicate()
    assert again.returncode == 0, complaints
    assert "02-slow: executed" in printed
    assert "01-quick" not in printed
    assert done.stat().st_mtime_ns == finished
    names = ("01-quick", "02-slow")
    assert results(project) == sorted(f"{n}.{s}" for n in names for s in ("ipynb", "records"))


def test_two_builds_at_once_are_refused(project):
    build = start(project, "--profile", "hang")
    wait_for(lambda: (project / "_build" / "chapters").exists())
    try:
        second = start(project)
        _, complaints = second.communicate()
        assert second.returncode == 2
        assert "error: a build is running already" in complaints
    finally:
        os.killpg(build.pid, signal.SIGKILL)
        build.communicate()


def test_a_chapter_that_raises_does_not_stop_the_others(project):
    write(project / "book", "01-quick", FIRST, "1 / seed")
    build = start(project, "--cores", "1")
    printed, complaints = build.communicate()
    assert build.returncode == 1
    assert "02-slow: executed" in printed
    (line,) = complaints.splitlines()
    assert line.startswith(
        "error: chapter 01-quick, cell 3 (default parameters): ZeroDivisionError: division by zero"
    )


@pytest.mark.parametrize(
    ("body", "seconds", "reason"),
    [
        ("import os\nos.kill(os.getpid(), 9)", 60, "its process was killed"),
        (SLEEP, 2, "ran longer than it may"),
        ("raise ValueError('no\\nsecond line')", 60, "ValueError: no"),
    ],
)
def test_a_chapter_that_stops_is_named_with_cell_and_parameters(tmp_path, body, seconds, reason):
    notebook = write(tmp_path, "01-tiny", FIRST, body, "print('not reached')")
    out = tmp_path / "out" / "01-tiny"
    with pytest.raises(execute.ChapterFailed, match=reason) as caught:
        execute.execute(notebook, out, {"seed": 1}, seconds)
    # the parameters given are a cell of their own: In [4] is the third of the chapter
    assert str(caught.value).startswith("chapter 01-tiny, cell 4 (seed = 1): ")
    assert len(str(caught.value).splitlines()) == 1
    assert [p.name for p in out.parent.iterdir()] == ["01-tiny.failed.ipynb"]


def test_a_full_disk_leaves_no_result(tmp_path, monkeypatch):
    notebook = write(tmp_path, "01-tiny", FIRST)
    out = tmp_path / "out" / "01-tiny"

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(execute, "_require_pictures", full)
        with pytest.raises(execute.ChapterFailed, match=r"seed = 2.*No space left on device"):
            execute.execute(notebook, out, {"seed": 2})
    assert not out.with_suffix(".ipynb").exists()
    assert not out.with_suffix(".records").exists()
    execute.execute(notebook, out, {"seed": 2})
    assert sorted(p.name for p in out.parent.iterdir()) == ["01-tiny.ipynb", "01-tiny.records"]


def test_what_a_killed_run_left_is_cleared_away_and_a_live_one_is_kept(tmp_path):
    notebook = write(tmp_path, "01-tiny", FIRST)
    over, unseen = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    for process in (over, unseen):
        process.kill()
    over.wait()  # the other one stays listed as long as nobody asks how it ended
    wait_for(lambda: psutil.Process(unseen.pid).status() == psutil.STATUS_ZOMBIE)
    pids = (over.pid, unseen.pid, os.getpid())
    *dead, alive = (tmp_path / f"{execute.SCRATCH}tiny-{pid}-abc" for pid in pids)
    for folder in (*dead, alive):
        folder.mkdir()
    execute.execute(notebook, tmp_path / "tiny", {})
    unseen.wait()
    assert not any(folder.exists() for folder in dead)
    assert alive.exists()
