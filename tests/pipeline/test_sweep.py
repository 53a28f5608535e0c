"""A sweep refuses before it runs, keeps what is finished, and counts what its runs found."""

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from book.pipeline import engine, execute, profiles, sweep, sweep_job, sweep_plan, sweep_store
from lab.settings import ParameterError

LINES = [
    "seed = 0\nsize = 2\nscale = 1.0",
    'from lab.claims import check\ncheck("Thm 1", f"{size} numbers", scale * seed, at_most=2)',
    'check("Thm 2", "a number", seed, equals=seed)',
]
NAME = "01-tiny"


def write_chapter(root, *cells, name=NAME, prose="# Tiny"):
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    code[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(prose), *code], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, root / "book" / f"{name}.ipynb")


@pytest.fixture
def root(tmp_path):
    """A book with one tiny chapter, a library of one file, and a sweep of two seeds."""
    root = tmp_path / "a book"
    root.mkdir()
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/{NAME}\n")
    for folder in ("book", "profiles", "sweeps", "mc_lib"):
        (root / folder).mkdir()
    (root / "book" / "lab").symlink_to(profiles.ROOT / "book" / "lab")
    (root / "profiles" / "quick.yaml").write_text(f"{NAME}: {{size: 3}}\n")
    (root / "mc_lib" / "one.py").write_text("one = 1\n")
    write_chapter(root, *LINES)
    write_sweep(root)
    return root


def write_sweep(root, **changes):
    keys = {
        "chapters": "all",
        "seeds": [0, 1],
        "settings": {"quick": {"profile": "quick"}},
        "batch": 10,
        "timeout": 60,
    }
    text = json.dumps({k: v for k, v in (keys | changes).items() if v is not None})
    (root / "sweeps" / "tiny.yaml").write_text(text)


def read(root):
    return sweep_plan.read(root / "sweeps" / "tiny.yaml", root)


def planned(root):
    """The plan of the sweep, written where a job looks for it."""
    plan = read(root)
    sweep_store.write(sweep_store.folder(root, "tiny") / "plan.json", json.dumps(plan))
    return plan


def run_job(root, plan, number=0):
    """Run a job; return its exit status and the results in its file."""
    base, job = sweep_store.folder(root, "tiny"), list(plan["jobs"])[number]
    out = base / "jobs" / f"{job}.jsonl"
    status = sweep_job.main([str(base / "plan.json"), job, str(out)], root)
    lines = out.read_text().splitlines() if out.exists() else []
    return status, [json.loads(line) for line in lines]


def finished(root):
    return sorted((sweep_store.folder(root, "tiny") / "runs").rglob("[!.]*.json"))


# -- what is refused before anything runs ------------------------------------------
def test_the_sweeps_of_the_book_are_valid_and_reach_every_chapter():
    folder = profiles.ROOT / "sweeps"
    found = {p.stem: sweep_plan.read(p) for p in sorted(folder.glob("*.yaml"))}
    assert list(found) == ["example", "seeds"]
    assert {case[0] for case in found["seeds"]["cases"]} == profiles.chapters().keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chapters": ["02-none"]}, "unknown chapter '02-none'; there are 01-tiny"),
        ({"chapters": []}, r"chapters = \[\]: write a list of chapters, or all"),
        ({"chapters": [NAME, NAME]}, "chapters: 01-tiny stands there twice"),
        ({"seeds": 3}, r"seeds = 3: write a list such as \[0, 1, 2\], or {from: 0, to: 99}"),
        ({"seeds": []}, "seeds = "),
        ({"seeds": ["1"]}, "seeds = "),
        ({"seeds": [True]}, "seeds = "),
        ({"seeds": {"from": 3, "to": 2}}, "seeds = "),
        ({"seeds": {"from": 0, "to": 2, "by": 2}}, "seeds = "),
        ({"seeds": [1, 1]}, "seeds: 1 stands there twice"),
        ({"settings": {}}, "settings = {}: expected name: value pairs"),
        (
            {"settings": {"a": {"profile": "qick"}}},
            r"unknown profile 'qick' \(did you mean quick\?\); there are quick",
        ),
        (
            {"settings": {"a": {NAME: {"sise": 1}}}},
            r"'sise' \(did you mean size\?\); it has seed, size, scale",
        ),
        ({"settings": {"a": {NAME: {"size": "1"}}}}, "size = '1': expected int"),
        ({"settings": {"a": {"every": {"dpi": 1}}}}, "unknown parameter 'dpi'"),
        ({"settings": {"a": {NAME: {"seed": 1}}}}, "the seed of 01-tiny comes from seeds"),
        ({"settings": {"a": {"02-no": {}}}}, "'02-no' is neither profile, nor every, nor one of"),
        ({"settings": {"a": {NAME: 3}}}, "setting a, 01-tiny = 3: expected name: value pairs"),
        ({"batch": 0}, "batch = 0: expected a whole number of at least 1"),
        ({"batch": True}, "batch = True"),
        ({"timeout": "1h"}, "timeout = '1h'"),
        ({"timeout": None}, "'timeout' is missing; a sweep has batch, chapters"),
        ({"sees": [1]}, "'sees' is unknown"),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_line(root, changes, message):
    write_sweep(root, **changes)
    with pytest.raises(ParameterError, match=message) as caught:
        read(root)
    assert str(caught.value).startswith("sweeps/tiny.yaml: ") and "\n" not in str(caught.value)


