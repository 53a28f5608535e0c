"""Every chapter: one style for all figures, and the record of what they show."""

import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lab.claims import RECORDS

# Okabe & Ito's palette, told apart by readers with any colour vision. One colour a
# component, keyed by the signs that name it; 0 for a sign that does not matter.
COMPONENT = {
    (1, 1): "#0072B2",
    (1, -1): "#E69F00",
    (-1, 1): "#009E73",
    (-1, -1): "#CC79A7",
    (1, 0): "#56B4E9",
}

VIEW = (24, -62)  # elevation and azimuth of the 3-d figures, in degrees

CURVE = "#0072B2"  # a path that stays on the minimum
SEGMENT = "#D55E00"  # the straight segment between the same two points

STYLE: Any = {
    "figure.figsize": (6.0, 4.8),
    "figure.dpi": 144,
    "figure.max_open_warning": 0,
    "savefig.dpi": 144,
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.hashsalt": "mc_lib",
}


def save(figure: Figure, name: str, **arrays: Tensor | np.ndarray) -> None:
    """Record a figure and the arrays it shows, while a book is being built.

    Writes name.svg, name.png and name.npz to the folder `figures` of the records; outside
    a build it does nothing. The arrays are what a later build is compared with.

    Args:
        figure: the figure.
        name: its name, such as "figure-1a".
        arrays: the numbers that it shows.

    >>> save(Figure(), "nothing-is-written-outside-a-build")
    """
    if RECORDS not in os.environ:
        return
    folder = Path(os.environ[RECORDS]) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        figure.savefig(folder / f"{name}.png", bbox_inches="tight")
    values: Any = {
        key: x.numpy(force=True) if isinstance(x, Tensor) else x for key, x in arrays.items()
    }
    np.savez_compressed(folder / f"{name}.npz", **values)
