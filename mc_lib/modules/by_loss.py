"""Alignment by descent on the group element itself: the ends keep their functions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mc_lib.alignment.balance import balance
from mc_lib.alignment.base import Alignment
from mc_lib.groups import CentredOrthogonal, Group, Orthogonal
from mc_lib.modules.found import FoundSymmetry
from mc_lib.points import Point, lerp
from mc_lib.trees import named


def by_loss(
    found: FoundSymmetry,
    u: Point,
    start: Alignment,
    losses: Sequence[Callable[[Point], Tensor]],
    steps: int,
    rate: float,
    order: torch.Generator,
) -> Alignment:
    """Return the alignment after descent of the midpoint's loss over the continuous layers.

    The midpoint of u and exp(M)·v is followed by Adam over M, an element of the Lie algebra at
    each continuous layer; v = g·w is where `start` has brought w, and both are in the shortest
    points' coordinates, where the descent is well-conditioned.

    Args:
        found: the symmetry.
        u: the point at rest.
        start: the alignment to begin with.
        losses: the loss on each batch, as a function of points of the chart.
        steps: of Adam.
        rate: its first step size.
        order: of the batches.

    Returns:
        The alignment, with the mean loss of the midpoint over all batches before and after;
        `start` where that did not fall.
    """
    symmetry, group = found.symmetry, found.symmetry.group
    base, short = balance(symmetry, u)
    v = symmetry.act(base, start.moved)
    like = next(iter(named(u).values()))
    free: dict[int, Tensor] = {
        i: torch.zeros(
            (*group.sizes(i), *factor.element_shape), dtype=like.dtype, device=like.device
        ).requires_grad_()
        for i, factor in enumerate(group.factors)
        if factor.dimension > 0
    }

    def element() -> tuple[Any, ...]:
        e = group.identity(dtype=like.dtype, device=like.device)
        return tuple(
            group.factors[i].exp(_tangent(group.factors[i], free[i])) if i in free else x
            for i, x in enumerate(e)
        )

    def middle() -> Point:
        return lerp(short, symmetry.act(element(), v), 0.5)

    def mean() -> float:
        with torch.no_grad():
            return float(torch.stack([loss(middle()) for loss in losses]).mean())

    before = mean()
    if free:
        adam = torch.optim.Adam(free.values(), lr=rate)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
        for _ in range(steps):
            loss = losses[int(torch.randint(len(losses), (), generator=order))](middle())
            adam.zero_grad()
            loss.backward()
            adam.step()
            falling.step()
    after = mean()
    if not after < before:
        return replace(start, objectives=(before, before))
    with torch.no_grad():
        k = element()
        moved = symmetry.act(group.compose(group.inverse(base), k), v)
        step = group.compose(group.inverse(base), group.compose(k, base))
        return Alignment(group.compose(step, start.g), moved, (before, after))


def _tangent(factor: Group, m: Tensor) -> Tensor:
    """Return the part of a matrix that lies in the Lie algebra of a group."""
    if not isinstance(factor, Orthogonal):
        return m
    skew = (m - m.mT) / 2
    if isinstance(factor, CentredOrthogonal):
        centre = torch.eye(factor.n).to(m) - 1 / factor.n
        return centre @ skew @ centre
    return skew