def test_a_file_that_is_no_sweep_is_refused(root, capsys):
    for text, message in (("- 1", "expected the keys"), ("a: [", "is not valid YAML")):
        (root / "sweeps" / "tiny.yaml").write_text(text)
        with pytest.raises(ParameterError, match=message):
            read(root)
    (root / "sweeps" / "tiny.yaml").rename(root / "sweeps" / "a b.yaml")
    with pytest.raises(ParameterError, match="there is no sweeps/tiny.yaml; there are a b"):
        read(root)
    (root / "clusters" / "local").mkdir(parents=True)
    (root / "clusters" / "local" / "config.yaml").write_text("jobs: 1")
    assert sweep.main(["tiny"], root) == 2
    assert capsys.readouterr().err.startswith("error: there is no sweeps/tiny.yaml")
    assert sweep.main(["tiny", "--on", "moon"], root) == 1
    assert capsys.readouterr().err == "error: there is no clusters/moon/config.yaml\n"


def test_seeds_are_a_list_or_a_range(root):
    write_sweep(root, seeds={"from": 3, "to": 5})
    assert read(root)["seeds"] == [3, 4, 5]


# -- the runs of a sweep ----------------------------------------------------------
def test_a_setting_is_its_profile_then_every_then_the_chapter(root):
    settings = {
        "a": {},
        "b": {"profile": "quick", "every": {"scale": 3.0}},
        "c": {"profile": "quick", "every": {"size": 4, "scale": 3.0}, NAME: {"scale": 5}},
    }
    write_sweep(root, settings=settings, seeds=[7])
    values = [run["values"] for run in read(root)["runs"].values()]
    assert values == [
        {"seed": 7},
        {"seed": 7, "size": 3, "scale": 3.0},
        {"seed": 7, "size": 4, "scale": 5},
    ]


def test_settings_that_agree_share_their_runs_and_a_batch_is_a_job(root):
    settings = {"a": {}, "b": {NAME: {"size": 2}}, "c": {NAME: {"size": 9}}}
    write_sweep(root, settings=settings, seeds=[0, 1, 2], batch=4)
    plan = read(root)
    assert len(plan["cases"]) == 9 and len(plan["runs"]) == 6
    assert [len(marks) for marks in plan["jobs"].values()] == [4, 2]
    assert [mark for marks in plan["jobs"].values() for mark in marks] == list(plan["runs"])


def test_a_job_asks_for_the_memory_of_its_largest_run(root):
    write_sweep(root, seeds=[0])
    plan = read(root)
    assert list(plan["mem_mb"].values()) == [sweep_plan.PARENT + sweep_plan.UNKNOWN]
    plan = sweep_plan.read(profiles.ROOT / "sweeps" / "example.yaml")
    for job, marks in plan["jobs"].items():
        runs = [plan["runs"][mark] for mark in marks]
        each = [profiles.memory(profiles.ROOT / x["notebook"], x["values"]) for x in runs]
        assert plan["mem_mb"][job] == sweep_plan.PARENT + max(each) > sweep_plan.PARENT


