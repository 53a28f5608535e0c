"""Doctests hold as users have torch: its own default dtype, and no checks of shapes."""

import os
import subprocess
import sys
from pathlib import Path

import mc_lib

ROOT = Path(mc_lib.__file__).parent.parent


def test_doctests_hold_at_torchs_own_default_dtype():
    settings = {"MC_LIB_FLOAT32": "1", "MC_LIB_PLAIN": "all", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "--doctest-modules", "mc_lib", "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
