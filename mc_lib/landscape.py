"""The loss along a curve, and how high its barrier is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import ShapeMismatch
from mc_lib.points import Point
from mc_lib.sampling import (
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
    take more than `max_bytes`; the result does not depend on that, beyond rounding.

    Args:
        curve: maps times of shape (T,) to a point batched over T.
        loss: maps that point to T losses, for example `DeepLinear.loss`.
        t: times of any shape.
        max_bytes: the bound on the memory of the weights of γ held at a time.

    Returns:
        The losses, in the shape of t.

    Raises:
        ShapeMismatch: the loss of T points is not T numbers.
        NotFinite: a loss is NaN or infinite, naming the first such t.
        OutOfDomain: max_bytes is not positive.
        McLibError: as `curve`.

    >>> from mc_lib.curves import Line
    >>> line = Line((torch.zeros(1),), (torch.ones(1),))
    >>> loss_along(line, lambda w: w[0].square().sum(-1), torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2500, 1.0000])
    """

    def checked(times: Tensor) -> Tensor:
        losses = loss(curve(times))
        if losses.shape != times.shape:
            raise ShapeMismatch(
                f"the loss of {len(times)} points has shape {tuple(times.shape)}, "
                f"got {tuple(losses.shape)}: the loss must accept a batch of points"
            )
        require_finite(losses, times, "the loss")
        return losses

    return in_chunks(checked, t.reshape(-1), start_of(curve), max_bytes).reshape(t.shape)


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
    curve: Any, loss: Loss, *, points: int = 101, max_bytes: int | float = MAX_BYTES
) -> Barrier:
    """Return the barrier of the loss along a curve on [0, 1].

    The loss is computed on a grid with the breakpoints of the curve in it, and both
    maxima are then refined between the neighbours of the best grid points. Near a smooth
    maximum the location is right to about √ε and the height to about ε, relative to the
    loss there (ε the unit round-off). A peak narrower than the grid can be missed.

    Args:
        curve: as in `loss_along`.
        loss: as in `loss_along`.
        points: how many equally spaced times the grid has.
        max_bytes: as in `loss_along`.

    Returns:
        The barrier, its numbers in the unit of the loss.

    Raises:
        McLibError: as `loss_along`; also OutOfDomain for fewer than 2 points.

    The double well (w² − 1)² between its minima −1 and 1:

    >>> from mc_lib.curves import Line
    >>> line = Line((-torch.ones(1),), (torch.ones(1),))
    >>> found = barrier(line, lambda w: (w[0].square() - 1).square().sum(-1))
    >>> found.height, found.t, found.excess
    (1.0, 0.5, 1.0)
    """
    grid = time_grid(curve, points)
    losses = loss_along(curve, loss, grid, max_bytes=max_bytes)
    start, end = losses[0], losses[-1]

    def heights(t: Tensor, values: Tensor) -> Tensor:
        """Return L and L minus the line between the ends, for t of shape (2, ...)."""
        return torch.stack([values[0], values[1] - ((1 - t[1]) * start + t[1] * end)])

    def objective(t: Tensor) -> Tensor:
        times, at = t.unique(return_inverse=True)  # both searches often try the same ones
        return heights(t, loss_along(curve, loss, times, max_bytes=max_bytes)[at])

    values = heights(grid.expand(2, -1), losses.expand(2, -1))
    best = local_maxima(values)
    t, value = climb(objective, grid[best], values.gather(-1, best), 1 / (points - 1))
    top, at = value.max(-1)
    where = t.gather(-1, at[:, None])
    return Barrier(
        height=float(top[0]),
        t=float(where[0]),
        excess=float(top[1]),
        excess_t=float(where[1]),
        start=float(start),
        end=float(end),
    )