def test_a_result_has_another_name_when_what_it_was_made_from_changes(root):
    def mark():
        return next(iter(read(root)["runs"]))

    marks = [mark()]
    write_chapter(root, *LINES, prose="# Another title")
    assert mark() == marks[0]
    write_chapter(root, *LINES[:-1])
    marks.append(mark())
    (root / "mc_lib" / "one.py").write_text("one = 2\n")
    marks.append(mark())
    (root / "mc_lib" / "one.py").rename(root / "mc_lib" / "two.py")
    marks.append(mark())
    (root / "requirements.lock").write_text("torch==3\n")
    marks.append(mark())
    (root / "profiles" / "quick.yaml").write_text(f"{NAME}: {{size: 5}}\n")
    marks.append(mark())
    write_sweep(root, seeds=[2])
    marks.append(mark())
    assert len(set(marks)) == len(marks)


def test_a_file_of_the_lab_concerns_the_chapters_that_use_it_and_no_others(root):
    (root / "book" / "lab").unlink()
    (root / "book" / "lab").mkdir()
    for name in ("__init__", "one", "two"):
        (root / "book" / "lab" / f"{name}.py").write_text("")
    (root / "_toc.yml").write_text(f"root: book/{NAME}\nchapters: [{{file: book/02-other}}]\n")
    write_chapter(root, "seed = 0\nsize = 2", "from lab import one")
    write_chapter(root, "seed = 0", "from lab.two import something", name="02-other")

    def marks():
        return {(case[0], case[2]): case[3] for case in read(root)["cases"]}

    before = marks()
    (root / "book" / "lab" / "two.py").write_text("something = 2\n")
    changed = {case for case, mark in marks().items() if mark != before[case]}
    assert changed == {("02-other", 0), ("02-other", 1)}


# -- results on disk ----------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "{", '{"fingerprint": "x"', "[]", '{"fingerprint": "y"}'])
def test_a_damaged_or_foreign_result_is_none(tmp_path, text):
    path = tmp_path / "x.json"
    assert sweep_store.read(path, "x") is None
    path.write_text(text)
    assert sweep_store.read(path, "x") is None
    sweep_store.write(path, '{"fingerprint": "x", "claims": []}')
    assert sweep_store.read(path, "x") == {"fingerprint": "x", "claims": []}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, step):
    path = tmp_path / "x.json"
    sweep_store.write(path, "old")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(OSError, match="No space left"):
        sweep_store.write(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"] and path.read_text() == "old"


# -- one run -------------------------------------------------------------------------
def test_a_run_finds_what_papermill_finds(root):
    write_sweep(root, seeds=[3], settings={"a": {NAME: {"scale": 0.5}}})
    body = 'check("Thm 3", "main", __name__, equals="__main__")'
    write_chapter(root, *LINES, body, "", "%matplotlib inline".replace("%", "# "))
    status, (result,) = run_job(root, planned(root))
    assert status == 0 and result["error"] is None and result["cells"] == 6
    out = root / "executed"
    values = {"seed": 3, "scale": 0.5}
    execute.execute(root / "book" / f"{NAME}.ipynb", out, values)
    claims = (out.with_suffix(".records") / "claims.jsonl").read_text().splitlines()
    assert result["claims"] == [json.loads(line) for line in claims]
    assert len(claims) == 3 and result["claims"][0]["measured"] == 1.5
    assert result["parameters"] == {"seed": 3, "size": 2, "scale": 0.5}


def test_an_exception_of_the_chapter_is_a_result_and_a_failed_claim_does_not_stop_it(root):
    stop = 'if seed > 3: raise ValueError("too many\\nlines")'
    write_chapter(root, *LINES[:2], stop, LINES[2])
    write_sweep(root, seeds=[1, 3, 4])
    status, results = run_job(root, planned(root))
    assert status == 0 and finished(root)
    assert [[claim["holds"] for claim in r["claims"]] for r in results] == [
        [True, True],
        [False, True],
        [False],
    ]
    error = {"cell": 4, "name": "ValueError", "message": "too many"}
    assert [r["error"] for r in results] == [None, None, error]


def test_each_run_begins_afresh_and_prints_nothing(root, capfd):
    body = (
        "import os, mc_lib, torch\nfrom lab.claims import check\n"
        'fresh = not hasattr(mc_lib, "used") and "here" not in os.environ\n'
        'mc_lib.used, os.environ["here"] = True, "yes"\n'
        'check("Thm 1", "fresh", fresh, equals=True)\n'
        'check("Thm 2", "first number", float(torch.rand(1)), at_least=0)\n'
        'os.system("echo loud; echo louder >&2")'
    )
    write_chapter(root, "seed = 0\nsize = 1", body)
    status, results = run_job(root, planned(root))
    assert status == 0 and all(r["claims"][0]["holds"] for r in results)
    assert results[0]["claims"][1] == results[1]["claims"][1]
    assert capfd.readouterr() == ("", "")


# -- faults: what is finished is kept, and the next start goes on --------------------------
WHERE = r"error: chapter 01-tiny, cell 3 \(seed = 0, size = 3\): "


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "its process was ended by SIGKILL"),
        ("import os; os._exit(3)", "its process was ended by exit status 3"),
        ("import time; time.sleep(60)", "no result after 1 s"),
        ("import os; raise OSError(28, os.strerror(28))", "OSError: .* No space left on device"),
        ("raise MemoryError('none left')", "MemoryError: none left"),
    ],
    ids=["killed", "gone", "timeout", "full disk", "no memory"],
)
def test_a_fault_names_chapter_cell_and_parameters_and_the_other_run_is_kept(
    root, capfd, trouble, reason
):
    trap = root / "trap"
    body = f'from pathlib import Path\nif seed == 0 and Path("{trap}").exists():\n    {trouble}'
    write_chapter(root, LINES[0], body, LINES[1])
    write_sweep(root, timeout=1 if "sleep" in trouble else 60)
    plan = planned(root)
    trap.touch()
    assert run_job(root, plan) == (1, [])
    line = capfd.readouterr().err
    assert line.count("\n") == 1 and re.match(WHERE + reason, line)
    kept = finished(root)
    before = [path.stat().st_mtime_ns for path in kept]
    assert [path.stem for path in kept] == [list(plan["runs"])[1]]
    trap.unlink()
    status, results = run_job(root, plan)
    assert status == 0 and [r["parameters"]["seed"] for r in results] == [0, 1]
    assert [path.stat().st_mtime_ns for path in kept] == before  # not run again


