"""The README's example runs and says what it does, and each of its commands can be started."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from safetensors.torch import save_file

from book.pipeline import sweep_plan
from book.pipeline.profiles import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\| `(make [^`]*)` \|", README, re.M)
HERE = "tests/pipeline/test_readme.py"
COLLECT = ("--collect-only", "-q", "-n0")

# what starts the programs of each command of the table, in seconds; exit status; what they say
STARTS = {
    "make jupyter": [(("-m", "book.pipeline.jupyter", "--version"), 0, "4.")],
    "make test": [
        (("ruff", "check", HERE), 0, "passed"),
        (("ruff", "format", "--check", HERE), 0, "formatted"),
        (("mypy", "--version"), 0, "mypy"),
        (("zizmor", "--offline", ".github"), 0, ""),
        (("-m", "pytest", *COLLECT, HERE), 0, "test_readme.py"),
        (("-m", "pytest", *COLLECT, "--nbval", "book/07-discussion.ipynb"), 0, "07-discussion"),
        (("-c", "from book.pipeline import compare; print(compare.differences)"), 0, "function"),
    ],
    "make test-browser": [
        (("-m", "pytest", *COLLECT, "--confcutdir", "tests/browser", "tests/browser"), 0, "page"),
    ],
    "make pdf": [(("-m", "book.pipeline.pdf", "no-such-folder"), 2, "run make book first")],
    "make test-long": [
        (("-m", "pytest", *COLLECT, "--cov", "--cov-fail-under=0", HERE), 0, "test_readme.py"),
        (("-m", "pytest", *COLLECT, "-m", "hypothesis", "tests/library/test_points.py"), 0, "test"),
    ],
    "make bench": [],  # in an environment of its own: below
    "make bench-rebasin": [],
    "make sweep SWEEP=seeds": [(("-m", "book.pipeline.sweep", "none"), 2, "there is no sweeps/")],
    "make sabotage": [
        (("-c", "from book.pipeline import sabotage; print(sabotage.main)"), 0, "function"),
    ],
    "make drift": [(("-m", "book.pipeline.drift", "none"), 2, "unknown chapter 'none'")],
    "make mutate": [(("mutmut", "run", "--help"), 0, "Usage")],
    "make chapters": [
        (("-m", "book.pipeline.book", "--chapters", "--dry-run"), 0, ""),
        (("-c", "from book.pipeline import adopt; print(adopt.main)"), 0, "function"),
    ],
    "make lock": [(("uv", "pip", "compile", "--help"), 0, "requirements.txt")],
    "make package": [
        (("uv", "build", "--help"), 0, "wheel"),
        (("twine", "--version"), 0, "twine"),
        (("check-wheel-contents", "--version"), 0, "check-wheel-contents"),
        (("-c", "from book.pipeline import package; print(package.main)"), 0, "function"),
    ],
    "make clean": [],  # below
}


def test_the_example_of_the_readme_runs():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(code, names)
    net, w, g = names["net"], names["w"], names["g"]
    assert names["mc"].count_components(net) == 4
    assert net.loss(net.symmetry.act(g, w)) < 1e-20 * net.Y.square().sum()
    assert names["curve"].residual < 1e-20
    found, x, model = names["found"], names["x"], names["model"]
    assert found.dimension == 8 and not torch.equal(names["u"]["0.weight"], names["v"]["0.weight"])
    torch.testing.assert_close(found.chart.module(names["v"])(x), model(x))
    there = found.chart.module(names["aligned"].moved)
    torch.testing.assert_close(there(x), names["other"](x))
    assert not names["path"].exact and names["merged"].loss > 0


def test_the_commands_on_checkpoints_of_the_readme_run(tmp_path):
    lines = re.findall(r"^mc .*$", README, re.M)
    assert [line.split()[1] for line in lines] == ["compare", "merge"]
    code = """import torch
def net():
    return torch.nn.Linear(3, 2), torch.ones(4, 3), torch.nn.functional.mse_loss
def pairs():
    return [(torch.ones(4, 3), torch.ones(4, 2))]
"""
    (tmp_path / "my_models.py").write_text(code)
    state = torch.nn.Linear(3, 2, dtype=torch.float32).state_dict()
    torch.save(state, tmp_path / "b.pt")
    save_file(state, tmp_path / "a.safetensors")
    for line in lines:
        done = subprocess.run(
            [os.path.join(os.path.dirname(sys.executable), "mc"), *line.split()[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "mean.safetensors").exists()


def test_every_command_of_the_readme_is_known_to_make_and_started_here():
    assert list(STARTS) == COMMANDS
    for command in COMMANDS:
        done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for module in re.findall(r"-m (book\.[\w.]+)", done.stdout):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists()
        for path in re.findall(r"(?<=\s)(?:benchmarks|tests|book)/[\w./-]+", done.stdout):
            assert (ROOT / path).exists()


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [start for starts in STARTS.values() for start in starts],
    ids=str,
)
def test_the_program_of_a_command_starts(program, status, said):
    first = [sys.executable] if program[0].startswith("-") else []
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "MC_LIB_PLAIN": "all"}
    done = subprocess.run(
        [*first, *program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


def test_make_clean_removes_what_was_made_and_nothing_else(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("_build", ".snakemake", ".venv", "dist", "book"):
        (tmp_path / name).mkdir()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "book"]


def test_the_sweep_of_the_readme_is_a_valid_one():
    plan = sweep_plan.read(ROOT / "sweeps" / "seeds.yaml", ROOT)
    assert len(plan["runs"]) > 100


# -- the benchmarks, whose packages are locked apart ------------------------------------------
ONLY = """
import importlib.metadata, runpy, sys, types
allowed = set({allowed!r})
homes = importlib.metadata.packages_distributions()
class Only:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in homes and not allowed & {{d.lower().replace("_", "-") for d in homes[top]}}:
            raise ImportError(f"{{name}} is not in {{sys.argv[0]}}")
def anything(attribute):
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return object
sys.meta_path.insert(0, Only())
for name in {stubs!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__getattr__ = anything
sys.path.insert(0, "book")
names = runpy.run_path({script!r})
{more}
print("started")
"""


@pytest.mark.parametrize(
    ("script", "lock", "stubs", "more"),
    [
        (
            "benchmarks/run.py",
            "benchmarks/requirements.lock",
            ["geomstats", "geomstats.geometry", "geomstats.geometry.general_linear"],
            "print(names['table'](names['losses']()))",
        ),
        (
            "benchmarks/against_rebasin.py",
            "benchmarks/rebasin.lock",
            ["rebasin"],
            "import torch\nfrom lab import data\ndata.digits(torch.Generator())",
        ),
    ],
)
def test_a_benchmark_starts_with_the_packages_of_its_lock(script, lock, stubs, more):
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(Requirement(x).name) for x in lines if not x.startswith("#")}
    code = ONLY.format(allowed=sorted(pins | {"mc-lib"}), stubs=stubs, script=script, more=more)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("started\n"), done.stderr


def test_mutmut_is_told_of_tests_that_there_are():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    chosen = told["pytest_add_cli_args_test_selection"]
    assert [path for path in chosen if not (ROOT / path).exists()] == []
