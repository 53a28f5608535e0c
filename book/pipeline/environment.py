"""Set up .venv when it is missing or stale. Runs on a bare Python: standard library only.

    python book/pipeline/environment.py

Every package comes from requirements.lock and is checked by its hash, setuptools first, which
builds what has no wheel. torch alone is not hashed: its version is pinned in requirements.toml, and
which build of it a machine gets, for a processor or an accelerator, is for the installer to find.

The installer is uv where there is one, which takes the build of torch that fits the machine, or the
one that UV_TORCH_BACKEND names; and pip otherwise, or where uv fails.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON, STAMP = os.path.join(VENV, "bin", "python"), os.path.join(VENV, "ready.json")
BUILD = os.path.join(ROOT, "_build")
LOG, BUILDER = os.path.join(BUILD, "environment.log"), os.path.join(BUILD, "setuptools.lock")
LOCK = os.path.join(ROOT, "requirements.lock")
LEAST = (3, 11)
OFFLINE = ("NewConnectionError", "Name or service not known", "name resolution", "ProxyError")
AS_PIP = {  # what uv calls what pip was told by the environment
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}


def read(name):
    """Return the text of a file of the project."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def project():
    """Return what pyproject.toml says about the packages: project, build system, torch."""
    import tomllib  # not at the top: a Python too old has no tomllib, and is told so first

    found = tomllib.loads(read("pyproject.toml"))
    pins = tomllib.loads(read("requirements.toml"))["constraint-dependencies"]
    (torch,) = [pin for pin in pins if pin.startswith("torch==")]
    return {"project": found["project"], "build-system": found["build-system"], "torch": torch}


def fingerprint():
    """Return what the environment was made from: two equal ones need no new install."""
    text = json.dumps([project(), read("requirements.lock"), sys.version, ROOT], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_current(wanted):
    """Return whether .venv was finished, from the same inputs."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            return json.load(file) == wanted
    except (OSError, ValueError):
        return False


def run(log, *command):
    """Run a command with its output in the log; return whether it succeeded."""
    return subprocess.call(command, stdout=log, stderr=log, cwd=ROOT, env=environ()) == 0


def environ():
    """Return the environment of a command: uv hears what pip is told, and asks all indexes.

    Without an index or a folder of the user's own, uv asks torch's index for the build that fits.
    """
    heard = {uv: os.environ[pip] for pip, uv in AS_PIP.items() if os.environ.get(pip)}
    fitting = {} if {"UV_INDEX", "UV_FIND_LINKS"} & set(heard) else {"UV_TORCH_BACKEND": "auto"}
    ours = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    return {**ours, **heard, **fitting, **os.environ}


def cause():
    """Say in a few words why the installation failed, from the log."""
    with open(LOG, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if any(sign in text for sign in OFFLINE):
        return "the packages could not be downloaded: is there a network?"
    errors = [line.strip() for line in text.splitlines() if line.lower().startswith("error:")]
    return errors[-1] if errors else "the installer failed"


def builder():
    """Write the part of the lock that names setuptools to a file; return the file."""
    with open(BUILDER, "w", encoding="utf-8") as file:
        file.write(re.search(r"^setuptools==(.+\\\n)*.+$", read("requirements.lock"), re.M)[0])
    return BUILDER


def commands(*installer):
    """Yield what makes .venv by an installer."""
    yield sys.executable, "-m", "venv", VENV
    locked = (*installer, "--require-hashes", "--no-deps", "--no-build-isolation", "-r")
    yield (*locked, builder())
    yield (*locked, LOCK)
    yield (*installer, project()["torch"])
    yield (*installer, "--no-deps", "--no-build-isolation", "-e", ".")
    # the first import builds matplotlib's font cache and says so; not in a chapter
    yield PYTHON, "-c", "import matplotlib.pyplot"


def install():
    """Make .venv; return whether that succeeded, after saying why not."""
    os.makedirs(BUILD, exist_ok=True)
    uv = shutil.which("uv")
    installers = [(uv, "pip", "install", "--python", PYTHON)] if uv else []
    installers.append((PYTHON, "-m", "pip", "install"))
    with open(LOG, "w", encoding="utf-8") as log:
        done = any(all(run(log, *command) for command in commands(*tool)) for tool in installers)
    if not done:
        sys.stderr.write(f"error: no environment: {cause()} (log: _build/environment.log)\n")
    return done


def venv():
    """Make .venv anew, whole or not at all; return whether that succeeded."""
    state = "stale" if os.path.exists(VENV) else "missing"
    print(f"environment: .venv is {state}; installing the locked packages (a few minutes)")
    sys.stdout.flush()
    shutil.rmtree(VENV, ignore_errors=True)
    if not install():
        shutil.rmtree(VENV, ignore_errors=True)
        return False
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump(fingerprint(), file)
    print("environment: .venv is ready")
    return True


def main():
    """Make sure that the packages are there and current, and return the exit status."""
    if sys.version_info < LEAST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(
            f"error: Python {LEAST[0]}.{LEAST[1]} or newer is needed, {sys.executable} is {found}; "
            "name a newer one with make PYTHON=...\n"
        )
        return 2
    return 0 if is_current(fingerprint()) or venv() else 1


if __name__ == "__main__":
    sys.exit(main())
