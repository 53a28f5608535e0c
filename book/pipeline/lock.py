"""Resolve all packages afresh and write requirements.lock and environment.yml.

    python -m book.pipeline.lock

A release of torch for accelerators is several gigabytes, so torch stays at the pinned one.
Releases of soupsieve from 3.0 on refuse Python 3.11.0 to 3.11.4, or were withdrawn because they
fail there, and the book should build on every Python 3.11.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK, CONDA = ROOT / "requirements.lock", ROOT / "environment.yml"
PINNED = ["torch==2.13.0", "soupsieve<3"]

CONDA_HEAD = """\
# Written by `make lock`: the packages that pyproject.toml asks for, at the locked versions.
name: mc_lib
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def name(requirement: str) -> str:
    """Return the normalised name of the package in a requirement such as "torch>=2.6"."""
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def direct() -> list[str]:
    """Return the names of the packages that pyproject.toml asks for, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return sorted({name(r) for group in (project["dependencies"], *extras) for r in group})


def locked() -> dict[str, str]:
    """Return the locked version of each package by its normalised name."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name(package): version for package, version in pairs}


def resolve() -> list[str]:
    """Install the project into a new environment and return what came: name==version."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
        pip = [str(Path(scratch) / "bin" / "python"), "-m", "pip"]
        subprocess.run(
            [*pip, "install", *PINNED, f"{ROOT}[book,cluster,test]", "setuptools"],
            check=True,
        )
        freeze = [
            *pip,
            "freeze",
            "--all",
            "--exclude",
            "pip",
            "--exclude",
            "mc_lib",
        ]
        text = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    # a local version such as +cpu names a build, which differs from machine to machine
    return sorted((line.split("+")[0] for line in text.splitlines()), key=str.lower)


def main() -> int:
    """Write both files and return the exit status."""
    head = "# Written by `make lock`. Exact versions of everything, read by pip as constraints.\n"
    LOCK.write_text(head + "\n".join(resolve()) + "\n", encoding="utf-8")
    versions = locked()
    pins = "".join(f"      - {package}=={versions[package]}\n" for package in direct())
    CONDA.write_text(CONDA_HEAD + pins + "      - -e .\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
