"""Chapters 1, 4b, 5 and 6: losses along curves between the same two points."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lab.figures.style import COMPONENT, CURVE, SEGMENT, STYLE
from mc_lib.errors import OutOfDomain, ShapeMismatch


def path_against_segment(t: Tensor, path: Tensor, segment: Tensor, linear: float) -> Figure:
    """Draw the relative loss along paths in the minimum and along the segments beside them.

    Args:
        t: times in [0, 1], shape (T,).
        path: losses along each of r paths, shape (r, T).
        segment: losses along the r segments, shape (r, T).
        linear: losses below it are drawn on a linear scale, so that 0 has a place.

    Returns:
        The figure: one axes, the loss on a linear scale up to `linear` and a logarithmic above.

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> t = torch.linspace(0, 1, 3)
    >>> len(path_against_segment(t, t[None], t[None], 1.0).axes[0].lines)
    2
    """
    if path.shape != segment.shape or path.shape[1:] != t.shape:
        raise ShapeMismatch(
            f"expected t (T,) and losses (r, T), got {tuple(t.shape)}, {tuple(path.shape)} "
            f"and {tuple(segment.shape)}"
        )
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
        for losses, colour, name in ((segment, SEGMENT, "segment"), (path, CURVE, "path")):
            for i, row in enumerate(losses.numpy(force=True)):
                label = name if i == 0 else None
                axes.plot(t.numpy(force=True), row, color=colour, label=label)
        axes.set(xlabel="$t$", ylabel=r"loss / $\Vert Y\Vert^2$", xlim=(0, 1))
        _scale(axes, linear)
        figure.legend(loc="outside upper center", ncols=2)
        return figure


def losses_with_spread(
    t: Tensor, panels: Mapping[str, Mapping[str, Tensor]], ylabel: str, linear: float
) -> Figure:
    """Draw the mean of losses along several kinds of curves, and the band they fill.

    Args:
        t: times, shape (T,).
        panels: for each panel, by name, for each kind of curve the losses, shape (r, T).
            The kind "segment" has the colour of segments in the whole book.
        ylabel: what the losses are divided by.
        linear: where a loss is below it, the scale is linear up to it, so that 0 has a place.

    Returns:
        The figure: the panels side by side on one scale, logarithmic above `linear`.

    Raises:
        ShapeMismatch: losses of another shape than (r, T).
        OutOfDomain: more than four kinds beside the segment in one panel.

    >>> import torch
    >>> t = torch.linspace(0, 1, 3)
    >>> panels = {"(b)": {"curve": 1 + t[None], "segment": 2 + t[None]}}
    >>> len(losses_with_spread(t, panels, "loss", 1e-9).axes[0].lines)
    2
    """
    for losses in [x for panel in panels.values() for x in panel.values()]:
        if losses.ndim != 2 or losses.shape[1:] != t.shape:
            raise ShapeMismatch(f"expected (r, {len(t)}), got {tuple(losses.shape)}")
    most = max(len(panel.keys() - {"segment"}) for panel in panels.values())
    if most > 4:
        raise OutOfDomain(f"at most four kinds of curves are told apart, got {most}")
    with plt.rc_context(STYLE):
        figure, row = plt.subplots(
            1,
            len(panels),
            figsize=(6.0 if len(panels) == 1 else 3.2 * len(panels), 3.6),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axes, (name, panel) in zip(row[0], panels.items(), strict=True):
            others = iter(
                zip([CURVE, *list(COMPONENT.values())[2:]], ("-", "--", ":", "-."), strict=True)
            )
            for kind, losses in panel.items():
                colour, dashes = (SEGMENT, "-") if kind == "segment" else next(others)
                y = losses.numpy(force=True)
                times = t.numpy(force=True)
                axes.fill_between(times, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)
                axes.plot(times, y.mean(0), dashes, color=colour, label=kind)
            axes.set(xlabel=f"$t$\n{name}", yscale="log", xlim=(0, 1))
        if min(float(x.min()) for panel in panels.values() for x in panel.values()) < linear:
            _scale(row[0][0], linear)
        row[0][0].set_ylabel(ylabel)
        handles = {x.get_label(): x for axes in row[0] for x in axes.lines}
        figure.legend(handles=list(handles.values()), loc="outside upper center", ncols=4)
        return figure


def _scale(axes: Axes, linear: float) -> None:
    """Let the scale of the losses be linear from 0 to `linear` and logarithmic above."""
    axes.set_yscale("symlog", linthresh=linear, linscale=0.5)
    axes.set_ylim(bottom=-0.1 * linear)
