"""Chapters 5, 5a and 5b: barriers of rescaled and permuted minima, orbits, random pairs."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from lab.figures.style import COMPONENT, CURVE, SEGMENT, STYLE
from mc_lib.errors import OutOfDomain, ShapeMismatch

REFERENCE = "#666666"
COLOURS = tuple(COMPONENT.values())
LINES: tuple[Any, ...] = ("-", "--", "-.", ":")
MARKS = ("o", "s", "^", "D", "v")


def rescalings(
    hyperbola: Tensor, start: Tensor, ends: Tensor, alpha: Tensor, segment: Tensor, m: Tensor
) -> Figure:
    """Draw a minimum of two numbers, segments between its points, and the loss along them.

    Args:
        hyperbola: points of the minimum, shape (2, P).
        start: the point that all segments share, shape (2,).
        ends: their other ends, shape (r, 2).
        alpha: places on the segments, shape (T,).
        segment: the losses there, shape (r, T).
        m: the factors, shape (r,), r at most 4.

    Returns:
        The figure: on the left the plane of (W_1, W_2), on the right the loss.

    Raises:
        ShapeMismatch: the shapes are not those.

    >>> x = torch.rand(2, 3)
    >>> figure = rescalings(x, x[:, 0], x.mT, x[0], x[0].expand(3, 3), x[1])
    >>> [len(axes.lines) for axes in figure.axes]
    [4, 4]
    """
    r = len(m)
    shapes = [tuple(x.shape) for x in (hyperbola, start, ends, alpha, segment, m)]
    want = [(2, hyperbola.shape[-1]), (2,), (r, 2), (len(alpha),), (r, len(alpha)), (r,)]
    if shapes != want or r > len(LINES):
        raise ShapeMismatch(
            f"expected (2, P), (2,), (r, 2), (T,), (r, T), (r,) with r ≤ {len(LINES)}, got {shapes}"
        )
    with plt.rc_context(STYLE):
        figure, (plane, loss) = plt.subplots(1, 2, figsize=(7.0, 3.4), layout="constrained")
        plane.plot(*hyperbola.numpy(force=True), color=CURVE, linewidth=2, label="minimum")
        loss.axhline(0, color=CURVE, linewidth=2)
        for i, style in zip(range(r), LINES, strict=False):
            ends_i = torch.stack([start, ends[i]], -1).numpy(force=True)
            options: Any = {"color": SEGMENT, "linestyle": style}
            plane.plot(*ends_i, marker="o", label=f"m = {float(m[i]):g}", **options)
            loss.plot(*(x.numpy(force=True) for x in (alpha, segment[i])), **options)
        plane.set(xlabel="$W_1$", ylabel="$W_2$")
        loss.set(xlabel=r"$\alpha$", ylabel="loss", xlim=(0, 1))
        figure.legend(loc="outside upper center", ncols=r + 1, handlelength=3)
        return figure


def growth(
    x: Tensor,
    measured: Tensor,
    formula: Tensor,
    names: Sequence[str],
    labels: tuple[str, str],
    scales: Sequence[str] = ("log",),
) -> Figure:
    """Draw what was measured as marks and what a formula says as lines, against x.

    Args:
        x: shape (T,).
        measured: one row a series, shape (s, T).
        formula: the same shape; where all rows are the same, the series take turns, so that no
            mark covers another.
        names: of the series, s of them, at most 5.
        labels: of the two axes.
        scales: "log" or "linear", one panel for each; for both axes.

    Returns:
        The figure.

    Raises:
        ShapeMismatch: the shapes are not those.
        OutOfDomain: a scale is neither.

    >>> x = torch.tensor([1.0, 10.0])
    >>> len(growth(x, x[None], x[None], ["identity"], ("x", "y")).axes[0].lines)
    2
    """
    shapes = [tuple(a.shape) for a in (x, measured, formula)]
    want = [(len(x),), (len(names), len(x)), (len(names), len(x))]
    if shapes != want or not 0 < len(names) <= len(MARKS):
        raise ShapeMismatch(
            f"expected (T,), (s, T), (s, T) and 1 ≤ s ≤ {len(MARKS)} names, got {shapes} and "
            f"{len(names)} names"
        )
    if not scales or not set(scales) <= {"log", "linear"}:
        raise OutOfDomain(f"scales are 'log' or 'linear', got {list(scales)}")
    times, points, lines = (a.numpy(force=True) for a in (x, measured, formula))
    one_line = len(names) > 1 and bool((lines == lines[0]).all())
    with plt.rc_context(STYLE):
        size = (6.0 if len(scales) == 1 else 3.5 * len(scales), 3.6)
        figure, grid = plt.subplots(
            1, len(scales), figsize=size, squeeze=False, layout="constrained"
        )
        for axes, scale in zip(grid[0], scales, strict=True):
            for i, (name, mark) in enumerate(zip(names, MARKS, strict=False)):
                colour = COLOURS[i]
                axes.plot(times, lines[i], color=colour, linewidth=1)
                style: Any = {"linestyle": "none", "markerfacecolor": "none"}
                if one_line:  # the marks lie on it by turns, none on top of another
                    style["markevery"] = (i, len(names))
                axes.plot(times, points[i], marker=mark, color=colour, label=name, **style)
            axes.set(xlabel=labels[0], ylabel=labels[1], xscale=scale, yscale=scale)
            if len(x) <= 8:  # few enough to name each
                axes.set_xticks(times, [f"{value:g}" for value in times])
                axes.xaxis.set_minor_locator(NullLocator())
        handles, texts = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper center", ncols=len(names))
        return figure


def brackets(
    m: Tensor, lower: Tensor, upper: Tensor, leading: Tensor, names: Sequence[str]
) -> Figure:
    """Draw between which numbers a minimum over permutations lies, against m.

    Args:
        m: factors, shape (T,).
        lower: lower bounds, shape (s, T); the same as `upper` where the minimum is known.
        upper: losses of permutations that were found, shape (s, T).
        leading: the leading term for m → ∞ of `upper`, shape (s, T).
        names: what stands over each of the s panels.

    Returns:
        The figure, on logarithmic scales.

    Raises:
        ShapeMismatch: the shapes are not those.

    >>> x = torch.tensor([1.0, 10.0])
    >>> len(brackets(x, x[None], x[None], x[None], ["n = 4"]).axes)
    1
    """
    shapes = [tuple(a.shape) for a in (m, lower, upper, leading)]
    if shapes != [(len(m),), *[(len(names), len(m))] * 3] or not names:
        raise ShapeMismatch(f"expected (T,) and three times (s, T) for s names, got {shapes}")
    x, low, high, line = (a.numpy(force=True) for a in (m, lower, upper, leading))
    with plt.rc_context(STYLE):
        columns = min(2, len(names))
        rows = math.ceil(len(names) / columns)
        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(3.4 * columns, 2.5 * rows + 0.4),
            squeeze=False,
            sharey=True,
            layout="constrained",
        )
        for spare in grid.flat[len(names) :]:
            spare.remove()
        for i, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
            axes.fill_between(x, low[i], high[i], color=CURVE, alpha=0.2, linewidth=0)
            axes.loglog(x, high[i], "o", color=CURVE, markersize=4, label="best permutation")
            axes.loglog(x, low[i], "--", color=CURVE, label="lower bound")
            axes.loglog(x, line[i], color=REFERENCE, linewidth=1, label="leading term")
            axes.set(xlabel=f"$m$\n{name}")
        for axes in grid[:, 0]:
            axes.set_ylabel(r"loss / $\Vert Y\Vert^2$")
        handles, texts = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper center", ncols=3)
        return figure


def heatmaps(scores: Tensor, names: Sequence[str], sides: tuple[str, str]) -> Figure:
    """Draw matrices with entries in [0, 1] side by side.

    Args:
        scores: shape (s, p, q).
        names: what stands over each of the s matrices.
        sides: what the columns are, and what the rows.

    Returns:
        The figure.

    Raises:
        ShapeMismatch: the shapes are not those.

    >>> len(heatmaps(torch.eye(2)[None], ["identity"], ("j", "i")).axes)  # the second is the scale
    2
    """
    if scores.ndim != 3 or len(scores) != len(names) or not names:
        raise ShapeMismatch(
            f"expected (s, p, q) and s names, got {tuple(scores.shape)} and {len(names)} names"
        )
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            1, len(names), figsize=(2.2 * len(names), 2.8), squeeze=False, layout="constrained"
        )
        for axes, x, name in zip(grid[0], scores, names, strict=True):
            image = axes.imshow(x.numpy(force=True), vmin=0, vmax=1, cmap="cividis")
            axes.set(title=name, xlabel=sides[0], xticks=[], yticks=[])
        grid[0][0].set_ylabel(sides[1])
        figure.colorbar(image, ax=grid[0].tolist(), shrink=0.8)
        return figure


def pairs(
    distance: Tensor, barrier: Tensor, same: Tensor, floor: float, ceiling: float, nearest: float
) -> Figure:
    """Draw the barrier of many pairs of minima against their distance.

    Args:
        distance: shape (N,).
        barrier: shape (N,).
        same: whether both lie in one component, shape (N,).
        floor: no barrier between different components is lower.
        ceiling: no barrier at distance d is above ceiling · d⁴.
        nearest: the distance between the components.

    Returns:
        The figure, on logarithmic scales.

    Raises:
        ShapeMismatch: the shapes are not those.

    >>> x = torch.tensor([1.0, 2.0])
    >>> len(pairs(x, x, x > 1, 0.1, 3.0, 1.0).axes[0].collections)
    2
    """
    shapes = [tuple(a.shape) for a in (distance, barrier, same)]
    if distance.ndim != 1 or len(set(shapes)) != 1:
        raise ShapeMismatch(f"expected three times (N,), got {shapes}")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 4.2), layout="constrained")
        kinds = ((same, CURVE, "o", "one component"), (~same, SEGMENT, "^", "two components"))
        for chosen, colour, mark, name in kinds:
            x, y = (a[chosen].numpy(force=True) for a in (distance, barrier))
            axes.scatter(x, y, s=8, marker=mark, color=colour, alpha=0.5, label=name, linewidth=0)
        axes.set(
            xscale="log", yscale="log", xlabel="distance", ylabel=r"barrier / $\Vert Y\Vert^2$"
        )
        ends = torch.stack([distance.min(), distance.max()])
        line = (ends, ceiling * ends**4)
        axes.plot(
            *(a.numpy(force=True) for a in line), color=REFERENCE, label="highest at this distance"
        )
        axes.axhline(floor, color=REFERENCE, linestyle="--", label="lowest between two components")
        axes.axvline(nearest, color=REFERENCE, linestyle=":", label="distance of the components")
        figure.legend(loc="outside upper center", ncols=2)
        return figure


def spreads(values: Sequence[Tensor], names: Sequence[str], label: str) -> Figure:
    """Draw the median and the middle 80 percent of several samples of positive numbers.

    Args:
        values: samples, shape (N_i,) each.
        names: of the samples.
        label: what the numbers are.

    Returns:
        The figure: one row a sample, on a logarithmic scale.

    Raises:
        ShapeMismatch: not as many names as samples, or a sample is empty.

    >>> len(spreads([torch.ones(3)], ["ones"], "size").axes[0].lines)
    2
    """
    if len(values) != len(names) or any(x.ndim != 1 or len(x) == 0 for x in values):
        raise ShapeMismatch(
            f"expected samples (N,) and as many names, got {[tuple(x.shape) for x in values]} and "
            f"{list(names)}"
        )
    with plt.rc_context(STYLE):
        height = 0.8 + 0.45 * len(names)
        figure, axes = plt.subplots(figsize=(6.0, height), layout="constrained")
        for row, x in enumerate(values):
            low, middle, high = (float(x.quantile(q)) for q in (0.1, 0.5, 0.9))
            axes.plot([low, high], [row, row], color=CURVE, linewidth=4, alpha=0.4)
            axes.plot(middle, row, "o", color=CURVE)
        axes.set(xscale="log", xlabel=label, ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), list(names))
        return figure
