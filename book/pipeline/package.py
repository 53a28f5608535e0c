"""Build the package, check it, and run the library's tests with it in an environment of its own.

    python -m book.pipeline.package

makes sdist and wheel in dist/. The tests are those of the sdist, the library that of the wheel.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from book.pipeline import engine, environment
from book.pipeline.profiles import ROOT

BIN = Path(sys.executable).parent
DIST, FOLDER = ROOT / "dist", ROOT / "_build" / "package"
TESTING = ("pytest", "hypothesis", "beartype", "mpmath")


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command, which says itself what is wrong when it fails."""
    subprocess.run(command, cwd=cwd, env=environment.environ(), check=True)


def build() -> tuple[Path, Path]:
    """Build and check the package; return the sdist, and the wheel that is made from it."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(BIN / "uv", "build", "--quiet", "--out-dir", DIST)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    run(BIN / "twine", "check", "--strict", sdist, wheel)
    run(BIN / "check-wheel-contents", wheel)
    return sdist, wheel


def test(sdist: Path, wheel: Path) -> None:
    """Run the tests that the sdist holds with the library that the wheel holds."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.unpack_archive(sdist, FOLDER)
    (unpacked,) = FOLDER.iterdir()
    shutil.rmtree(unpacked / "mc_lib")
    python = FOLDER / "venv" / "bin" / "python"
    run(BIN / "uv", "venv", "--quiet", FOLDER / "venv")
    torch = environment.project()["torch"]
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, wheel, torch, *TESTING)
    run(python, "-m", "pytest", "tests/library", cwd=unpacked)


def main() -> int:
    """Build, check and test; return the exit status."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        test(*build())
    except subprocess.CalledProcessError as error:
        print(f"error: package: {Path(error.cmd[0]).name} failed", file=sys.stderr)
        return 1
    print("package: built in dist/, checked and tested")
    return 0


if __name__ == "__main__":
    sys.exit(engine.told(main))
