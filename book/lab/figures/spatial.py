"""Chapter 4: minima of networks with three weights as surfaces that a reader turns."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lab.figures.interactive import Frame, Interactive, Trace, places, rounded
from lab.figures.style import COMPONENT
from lab.figures.surfaces import mark, require_sheets
from mc_lib.errors import ShapeMismatch

Sheets = tuple[tuple[Tensor, Tensor, Tensor], Tensor]
"""Three weights of shape (s, p, q, 1, 1), and the component of each sheet, (s, 2)."""

LIGHT = {"ambient": 0.65, "diffuse": 0.6, "specular": 0.15, "roughness": 0.8}
GRID = {"show": True, "color": "rgba(255,255,255,0.35)", "width": 1, "highlight": False}


def rotatable_sheets(name: str, sheets: Sheets, alt: str, text: str = "") -> Interactive:
    """Return the minimum of a network with three 1 × 1 weights, to be turned.

    Args:
        name: the id of the figure on its page.
        sheets: what `minima.sheets` or `minima.residual_sheets` returns.
        alt: the figure in words.
        text: a sentence under it.

    Returns:
        The figure: axes W_1, W_2 and W_3, one surface a sheet, coloured by component.

    Raises:
        ShapeMismatch: as `figures.sheets`.

    >>> import torch
    >>> one = torch.ones(1, 2, 2, 1, 1)
    >>> rotatable_sheets("flat", ((one, one, one), torch.tensor([[1, 1]])), "A flat square sheet.")
    Interactive('flat', 1 frame)
    """
    return Interactive(name, alt, (Frame("", text, _traces(sheets)),), _layout([sheets]))


def slider_sheets(
    name: str,
    values: Sequence[float],
    sheets: Sequence[Sheets],
    alt: str,
    slider: str = "ε",
    texts: Sequence[str] | None = None,
    start: int | None = None,
) -> Interactive:
    """Return minima of networks with three 1 × 1 weights, to be turned, one for each value.

    Args:
        name: the id of the figure on its page.
        values: of the parameter that the slider sets, increasing.
        sheets: for each value what `minima.sheets` or `minima.residual_sheets` returns.
        alt: the figure in words.
        slider: the parameter's name.
        texts: a sentence for each value.
        start: the place where the slider begins; by default the middle.

    Returns:
        The figure; its axes are the same for all values.

    Raises:
        ShapeMismatch: as `figures.sheets`, or not as many sets of sheets as values.
        OutOfDomain: as `Interactive`.

    >>> import torch
    >>> flat = (torch.ones(1, 2, 2, 1, 1),) * 3, torch.tensor([[1, 1]])
    >>> slider_sheets("two", [0.0, 1.0], [flat, flat], "A flat square sheet, twice.")
    Interactive('two', 2 frames)
    """
    if len(sheets) != len(values):
        raise ShapeMismatch(f"expected sheets for {len(values)} values, got {len(sheets)}")
    rows = zip(places(slider, values, texts), sheets, strict=True)
    frames = tuple(Frame(label, text, _traces(shown)) for (label, text), shown in rows)
    return Interactive(name, alt, frames, _layout(sheets), start=start)


def _traces(sheets: Sheets) -> tuple[Trace, ...]:
    w, signs = sheets
    names = require_sheets(w, signs)
    return tuple(_surface([x[i, ..., 0, 0] for x in w], name) for i, name in enumerate(names))


def _surface(xyz: Sequence[Tensor], name: tuple[int, int]) -> Trace:
    colour = COMPONENT[name]
    return {
        "type": "surface",
        **{axis: rounded(x) for axis, x in zip("xyz", xyz, strict=True)},
        "name": mark(name),
        "colorscale": [[0, colour], [1, colour]],
        "showscale": False,
        "showlegend": True,
        "hoverinfo": "skip",
        "lighting": LIGHT,
        "contours": {"x": GRID, "y": GRID},
    }


def _layout(sheets: Sequence[Sheets]) -> dict[str, Any]:
    """The same three axes for all values, each as wide as the largest weight."""
    scene: dict[str, Any] = {"aspectmode": "manual", "aspectratio": {"x": 1, "y": 1, "z": 0.8}}
    for i, axis in enumerate("xyz"):
        reach = max(float(w[i].abs().max()) for w, _ in sheets)
        end = float(f"{1.02 * reach:.3g}")
        scene[f"{axis}axis"] = {"title": {"text": "W" + "₁₂₃"[i]}, "range": [-end, end]}
    return {"scene": scene}
