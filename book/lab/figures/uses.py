"""Chapter 7: measurements over seeds beside their reference."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from lab.figures.style import COMPONENT, CURVE, STYLE
from mc_lib.errors import OutOfDomain, ShapeMismatch

MARKS = list(zip(COMPONENT.values(), "osD^v", strict=True))
REFERENCE = "#666666"


def tradeoff(
    methods: Mapping[str, Tensor], labels: tuple[str, str], start: Tensor | None = None
) -> Figure:
    """Draw two scores against each other, for each method at each of its settings.

    Args:
        methods: for each method the scores of s settings over r seeds, shape (s, r, 2).
        labels: what stands at the axes.
        start: the two scores of all seeds before any method, shape (r, 2); their mean is
            drawn as the reference.

    Returns:
        The figure: means, with the standard deviation over the seeds as bars; settings of
        one method are joined.

    Raises:
        ShapeMismatch: a shape other than those, or fewer than two seeds.
        OutOfDomain: more methods than colours.

    >>> import torch
    >>> figure = tradeoff({"a": torch.rand(3, 5, 2)}, ("old", "new"), torch.rand(5, 2))
    >>> figure.axes[0].get_xlabel()
    'old'
    """
    shapes = [tuple(a.shape) for a in methods.values()]
    if not methods or any(len(s) != 3 or s[2] != 2 or s[1] < 2 for s in shapes):
        raise ShapeMismatch(f"expected scores (s, r, 2) with r ≥ 2, got {shapes}")
    if start is not None and (start.ndim != 2 or start.shape[1] != 2):
        raise ShapeMismatch(f"expected the start as (r, 2), got {tuple(start.shape)}")
    _require_colours(methods)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 4.4), layout="constrained")
        for (colour, mark), (name, scores) in zip(MARKS, methods.items(), strict=False):
            (x, y), (dx, dy) = (a.mT.numpy(force=True) for a in (scores.mean(1), scores.std(1)))
            bars: Any = {"xerr": dx, "yerr": dy, "capsize": 2, "elinewidth": 0.8}
            axes.errorbar(x, y, color=colour, marker=mark, label=name, linewidth=1.2, **bars)
        if start is not None:
            x, y = start.mean(0).tolist()
            axes.axvline(x, color=REFERENCE, linestyle="--", linewidth=1, label="before")
        axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
        figure.legend(loc="outside upper center", ncols=3)
        return figure


def dots(
    groups: Mapping[str, Tensor],
    names: Sequence[str],
    label: str,
    *,
    reference: tuple[float, str] | None = None,
    logarithmic: bool = False,
) -> Figure:
    """Draw a number for each seed, row by row, with the mean of the row.

    Args:
        groups: for each kind the numbers, shape (rows, seeds); kinds share the rows.
        names: of the rows.
        label: what the numbers are.
        reference: where a vertical line stands, and what it is called.
        logarithmic: whether the scale is.

    Returns:
        The figure: a small mark a seed, a large one the mean.

    Raises:
        ShapeMismatch: not as many names as rows.
        OutOfDomain: more kinds than colours, or a number ≤ 0 on a logarithmic scale.

    >>> import torch
    >>> dots({"a": torch.ones(2, 3)}, ["x", "y"], "size").axes[0].get_xlabel()
    'size'
    """
    shapes = [tuple(a.shape) for a in groups.values()]
    if not groups or any(len(s) != 2 or s[0] != len(names) or s[1] == 0 for s in shapes):
        raise ShapeMismatch(f"expected ({len(names)}, seeds) for each kind, got {shapes}")
    _require_colours(groups)
    if logarithmic and min(float(a.min()) for a in groups.values()) <= 0:
        raise OutOfDomain("a logarithmic scale shows positive numbers only")
    with plt.rc_context(STYLE):
        height = 1.1 + 0.42 * len(names)
        figure, axes = plt.subplots(figsize=(6.0, height), layout="constrained")
        step = 0.5 / len(groups)
        for i, (kind, values) in enumerate(groups.items()):
            colour, mark = MARKS[i] if len(groups) > 1 else (CURVE, "o")
            at = [row + step * (i - (len(groups) - 1) / 2) for row in range(len(names))]
            small: Any = {"color": colour, "marker": "|", "linestyle": "none", "alpha": 0.7}
            for column in values.mT.numpy(force=True):
                axes.plot(column, at, markersize=7, **small)
            middle = values.mean(1).numpy(force=True)
            axes.plot(middle, at, mark, color=colour, markersize=6, label=kind)
        if reference is not None:
            axes.axvline(reference[0], color=REFERENCE, linewidth=1, label=reference[1])
        if logarithmic:
            axes.set_xscale("log")
        axes.set(xlabel=label, ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), list(names))
        figure.legend(loc="outside upper center", ncols=3)
        return figure


def _require_colours(groups: Mapping[str, Any]) -> None:
    if len(groups) > len(MARKS):
        raise OutOfDomain(f"at most {len(MARKS)} kinds are told apart, got {len(groups)}")
