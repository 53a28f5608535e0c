"""Chapter 4: the residual network's minimum seen from above, the plane of (W_1, W_2)."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from lab.figures.style import COMPONENT, CURVE, STYLE
from mc_lib.errors import ShapeMismatch

WIDTH = "#666666"
PIECES = [COMPONENT[name] for name in ((1, 1), (1, -1), (-1, 1), (-1, -1))]


def pieces(w1: Tensor, w2: Tensor, piece: Tensor, epsilon: float) -> Figure:
    """Draw which of the pieces C_1, ..., C_4 and S_0 lies over each point (W_1, W_2).

    Args:
        w1: the values of W_1, shape (p,).
        w2: the values of W_2, shape (q,).
        piece: 1 to 4 for C_i, 0 for S_0, shape (p, q).
        epsilon: ε; the minimum leaves the hyperbola W_2 W_1 = −ε free.

    Returns:
        The figure: one axes, W_1 to the right, W_2 upwards.

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> x = torch.tensor([-1.0, 1.0])
    >>> pieces(x, x, torch.tensor([[2, 2], [1, 1]]), epsilon=1.0).axes[0].get_xlabel()
    '$W_1$'
    """
    if piece.shape != (*w1.shape, *w2.shape) or w1.ndim != 1 or w2.ndim != 1:
        raise ShapeMismatch(
            f"expected values (p,), (q,) and pieces (p, q), got {tuple(w1.shape)}, "
            f"{tuple(w2.shape)} and {tuple(piece.shape)}"
        )
    x, y, shown = (a.numpy(force=True) for a in (w1, w2, piece))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 4.6), layout="constrained")
        masked = np.ma.masked_equal(shown.T, 0)
        axes.pcolormesh(x, y, masked, cmap=ListedColormap(PIECES), vmin=0.5, vmax=4.5, alpha=0.75)
        for side in (x[x < 0], x[x > 0]):
            axes.plot(side, -epsilon / side, color="black", linestyle="--")
        axes.axvline(0, color="black", linewidth=3)
        axes.set(xlabel="$W_1$", ylabel="$W_2$", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        names = [f"$C_{i}$" for i in range(1, 5)]
        patches = [Patch(color=c, alpha=0.75, label=n) for c, n in zip(PIECES, names, strict=True)]
        line = Line2D([], [], color="black", linewidth=3, label="$S_0$")
        gap = Line2D([], [], color="black", linestyle="--", label="not in it")
        figure.legend(handles=[*patches, line, gap], loc="outside upper center", ncols=6)
        return figure


def closing(
    piece: Tensor, shown: Sequence[float], epsilon: Tensor, height: Tensor, gap: Tensor
) -> Figure:
    """Draw the plane of (W_1, W_2) for several ε, and how the passage closes as ε → 0.

    Args:
        piece: for each shown ε the piece over each cell of a square, 1 to 4 for C_i, and 0
            where the forbidden hyperbola meets the cell, shape (e, p, p).
        shown: these ε.
        epsilon: positive values |ε| at which the passage was measured, shape (k,).
        height: |W_3| where a path crosses W_1 = 0, in units of |Y/X|, for +ε and −ε: (2, k).
        gap: the distance of the forbidden branches, for +ε and −ε: (2, k).

    Returns:
        The figure: one axes for each shown ε, and one below, with the lines 1/|ε| and
        2√(2|ε|).

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> x = torch.ones(2)
    >>> figure = closing(torch.ones(1, 3, 3), [1.0], x, torch.stack([x, x]), torch.stack([x, x]))
    >>> len(figure.axes)
    2
    """
    k, sizes = len(epsilon), [tuple(x.shape) for x in (piece, epsilon, height, gap)]
    if piece.ndim != 3 or len(piece) != len(shown) or sizes[1:] != [(k,), (2, k), (2, k)]:
        raise ShapeMismatch(
            f"expected shapes (e, p, p) with e = {len(shown)}, (k,), (2, k) and (2, k), got {sizes}"
        )
    e, up, apart = (x.numpy(force=True) for x in (epsilon, height, gap))
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(7.0, 4.9), layout="constrained")
        grid = figure.add_gridspec(2, len(shown), height_ratios=(1, 1.7))
        for i, value in enumerate(shown):
            axes = figure.add_subplot(grid[0, i])
            colours = ListedColormap(["black", *PIECES])
            image = piece[i].mT.numpy(force=True)
            axes.imshow(image, cmap=colours, vmin=0, vmax=4, origin="lower", alpha=0.75)
            axes.set(xticks=[], yticks=[], xlabel=rf"$\varepsilon = {value:g}$")
        below = figure.add_subplot(grid[1, :])
        for y, line, colour, name in (
            (up, 1 / e, CURVE, r"height $|W_3|$"),
            (apart, 2 * np.sqrt(2 * e), WIDTH, "width"),
        ):
            below.loglog(e, line, color=colour, linewidth=1, label=f"{name}, proved")
            for row, mark, sign in zip(y, ("o", "+"), ("> 0", "< 0"), strict=True):
                style: Any = {"markerfacecolor": "none", "markersize": 9, "linestyle": "none"}
                label = rf"{name}, $\varepsilon {sign}$"
                below.plot(e, row, mark, color=colour, label=label, **style)
        below.set(xlabel=r"$|\varepsilon|$", ylabel="size of the passage")
        figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return figure
