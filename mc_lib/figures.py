"""The book's figures: arrays in, matplotlib figures out; one style, one colour a meaning."""

import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from mc_lib.claims import RECORDS
from mc_lib.errors import ShapeMismatch

# Okabe & Ito's palette, told apart by readers with any colour vision. One colour a
# component, keyed by the signs that name it; the same in every chapter.
COMPONENT = {
    (1, 1): "#0072B2",
    (1, -1): "#E69F00",
    (-1, 1): "#009E73",
    (-1, -1): "#CC79A7",
}

STYLE: Any = {
    "figure.figsize": (6.0, 4.5),
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.hashsalt": "mc_lib",
}


def sheets(w: tuple[Tensor, Tensor, Tensor], signs: Tensor) -> Figure:
    """Draw the minimum of a three-layer 1 × 1 network in R³, coloured by component.

    Args:
        w: weights of shape (s, p, q, 1, 1), s sheets on a p × q grid each.
        signs: the component of each sheet, shape (s, 2).

    Returns:
        The figure: axes W_1, W_2 and W_3, one surface and one legend entry a sheet.

    Raises:
        ShapeMismatch: the weights are not 1 × 1, or the sheets and signs do not match.

    >>> import torch
    >>> one = torch.ones(1, 2, 2, 1, 1)
    >>> len(sheets((one, one, one), torch.tensor([[1, 1]])).axes[0].collections)
    2
    """
    shapes = {tuple(x.shape) for x in w}
    if len(w) != 3 or len(shapes) != 1 or w[0].shape[3:] != (1, 1) or len(signs) != len(w[0]):
        raise ShapeMismatch(
            f"expected three weights of shape (s, p, q, 1, 1) and s pairs of signs, "
            f"got {[tuple(x.shape) for x in w]} and {tuple(signs.shape)}"
        )
    with plt.rc_context(STYLE):
        figure = plt.figure()
        axes = figure.add_subplot(projection="3d")
        for i, pair in enumerate(signs.tolist()):
            surface = [x[i, ..., 0, 0].numpy() for x in w]
            axes.plot_surface(*surface, color=COMPONENT[tuple(pair)], alpha=0.85, linewidth=0)
        axes.set(xlabel="$W_1$", ylabel="$W_2$", zlabel="$W_3$")
        axes.view_init(elev=22, azim=-52)
        _legend(axes, signs)
        return figure


def _legend(axes: Any, signs: Tensor) -> None:
    """Name the sheets by the signs of det P_1 and det P_2."""
    mark = {1: "+", -1: "−"}
    for pair in signs.tolist():
        axes.scatter(
            [],
            [],
            [],
            marker="s",
            color=COMPONENT[tuple(pair)],
            label=f"({mark[pair[0]]}, {mark[pair[1]]})",
        )
    axes.legend(title="signs of\n$W_1, W_2W_1$", loc="center left", bbox_to_anchor=(1.05, 0.5))


def save(figure: Figure, name: str, **arrays: Tensor | np.ndarray) -> None:
    """Record a figure and the arrays it shows, while a book is being built.

    Writes name.svg, name.png and name.npz to the folder `figures` of the records; outside
    a build it does nothing. The arrays are what a later build is compared with.

    Args:
        figure: the figure.
        name: its name, such as "figure-1a".
        arrays: the numbers that it shows.

    >>> save(plt.figure(), "nothing-is-written-outside-a-build")
    """
    if RECORDS not in os.environ:
        return
    folder = Path(os.environ[RECORDS]) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        figure.savefig(folder / f"{name}.png", bbox_inches="tight")
    values: Any = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez_compressed(folder / f"{name}.npz", **values)
