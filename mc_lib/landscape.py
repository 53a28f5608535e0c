"""The loss along a curve, and how high its barrier is."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optree
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import DtypeMismatch, MixedBatch, OutOfDomain, ShapeMismatch
from mc_lib.kinds import require_count, require_number
from mc_lib.piecewise import DEGREE, resolved
from mc_lib.points import Point, leaves, times_like
from mc_lib.sampling import (
    CANDIDATES,
    MAX_BYTES,
    climb,
    in_chunks,
    local_maxima,
    require_finite,
    start_of,
    time_grid,
)

Loss = Callable[[Point], Tensor]
"""Maps a point batched over T to T losses."""


def loss_along(
    curve: Any, loss: Loss, t: Float[Tensor, "*times"], *, max_bytes: int | float = MAX_BYTES
) -> Float[Tensor, "*times"]:
    """Return the losses L(γ(t)).

    All points go through the loss in one call, or in several where their weights would
    take more than `max_bytes`; the result does not depend on that, beyond rounding. One of
    them, that of the highest loss, goes through it alone as well: a loss that averages over
    the points of its batch, or takes statistics of them, is refused.

    Args:
        curve: maps times of shape (T,) to a point batched over T.
        loss: maps that point to T losses, for example `DeepLinear.loss`.
        t: times of any shape.
        max_bytes: the bound on the memory of the weights of γ held at a time.

    Returns:
        The losses, in the shape of t.

    Raises:
        ShapeMismatch: the loss of T points is not T numbers.
        DtypeMismatch: the loss returns no real tensor, or t is none.
        MixedBatch: the loss of a point depends on the points beside it.
        NotFinite: a loss is NaN or infinite, naming the first such t.
        OutOfDomain: max_bytes is not positive.
        McLibError: as `curve`.

    >>> from mc_lib.curves import Line
    >>> line = Line((torch.zeros(1),), (torch.ones(1),))
    >>> loss_along(line, lambda w: w[0].square().sum(-1), torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2500, 1.0000])
    """
    times = times_like(t, leaves(start_of(curve))[0])
    return _loss_along(curve, loss, times, max_bytes, compare=True)


def _loss_along(
    curve: Any, loss: Loss, t: Tensor, max_bytes: int | float, *, compare: bool
) -> Tensor:
    """Return the losses; with `compare`, one of them also for its point alone."""

    def checked(times: Tensor) -> Tensor:
        nonlocal compare
        points = curve(times)
        losses = loss(points)
        _require_shape(losses, times)
        require_finite(losses, times, "the loss")
        if compare and len(times) > 1:
            _require_apart(loss, points, losses.detach(), times)
            compare = False
        return losses

    return in_chunks(checked, t.reshape(-1), start_of(curve), max_bytes).reshape(t.shape)


def _require_shape(losses: Tensor, times: Float[Tensor, "T"]) -> None:
    if not isinstance(losses, Tensor) or not losses.is_floating_point():
        got = losses.dtype if isinstance(losses, Tensor) else f"a {type(losses).__name__}"
        raise DtypeMismatch(
            f"the loss of a batch of points is a real tensor, a number for each, got {got}: "
            "torch.func.vmap makes such a loss of one of a single point"
        )
    if losses.shape != times.shape:
        raise ShapeMismatch(
            f"the loss of {len(times)} points has shape {tuple(times.shape)}, "
            f"got {tuple(losses.shape)}: the loss must accept a batch of points, as "
            "torch.func.vmap makes it of a loss of a single point"
        )


def _require_apart(
    loss: Loss, points: Point, losses: Float[Tensor, "T"], times: Float[Tensor, "T"]
) -> None:
    """Refuse a loss that is another for a point alone than for the point in its batch.

    Where rounding is all that is left of a loss it may differ by more than √ε: by what
    100 times a change of the weights by 1000 ε does to it.

    Raises:
        MixedBatch: naming the time and both losses.
    """
    i, eps = int(losses.argmax()), torch.finfo(losses.dtype).eps
    one = optree.tree_map(lambda x: x[i : i + 1].detach(), points)
    alone = loss(one).detach()
    _require_shape(alone, times[i : i + 1])
    gap = (alone - losses[i]).abs()
    if gap <= eps**0.5 * torch.maximum(alone.abs(), losses[i].abs()):
        return

    def nudged(x: Tensor) -> Tensor:
        wave = torch.arange(x.numel(), dtype=x.dtype, device=x.device).cos()
        return x * (1 + 1000 * eps * wave.reshape(x.shape))

    noise = (loss(optree.tree_map(nudged, one)).detach() - alone).abs() + eps
    if not gap <= 100 * noise:
        raise MixedBatch(
            f"the loss at t = {float(times[i]):.6g} is {float(losses[i]):.6g} in a batch of "
            f"{len(times)} points and {float(alone):.6g} alone: a loss must take each point "
            "of its batch by itself, without averages over them or statistics of them"
        )


@dataclass(frozen=True)
class Barrier:
    """The highest loss along a curve γ, and the most by which it exceeds its ends.

    Args:
        height: max over t of L(γ(t)).
        t: where.
        excess: max over t of L(γ(t)) − ((1 − t) L(γ(0)) + t L(γ(1))), the loss barrier of
            Frankle et al. (2020) and Entezari et al. (2022); at least 0.
        excess_t: where.
        start: L(γ(0)).
        end: L(γ(1)).
    """

    height: float
    t: float
    excess: float
    excess_t: float
    start: float
    end: float


def barrier(
    curve: Any,
    loss: Loss,
    *,
    points: int = 101,
    refine: int = CANDIDATES,
    tolerance: float | None = None,
    max_bytes: int | float = MAX_BYTES,
) -> Barrier:
    """Return the barrier of the loss along a curve on [0, 1].

    The loss is computed on a grid with the breakpoints of the curve in it, and both
    maxima are then refined between the neighbours of the best grid points. Near a smooth
    maximum the location is right to about √ε and the height to about ε, relative to the
    loss there (ε the unit round-off).

    What is found is a loss on the curve, and so never above the maximum. It is below it
    where a peak is narrower than the spacing of the grid (more `points` find it), or where
    the loss oscillates so fast that the highest peak does not begin at one of the best grid
    points (`refine` more of them). With a `tolerance` the spacing is halved wherever
    polynomials of degree 5 do not resolve the loss to it, and an oscillation is followed; a
    peak of which the first points show nothing is missed even so.

    Args:
        curve: as in `loss_along`.
        loss: as in `loss_along`.
        points: how many equally spaced times the grid has.
        refine: how many local maxima of the grid are refined.
        tolerance: what counts as resolved, in the unit of the loss; None for the grid alone.
        max_bytes: as in `loss_along`.

    Returns:
        The barrier, its numbers in the unit of the loss.

    Raises:
        OutOfDomain: fewer than 2 points or 1 refinement, a tolerance that is not positive,
            or a loss that polynomials on 20 000 pieces of the curve do not resolve to it.
        McLibError: as `loss_along`.

    The double well (w² − 1)² between its minima −1 and 1:

    >>> from mc_lib.curves import Line
    >>> line = Line((-torch.ones(1),), (torch.ones(1),))
    >>> found = barrier(line, lambda w: (w[0].square() - 1).square().sum(-1))
    >>> found.height, found.t, found.excess
    (1.0, 0.5, 1.0)
    """
    require_count(refine, "the number of refined maxima")
    require_number(1.0 if tolerance is None else tolerance, "the tolerance of a barrier")
    if tolerance is not None and not tolerance > 0:
        raise OutOfDomain(f"the tolerance of a barrier is positive, got {tolerance}")
    grid = time_grid(curve, points)

    def along(t: Tensor) -> Tensor:
        return _loss_along(curve, loss, t, max_bytes, compare=False)

    losses = _loss_along(curve, loss, grid, max_bytes, compare=True)
    found = [_best_of_grid(along, grid, losses, 1 / (points - 1), refine)]
    if tolerance is not None:
        ends = time_grid(curve, max(2, math.ceil((points - 1) / DEGREE) + 1))
        found.append(_best_resolved(along, ends, tolerance, refine))
    t, values = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    top, at = values.max(-1)
    where = t.gather(-1, at[:, None])
    return Barrier(
        height=float(top[0]),
        t=float(where[0]),
        excess=float(top[1]),
        excess_t=float(where[1]),
        start=float(losses[0]),
        end=float(losses[-1]),
    )


def _heights(t: Tensor, values: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Return L and L minus the line between the ends, for t of shape (2, ...)."""
    return torch.stack([values[0], values[1] - ((1 - t[1]) * start + t[1] * end)])


