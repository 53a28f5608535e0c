"""Chapter 2: the older methods side by side, the loss along every path and all barriers."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from lab.figures.style import CURVE, SEGMENT, STYLE
from mc_lib.errors import ShapeMismatch

COLUMNS = 5
LINEAR = 1e-3  # below this a barrier is drawn on a linear scale, so that 0 has a place


def paths_beside_segment(t: Tensor, losses: Mapping[str, Tensor], segment: Tensor) -> Figure:
    """Draw the loss along each path in a panel of its own, over that of the segment.

    Args:
        t: times in [0, 1], shape (T,).
        losses: by the name of the method, each of shape (T,).
        segment: the loss along the segment between the two networks, shape (T,).

    Returns:
        The figure: a panel a method, the loss on one logarithmic scale.

    Raises:
        ShapeMismatch: the shapes do not fit, or there is no path.

    >>> import torch
    >>> t = torch.linspace(0, 1, 3)
    >>> len(paths_beside_segment(t, {"a": 1 + t, "b": 2 + t}, 3 + t).axes)
    2
    """
    if not losses or any(y.shape != t.shape for y in (segment, *losses.values())):
        shapes = {name: tuple(y.shape) for name, y in losses.items()}
        raise ShapeMismatch(
            f"expected a loss for each of the {len(t)} times, got {shapes} and "
            f"{tuple(segment.shape)} for the segment"
        )
    rows = math.ceil(len(losses) / COLUMNS)
    shape: Any = {"nrows": rows, "ncols": min(COLUMNS, len(losses)), "squeeze": False}
    with plt.rc_context(STYLE):
        size = (8.4, 2.2 * rows + 0.5)
        figure, grid = plt.subplots(**shape, figsize=size, sharex=True, sharey=True)
        figure.set_layout_engine("constrained")
        panels = list(grid.flat)
        x = t.numpy(force=True)
        for axes, (name, y) in zip(panels, losses.items(), strict=False):
            axes.semilogy(x, segment.numpy(force=True), color=SEGMENT, linestyle="--")
            axes.semilogy(x, y.numpy(force=True), color=CURVE)
            axes.set_title(textwrap.fill(name, 18), fontsize=9)
            axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
        for axes in panels[len(losses) :]:
            axes.remove()
        for axes in panels[max(len(losses) - COLUMNS, 0) : len(losses)]:
            axes.tick_params(labelbottom=True)
        handles = panels[0].lines
        figure.legend(handles, ["segment", "path"], loc="outside upper center", ncols=2)
        figure.supxlabel("$t$", fontsize=10)
        figure.supylabel("loss (nats)", fontsize=10)
        return figure


def barriers(names: Sequence[str], train: Tensor, test: Tensor) -> Figure:
    """Draw the barriers of all methods: a dot a pair, a bar at the mean.

    Args:
        names: of the methods, from the top.
        train: barriers on the training data, shape (methods, pairs).
        test: barriers on held-out data, of the same shape.

    Returns:
        The figure: one axes, linear below 0.001 and logarithmic above.

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> barriers(["a", "b"], torch.eye(2), torch.eye(2)).axes[0].get_xlabel()
    'barrier (nats)'
    """
    if train.shape != test.shape or train.ndim != 2 or len(train) != len(names):
        raise ShapeMismatch(
            f"expected (methods, pairs) for {len(names)} methods, got {tuple(train.shape)} "
            f"and {tuple(test.shape)}"
        )
    with plt.rc_context(STYLE):
        size = (7.2, 0.34 * len(names) + 1.1)
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        sides = (("train", train, -0.17, "o", CURVE), ("test", test, 0.17, "D", SEGMENT))
        for label, values, shift, mark, colour in sides:
            for i, row in enumerate(values):
                at = [i + shift] * len(row)
                style: Any = {"markersize": 4, "markerfacecolor": "none", "linestyle": ""}
                named = label if i == 0 else None
                axes.plot(row.numpy(force=True), at, mark, color=colour, label=named, **style)
                axes.plot([float(row.mean())] * 2, [i, i + 2 * shift], color=colour, linewidth=2)
        axes.set_xscale("symlog", linthresh=LINEAR)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="barrier (nats)", ylim=(len(names) - 0.5, -0.5))
        axes.set_xlim(left=-LINEAR / 3)
        axes.grid(axis="y", alpha=0.3)
        figure.legend(loc="outside upper center", ncols=2)
        return figure
