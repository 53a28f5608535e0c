"""Build the whole book through Snakemake and say in one line what to open.

python -m book.pipeline.build [--profile NAME] [--cores N]
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from book.pipeline import profiles
from mc_lib import McLibError


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.build")
    parser.add_argument("--profile", default="paper", help="the file params/PROFILE.yaml")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    try:
        profiles.profile(options.profile)
    except McLibError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [
        snakemake,
        "--cores",
        str(options.cores),
        "--quiet",
        "all",
        "--rerun-incomplete",
    ]
    command += ["--config", f"profile={options.profile}"]
    status = subprocess.run(command, cwd=profiles.ROOT, check=False).returncode
    if status == 0:
        page = profiles.ROOT / "_build" / "html" / "index.html"
        print(f"book: open {page.relative_to(profiles.ROOT)} (figures: _build/figures)")
    return status


if __name__ == "__main__":
    sys.exit(main())
