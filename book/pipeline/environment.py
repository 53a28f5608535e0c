"""Set up .venv when it is missing or stale. Runs on a bare Python: standard library only."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "ready.json")
LOG = os.path.join(ROOT, "_build", "environment.log")
LEAST = (3, 11)


def fingerprint():
    """Return what the environment was made from: two equal ones need no new install."""
    import tomllib  # not at the top: a Python too old has no tomllib, and is told so first

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)
    wanted = {name: project[name] for name in ("project", "build-system")}
    with open(os.path.join(ROOT, "requirements.lock"), encoding="utf-8") as file:
        lock = file.read()
    text = json.dumps([wanted, lock, sys.version, ROOT], sort_keys=True)
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
    constraint = os.path.join(ROOT, "requirements.lock")
    # PIP_CONSTRAINT also pins the build back end; newer pips read the second name for that
    pins = {"PIP_CONSTRAINT": constraint, "PIP_BUILD_CONSTRAINT": constraint}
    environ = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", **pins)
    return subprocess.call(command, stdout=log, stderr=log, cwd=ROOT, env=environ) == 0


def cause():
    """Say in a few words why the installation failed, from the log."""
    with open(LOG, encoding="utf-8", errors="replace") as file:
        text = file.read()
    offline = (
        "NewConnectionError",
        "Name or service not known",
        "name resolution",
        "ProxyError",
    )
    if any(sign in text for sign in offline):
        return "the packages could not be downloaded: is there a network?"
    errors = [line.strip() for line in text.splitlines() if line.startswith("ERROR:")]
    return errors[0] if errors else "pip failed"


def install():
    """Make .venv from the lock; return whether that succeeded."""
    shutil.rmtree(VENV, ignore_errors=True)
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    python = os.path.join(VENV, "bin", "python")
    with open(LOG, "w", encoding="utf-8") as log:
        return (
            run(log, sys.executable, "-m", "venv", VENV)
            and run(log, python, "-m", "pip", "install", "-e", ".[book,test]")
            # the first import builds matplotlib's font cache and says so; not in a chapter
            and run(log, python, "-c", "import matplotlib.pyplot")
        )


def main():
    """Make sure that .venv is there and current.

    Returns:
        The exit status.
    """
    if sys.version_info < LEAST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(
            f"error: Python {LEAST[0]}.{LEAST[1]} or newer is needed, {sys.executable} is {found}; "
            "name a newer one with make PYTHON=...\n"
        )
        return 2
    wanted = fingerprint()
    if is_current(wanted):
        return 0
    state = "stale" if os.path.exists(VENV) else "missing"
    print(f"environment: .venv is {state}; installing the locked packages (a few minutes)")
    sys.stdout.flush()
    if not install():
        shutil.rmtree(VENV, ignore_errors=True)  # nothing half-made stays behind
        sys.stderr.write(f"error: no environment: {cause()} (log: _build/environment.log)\n")
        return 1
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump(wanted, file)
    print("environment: .venv is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
