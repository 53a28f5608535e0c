"""Chapter 4: minima of networks with three weights, drawn as surfaces in space."""

import math
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from lab.figures.style import COMPONENT, STYLE, VIEW
from mc_lib.errors import ShapeMismatch


def sheets(
    w: tuple[Tensor, Tensor, Tensor], signs: Tensor, title: str = "signs of $W_1$ and $W_2W_1$"
) -> Figure:
    """Draw the minimum of a network with three 1 × 1 weights in R³, coloured by component.

    Args:
        w: weights of shape (s, p, q, 1, 1), s sheets on a p × q grid each.
        signs: the component of each sheet, shape (s, 2); see `COMPONENT` for the names.
        title: what the signs are.

    Returns:
        The figure: axes W_1, W_2 and W_3, one surface a sheet.

    Raises:
        ShapeMismatch: the weights are not 1 × 1, or the sheets and signs do not match.

    >>> one = torch.ones(1, 2, 2, 1, 1)
    >>> len(sheets((one, one, one), torch.tensor([[1, 1]])).axes[0].collections)
    1
    """
    names = require_sheets(w, signs)
    with plt.rc_context(STYLE):
        figure = plt.figure()
        axes: Any = figure.add_axes((0.0, 0.0, 1.0, 0.92), projection="3d", computed_zorder=False)
        for i in _far_to_near(w):
            surface = [x[i, ..., 0, 0].numpy(force=True) for x in w]
            colour = COMPONENT[names[i]]
            axes.plot_surface(*surface, color=colour, edgecolor="white", linewidth=0.1)
        axes.set(xlabel="$W_1$", ylabel="$W_2$", zlabel="$W_3$")
        axes.view_init(*VIEW)
        axes.set_box_aspect((1, 1, 0.8), zoom=0.92)
        shown = [name for name in COMPONENT if name in names]
        handles = [Patch(color=COMPONENT[name], label=mark(name)) for name in shown]
        figure.legend(handles=handles, title=title, ncols=len(shown), loc="upper center")
        return figure


def require_sheets(w: tuple[Tensor, Tensor, Tensor], signs: Tensor) -> list[tuple[int, int]]:
    """Refuse what is no set of sheets, and return the names of their components.

    Args:
        w: weights of shape (s, p, q, 1, 1).
        signs: the component of each sheet, shape (s, 2).

    Returns:
        s names, keys of `COMPONENT`.

    Raises:
        ShapeMismatch: the weights are not 1 × 1, or the sheets and signs do not match.

    >>> one = torch.ones(1, 2, 2, 1, 1)
    >>> require_sheets((one, one, one), torch.tensor([[1, -1]]))
    [(1, -1)]
    """
    shapes = {tuple(x.shape) for x in w}
    if len(w) != 3 or len(shapes) != 1 or w[0].shape[3:] != (1, 1) or signs.shape != (len(w[0]), 2):
        raise ShapeMismatch(
            f"expected three weights of shape (s, p, q, 1, 1) and s pairs of signs, "
            f"got {[tuple(x.shape) for x in w]} and {tuple(signs.shape)}"
        )
    names = [(a, b) for a, b in signs.tolist()]
    if not set(names) <= set(COMPONENT):
        raise ShapeMismatch(f"expected names of components out of {list(COMPONENT)}, got {names}")
    return names


def mark(name: tuple[int, int]) -> str:
    """Return the name of a component as a legend shows it.

    Args:
        name: two signs.

    Returns:
        Such as "(+, −)".

    >>> mark((1, -1)), mark((1, 0))
    ('(+, −)', '(+, any)')
    """
    return "({}, {})".format(*({1: "+", -1: "−", 0: "any"}[sign] for sign in name))


def _far_to_near(w: tuple[Tensor, Tensor, Tensor]) -> list[int]:
    """Return the order in which to paint the sheets: matplotlib hides nothing by itself."""
    elevation, azimuth = (math.radians(angle) for angle in VIEW)
    eye = (math.cos(azimuth), math.sin(azimuth), math.tan(elevation))
    centres = [x.flatten(1).mean(1) for x in w]
    depth = sum(e * c / c.abs().max() for e, c in zip(eye, centres, strict=True))
    return torch.as_tensor(depth).argsort().tolist()
