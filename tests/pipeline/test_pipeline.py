"""The pipeline refuses what papermill would let pass, and leaves nothing half-written."""

import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from book.pipeline import book as building
from book.pipeline import compare, drift, environment, execute, profiles, run
from lab import claims
from lab.settings import ParameterError

CHAPTER = "04-connected-components"


@pytest.fixture
def book(tmp_path):
    """A book with one tiny chapter."""
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n- chapters:\n  - file: book/01-tiny\n"
    )
    (tmp_path / "book").mkdir()
    (tmp_path / "profiles").mkdir()
    write_chapter(tmp_path, "seed = 0\nscale = 1.0\nname = 'a'\nsizes = [1, 2]", "print(seed)")
    return tmp_path


def write_chapter(root, parameters, body):
    cells = [nbformat.v4.new_code_cell(source) for source in (parameters, body)]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, root / "book" / "01-tiny.ipynb")


def test_chapters_are_found_at_every_depth_of_the_table_of_contents(book):
    assert profiles.chapters(book) == {"01-tiny": book / "book" / "01-tiny.ipynb"}


def test_defaults_are_read_from_the_parameters_cell(book):
    found = profiles.defaults(book / "book" / "01-tiny.ipynb")
    assert found == {"seed": 0, "scale": 1.0, "name": "a", "sizes": [1, 2]}


def test_a_profile_gives_its_values(book):
    (book / "profiles" / "mine.yaml").write_text("01-tiny: {seed: 3, scale: 2}")
    assert profiles.profile("mine", book) == {"01-tiny": {"seed": 3, "scale": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01-tiny: {sede: 3}", "unknown parameter 'sede' .did you mean seed.*; it has seed, sc"),
        ("02-none: {seed: 3}", "unknown chapter '02-none'; there are 01-tiny"),
        ("01-tiny: {seed: false}", "seed = False: expected int, such as 0, got bool"),
        ("01-tiny: {seed: '3'}", "seed = '3': expected int, such as 0, got str"),
        ("01-tiny: {scale: 1e-3}", "scale = '1e-3': expected float.*write 1.0e-3, not 1e-3"),
        ("01-tiny: {sizes: 3}", r"sizes = 3: expected list, such as \[1, 2\], got int"),
        ("01-tiny: 3", "expected chapter: {parameter: value}"),
        ("01-tiny: {seed: [", "not valid YAML"),
    ],
)
def test_a_wrong_profile_is_refused(book, text, message):
    (book / "profiles" / "mine.yaml").write_text(text)
    with pytest.raises(ParameterError, match=message):
        profiles.profile("mine", book)


def test_an_unknown_profile_is_refused_and_the_known_ones_named():
    with pytest.raises(ParameterError, match="unknown profile 'huge'; there are .*paper, quick"):
        profiles.profile("huge")


@pytest.mark.parametrize("cell", ["seed = 1 + 1", "print(1)", "import math"])
def test_parameters_are_literal_assignments(book, cell):
    write_chapter(book, cell, "")
    with pytest.raises((ParameterError, ValueError)):
        profiles.defaults(book / "book" / "01-tiny.ipynb")


def test_settings_of_the_command_line_are_typed():
    expected = {"seed": 3, "sizes": [1, 2], "scale": 0.5, "flag": False}
    assert profiles.parse(["seed=3", "sizes=[1, 2]", "scale=0.5", "flag=false"]) == expected
    assert profiles.parse(["seed=3 sizes=[1, 2]  scale=0.5 flag=false"]) == expected
    assert profiles.parse(["seed=3", "sizes=[1,", "2]", "scale=0.5", "flag=false"]) == expected
    assert profiles.parse([""]) == {}


@pytest.mark.parametrize("text", ["seed", "=3", "seed=["])
def test_a_setting_without_name_or_value_is_refused(text):
    with pytest.raises(ParameterError, match="write parameter=value|is not a value"):
        profiles.parse([text])


def test_a_chapter_is_executed_with_its_records(book):
    claim = 'from lab.claims import check\ncheck("Prop 0", "seed", seed, equals=7)'
    write_chapter(book, "seed = 0", claim)
    out = book / "out" / "tiny"
    execute.execute(book / "book" / "01-tiny.ipynb", out, {"seed": 7})
    assert "✓ Prop 0: seed (= 7)" in out.with_suffix(".ipynb").read_text()
    record = json.loads((out.with_suffix(".records") / "claims.jsonl").read_text())
    assert (record["statement"], record["measured"], record["holds"]) == ("Prop 0", 7, True)
    assert sorted(p.name for p in out.parent.iterdir()) == ["tiny.ipynb", "tiny.records"]


