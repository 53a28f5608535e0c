"""pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import tomllib
from importlib.metadata import distributions, version

import pytest
import yaml
from packaging.requirements import Requirement

from book.pipeline import lock

PROJECT = tomllib.loads((lock.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    Requirement(text)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in group
]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_the_lock_satisfies_pyproject(requirement):
    locked = lock.locked()[lock.name(requirement.name)]
    assert requirement.specifier.contains(locked), f"locked at {locked}"


def test_environment_yml_pins_the_direct_packages_at_the_locked_versions():
    conda = yaml.safe_load(lock.CONDA.read_text(encoding="utf-8"))
    pip = next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    pins = dict(line.split("==") for line in pip if "==" in line)
    assert pins == {name: lock.locked()[name] for name in lock.direct()}


def test_environment_yml_has_the_python_of_pyproject():
    conda = yaml.safe_load(lock.CONDA.read_text(encoding="utf-8"))
    (python,) = (d for d in conda["dependencies"] if isinstance(d, str) and "python" in d)
    assert f">={python.split('=')[1]}" == PROJECT["requires-python"]


def test_every_line_of_the_lock_is_one_exact_version():
    lines = lock.LOCK.read_text(encoding="utf-8").splitlines()[1:]
    assert lines == sorted(lines, key=str.lower)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)


def test_what_is_installed_is_what_is_locked():
    installed = {lock.name(d.metadata["Name"]): d.version.split("+")[0] for d in distributions()}
    ours = {k: v for k, v in installed.items() if k not in {"pip", "mc-lib"}}
    locked = lock.locked()
    assert {k: v for k, v in ours.items() if locked.get(k) != v} == {}


def test_the_fixed_packages_of_the_book_are_there():
    for package in ("jupyter-book", "numpy", "torch", "matplotlib", "papermill", "nbval"):
        assert version(package)
        assert package in lock.direct()
