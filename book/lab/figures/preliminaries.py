"""Chapters 3 and 3b: pieces of plane sets, determinants along paths, shares of logarithms."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from lab.figures.style import COMPONENT, CURVE, SEGMENT, STYLE
from mc_lib.errors import OutOfDomain, ShapeMismatch

# the colours of the components, then one more of the same palette
PIECES = (*COMPONENT.values(), "#F0E442")
ACROSS = "#009E73"  # paths from one component to the other
REFERENCE = "#666666"
PANEL = 2.7  # width and height of one of several panels, in inches


def regions(
    labels: Sequence[Tensor], names: Sequence[str], extents: Sequence[tuple[float, ...]]
) -> Figure:
    """Draw labelled plane sets side by side, one colour a piece.

    Args:
        labels: for each panel the numbers of the pieces, shape (p, q): 0 outside the set,
            the first axis to the right, the second upwards.
        names: what stands under each panel.
        extents: (left, right, bottom, top) of each panel.

    Returns:
        The figure, one panel for each set.

    Raises:
        ShapeMismatch: not as many names and extents as sets, or a set that is not plane.
        OutOfDomain: more pieces than colours.

    >>> import torch
    >>> len(regions([torch.eye(2).long()], ["two cells"], [(0.0, 1.0, 0.0, 1.0)]).axes)
    1
    """
    _require_panels(labels, names, extents)
    for x in labels:
        if x.ndim != 2:
            raise ShapeMismatch(f"expected plane sets of shape (p, q), got {tuple(x.shape)}")
        if not 0 <= int(x.min()) <= int(x.max()) <= len(PIECES):
            raise OutOfDomain(
                f"expected labels from 0 to {len(PIECES)}, got {int(x.min())} to {int(x.max())}"
            )
    colours = ListedColormap(["white", *PIECES])
    with plt.rc_context(STYLE):
        figure, row = _panels(len(labels))
        for axes, x, name, extent in zip(row, labels, names, extents, strict=True):
            axes.imshow(
                x.mT.numpy(force=True),
                cmap=colours,
                vmin=0,
                vmax=len(PIECES),
                origin="lower",
                extent=extent,
                interpolation="nearest",
            )
            axes.set_xlabel(name)
        return figure


def determinants(t: Tensor, inside: Tensor, segment: Tensor, across: Tensor) -> Figure:
    """Draw det along a path inside GL_n⁺, along the segment, and along paths to GL_n⁻.

    Args:
        t: times, shape (T,).
        inside: det along the path between two matrices of GL_n⁺, shape (T,).
        segment: det along the segment between the same two, shape (T,).
        across: det along k paths that end in GL_n⁻, shape (k, T).

    Returns:
        The figure; singular matrices are its zero line.

    Raises:
        ShapeMismatch: the shapes are not those.

    >>> import torch
    >>> t = torch.linspace(0, 1, 3)
    >>> len(determinants(t, 1 + t, 1 - t, torch.stack((1 - 2 * t, 1 - 3 * t))).axes[0].lines)
    5
    """
    shapes = [tuple(x.shape) for x in (t, inside, segment, across)]
    size = (len(t),) if t.ndim == 1 else ()
    if not size or shapes[:3] != [size] * 3 or shapes[3][1:] != size or not len(across):
        raise ShapeMismatch(f"expected shapes (T,), (T,), (T,) and (k, T), got {shapes}")
    times = t.numpy(force=True)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
        axes.axhline(0, color=REFERENCE, linewidth=1, label="singular matrices")
        for i, x in enumerate(across):
            label = "paths to $GL_2^-$" if i == 0 else None
            axes.plot(times, x.numpy(force=True), color=ACROSS, linewidth=1, label=label)
        axes.plot(times, segment.numpy(force=True), "--", color=SEGMENT, label="segment")
        axes.plot(times, inside.numpy(force=True), color=CURVE, label="path in $GL_2^+$")
        axes.set(xlabel="$t$", ylabel="determinant", xlim=(0, 1))
        figure.legend(loc="outside upper center", ncols=4)
        return figure


def shares(n: Tensor, share: Tensor, error: Tensor, exact: Tensor) -> Figure:
    """Draw the share of matrices with a real logarithm against their size.

    Args:
        n: sizes, shape (N,).
        share: measured shares, shape (N,).
        error: half the height of the error bars, shape (N,).
        exact: the exact share for the first sizes, shape (K,), K ≤ N.

    Returns:
        The figure, with the line at 1 for reference.

    Raises:
        ShapeMismatch: the shapes are not those.

    >>> import torch
    >>> x = torch.ones(3)
    >>> figure = shares(torch.tensor([1, 2, 4]), x, 0 * x, x[:1])
    >>> figure.axes[0].get_xlabel()
    '$n$'
    """
    shapes = [tuple(x.shape) for x in (n, share, error, exact)]
    if n.ndim != 1 or shapes[:3] != [(len(n),)] * 3 or exact.ndim != 1 or len(exact) > len(n):
        raise ShapeMismatch(f"expected shapes (N,), (N,), (N,) and (K,), K ≤ N, got {shapes}")
    x, y, bar, line = (a.numpy(force=True) for a in (n, share, error, exact))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
        axes.axhline(1, color=REFERENCE, linewidth=1, label="all, as (5) presumes")
        axes.errorbar(x, y, yerr=bar, fmt="o", capsize=3, color=CURVE, label="measured")
        mark: Any = {"color": REFERENCE, "markerfacecolor": "none", "markersize": 12}
        axes.plot(x[: len(line)], line, "D", label="exact", **mark)
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [str(int(size)) for size in x])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="$n$", ylabel="share with a real logarithm", ylim=(0, 1.08))
        figure.legend(loc="outside upper center", ncols=3)
        return figure


def orbits(
    panels: Sequence[Sequence[Tensor]], holes: Sequence[Tensor], names: Sequence[str]
) -> Figure:
    """Draw orbits in the plane side by side, one colour an orbit.

    Args:
        panels: for each panel its orbits; an orbit is k polylines of p points, shape
            (k, p, 2).
        holes: for each panel the points that do not belong to the space, shape (m, 2).
        names: what stands under each panel.

    Returns:
        The figure; holes are hollow circles.

    Raises:
        ShapeMismatch: not as many holes and names as panels, or shapes other than those.
        OutOfDomain: more orbits than colours.

    >>> import torch
    >>> ray = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]])
    >>> len(orbits([[ray, ray + 1]], [ray[0, :1]], ["two rays"]).axes[0].lines)
    3
    """
    _require_panels(panels, holes, names)
    for orbit in [x for panel in panels for x in panel]:
        if orbit.ndim != 3 or orbit.shape[2] != 2:
            raise ShapeMismatch(f"expected orbits of shape (k, p, 2), got {tuple(orbit.shape)}")
    most = max(len(panel) for panel in panels)
    if most > len(PIECES):
        raise OutOfDomain(f"expected at most {len(PIECES)} orbits in a panel, got {most}")
    with plt.rc_context(STYLE):
        figure, row = _panels(len(panels))
        for axes, panel, missing, name in zip(row, panels, holes, names, strict=True):
            for colour, orbit in zip(PIECES, panel, strict=False):
                for line in orbit:
                    axes.plot(*line.mT.numpy(force=True), color=colour, linewidth=2)
            style: Any = {"markerfacecolor": "white", "markersize": 7, "zorder": 3}
            axes.plot(*missing.mT.numpy(force=True), "o", color=REFERENCE, **style)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set_xlabel(name)
        return figure


def _panels(count: int) -> tuple[Figure, Any]:
    figure, grid = plt.subplots(
        1, count, figsize=(PANEL * count, PANEL), squeeze=False, layout="constrained"
    )
    return figure, grid[0]


def _require_panels(*lists: Sequence[Any]) -> None:
    lengths = [len(x) for x in lists]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ShapeMismatch(f"expected as many of each for one panel or more, got {lengths}")
