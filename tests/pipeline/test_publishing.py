"""What a host of repositories, Binder and conda are told."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from book.pipeline.profiles import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S))
LINES = re.findall(r"^(make [^#\n]*?) *(?:#.*)?$", SHELL, re.M)
COMMANDS = [*LINES, *re.findall(r"^\| `(make [^`]*)` \|", README, re.M)]


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


WORKFLOWS = {path.stem: read(path) for path in (ROOT / ".github/workflows").glob("*.yml")}
JOBS = {
    f"{file}/{name}": job for file, told in WORKFLOWS.items() for name, job in told["jobs"].items()
}
STEPS = [step for job in JOBS.values() for step in job["steps"]]
RUN = [step["run"] for step in STEPS if "run" in step]
LONG = WORKFLOWS["commands"]["jobs"]["run"]["strategy"]["matrix"]["command"]


# -- continuous integration ----------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs_in_continuous_integration(command):
    """As it stands there, or with settings that make it shorter."""
    words = shlex.split(command)
    run = [shlex.split(line, comments=True) for line in [*RUN, *LONG]]
    goals = [line[1] for line in run if line[0] == "make"]
    assert words in run or words[1] in goals


@pytest.mark.parametrize("command", LONG)
def test_a_command_of_continuous_integration_is_known_to_make(command):
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for setting in re.findall(r"\b([A-Z]+)=", command):
        assert re.search(rf"\$\({setting}\)", (ROOT / "Makefile").read_text(encoding="utf-8"))


def test_every_action_is_pinned_to_one_commit_and_has_its_version():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / ".github").rglob("*.yml")]
    used = re.findall(r"uses: (\S+)@(.*)", "\n".join(texts))
    assert len(used) == len([step for step in STEPS if "uses" in step]) > 10
    pins = {name: pin for name, pin in used}
    assert all(pins[name] == pin for name, pin in used)
    assert [pin for pin in pins.values() if not re.fullmatch(r"[0-9a-f]{40} # v[\d.]+", pin)] == []


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_a_limit_and_may_write_only_to_publish(name):
    job = JOBS[name]
    assert job["timeout-minutes"] <= 120
    writes = {scope for scope, may in job["permissions"].items() if may == "write"}
    assert writes == {
        "book/deploy": {"pages", "id-token"},
        "release/publish": {"id-token", "attestations"},
    }.get(name, set())


def test_what_breaks_outside_is_seen_within_a_week():
    for name in ("check", "book", "commands"):
        (entry,) = WORKFLOWS[name][True]["schedule"]  # YAML reads `on` as true
        assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", entry["cron"])


def test_nothing_is_released_until_the_repository_says_so():
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["build"]["if"] == "vars.PUBLISH == 'true'"
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"]["name"] == "release"
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "`PUBLISH`" in contributing and "`release`" in contributing


def test_the_library_is_tested_with_every_python_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    matrix = WORKFLOWS["check"]["jobs"]["library"]["strategy"]["matrix"]
    assert matrix["python"] == named
    assert f">={named[0]}" == project["requires-python"]
    assert [case["versions"] for case in matrix["include"]] == ["lowest-direct"]


def test_jupyter_book_2_is_not_proposed_and_the_reason_is_told():
    entries = read(".github/dependabot.yml")["updates"]
    updates = {entry["package-ecosystem"]: entry for entry in entries}
    assert set(updates) == {"github-actions", "pip"}
    ignored = {entry["dependency-name"]: entry for entry in updates["pip"]["ignore"]}
    assert ignored["jupyter-book"]["versions"] == [">=2"]
    assert "Jupyter Book 1" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


# -- conda and Binder ----------------------------------------------------------
def test_conda_and_binder_start_from_the_same_python():
    conda, binder = read("environment.yml"), read("binder/environment.yml")
    assert conda["dependencies"] == ["python=3.11", "pip", "make", "uv"]
    assert binder["dependencies"] == ["python=3.11", "uv"]
    assert conda["channels"] == binder["channels"] == ["conda-forge"]


@pytest.fixture
def image(tmp_path):
    """A repository on Binder whose .venv is ready: this one, with nothing to install."""
    (tmp_path / "book" / "pipeline").mkdir(parents=True)
    environment = tmp_path / "book" / "pipeline" / "environment.py"
    environment.write_text("import os\nassert os.environ['UV_TORCH_BACKEND'] == 'cpu'\n")
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "book" / "lab" / "figures").mkdir(parents=True)
    shutil.copy(ROOT / "book/lab/figures/interactive.js", tmp_path / "book" / "lab" / "figures")
    return tmp_path


def test_the_kernel_on_binder_is_that_of_the_book(image):
    server = image / "server"
    done = subprocess.run(
        ["binder/postBuild"],
        cwd=image,
        env=os.environ | {"NB_PYTHON_PREFIX": str(server)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    share = server / "share" / "jupyter"
    kernel = json.loads((share / "kernels" / "python3" / "kernel.json").read_text())
    assert kernel["argv"][0] == str(image / ".venv" / "bin" / "python")
    described = share / "labextensions" / "jupyterlab-myst" / "package.json"
    extension = json.loads(described.read_text())
    assert extension["name"] == "jupyterlab-myst"
    for name in ("plotly.min.js", "interactive.js"):
        assert (share / "labextensions" / name).stat().st_size > 1000


# -- the repository ------------------------------------------------------------
def test_the_hooks_name_files_that_there_are():
    hooks = read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    paths = [word for hook in hooks for word in hook["entry"].split() if "/" in word]
    assert [path for path in paths if ".venv" not in path and not (ROOT / path).exists()] == []
    folders = [name for hook in hooks for name in re.findall(r"[\w.]+", hook.get("files", ""))]
    assert [name for name in folders if not (ROOT / name).exists()] == []


def test_git_is_told_how_to_keep_each_kind_of_file(tmp_path):
    asked = {
        "book/04-connected-components.ipynb": "diff: jupyternotebook",
        "requirements.lock": "linguist-generated: set",
        "book/reference/figure-1a.npz": "text: unset",
    }
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    command = ["git", "check-attr", "-a", *asked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    for path, attribute in asked.items():
        assert f"{path}: {attribute}\n" in done.stdout
