"""Chapters 6 and 6b: curves of approximate symmetry and bounded curvature, with bounds."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lab.figures.style import COMPONENT, CURVE, SEGMENT, STYLE
from lab.sliders import CassiniSweep
from mc_lib.errors import OutOfDomain, ShapeMismatch

GROUPS = list(COMPONENT.values())
REFERENCE = "#666666"


def scatter(
    groups: Mapping[str, tuple[Tensor, Tensor]],
    labels: tuple[str, str],
    *,
    diagonal: str = "",
    logarithmic: bool = False,
) -> Figure:
    """Draw points of several kinds, with the line y = x where it is the claim.

    Args:
        groups: for each kind the abscissas and the ordinates, both of one length; a kind may
            have no points, but not all.
        labels: what stands at the axes.
        diagonal: the name of the line y = x; without one it is not drawn.
        logarithmic: whether both scales are.

    Returns:
        The figure: one axes.

    Raises:
        ShapeMismatch: abscissas and ordinates are not as many, or there is no point at all.
        OutOfDomain: more groups than colours, or a value ≤ 0 on a logarithmic scale.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> len(scatter({"all": (x, 2 * x)}, ("x", "y"), diagonal="y = x").axes[0].lines)
    2
    """
    if not groups or any(x.shape != y.shape or x.ndim != 1 for x, y in groups.values()):
        shapes = [(tuple(x.shape), tuple(y.shape)) for x, y in groups.values()]
        raise ShapeMismatch(f"expected pairs of shapes (n,), (n,), got {shapes}")
    if len(groups) > len(GROUPS):
        raise OutOfDomain(f"expected at most {len(GROUPS)} groups, got {len(groups)}")
    pairs = [[a.numpy(force=True) for a in pair] for pair in groups.values()]
    every = [np.concatenate(column) for column in zip(*pairs, strict=True)]
    if not every[0].size:
        raise ShapeMismatch("expected at least one point, all groups are empty")
    if logarithmic and min(a.min() for a in every) <= 0:
        raise OutOfDomain("a logarithmic scale shows positive values only")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
        style: Any = {"linestyle": "none", "marker": "o", "markersize": 3.5, "alpha": 0.6}
        for colour, (name, (x, y)) in zip(GROUPS, groups.items(), strict=False):
            x_, y_ = (a.numpy(force=True) for a in (x, y))
            axes.plot(x_, y_, color=colour, label=name, markeredgewidth=0, **style)
        if diagonal:
            low, top = max(a.min() for a in every), min(a.max() for a in every)
            line = (low if logarithmic else min(0.0, low), top)
            axes.plot(line, line, "--", color=REFERENCE, label=diagonal, zorder=0)
        if logarithmic:
            axes.set(xscale="log", yscale="log")
        axes.set(xlabel=labels[0], ylabel=labels[1])
        figure.legend(loc="outside upper center", ncols=3, markerscale=1.5)
        return figure


def loss_map(columns: Sequence[int], hidden: int, sizes: Sequence[float], values: Tensor) -> Figure:
    """Draw how far (6) moves the output, over k/h and over ‖log g‖.

    Args:
        columns: the numbers k of data points.
        hidden: h.
        sizes: ‖log g‖, in the order of the rows.
        values: ‖Uσ(VX) − U'σ(V'X)‖/‖Uσ(VX)‖, shape (rows, columns).

    Returns:
        The figure, with the line k = h.

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> len(loss_map([1, 2], 1, [0.1, 1.0, 2.0], torch.zeros(3, 2)).axes)
    2
    """
    if values.shape != (len(sizes), len(columns)):
        raise ShapeMismatch(
            f"expected values ({len(sizes)}, {len(columns)}), got {tuple(values.shape)}"
        )
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
        image = axes.imshow(
            values.numpy(force=True), origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1
        )
        axes.set_xticks(range(len(columns)), [f"{k / hidden:.3g}" for k in columns])
        axes.set_yticks(range(len(sizes)), [f"{s:.2g}" for s in sizes])
        edge = sum(k <= hidden for k in columns) - 0.5
        axes.axvline(edge, color="white", linestyle="--")
        axes.set(xlabel="$k/h$, data points per hidden neuron", ylabel=r"$\Vert\log g\Vert$")
        label = r"$\Vert U\sigma(VX)-U'\sigma(V'X)\Vert\,/\,\Vert U\sigma(VX)\Vert$"
        figure.colorbar(image, label=label)
        return figure


def cassini(sweep: CassiniSweep) -> Figure:
    """Draw the oval, the chord across its neck, d_max of (8) and the true distance.

    Args:
        sweep: what `cassini_sweep` returned.

    Returns:
        The figure, one panel a level. The disc has the radius d_max about the middle of
        the chord: (8) says that the oval enters it.

    Raises:
        OutOfDomain: a level at which (8) says nothing.

    >>> import torch
    >>> from lab.sliders import cassini_sweep
    >>> len(cassini(cassini_sweep(torch.tensor([1.2, 1.5]))).axes)
    2
    """
    if not bool(sweep.bound.isfinite().all()):
        raise OutOfDomain("(8) gives no d_max where κ_max d/2 > 1: leave these levels out")
    count = len(sweep.levels)
    with plt.rc_context(STYLE):
        figure, row = plt.subplots(
            1, count, figsize=(3.0 * count, 2.6), squeeze=False, sharey=True, layout="constrained"
        )
        for i, axes in enumerate(row[0]):
            x, y = sweep.lobe[i].mT.numpy(force=True)
            axes.plot(-x, y, color=REFERENCE, linewidth=1, label="rest of $L^{-1}(c)$")
            axes.plot(x, y, color=CURVE, label=r"curve $\gamma$")
            half = float(sweep.chord[i]) / 2
            axes.plot((0, 0), (-half, half), color=SEGMENT, label="segment")
            angle = np.linspace(0, 2 * np.pi, 200)
            for radius, style, name in (
                (float(sweep.bound[i]), "-", r"$d_{\max}$ of (8)"),
                (float(sweep.distance[i]), ":", "true distance"),
            ):
                x, y = radius * np.cos(angle), radius * np.sin(angle)
                colour = GROUPS[2] if style == "-" else "black"
                axes.plot(x, y, style, color=colour, label=name)
            axes.set(aspect="equal", xlim=(-0.7, 1.7))  # half of the rest is enough
            axes.set_xlabel(f"$c = {float(sweep.levels[i]):g}$")
        handles, names = row[0][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=5)
        return figure


def deviations(
    turn: Tensor, ratio: Tensor, dimension: Tensor, bound: tuple[Tensor, Tensor]
) -> Figure:
    """Draw how far chords stray from random curves, with the bound above them.

    Args:
        turn: κ_max ℓ of each curve, shape (n,).
        ratio: the largest distance of the chord from the curve over the chord, shape (n,).
        dimension: of the space of each curve, shape (n,).
        bound: values of κ_max ℓ and of ½ tan(κ_max ℓ/4) there.

    Returns:
        The figure, one colour a dimension.

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> len(deviations(x, x, x, (x, x)).axes[0].lines)
    3
    """
    if not turn.shape == ratio.shape == dimension.shape or turn.ndim != 1:
        raise ShapeMismatch(
            f"expected three tensors (n,), got {tuple(turn.shape)}, {tuple(ratio.shape)} and "
            f"{tuple(dimension.shape)}"
        )
    sizes = dimension.unique()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 4.2), layout="constrained")
        colours = plt.get_cmap("viridis")(np.linspace(0.95, 0.05, len(sizes)))
        for colour, size in zip(colours, sizes, strict=True):
            own = dimension == size
            x, y = (a[own].numpy(force=True) for a in (turn, ratio))
            style: Any = {"markeredgewidth": 0, "markersize": 2.5, "alpha": 0.6}
            axes.plot(x, y, "o", color=colour, label=f"in $R^{{{int(size)}}}$", **style)
        line = [a.numpy(force=True) for a in bound]
        axes.plot(*line, color="black", label=r"$\frac{1}{2}\tan(\kappa\ell/4)$")
        axes.set(xlabel=r"$\kappa_{\max}\,\ell$", ylabel="distance from the curve / $d$")
        figure.legend(loc="outside upper center", ncols=4, markerscale=2)
        return figure