def test_a_chapter_that_raises_leaves_no_result(book):
    write_chapter(book, "seed = 0", "raise RuntimeError('broken')")
    out = book / "out" / "tiny"
    out.parent.mkdir()
    out.with_suffix(".ipynb").write_text("an older result")
    with pytest.raises(execute.ChapterFailed, match="RuntimeError: broken"):
        execute.execute(book / "book" / "01-tiny.ipynb", out, {})
    assert [p.name for p in out.parent.iterdir()] == ["tiny.failed.ipynb"]
    assert "MC_LIB_RECORDS" not in os.environ


def test_the_pipeline_and_the_library_use_the_same_names():
    assert (run.RECORDS, run.CHECKS) == (claims.RECORDS, claims.CHECKS)


def test_parameters_of_ones_own_may_break_a_claim_and_the_rest_is_run(book, monkeypatch, capsys):
    body = """from lab.claims import check
check("Prop 0", "seed is small", seed, at_most=5)
check("Prop 0", "seed is whole", seed, equals=7)"""
    write_chapter(book, "seed = 0", body)
    monkeypatch.setattr(profiles, "find", lambda name: book / "book" / "01-tiny.ipynb")
    monkeypatch.setattr(profiles, "require_memory", lambda *_: None)
    assert execute.main(["01", str(book), "seed=7"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 2 claims do not hold with these parameters:" in printed
    assert "  Prop 0: seed is small: 7, not ≤ 5\n" in printed
    assert run.CHECKS not in os.environ
    assert execute.main(["01", str(book)]) == 1
    assert "CheckFailed: ✗ Prop 0: seed is whole (measured 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "stem"),
    [("06", "06-curves"), ("6", "06-curves"), ("6b", "06b-curvature"), ("06-curves", "06-curves")],
)
def test_a_chapter_is_found_by_name_and_by_number(name, stem):
    assert profiles.find(name).stem == stem


@pytest.mark.parametrize("name", ["curves", "06c", "8"])
def test_an_unknown_chapter_is_refused_and_the_known_ones_named(name):
    with pytest.raises(ParameterError, match="unknown chapter .*; there are 01-introduction"):
        profiles.find(name)


def test_a_chapter_that_is_not_named_is_asked_for():
    with pytest.raises(ParameterError, match="name a chapter, such as CH=06; there are 01-intro"):
        profiles.find("")


def test_a_name_that_is_nearly_right_is_proposed():
    with pytest.raises(ParameterError, match=r"'06-curve' \(did you mean 06-curves\?\)"):
        profiles.find("06-curve")
    with pytest.raises(ParameterError, match=r"'quik' \(did you mean quick\?\)"):
        profiles.profile("quik")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("device", "gpu", "device = 'gpu': expected one"),
        ("dtype", "float16", "expected float32 or"),
    ],
)
def test_where_and_how_to_compute_is_refused_before_the_run(name, value, message):
    with pytest.raises(ParameterError, match=f"06-curves: .*{message}"):
        profiles.require(profiles.find("06"), {name: value})


def test_a_value_out_of_range_is_refused_before_the_run(book):
    body = 'scale = settings.number("scale", scale, at_least=0.5, at_most=2)'
    write_chapter(book, "scale = 1.0", body)
    notebook = book / "book" / "01-tiny.ipynb"
    profiles.require(notebook, {"scale": 2})
    with pytest.raises(ParameterError, match=r"01-tiny: scale = 3.0: expected at least 0.5 and"):
        profiles.require(notebook, {"scale": 3.0})


def test_the_memory_of_a_setting_is_estimated_and_too_much_is_refused(book, monkeypatch):
    listed = book / "memory.yml"
    listed.write_text("01-tiny: 100 + 2 * max(sizes) * len(name)")
    notebook = book / "book" / "01-tiny.ipynb"
    assert profiles.memory(notebook, {"sizes": [3, 50], "name": "ab"}, listed) == 300
    monkeypatch.setattr(profiles, "MEMORY", listed)
    profiles.require_memory(notebook, {"sizes": [1]})
    with pytest.raises(ParameterError, match=r"need about 2000000100 MB and \d+ MB are free"):
        profiles.require_memory(notebook, {"sizes": [10**9]})


