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

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> from mc_lib.alignment.anchored import align_anchored
    >>> w = found.chart.point(net)
    >>> start = align_anchored(found.symmetry, w, w)
    >>> loss = lambda w: w["2.bias"].square().sum() + 1.0
    >>> by_loss(found, w, start, [loss], 2, 0.1, torch.Generator()).rounds
    1
    """
    way = _Midpoint(found, u, start)
    before = way.mean(losses)
    if way.free:
        adam = torch.optim.Adam(way.free.values(), lr=rate)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
        for _ in range(steps):
            loss = losses[int(torch.randint(len(losses), (), generator=order))](way.point())
            adam.zero_grad()
            loss.backward()
            adam.step()
            falling.step()
    after = way.mean(losses)
    return way.end(before, after) if after < before else replace(start, objectives=(before, before))


class _Midpoint:
    """The mean of u and exp(M)·v among the shortest points, as a function of M."""

    def __init__(self, found: FoundSymmetry, u: Point, start: Alignment) -> None:
        self.symmetry, self.group, self.start = found.symmetry, found.symmetry.group, start
        self.base, self.short = balance(self.symmetry, u)
        self.v = self.symmetry.act(self.base, start.moved)
        like = next(iter(named(u).values()))
        self.like: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        self.free: dict[int, Tensor] = {
            i: torch.zeros((*self.group.sizes(i), *factor.element_shape), **self.like)
            for i, factor in enumerate(self.group.factors)
            if factor.dimension > 0
        }
        for x in self.free.values():
            x.requires_grad_()

    def element(self) -> tuple[Any, ...]:
        """Return exp(M), with the identity at discrete layers."""
        pairs = zip(self.group.factors, self.group.identity(**self.like), strict=True)
        return tuple(
            factor.exp(_tangent(factor, self.free[i])) if i in self.free else e
            for i, (factor, e) in enumerate(pairs)
        )

    def point(self) -> Point:
        """Return the midpoint."""
        return lerp(self.short, self.symmetry.act(self.element(), self.v), 0.5)

    def mean(self, losses: Sequence[Callable[[Point], Tensor]]) -> float:
        """Return its mean loss."""
        with torch.no_grad():
            w = self.point()
            return float(torch.stack([loss(w) for loss in losses]).mean())

    def end(self, before: float, after: float) -> Alignment:
        """Return the alignment that M makes, in the coordinates of u."""
        with torch.no_grad():
            back, k = self.group.inverse(self.base), self.element()
            moved = self.symmetry.act(self.group.compose(back, k), self.v)
            step = self.group.compose(back, self.group.compose(k, self.base))
            return Alignment(self.group.compose(step, self.start.g), moved, (before, after))


def _tangent(factor: Group, m: Tensor) -> Tensor:
    """Return the part of a matrix that lies in the Lie algebra of a group."""
    if not isinstance(factor, Orthogonal):
        return m
    skew = (m - m.mT) / 2
    if isinstance(factor, CentredOrthogonal):
        centre = torch.eye(factor.n).to(m) - 1 / factor.n
        return centre @ skew @ centre
    return skew