def _best_of_grid(
    along: Callable[[Tensor], Tensor],
    grid: Float[Tensor, "T"],
    losses: Float[Tensor, "T"],
    step: float,
    refine: int,
) -> tuple[Float[Tensor, "2 c"], Float[Tensor, "2 c"]]:
    """Return the times and values of the best local maxima, of both heights."""
    start, end = losses[0], losses[-1]

    def objective(t: Tensor) -> Tensor:
        times, at = t.unique(return_inverse=True)  # both searches often try the same ones
        return _heights(t, along(times)[at], start, end)

    values = _heights(grid.expand(2, -1), losses.expand(2, -1), start, end)
    best = local_maxima(values, refine)
    return climb(objective, grid[best], values.gather(-1, best), step)


def _best_resolved(
    along: Callable[[Tensor], Tensor], ends: Float[Tensor, "T"], tolerance: float, refine: int
) -> tuple[Float[Tensor, "2 c"], Float[Tensor, "2 c"]]:
    """Return the times and values of the best local maxima of polynomials for the loss."""

    def allowed(values: Tensor) -> Tensor:
        return values.new_tensor([tolerance])

    every = resolved(lambda t: along(t)[:, None], ends, allowed, "the loss")
    start, end = along(ends[[0, -1]])

    def objective(q: Tensor) -> Tensor:
        return _heights(every.times(q), every(q)[0], start, end)

    q, _ = every.highest(objective, ends.new_zeros(2), refine)
    t = every.times(q)
    return t, _heights(t, along(t.reshape(-1)).reshape(t.shape), start, end)