@pytest.mark.parametrize("name", ["quick", "paper", "large"])
def test_every_profile_is_valid_and_its_memory_is_known(name):
    settings = profiles.profile(name)
    for chapter, notebook in profiles.chapters().items():
        assert 300 < profiles.memory(notebook, settings.get(chapter, {})) < 100_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["05-none", "out"], "error: unknown chapter '05-none'; there are 01-intro"),
        (["04", "out", "grid=1"], "error: 04-connected-components: grid = 1: expected at least 2"),
        ([CHAPTER, "out", "sede=1"], "error: 04-connected-components: unknown parameter 'sede'"),
        ([CHAPTER, "out", "seed=false"], "expected int, such as 0, got bool"),
        ([CHAPTER, "out", "--profile", "huge"], "error: unknown profile 'huge'"),
    ],
)
def test_a_wrong_command_stops_with_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert execute.main(arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


DRAW = """
import os, pathlib, numpy
folder = pathlib.Path(os.environ["MC_LIB_RECORDS"]) / "figures"
folder.mkdir()
numpy.savez(folder / "figure-tiny.npz", x=VALUE)
"""


@pytest.mark.parametrize(
    ("line", "value", "found"),
    [
        ("print('always')", "1.0", []),
        ("print(threads)", "1.0", ["cell 2 shows something else or fails"]),
        ("print('always')", "1.0 + 1e-3 * threads", ["figure-tiny: x differs by up to 0.002"]),
        ("1 / (threads - 2)", "1.0", ["cell 2 shows something else or fails"]),
    ],
)
def test_what_depends_on_the_number_of_threads_is_found(book, monkeypatch, line, value, found):
    monkeypatch.setattr(drift, "FOLDER", book / "drift")
    monkeypatch.setattr(compare, "REFERENCE", book / "reference")
    write_chapter(book, "threads = 1", line + DRAW.replace("VALUE", value.replace("threads", "0")))
    notebook = book / "book" / "01-tiny.ipynb"
    execute.execute(notebook, book / "committed", {})
    shutil.copy(book / "committed.ipynb", notebook)
    shutil.copytree(book / "committed.records" / "figures", book / "reference")
    text = notebook.read_text().replace(value.replace("threads", "0"), value)
    notebook.write_text(text)
    lines = drift.drift(notebook, 2, "default")
    assert len(lines) == len(found)
    assert all(re.match(*pair) for pair in zip(found, lines, strict=True)), lines
    assert drift.INSTRUCTIONS not in os.environ


def save(folder, **figures):
    folder.mkdir()
    for name, arrays in figures.items():
        np.savez(folder / f"{name}.npz", **arrays)


def compare_arrays(folder, monkeypatch):
    """The exit status of the comparison, where nbval found nothing and drew into folder/a."""

    def again(notebook, records, *_):
        records.mkdir(parents=True)
        (folder / "a").rename(records / "figures")
        return SimpleNamespace(returncode=0, stdout="passed")

    monkeypatch.setattr(compare, "COMPARED", folder / "check")
    monkeypatch.setattr(compare, "chapters", lambda: {CHAPTER: profiles.chapters()[CHAPTER]})
    monkeypatch.setattr(compare, "again", again)
    return compare.main(folder / "b")


def test_equal_figures_have_no_differences(tmp_path, monkeypatch):
    save(tmp_path / "a", f={"x": np.arange(3.0)})
    save(tmp_path / "b", f={"x": np.arange(3.0) * (1 + 1e-8)})
    assert compare.differences([tmp_path / "a"], tmp_path / "b") == []
    assert compare_arrays(tmp_path, monkeypatch) == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ({}, {"f": {"x": np.ones(2)}}, "not drawn by this run"),
        ({"f": {"x": np.ones(2)}}, {}, "drawn, but not in"),
        ({"f": {"x": np.ones(2)}}, {"f": {"y": np.ones(2)}}, r"arrays \['x'\], not \['y'\]"),
        ({"f": {"x": np.ones(2)}}, {"f": {"x": np.ones(3)}}, r"shape \(2,\), not \(3,\)"),
        ({"f": {"x": np.ones(2)}}, {"f": {"x": np.array([1, 1.25])}}, "differs by up to 0.25"),
        ({"f": {"x": np.array([np.nan])}}, {"f": {"x": np.ones(1)}}, "differs by up to nan"),
    ],
)
def test_different_figures_are_told_apart(tmp_path, monkeypatch, ours, theirs, message, capsys):
    save(tmp_path / "a", **ours)
    save(tmp_path / "b", **theirs)
    (line,) = compare.differences([tmp_path / "a"], tmp_path / "b")
    assert re.search(message, line)
    assert compare_arrays(tmp_path, monkeypatch) == 1
    assert line in capsys.readouterr().err


def test_an_old_python_is_told_what_is_needed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert environment.main() == 2
    assert "error: Python 3.11 or newer is needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("... NewConnectionError: failed", "is there a network?"),
        ("ERROR: No matching distribution for x==9", "ERROR: No matching distribution for x==9"),
        ("error: uv says this\nERROR: pip says that", "ERROR: pip says that"),
        ("", "the installer failed"),
    ],
)
def test_a_failed_installation_says_why(tmp_path, monkeypatch, log, cause):
    monkeypatch.setattr(environment, "LOG", str(tmp_path / "log"))
    (tmp_path / "log").write_text(log)
    assert cause in environment.cause()


