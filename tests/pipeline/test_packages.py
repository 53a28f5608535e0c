"""pyproject.toml, requirements.lock, environment.yml and what is installed say the same."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book.pipeline.profiles import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
UV = tomllib.loads((ROOT / "requirements.toml").read_text(encoding="utf-8"))
LINES = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
ENTRIES = [Requirement(line.rstrip("\\")) for line in LINES if re.match("[A-Za-z0-9]", line)]
LOCKED = {canonicalize_name(x.name): next(iter(x.specifier)).version for x in ENTRIES}
PINNED = dict(pin.split("==") for pin in UV["constraint-dependencies"] if "==" in pin)
REQUIREMENTS = [
    Requirement(text)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in group
]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_the_lock_satisfies_pyproject(requirement):
    locked = (PINNED | LOCKED)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(locked), f"locked at {locked}"


def test_the_lock_has_one_version_with_hashes_of_each_package_but_torch():
    assert len(ENTRIES) == len(LOCKED) > 100
    assert LOCKED.keys() & {"torch", "triton"} == set()
    assert [name for name in LOCKED if name.startswith(("nvidia", "cuda"))] == []
    assert all(re.fullmatch("==[0-9][A-Za-z0-9.]*", str(entry.specifier)) for entry in ENTRIES)
    assert sum(line.endswith("\\") and "==" in line for line in LINES) == len(ENTRIES)


def test_what_the_lock_says_of_torch_is_what_torch_says():
    (said,) = UV["dependency-metadata"]
    asked = {str(r) for text in requires("torch") if (r := Requirement(text)).marker is None}
    assert asked - set(said["requires-dist"]) == set()
    assert said["version"] == PINNED["torch"]


def test_what_is_installed_is_what_is_locked():
    installed = {canonicalize_name(d.name): d.version.split("+")[0] for d in distributions()}
    ours = {k: v for k, v in installed.items() if k not in {"pip", "mc-lib"}}
    locked = PINNED | LOCKED
    assert {k: v for k, v in ours.items() if locked.get(k) != v} == {}
    named = {canonicalize_name(r.name) for r in REQUIREMENTS}
    assert named - installed.keys() == set()


def test_the_installed_packages_agree_with_each_other():
    command = [sys.executable, "-m", "pip", "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_environment_yml_has_the_python_of_pyproject():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = (name for name in conda["dependencies"] if "python" in name)
    assert f">={python.split('=')[1]}" == PROJECT["requires-python"]


def test_a_lock_made_again_is_the_same(tmp_path):
    """Without a network, from what uv has kept; skipped where it has kept nothing."""
    for name in ("pyproject.toml", "requirements.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "compile", "--offline", "--config-file", "requirements.toml"]
    command += ["pyproject.toml", "-o", "requirements.lock"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode and "network" in done.stderr:
        pytest.skip("uv has kept no metadata of the packages")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "requirements.lock").read_text(encoding="utf-8").splitlines() == LINES
