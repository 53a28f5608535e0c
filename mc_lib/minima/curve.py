"""What the curves that `connect` returns have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.curves import Curve
from mc_lib.curves.derivative import rate
from mc_lib.errors import RankDeficient
from mc_lib.minima.fibre import size_ratio
from mc_lib.minima.zero_loss import relative_loss
from mc_lib.networks import MatrixNetwork, Weights
from mc_lib.sampling import time_grid

POINTS = 1001
"""The number of equally spaced times at which `residual` is measured, for weights that allow it."""

FEWEST = 33
"""The number for weights of any size."""

WORK = 1.7e9
"""How many multiplications a product of all weights by squares may take at these times."""

CHUNK = 64
"""How many times are measured at once, to bound the memory."""


@dataclass(frozen=True, eq=False)
class MinimumCurve(Curve):
    """A path of zero loss between two minima, its two ends exact to the last bit.

    Velocity and acceleration differentiate the formula of the position exactly, in
    forward mode; no finite differences. The output of the network moves on the segment
    between the outputs at the ends, so up to rounding the loss is at most the larger of
    the losses of the ends: the squared distance to Y is convex along a segment. Ends that
    rounding leaves a little off the minimum are thus joined without a jump.

    By its ends a `TwoLayerCurve` is differentiable too. The others are not: their planes of
    rotation have no derivative, which is refused with `OutOfDomain` when it is asked for.

    Args:
        net: the network.
        w0: γ(0), an unbatched point of L⁻¹(0).
        w1: γ(1), an unbatched point of L⁻¹(0).
    """

    net: MatrixNetwork
    w0: Weights
    w1: Weights

    continues: ClassVar[bool] = False

    @property
    def start(self) -> Weights:
        """The point w0."""
        return self.w0

    @cached_property
    def residual(self) -> float:
        """The largest loss / ‖Y‖² at equally spaced times and at the breakpoints.

        It is a bound of what rounding does, and as exact as that. 1001 times for weights of
        up to some 80 rows and columns; fewer for larger ones, down to 33, since each time
        costs a few products and factorisations of all weights. What lies between is not
        looked at: `largest_loss` takes any number of times.

        Raises:
            RankDeficient: Y = 0, which gives no scale.
        """
        squares = sum(x.numel() * max(x.shape) for x in self.w0)
        return self.largest_loss(min(POINTS, max(FEWEST, int(WORK / squares))))

    def largest_loss(self, points: int) -> float:
        """Return the largest loss / ‖Y‖² at some times and at the breakpoints.

        Args:
            points: the number of equally spaced times.

        Returns:
            The number.

        Raises:
            OutOfDomain: fewer than 2 points.
            RankDeficient: Y = 0, which gives no scale.

        >>> from mc_lib.minima import connect
        >>> from mc_lib.networks import DeepLinear
        >>> one = torch.eye(1)
        >>> curve = connect(DeepLinear(one, one, (1,)), (one, one), (4 * one, one / 4))
        >>> curve.largest_loss(5) < 1e-12
        True
        """
        times = time_grid(self, points)
        with torch.no_grad():
            return max(relative_loss(self.net, self(t)) for t in times.split(CHUNK))

    @abstractmethod
    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        """Return the position, up to rounding at the ends; differentiable in t."""

    def _position(self, t: Float[Tensor, "T"]) -> Weights:
        where = t[:, None, None]
        moved = zip(self.w0, self.w1, self._formula(t), strict=True)
        return tuple(torch.where(where == 0, a, torch.where(where == 1, b, x)) for a, b, x in moved)

    def _velocity(self, t: Float[Tensor, "T"]) -> Weights:
        return rate(self._formula)(t)

    def _acceleration(self, t: Float[Tensor, "T"]) -> Weights:
        return rate(rate(self._formula))(t)


Joined = TypeVar("Joined", bound=MinimumCurve)


def require_joined(curve: Joined) -> Joined:
    """Return a path, after measuring it where the sizes of its ends are far apart.

    Raises:
        RankDeficient: a weight changes its size by more than a factor 1000, and rounding takes
            the path off the minimum.

    >>> from mc_lib.minima import connect
    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> require_joined(connect(DeepLinear(one, one, (1,)), (one, one), (one, one))).w0
    (tensor([[1.]]), tensor([[1.]]))
    """
    ordinary = all(size_ratio(a, b) == 1 for a, b in zip(curve.w0, curve.w1, strict=True))
    if ordinary or not curve.net.Y.any():
        return curve
    zero = tolerance(curve.net.Y.dtype).zero_loss
    if not curve.residual <= zero:
        raise RankDeficient(
            f"a path exists, but between ends whose sizes are so far apart rounding raises its "
            f"loss to {curve.residual:.3g} ‖Y‖², above {zero:.3g} ‖Y‖²"
        )
    return curve