def test_everything_but_torch_is_installed_by_hash_and_torch_at_its_pin(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "BUILDER", str(tmp_path / "setuptools.lock"))
    made, first, locked, torch, own, _ = environment.commands("uv", "pip", "install")
    assert made[-2:] == ("venv", environment.VENV)
    assert first[-1] == str(tmp_path / "setuptools.lock") and locked[-1] == environment.LOCK
    assert "--require-hashes" in first and "--require-hashes" in locked
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", torch[-1]) and own[-2:] == ("-e", ".")
    names = re.findall("^([a-z]+)==", (tmp_path / "setuptools.lock").read_text(), re.M)
    assert names == ["setuptools"]
    assert {command[:3] for command in (first, locked, torch, own)} == {("uv", "pip", "install")}


@pytest.mark.parametrize(
    ("there", "failing", "used"),
    [
        pytest.param(True, None, ["uv"], id="uv where it is there"),
        pytest.param(False, None, ["pip"], id="pip otherwise"),
        pytest.param(True, "uv", ["uv", "pip"], id="pip where uv fails"),
    ],
)
def test_the_installer_is_uv_or_pip(tmp_path, monkeypatch, there, failing, used):
    monkeypatch.setattr(environment, "LOG", str(tmp_path / "log"))
    monkeypatch.setattr(environment, "BUILDER", str(tmp_path / "setuptools.lock"))
    monkeypatch.setattr(environment.shutil, "which", lambda name: f"/bin/{name}" * there or None)
    ran = []

    def run(log, *command):
        if "install" not in command:
            return True
        ran.append("pip" if "-m" in command else os.path.basename(command[0]))
        return ran[-1] != failing

    monkeypatch.setattr(environment, "run", run)
    assert environment.install()
    assert list(dict.fromkeys(ran)) == used


@pytest.mark.parametrize(
    ("pip", "uv", "backend"),
    [
        pytest.param({}, {}, "auto", id="nothing said"),
        pytest.param({"PIP_EXTRA_INDEX_URL": "a"}, {"UV_INDEX": "a"}, None, id="an index"),
        pytest.param({"PIP_FIND_LINKS": "/b"}, {"UV_FIND_LINKS": "/b"}, None, id="a folder"),
        pytest.param({"UV_TORCH_BACKEND": "cpu"}, {}, "cpu", id="a build of torch"),
    ],
)
def test_uv_hears_what_pip_is_told(monkeypatch, pip, uv, backend):
    for name in {*environment.AS_PIP, *environment.AS_PIP.values(), "UV_TORCH_BACKEND"}:
        monkeypatch.delenv(name, raising=False)
    for name, value in pip.items():
        monkeypatch.setenv(name, value)
    told = environment.environ()
    assert told.items() >= uv.items()
    assert told.get("UV_TORCH_BACKEND") == backend


def test_a_failed_installation_leaves_no_environment(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environment, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(environment, "STAMP", str(tmp_path / ".venv" / "ready.json"))
    monkeypatch.setattr(environment, "LOG", str(tmp_path / "environment.log"))

    def fail(log, *command):
        os.makedirs(tmp_path / ".venv", exist_ok=True)
        log.write("NewConnectionError")
        return False

    monkeypatch.setattr(environment, "run", fail)
    assert environment.main() == 1
    assert not (tmp_path / ".venv").exists()
    assert "error: no environment: the packages could not" in capsys.readouterr().err


def test_an_environment_is_current_only_with_the_same_inputs(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "STAMP", str(tmp_path / "ready.json"))
    assert not environment.is_current("a")
    (tmp_path / "ready.json").write_text('"a"')
    assert environment.is_current("a")
    assert not environment.is_current("b")
    (tmp_path / "ready.json").write_text('"a')
    assert not environment.is_current("a")


def test_a_book_that_does_not_build_is_not_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(building, "BUILD", tmp_path)
    monkeypatch.setattr(building, "LOG", tmp_path / "log")
    monkeypatch.setattr(building, "stage", lambda: None)
    (tmp_path / "html").mkdir()
    (tmp_path / "log").write_text("a.md:1: WARNING: unknown document\nfine\n")
    monkeypatch.setattr(building, "is_built", lambda: False)
    assert building.main(["--pages"]) == 1
    assert "a.md:1: WARNING: unknown document" in capsys.readouterr().err
    assert (tmp_path / "html").exists()


def test_the_build_refuses_an_unknown_profile():
    command = [sys.executable, "-m", "book.pipeline.book", "--profile", "huge"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=profiles.ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown profile 'huge'; there are ")
