"""Execute one chapter with papermill: the notebook and its records, or nothing.

    python -m book.pipeline.execute CHAPTER OUT [--profile NAME] [parameter=value ...]

writes OUT.ipynb and the folder OUT.records with the chapter's claims and figures.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat

from book.pipeline import made, profiles
from mc_lib import McLibError, ParameterError
from mc_lib.claims import RECORDS


def execute(notebook: Path, out: Path, values: dict[str, Any]) -> None:
    """Run `notebook` with the given parameters and put the result at `out`, whole or not at all."""
    import papermill  # slow to import, and not needed to refuse a parameter

    started = time.monotonic()
    target, records = out.with_suffix(".ipynb"), out.with_suffix(".records")
    for old in (target, records):
        _remove(old)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".running-") as scratch:
        draft, draft_records = (
            Path(scratch) / target.name,
            Path(scratch) / records.name,
        )
        draft_records.mkdir()
        os.environ[RECORDS] = str(draft_records.resolve())  # the kernel runs elsewhere
        try:
            papermill.execute_notebook(
                notebook,
                draft,
                values,
                kernel_name="python3",
                cwd=notebook.parent,
                progress_bar=False,
                log_output=False,
                extra_arguments=["--IPKernelApp.log_level=50"],
            )
        except papermill.PapermillExecutionError:
            failed = out.with_suffix(".failed.ipynb")
            draft.replace(failed)
            raise
        finally:
            del os.environ[RECORDS]
        run = made.record(
            nbformat.read(draft, as_version=4),
            profiles.defaults(notebook) | values,
            time.monotonic() - started,
        )
        (draft_records / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")
        draft_records.replace(records)
        draft.replace(target)
    _remove(out.with_suffix(".failed.ipynb"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Execute the chapter named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="book.pipeline.execute")
    parser.add_argument("chapter", help="its name, such as 04-connected-components")
    parser.add_argument("out", type=Path, help="where the results go, without a suffix")
    parser.add_argument("--profile", default="paper", help="the file params/PROFILE.yaml")
    parser.add_argument("values", nargs="*", metavar="parameter=value")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        known = profiles.chapters()
        if options.chapter not in known:
            raise ParameterError(
                f"unknown chapter {options.chapter!r}; there are {', '.join(known)}"
            )
        notebook = known[options.chapter]
        overrides = profiles.parse(options.values)
        profiles.require(notebook, overrides)
        values = {
            **profiles.profile(options.profile).get(options.chapter, {}),
            **overrides,
        }
    except McLibError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    import papermill

    try:
        execute(notebook, options.out, values)
    except papermill.PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".splitlines()[0]
        print(
            f"error: chapter {options.chapter}, cell {error.exec_count}: {reason} "
            f"(see {options.out.with_suffix('.failed.ipynb')})",
            file=sys.stderr,
        )
        return 1
    print(f"{options.chapter}: executed in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
