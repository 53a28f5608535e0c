"""Build the whole book through Snakemake and say in one line what to open.

python -m book.pipeline.build [--profile NAME] [--cores N] [--chapters]
"""

import argparse
import os
import sys

import psutil

from book.pipeline import engine, profiles


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.build")
    parser.add_argument("--profile", default="paper", help="the file profiles/PROFILE.yaml")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--chapters", action="store_true", help="execute them and stop there")
    options = parser.parse_args(arguments)
    try:
        settings = profiles.profile(options.profile)
        for name, notebook in profiles.chapters().items():
            profiles.require_memory(notebook, settings.get(name, {}))
        status = engine.run(
            [
                *(["chapters"] if options.chapters else []),
                f"--cores={options.cores}",
                f"--resources=mem_mb={psutil.virtual_memory().available >> 20}",
                "--config",
                f"profile={options.profile}",
            ]
        )
    except (ValueError, engine.Busy) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if status == 0 and not options.chapters:
        print("book: open _build/html/index.html (figures: _build/figures)")
    return status


if __name__ == "__main__":
    sys.exit(engine.told(main))
