"""Losses along curves between the same two points."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from lab.figures.style import CURVE, SEGMENT, STYLE
from mc_lib.errors import ShapeMismatch


def path_against_segment(t: Tensor, path: Tensor, segment: Tensor, floor: float) -> Figure:
    """Draw the relative loss along paths in the minimum and along the segments beside them.

    Args:
        t: times in [0, 1], shape (T,).
        path: losses along each of r paths, shape (r, T).
        segment: losses along the r segments, shape (r, T).
        floor: losses below it are drawn there: the squared round-off.

    Returns:
        The figure: one axes, the loss on a logarithmic scale.

    Raises:
        ShapeMismatch: the shapes do not fit.

    >>> import torch
    >>> t = torch.linspace(0, 1, 3)
    >>> len(path_against_segment(t, t[None], t[None], 1e-30).axes[0].lines)
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
            for i, row in enumerate(losses.clamp(min=floor).numpy(force=True)):
                label = name if i == 0 else None
                axes.semilogy(t.numpy(force=True), row, color=colour, label=label)
        axes.set(xlabel="$t$", ylabel=r"loss / $\Vert Y\Vert^2$", xlim=(0, 1))
        figure.legend(loc="outside upper center", ncols=2)
        return figure
