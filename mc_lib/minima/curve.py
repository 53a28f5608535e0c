"""What the curves that `connect` returns have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.curves import Curve
from mc_lib.curves.derivative import rate
from mc_lib.networks import MatrixNetwork, Weights

POINTS = 1001
"""The number of equally spaced times at which `residual` is measured."""

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
        """The largest loss / ‖Y‖² at 1001 equally spaced times and at the breakpoints."""
        like = self.w0[0]
        even = torch.linspace(0, 1, POINTS, dtype=like.dtype, device=like.device)
        times = torch.cat([even, even.new_tensor(self.breakpoints)])
        worst = max(float(self.net.loss(self(t)).max()) for t in times.split(CHUNK))
        return worst / float(self.net.Y.square().sum())

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
