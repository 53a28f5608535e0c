"""The length and the curvature of a curve in parameter space.

Works for any curve that can be called for its position and has `velocity` and
`acceleration`; `breakpoints`, where it has them, are the times between smooth pieces.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.errors import OutOfDomain
from mc_lib.kinds import require_count, require_number
from mc_lib.points import leaves, norm, times_like, to_vector
from mc_lib.sampling import (
    CANDIDATES,
    MAX_BYTES,
    climb,
    halves_of,
    in_chunks,
    local_maxima,
    pieces,
    require_finite,
    start_of,
    time_grid,
)

NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)
"""Gauss–Legendre quadrature on [−1, 1], exact for polynomials of degree 19."""

MOST_PANELS = 100_000
MOST_HALVINGS = 40


def length(
    curve: Any,
    *,
    rtol: float | None = None,
    points: int = 40,
    max_bytes: int | float = MAX_BYTES,
) -> float:
    """Return the length ∫₀¹ ‖γ'(t)‖ dt.

    Adaptive Gauss–Legendre quadrature between the breakpoints: a panel is halved until
    its value and that of its two halves agree to rtol times its share of the length. So
    the error is below rtol wherever the first panels show that there is something to
    refine. A burst of speed that falls between their times, for less than about 1/points
    of the way, is missed, and nothing tells: more `points` find it.

    Args:
        curve: the curve.
        rtol: the relative tolerance; by default 1e-10 in float64 and 1e-4 in float32.
        points: at how many times the first panels look at the speed at least; 40 or more
            between two breakpoints are looked at in any case.
        max_bytes: the bound on the memory of the velocities held at a time.

    Returns:
        The length, in the unit of the norm of parameter space.

    Raises:
        OutOfDomain: rtol below what the dtype can resolve, fewer than one point, or a speed
            too rough for rtol, such as one with a singularity.
        NotFinite: a speed is NaN or infinite.
        McLibError: as `curve`.

    >>> from mc_lib.curves import Line
    >>> round(length(Line((torch.tensor([3.0, 0.0]),), (torch.tensor([0.0, 4.0]),))), 5)
    5.0
    """
    start = start_of(curve)
    like = leaves(start)[0]
    least = 100 * torch.finfo(like.dtype).eps
    rtol = tolerance(like.dtype).equal if rtol is None else rtol
    require_number(rtol, "rtol")
    require_count(points, "the number of points")
    if not rtol >= least:
        raise OutOfDomain(f"rtol is {least:.3g} or more in {like.dtype}, got {rtol}")
    node, weight = like.new_tensor(NODES), like.new_tensor(WEIGHTS)

    def integrals(panels: Float[Tensor, "P 2"]) -> Float[Tensor, "P"]:
        half = (panels[:, 1:] - panels[:, :1]) / 2
        t = panels[:, :1] + half * (1 + node)
        speed = in_chunks(lambda s: norm(curve.velocity(s), 1), t.reshape(-1), start, max_bytes)
        require_finite(speed, t.reshape(-1), "the speed")
        return half[:, 0] * (speed.reshape(t.shape) @ weight)

    panels = like.new_tensor(pieces(curve))
    each = max(4, math.ceil(points / (len(NODES) * len(panels))))
    for _ in range(math.ceil(math.log2(each))):
        panels = halves_of(panels).reshape(-1, 2)
    return _adaptive(integrals, panels, rtol)


def _adaptive(
    integrals: Callable[[Tensor], Tensor], panels: Float[Tensor, "P 2"], rtol: float
) -> float:
    values = integrals(panels)
    done = miss = panels.new_zeros(())
    for _ in range(MOST_HALVINGS):
        halves = halves_of(panels)
        finer = integrals(halves.reshape(-1, 2)).reshape(-1, 2)
        value, width = finer.sum(1), panels[:, 1] - panels[:, 0]
        # over all panels these shares add up to rtol times the length
        share = rtol / 2 * (value + (done + value.sum()) * width)
        gap = (value - values).abs()
        rough = gap > share
        done, miss = done + value[~rough].sum(), gap[rough].sum()
        panels, values = halves[rough].reshape(-1, 2), finer[rough].reshape(-1)
        if len(panels) == 0 or len(panels) > MOST_PANELS:
            break
    total = done + values.sum()
    if len(panels) > MOST_PANELS or miss > rtol * total:
        raise OutOfDomain(
            f"the speed of the curve is too rough for a length to rtol = {rtol:.3g}: "
            f"{len(panels)} panels do not resolve it"
        )
    return float(total)


def curvature(curve: Any, t: float | int | Tensor) -> Float[Tensor, "*times"]:
    """Return the curvature κ = ‖γ''⊥‖ / ‖γ'‖², γ''⊥ the part of γ'' orthogonal to γ'.

    This is ‖T'‖ / ‖γ'‖ with T = γ'/‖γ'‖ (Section 6.2). The component along γ' is
    projected off γ'' first, twice, so that nothing cancels where they are parallel.

    Args:
        curve: the curve.
        t: times of any shape.

    Returns:
        One over the radius of the osculating circle, in the shape of t.

    Raises:
        OutOfDomain: t is a breakpoint, or γ'(t) vanishes to working precision.
        NotFinite: a derivative is NaN or infinite.
        McLibError: as `curve`.

    >>> from mc_lib.curves import QuadraticBezier
    >>> controls = ([-1.0, 1.0], [0.0, -1.0], [1.0, 1.0])
    >>> parabola = QuadraticBezier(*((torch.tensor(p),) for p in controls))
    >>> float(curvature(parabola, 0.5))  # y = x² at its vertex
    2.0
    """
    start = start_of(curve)
    like = leaves(start)[0]
    times = times_like(t, like)
    flat = times.reshape(-1)
    for b in getattr(curve, "breakpoints", ()):
        if ((flat - b).abs() <= torch.finfo(like.dtype).eps).any():
            raise OutOfDomain(f"t = {b:.6g} is a breakpoint: the curvature is that of two pieces")
    velocity, bend = to_vector(curve.velocity(flat), 1), to_vector(curve.acceleration(flat), 1)
    speed, size = velocity.norm(dim=1), norm(curve(flat), 1)
    still = speed <= tolerance(like.dtype).rank * size
    if still.any():
        raise OutOfDomain(
            f"the curvature needs γ' ≠ 0, but ‖γ'‖ = {float(speed[still][0]):.3g} at "
            f"t = {float(flat[still][0]):.6g}, where ‖γ‖ = {float(size[still][0]):.3g}"
        )
    unit = velocity / speed[:, None]
    for _ in range(2):  # the second time removes what rounding left of the first
        bend = bend - (bend * unit).sum(1, keepdim=True) * unit
    result = bend.norm(dim=1) / speed / speed
    require_finite(result, flat, "the curvature")
    return result.reshape(times.shape)


def max_curvature(
    curve: Any, *, points: int = 201, refine: int = CANDIDATES
) -> tuple[float, float]:
    """Return the largest curvature on [0, 1], and where it is.

    The curvature is computed on a grid, on both sides of each breakpoint too, and then
    refined between the neighbours of its largest values, to a relative accuracy of about
    √ε, at a smooth maximum ε. It is that of a point of the curve, and so never above the
    maximum; it is below it where a peak is narrower than the grid (more `points` find it)
    or does not begin at one of the best grid points (`refine` more of them).

    Args:
        curve: the curve.
        points: how many equally spaced times the grid has.
        refine: how many local maxima of the grid are refined.

    Returns:
        (κ_max, t).

    Raises:
        OutOfDomain: γ' vanishes, or the curve has a corner, where κ is unbounded; also fewer
            than 2 points or 1 refinement.
        McLibError: as `curve`.

    >>> from mc_lib.curves import QuadraticBezier
    >>> controls = ([-1.0, 1.0], [0.0, -1.0], [1.0, 1.0])
    >>> max_curvature(QuadraticBezier(*((torch.tensor(p),) for p in controls)))  # y = x²
    (2.0, 0.5)
    """
    require_count(refine, "the number of refined maxima")
    grid = time_grid(curve, points)
    breaks = grid.new_tensor(getattr(curve, "breakpoints", ()))
    gap = 8 * torch.finfo(grid.dtype).eps
    if len(breaks) > 0:
        _require_no_corner(curve, breaks, gap)

    def beside(t: Tensor) -> Tensor:
        for b in breaks:
            t = torch.where((t - b).abs() < gap, torch.where(t < b, b - gap, b + gap), t)
        return t

    grid = beside(torch.cat([grid, breaks - gap]).sort().values)
    values = curvature(curve, grid)
    best = local_maxima(values, refine)
    t, value = climb(
        lambda s: curvature(curve, beside(s)), grid[best], values[best], 1 / (points - 1)
    )
    top = value.argmax()
    return float(value[top]), float(beside(t)[top])


def _require_no_corner(curve: Any, breaks: Float[Tensor, "B"], gap: float) -> None:
    """Refuse a curve whose direction jumps at a breakpoint, rather than turns."""
    sides = torch.cat([breaks - gap, breaks + gap])
    turning = curvature(curve, sides)
    velocity = to_vector(curve.velocity(sides), 1)
    speed = velocity.norm(dim=1)
    before, after = (velocity / speed[:, None]).split(len(breaks))
    jump = (after - before).norm(dim=1)
    allowed = tolerance(breaks.dtype).equal + 4 * gap * (turning * speed).reshape(2, -1).sum(0)
    for b, angle in zip(breaks[jump > allowed], jump[jump > allowed], strict=True):
        raise OutOfDomain(
            f"the curve has a corner at t = {float(b):.6g}, where its direction jumps by "
            f"{float(angle):.3g}: its curvature is unbounded"
        )
