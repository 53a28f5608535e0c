"""Curves drawn in parameter space by their control points, whatever the loss.

The segment, and the two families that Garipov et al. (2018) train to low loss: the
quadratic Bézier curve and the polygonal chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import optree
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.curves.base import Curve, combine, locate
from mc_lib.errors import ShapeMismatch
from mc_lib.points import Point, lerp, require_point, require_same_tree


@dataclass(frozen=True, eq=False)
class Line(Curve):
    """The segment γ(t) = (1 − t) u + t v, along which linear mode connectivity is judged.

    Args:
        u: γ(0).
        v: γ(1), a point of the same space.

    Raises:
        ShapeMismatch: u and v are not of one space.
        McLibError: as `require_point`.

    >>> Line((torch.zeros(1),), (torch.ones(1),))(0.5)
    (tensor([0.5000]),)
    """

    u: Point
    v: Point

    def __post_init__(self) -> None:
        _require_space([self.u, self.v])

    @property
    @override
    def start(self) -> Point:
        return self.u

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Point:
        return lerp(self.u, self.v, t)

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        return combine(t.new_ones(len(t), 1), [_difference(self.v, self.u)])

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        return combine(t.new_zeros(len(t), 1), [self.u])


@dataclass(frozen=True, eq=False)
class QuadraticBezier(Curve):
    """The Bézier curve γ(t) = (1 − t)² w_0 + 2t(1 − t) b + t² w_1 (Garipov et al. 2018).

    It leaves w_0 and reaches w_1 in the direction of the bend b, which it does not touch.

    Args:
        w0: γ(0).
        bend: the control point b.
        w1: γ(1).

    Raises:
        ShapeMismatch: the points are not of one space.
        McLibError: as `require_point`.

    >>> zero, one = (torch.zeros(1),), (torch.ones(1),)
    >>> QuadraticBezier(zero, one, zero)(0.5)
    (tensor([0.5000]),)
    """

    w0: Point
    bend: Point
    w1: Point

    def __post_init__(self) -> None:
        _require_space([self.w0, self.bend, self.w1])

    @property
    @override
    def start(self) -> Point:
        return self.w0

    @property
    def _sides(self) -> list[Point]:
        return [_difference(self.bend, self.w0), _difference(self.w1, self.bend)]

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Point:
        weights = torch.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], -1)
        return combine(weights, [self.w0, self.bend, self.w1])

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        return combine(torch.stack([2 * (1 - t), 2 * t], -1), self._sides)

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        return combine(t.new_full((len(t), 1), 2), [_difference(*reversed(self._sides))])


@dataclass(frozen=True, eq=False)
class PolygonalChain(Curve):
    """The chain of segments p_0 → p_1 → ⋯ → p_n, each in a time 1/n (Garipov et al. 2018).

    Args:
        points: p_0, ..., p_n, two or more; γ(i/n) = p_i to the last bit.

    Raises:
        ShapeMismatch: fewer than two points, or not of one space.
        McLibError: as `require_point`.

    >>> chain = PolygonalChain([(torch.tensor([x]),) for x in (0.0, 1.0, 5.0)])
    >>> chain(torch.tensor([0.25, 0.75])), chain.breakpoints
    ((tensor([[0.5000],
            [3.0000]]),), (0.5,))
    """

    points: Sequence[Point]
    continues: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ShapeMismatch(f"a chain needs two points or more, got {len(self.points)}")
        _require_space(self.points)

    @property
    @override
    def start(self) -> Point:
        return self.points[0]

    @property
    @override
    def breakpoints(self) -> tuple[float, ...]:
        """The times i/n of the inner corners."""
        n = len(self.points) - 1
        return tuple(i / n for i in range(1, n))

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Point:
        piece, s = locate(t, len(self.points) - 1)
        weights = t.new_zeros(len(t), len(self.points))
        weights.scatter_(1, piece[:, None], (1 - s)[:, None])
        return combine(weights.scatter(1, piece[:, None] + 1, s[:, None]), self.points)

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        n = len(self.points) - 1
        piece, _ = locate(t, n)
        sides = [_difference(v, u) for u, v in pairwise(self.points)]
        return optree.tree_map(lambda *xs: n * torch.stack(xs)[piece], *sides)

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        return combine(t.new_zeros(len(t), 1), [self.start])


def _difference(u: Point, v: Point) -> Point:
    return optree.tree_map(torch.sub, u, v)


def _require_space(points: Sequence[Point]) -> None:
    for p in points:
        require_point(p)
        require_same_tree(points[0], p)
