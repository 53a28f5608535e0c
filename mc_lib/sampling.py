"""Sampling a curve in bounded memory, and the search for a maximum over the time."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from mc_lib.checks import require_real
from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.kinds import require_count, require_number
from mc_lib.points import Point, leaves

MAX_BYTES = 10**9
"""The default bound on the weights held at a time."""

CANDIDATES = 4
"""How many local maxima of the grid are refined."""


def start_of(curve: Any) -> Point:
    """Return γ(0), without computing it where the curve knows it.

    Raises:
        McLibError: the curve does not return points.

    >>> from mc_lib.curves import Line
    >>> start_of(Line((torch.zeros(1),), (torch.ones(1),)))
    (tensor([0.]),)
    """
    start = curve.start if hasattr(curve, "start") else curve(0.0)
    require_real(leaves(start), "the start of the curve")
    return start


def pieces(curve: Any) -> list[tuple[float, float]]:
    """Return the intervals between the breakpoints of a curve on [0, 1].

    >>> from mc_lib.curves import PolygonalChain
    >>> pieces(PolygonalChain([(torch.zeros(1),)] * 3))
    [(0.0, 0.5), (0.5, 1.0)]
    """
    ends = [0.0, *getattr(curve, "breakpoints", ()), 1.0]
    return list(pairwise(ends))


def halves_of(panels: Float[Tensor, "P 2"]) -> Float[Tensor, "P 2 2"]:
    """Return the two halves of each interval [a, b].

    >>> halves_of(torch.tensor([[0.0, 2.0]])).tolist()
    [[[0.0, 1.0], [1.0, 2.0]]]
    """
    a, b = panels.unbind(1)
    middle = (a + b) / 2
    return torch.stack([a, middle, middle, b], 1).reshape(-1, 2, 2)


def time_grid(curve: Any, points: int) -> Float[Tensor, "T"]:
    """Return equally spaced times in [0, 1] and the breakpoints of the curve among them.

    Raises:
        OutOfDomain: fewer than 2 points.

    >>> from mc_lib.curves import Line
    >>> time_grid(Line((torch.zeros(1),), (torch.ones(1),)), 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    require_count(points, "the number of points of a grid", None)
    if points < 2:
        raise OutOfDomain(f"a grid on [0, 1] has 2 points or more, got {points}")
    like = leaves(start_of(curve))[0]
    options: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
    even = torch.linspace(0, 1, points, **options)
    return torch.cat([even, torch.tensor([a for a, _ in pieces(curve)], **options)]).unique()


def require_finite(values: Float[Tensor, "T"], t: Float[Tensor, "T"], what: str) -> None:
    """Refuse NaN and infinity in what was measured at the times t.

    Raises:
        NotFinite: naming the first time at fault.

    >>> require_finite(torch.tensor([1.0, torch.inf]), torch.tensor([0.0, 0.5]), "the loss")
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotFinite: the loss at t = 0.5 is inf
    """
    bad = ~torch.isfinite(values)
    if bad.any():
        raise NotFinite(f"{what} at t = {float(t[bad][0]):.6g} is {float(values[bad][0])}")


def in_chunks(
    f: Callable[[Tensor], Tensor], t: Shaped[Tensor, "T"], like: Point, max_bytes: int | float
) -> Tensor:
    """Return f(t), computed for as many times at once as the memory allows.

    `like` is a point of the size of those that f holds, one for each time; at least one is
    held whatever `max_bytes` says.

    Raises:
        OutOfDomain: max_bytes is not positive.

    >>> w = (torch.zeros(4),)
    >>> in_chunks(lambda t: t + len(t), torch.zeros(3), w, 2 * w[0].nbytes)
    tensor([2., 2., 1.])
    """
    require_number(max_bytes, "max_bytes")
    if not max_bytes > 0:
        raise OutOfDomain(f"max_bytes is a positive number of bytes, got {max_bytes}")
    each = sum(x.numel() * x.element_size() for x in leaves(like))
    size = max(1, int(min(max_bytes, 2**62) // max(1, each)))
    if len(t) <= size:
        return f(t)
    return torch.cat([f(part) for part in t.split(size)])


def local_maxima(
    values: Float[Tensor, "*batch T"], most: int = CANDIDATES
) -> Int[Tensor, "*batch c"]:
    """Return the indices of the largest local maxima along the last dimension.

    As many as the row with most of them has, and `most` at most. The first is the largest
    value of all; a row with fewer is filled up with other grid points.

    Returns:
        Shape (*batch, c).

    >>> local_maxima(torch.tensor([0.0, 5.0, 4.0, 0.0, 2.0, 1.0]))[:2]
    tensor([1, 4])
    """
    wall = values.new_full((*values.shape[:-1], 1), -torch.inf)
    padded = torch.cat([wall, values, wall], -1)
    is_peak = (values >= padded[..., :-2]) & (values >= padded[..., 2:])
    count = min(int(is_peak.sum(-1).max()), most)
    return torch.where(is_peak, values, -torch.inf).topk(count, dim=-1).indices


def climb(
    f: Callable[[Tensor], Tensor],
    t: Float[Tensor, "*batch"],
    value: Float[Tensor, "*batch"],
    step: float,
    *,
    last: float = 1.0,
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return for each time t a maximum of f between its neighbours t ± step, within [0, last].

    A section search: each round tries t ± step/4, ± step/2, ± 3 step/4 in one call of f,
    keeps the best and divides the step by 4, until it is below √ε. Near a smooth maximum
    t is then right to about √ε and the value to about ε, relative to the scale of f; at
    a kink both to about √ε. Where f has several maxima between the neighbours, one of
    them is found.

    >>> t, value = torch.tensor([0.5]), torch.tensor([-0.04])
    >>> t, value = climb(lambda t: -(t - 0.7) ** 2, t, value, 0.5)
    >>> bool((t - 0.7).abs() < 1e-3)
    True
    """
    offsets = t.new_tensor([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75])
    while step > torch.finfo(t.dtype).eps ** 0.5:
        trial = (t.unsqueeze(-1) + step * offsets).clamp(0, last)
        trial_value = f(trial)
        times = torch.cat([t.unsqueeze(-1), trial], -1)
        values = torch.cat([value.unsqueeze(-1), trial_value], -1)
        value, best = values.max(-1)
        t = times.gather(-1, best.unsqueeze(-1)).squeeze(-1)
        step /= 4
    return t, value
