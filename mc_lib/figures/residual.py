"""The residual network's minimum seen from above: the plane of (W_1, W_2)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from mc_lib.errors import ShapeMismatch
from mc_lib.figures.style import COMPONENT, STYLE

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
