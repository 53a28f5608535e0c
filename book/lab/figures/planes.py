"""Chapter 1: a plane of the loss landscape."""

import matplotlib.pyplot as plt
from matplotlib import patheffects
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from lab.figures.style import SEGMENT, STYLE
from mc_lib.errors import OutOfDomain, ShapeMismatch

OUTLINE = [patheffects.Stroke(linewidth=4, foreground="black"), patheffects.Normal()]


def plane(
    x: Tensor, y: Tensor, loss: Tensor, curve: Tensor, segment: Tensor, unit: str = "loss"
) -> Figure:
    """Draw the loss on a plane of parameter space, with a curve and a segment in it.

    Args:
        x: the first coordinate of the points, increasing, shape (p,).
        y: the second coordinate, increasing, shape (q,).
        loss: positive, shape (p, q).
        curve: points of the curve, shape (T, 2).
        segment: its two ends, shape (2, 2).
        unit: what stands at the scale of the loss.

    Returns:
        The figure: level lines at equal ratios of the loss.

    Raises:
        ShapeMismatch: the shapes do not fit.
        OutOfDomain: a loss ≤ 0.

    >>> import torch
    >>> x = torch.linspace(0, 1, 3)
    >>> figure = plane(x, x, 1 + x[:, None] + x, torch.eye(2), torch.eye(2))
    >>> len(figure.axes)  # the second is the scale
    2
    """
    shapes = [tuple(a.shape) for a in (x, y, loss, curve, segment)]
    if x.ndim != 1 or y.ndim != 1 or loss.shape != (*x.shape, *y.shape) or curve.ndim != 2:
        raise ShapeMismatch(f"expected (p,), (q,), (p, q), (T, 2) and (2, 2), got {shapes}")
    if curve.shape[1] != 2 or segment.shape != (2, 2):
        raise ShapeMismatch(f"expected (p,), (q,), (p, q), (T, 2) and (2, 2), got {shapes}")
    if float(loss.min()) <= 0:
        raise OutOfDomain(f"level lines at equal ratios need positive losses, got {loss.min()}")
    low, high = float(loss.min()), float(loss.max())
    levels = [low * (high / low) ** (i / 16) for i in range(17)]
    with plt.rc_context(STYLE):
        ratio = float((y[-1] - y[0]) / (x[-1] - x[0]))
        size = (6.6, min(1.5 + 5.2 * ratio, 7.0))
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        a, b, values = (v.numpy(force=True) for v in (x, y, loss.mT))
        scale = LogNorm(low, high)
        drawn = axes.contourf(a, b, values, levels=levels, norm=scale, cmap="cividis", extend="max")
        axes.contour(a, b, values, levels=levels, colors="white", linewidths=0.3, alpha=0.6)
        bar = figure.colorbar(drawn, ax=axes, label=unit, format="%.2g")
        bar.ax.yaxis.set_minor_locator(NullLocator())
        for points, colour, name in ((curve, "white", "curve"), (segment, SEGMENT, "segment")):
            u, v = points.mT.numpy(force=True)
            axes.plot(u, v, color=colour, linewidth=2.2, label=name, path_effects=OUTLINE)
        u, v = segment.mT.numpy(force=True)
        axes.plot(u, v, "o", color="white", markeredgecolor="black", zorder=3)
        axes.set(xlabel="along the segment", ylabel="across it")
        axes.set_aspect("equal")
        figure.legend(loc="outside upper center", ncols=2)
        return figure