def test_a_full_disk_ends_the_job_with_one_line(root, capfd, monkeypatch):
    write_sweep(root, seeds=[0, 1, 2])
    plan, write, count = planned(root), sweep_store.write, []

    def second_fails(path, text):
        count.append(path)
        if len(count) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, text)

    monkeypatch.setattr(sweep_store, "write", second_fails)
    assert run_job(root, plan) == (1, [])
    line = capfd.readouterr().err
    assert line.startswith("error: chapter 01-tiny, cell 4 (seed = 1, size = 3): its result cannot")
    assert "No space left on device" in line and line.count("\n") == 1
    assert len(count) == 2 and len(finished(root)) == 1


def test_a_job_whose_file_cannot_be_written_fails_and_keeps_its_runs(root, capfd):
    plan = planned(root)
    (sweep_store.folder(root, "tiny") / "jobs").write_text("in the way")
    assert run_job(root, plan)[0] == 1
    assert "error: job 01-tiny-" in capfd.readouterr().err and len(finished(root)) == 2


def test_a_chapter_that_changes_meanwhile_ends_the_job(root, capfd):
    plan = planned(root)
    (root / "mc_lib" / "one.py").write_text("one = 3\n")
    assert run_job(root, plan) == (1, [])
    line = "error: chapter 01-tiny: it or the library has changed since the sweep began; start"
    assert capfd.readouterr().err.startswith(line)
    assert finished(root) == []


