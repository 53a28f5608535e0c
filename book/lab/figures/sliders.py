"""Chapters 5, 6 and 6b: curves in the plane that change with a slider."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lab.figures.interactive import Frame, Interactive, Trace, number, places, rounded
from lab.figures.style import COMPONENT, CURVE, SEGMENT
from mc_lib.errors import OutOfDomain, ShapeMismatch

COLOURS = (CURVE, SEGMENT, COMPONENT[-1, 1], COMPONENT[-1, -1], COMPONENT[1, -1])
REFERENCE = "#888888"  # seen on white and on black
SHARE = 0.05  # of a side, the margin beside the data


def slider_curves(
    name: str,
    values: Sequence[float],
    x: Tensor,
    curves: Mapping[str, Tensor],
    references: Mapping[str, Tensor],
    labels: tuple[str, str, str],
    alt: str,
    log: tuple[bool, bool] = (False, False),
    texts: Sequence[str] | None = None,
    start: int | None = None,
) -> Interactive:
    """Return curves y(x), one family for each value of a slider, beside their reference.

    Args:
        name: the id of the figure on its page.
        values: of the parameter that the slider sets, increasing; V of them.
        x: shape (T,).
        curves: y by the name of the curve, shape (V, T); at most 5.
        references: the same, drawn grey and dashed; shape (V, T), or (T,) if it does not
            change.
        labels: of the axis x, the axis y and the slider, such as ("t", "loss", "m").
        alt: the figure in words.
        log: which axes are logarithmic.
        texts: a sentence for each value.
        start: the place where the slider begins; by default the middle.

    Returns:
        The figure; its axes are the same for all values.

    Raises:
        ShapeMismatch: the shapes are not those.
        OutOfDomain: more curves than colours, a number ≤ 0 on a logarithmic axis, or as
            `Interactive`.

    >>> t = torch.linspace(0, 1, 3)
    >>> family, zero = {"m t": torch.stack([t, 2 * t])}, {"0": 0 * t}
    >>> slider_curves("rays", [1, 2], t, family, zero, ("t", "y", "m"), "Rays of slope m from 0.")
    Interactive('rays', 2 frames)
    """
    _require_curves(len(values), x, curves, references)
    everything = torch.cat([y.flatten() for y in (*curves.values(), *references.values())])
    for axis, data, is_log in zip(labels, (x, everything), log, strict=False):
        if is_log and not bool((data > 0).all()):
            raise OutOfDomain(f"a logarithmic axis shows what is > 0, got {axis} {data.min():.3g}")
    fixed = [_reference(n, x, y) for n, y in references.items() if y.ndim == 1]
    moving = {n: y for n, y in references.items() if y.ndim == 2}
    frames = []
    for i, (label, text) in enumerate(places(labels[2], values, texts)):
        traces = [_reference(n, x, y[i]) for n, y in moving.items()]
        for colour, (n, y) in zip(COLOURS, curves.items(), strict=False):
            traces.append(_line(n, colour, x, y[i]))
        frames.append(Frame(label, text, tuple(traces)))
    layout = {
        "xaxis": _axis(labels[0], x, log[0]),
        "yaxis": _axis(labels[1], everything, log[1]),
    }
    return Interactive(name, alt, tuple(frames), layout, tuple(fixed), start)


def slider_paths(
    name: str,
    values: Sequence[float],
    paths: Mapping[str, Tensor],
    labels: tuple[str, str, str],
    alt: str,
    references: Mapping[str, Tensor] | None = None,
    texts: Sequence[str] | None = None,
    start: int | None = None,
) -> Interactive:
    """Return polylines in the plane, one set for each value of a slider, at one scale.

    Args:
        name: the id of the figure on its page.
        values: of the parameter that the slider sets, increasing; V of them.
        paths: by its name each path, V polylines of P points, shape (V, P, 2); at most 5.
        labels: of the axis x, the axis y and the slider.
        alt: the figure in words.
        references: the same, drawn grey and dashed.
        texts: a sentence for each value.
        start: the place where the slider begins; by default the middle.

    Returns:
        The figure; a unit is as long on either axis, and the axes do not change.

    Raises:
        ShapeMismatch: the shapes are not those.
        OutOfDomain: more paths than colours, or as `Interactive`.

    >>> square = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    >>> both = {"square": torch.stack([square, 2 * square])}
    >>> slider_paths("squares", [1, 2], both, ("x", "y", "side"), "Squares of growing size.")
    Interactive('squares', 2 frames)
    """
    references = references or {}
    shown = {**references, **paths}
    for n, path in shown.items():
        if path.ndim != 3 or path.shape[::2] != (len(values), 2):
            raise ShapeMismatch(f"{n}: expected ({len(values)}, P, 2), got {tuple(path.shape)}")
    _require_colours(len(paths))
    frames = []
    for i, (label, text) in enumerate(places(labels[2], values, texts)):
        traces = [_reference(n, *path[i].unbind(-1)) for n, path in references.items()]
        for colour, (n, path) in zip(COLOURS, paths.items(), strict=False):
            traces.append(_line(n, colour, *path[i].unbind(-1)))
        frames.append(Frame(label, text, tuple(traces)))
    every = torch.cat([path.flatten(0, 1) for path in shown.values()])
    layout = {
        "xaxis": _axis(labels[0], every[:, 0], False),
        "yaxis": {**_axis(labels[1], every[:, 1], False), "scaleanchor": "x"},
    }
    return Interactive(name, alt, tuple(frames), layout, start=start)


def slider_rescalings(
    name: str,
    hyperbola: Tensor,
    start: Tensor,
    ends: Tensor,
    alpha: Tensor,
    segment: Tensor,
    m: Tensor,
) -> Interactive:
    """Return Figure 2 with m as a slider: two minima, their segment, and the loss along it.

    Args:
        name: the id of the figure on its page.
        hyperbola: points of the minimum in the plane of (W_1, W_2), shape (2, P).
        start: the point that all segments share, shape (2,).
        ends: their other ends, shape (r, 2).
        alpha: places on the segments, shape (T,).
        segment: the losses there, shape (r, T).
        m: the factors, increasing, shape (r,).

    Returns:
        The figure: on the left the plane, on the right the loss with the zero line.

    Raises:
        ShapeMismatch: the shapes are not those.
        OutOfDomain: as `Interactive`.

    >>> x = torch.tensor([1.0, 2.0, 4.0])
    >>> ends = torch.stack([x[1:], 1 / x[1:]], -1)
    >>> losses = torch.tensor([[0.0, 1 / 64, 0.0], [0.0, 81 / 256, 0.0]])
    >>> alpha = torch.tensor([0.0, 0.5, 1.0])
    >>> hyperbola = torch.stack([x, 1 / x])
    >>> slider_rescalings("m", hyperbola, hyperbola[:, 0], ends, alpha, losses, x[1:])
    Interactive('m', 2 frames)
    """
    r, T = len(m), len(alpha)
    shapes = [tuple(a.shape) for a in (hyperbola, start, ends, alpha, segment, m)]
    if shapes != [(2, hyperbola.shape[-1]), (2,), (r, 2), (T,), (r, T), (r,)]:
        raise ShapeMismatch(f"expected (2, P), (2,), (r, 2), (T,), (r, T), (r,), got {shapes}")
    fixed = (
        _line("minimum", CURVE, *hyperbola),
        {**_reference("zero loss", alpha, 0 * alpha), "xaxis": "x2", "yaxis": "y2"},
    )
    texts = [f"largest loss on the segment: {number(float(row.max()))}" for row in segment]
    frames = []
    for i, (label, text) in enumerate(places("m", m.tolist(), texts)):
        chord = _line("segment", SEGMENT, *torch.stack([start, ends[i]], -1))
        marked = {**chord, "mode": "lines+markers", "marker": {"size": 9}}
        loss = _line("loss along it", SEGMENT, alpha, segment[i])
        across = {**loss, "xaxis": "x2", "yaxis": "y2", "showlegend": False}
        frames.append(Frame(label, text, (marked, across)))
    plane = torch.cat([hyperbola.mT, ends, start[None]])
    layout = {
        "xaxis": _axis("W₁", plane[:, 0], False),
        "yaxis": _axis("W₂", plane[:, 1], False),
        "xaxis2": _axis("α", alpha, False),
        "yaxis2": _axis("loss", segment, False),
    }
    alt = (
        "A hyperbola with the segment between two of its points, and the loss along that "
        "segment, which grows with m."
    )
    return Interactive(name, alt, tuple(frames), layout, fixed)


def slider_discs(
    name: str,
    values: Sequence[float],
    oval: Tensor,
    chord: Tensor,
    bound: Tensor,
    distance: Tensor,
    slider: str = "c",
) -> Interactive:
    """Return level sets, chords, and how far from a chord's middle the level set is.

    Two circles about the middle of each chord: Theorem 6.2 promises a point of the level
    set in the dashed one, of radius d_max; the other is the largest without one.

    Args:
        name: the id of the figure on its page.
        values: the levels, increasing; V of them.
        oval: the level sets, V polylines of P points, shape (V, P, 2).
        chord: the ends of the chords, shape (V, 2, 2).
        bound: d_max, shape (V,).
        distance: the true distance of the chord's middle from the level set, shape (V,).
        slider: what the slider sets.

    Returns:
        The figure. Its text says for each value whether the bound holds.

    Raises:
        ShapeMismatch: the shapes are not those.
        OutOfDomain: as `Interactive`.

    >>> angle = torch.linspace(0, 2 * math.pi, 9)
    >>> circle = torch.stack([angle.cos(), angle.sin()], -1)[None].repeat(2, 1, 1)
    >>> one = torch.ones(2)  # a diameter: its middle is 1 away from the circle
    >>> slider_discs("circle", [1, 2], circle, circle[:, :5:4], one, one).frames[0].text
    '(8) allows 1 from the middle of the chord; the level set is 1 away: it holds'
    """
    V = len(values)
    shapes = [tuple(a.shape) for a in (oval, chord, bound, distance)]
    if shapes != [(V, oval.shape[1], 2), (V, 2, 2), (V,), (V,)]:
        raise ShapeMismatch(f"expected (V, P, 2), (V, 2, 2), (V,), (V,), V = {V}, got {shapes}")
    texts = [
        f"(8) allows {number(b)} from the middle of the chord; the level set is {number(d)} "
        f"away: it {'holds' if d <= b * (1 + 1e-6) else 'fails'}"
        for b, d in zip(bound.tolist(), distance.tolist(), strict=True)
    ]
    middle = chord.mean(1, keepdim=True)
    paths = {"level set": oval, "chord": chord, "largest free disc": _circles(middle, distance)}
    promise = {"d_max of (8)": _circles(middle, bound)}
    alt = "A closed curve, a chord of it, and two circles about the middle of the chord."
    return slider_paths(name, values, paths, ("x", "y", slider), alt, promise, texts)


def _circles(middle: Tensor, radius: Tensor) -> Tensor:
    angle = torch.linspace(0, 2 * math.pi, 73, dtype=middle.dtype, device=middle.device)
    return middle + radius[:, None, None] * torch.stack([angle.cos(), angle.sin()], -1)


def _line(name: str, colour: str, x: Tensor, y: Tensor) -> Trace:
    line = {"color": colour, "width": 2.5}
    data = {"x": rounded(x), "y": rounded(y)}
    return {"type": "scatter", "mode": "lines", "name": name, **data, "line": line}


def _reference(name: str, x: Tensor, y: Tensor) -> Trace:
    """A dashed line over the others: where they agree both are seen."""
    line = {"color": REFERENCE, "dash": "dash"}
    return {**_line(name, REFERENCE, x, y), "line": line, "zorder": 1}


def _axis(title: str, data: Tensor, is_log: bool) -> dict[str, Any]:
    """One range for all places of the slider, a little wider than the data."""
    shown = data.double().log10() if is_log else data.double()
    least, most = float(shown.min()), float(shown.max())
    margin = SHARE * (most - least) or 1.0
    range_ = [float(f"{end:.4g}") for end in (least - margin, most + margin)]
    return {"title": {"text": title}, "range": range_, **({"type": "log"} if is_log else {})}


def _require_curves(
    V: int, x: Tensor, curves: Mapping[str, Tensor], references: Mapping[str, Tensor]
) -> None:
    every = (V, *x.shape)
    for n, y in {**references, **curves}.items():
        wanted = (every,) if n in curves else (every, tuple(x.shape))
        if x.ndim != 1 or tuple(y.shape) not in wanted:
            raise ShapeMismatch(
                f"{n}: expected {' or '.join(map(str, wanted))} over x (T,), got "
                f"{tuple(y.shape)} over {tuple(x.shape)}"
            )
    _require_colours(len(curves))


def _require_colours(count: int) -> None:
    if not 0 < count <= len(COLOURS):
        raise OutOfDomain(f"expected 1 to {len(COLOURS)} curves, got {count}")