def test_a_killed_engine_leaves_its_finished_runs_and_no_process(root):
    pid = root / "pid"
    body = (
        "import os, sys, time\n"
        'check("E1", "forked from", "lab.figures" in sys.modules, equals=True)\n'
        f'if seed == 1 and not os.path.exists("{pid}"):\n'
        f'    with open("{pid}.new", "w") as file:\n'
        "        file.write(str(os.getpid()))\n"
        f'    os.rename("{pid}.new", "{pid}")\n'
        "    time.sleep(60)"
    )
    write_chapter(root, *LINES, body)
    plan = planned(root)
    (job,) = plan["jobs"]
    base = sweep_store.folder(root, "tiny")
    command = [sys.executable, "-m", "book.pipeline.sweep_job"]
    command += [str(base / "plan.json"), job, str(base / "jobs" / f"{job}.jsonl")]
    path = os.environ | {"PYTHONPATH": str(profiles.ROOT)}
    with subprocess.Popen(command, cwd=root, env=path) as engine:
        wait(pid.exists)
        engine.send_signal(signal.SIGKILL)
    wait(lambda: not Path(f"/proc/{pid.read_text()}").exists())  # the run ends with its engine
    assert len(finished(root)) == 1 and not (base / "jobs").exists()
    assert json.loads(finished(root)[0].read_text())["claims"][-1]["holds"]
    kept = finished(root)[0].stat().st_mtime_ns
    status, results = run_job(root, plan)
    assert status == 0 and len(results) == 2
    assert kept in [path.stat().st_mtime_ns for path in finished(root)]


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


# -- all of it, through Snakemake ------------------------------------------------------
def test_a_sweep_goes_on_after_a_fault_and_becomes_a_table_and_a_page(root, capfd, monkeypatch):
    trap = root / "trap"
    kill = f'import os\nif seed == 1 and os.path.exists("{trap}"): os.kill(os.getpid(), 9)'
    write_chapter(root, *LINES, kill)
    write_sweep(root, seeds=[0, 1, 3])
    shutil.copytree(profiles.ROOT / "clusters", root / "clusters")
    shutil.copy(profiles.ROOT / "sweep.smk", root)
    monkeypatch.setenv("PYTHONPATH", str(profiles.ROOT))
    assert sweep.main(["tiny", "--adopt"], root) == 1
    assert capfd.readouterr().err == "error: sweep tiny has no table; make sweep SWEEP=tiny\n"

    trap.touch()
    assert sweep.main(["tiny"], root) == 1
    told = "error: sweep tiny: chapter 01-tiny, cell 5 (seed = 1, size = 3): its process was ended"
    assert capfd.readouterr() == ("", f"{told} by SIGKILL\n")
    assert len(finished(root)) == 2

    trap.unlink()
    assert sweep.main(["tiny", "--cores", "1"], root) == 0
    out, err = capfd.readouterr()
    assert out.startswith("2 claims of 1 chapters in 3 runs: 1 held in every run, 1 did not.\n")
    assert err == "" and len(finished(root)) == 3
    found = json.loads((sweep_store.folder(root, "tiny") / "table.json").read_text())
    entry = found["chapters"][NAME]["claims"][0]["settings"]["quick"]
    assert (entry["held"], entry["runs"], entry["failed"]) == (2, 3, [3])
    assert sweep.main(["tiny", "--adopt"], root) == 0
    assert json.loads((root / sweep.ADOPTED).read_text()) == found
    assert "did not hold" in (root / sweep.PAGE).read_text()


@pytest.mark.parametrize("text", ["", '{"fingerprint": "x"}', '{"finger'])
def test_a_damaged_file_of_a_job_makes_no_table(root, text):
    plan, base = planned(root), sweep_store.folder(root, "tiny")
    (job,) = plan["jobs"]
    sweep_store.write(base / "jobs" / f"{job}.jsonl", text)
    with pytest.raises(sweep.SweepFailed, match="jobs holds what is not of this sweep; remove it"):
        sweep._table(plan, base)


def test_one_sweep_of_a_name_runs_at_a_time(root, capfd):
    shutil.copytree(profiles.ROOT / "clusters", root / "clusters")
    base = sweep_store.folder(root, "tiny")
    base.mkdir(parents=True)
    with engine.lock(base / "lock", "a test"):
        assert sweep.main(["tiny"], root) == 1
    assert capfd.readouterr().err == "error: sweep tiny is running already; wait for it\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
def test_a_terminal_shows_how_many_runs_are_finished_and_a_file_nothing(
    root, monkeypatch, stream, shown
):
    plan, base = planned(root), sweep_store.folder(root, "tiny")
    sweep_store.write(base / next(iter(plan["runs"].values()))["file"], "{}")
    screen = stream()
    monkeypatch.setattr(sys, "stderr", screen)
    with subprocess.Popen(["echo", "done"], stdout=subprocess.PIPE, text=True) as process:
        assert sweep._follow(process, plan, base) == "done\n"
    assert ("sweep tiny" in screen.getvalue()) == shown
    assert shown == ("1/2" in screen.getvalue())
