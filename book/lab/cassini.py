"""Chapters 6 and 6b: the Cassini oval with a neck, a level set on which (8) is false."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.curves.base import Curve, Times
from mc_lib.curves.derivative import rate
from mc_lib.errors import OutOfDomain

Plane = tuple[Float[Tensor, "*batch 2"]]
"""A point (x, y) of the plane as a point of parameter space: a tuple of one tensor."""


def cassini_loss(w: Plane) -> Float[Tensor, "*batch"]:
    """Return L(x, y) = ((x − 1)² + y²)((x + 1)² + y²), zero at (±1, 0) only.

    Args:
        w: points of the plane, one tensor of shape (..., 2).

    Returns:
        Shape (...).

    >>> cassini_loss((torch.tensor([[0.0, 0.0], [2.0, 0.0]]),))
    tensor([1., 9.])
    """
    x, y = w[0].unbind(-1)
    return ((x - 1).square() + y.square()) * ((x + 1).square() + y.square())


@dataclass(frozen=True)
class CassiniLobe(Curve):
    """The right half of the oval L⁻¹(c), c > 1, from (0, −√(a−1)) to (0, √(a−1)), a = √c.

    In polar coordinates r² = u + √(c − 1 + u²), u = cos 2θ, with θ = π(t − ½). For
    1 < c < 4 the oval has a neck, at whose two sides the curve begins and ends. The signed
    curvature (3r⁴ + 1 − c)/(2ar³) increases with r, so |κ| is largest at the neck or at
    the tip (√(a+1), 0); r increases with u, so the points of L⁻¹(c) nearest to the origin
    are the two ends. Both are proved in the book's appendix.

    Args:
        c: the level, above 1.

    Raises:
        OutOfDomain: c is not a number above 1.

    >>> lobe = CassiniLobe(2.25)  # a = 3/2
    >>> round(float(lobe(1.0)[0][1] ** 2), 12), round(lobe.chord**2, 12)
    (0.5, 2.0)
    """

    c: float

    def __post_init__(self) -> None:
        if not 1 < self.c < math.inf:
            raise OutOfDomain(f"the oval is one closed curve for a level c > 1, got {self.c}")

    @property
    def start(self) -> Plane:
        """The lower side of the neck."""
        return (torch.tensor([0.0, -self.chord / 2]),)

    @property
    def chord(self) -> float:
        """The distance 2√(a − 1) of the two ends."""
        return 2 * math.sqrt(math.sqrt(self.c) - 1)

    @property
    def distance(self) -> float:
        """The distance √(a − 1) of the middle (0, 0) of the chord from L⁻¹(c)."""
        return self.chord / 2

    @property
    def neck_curvature(self) -> float:
        """κ at both ends, (2 − a)/(a√(a − 1)): negative, and so convex, for c > 4."""
        a = math.sqrt(self.c)
        return (2 - a) / (a * math.sqrt(a - 1))

    @property
    def tip_curvature(self) -> float:
        """κ at the tip, (2 + a)/(a√(a + 1))."""
        a = math.sqrt(self.c)
        return (2 + a) / (a * math.sqrt(a + 1))

    @property
    def max_curvature(self) -> float:
        """κ_max, the larger of |κ| at the neck and κ at the tip."""
        return max(abs(self.neck_curvature), self.tip_curvature)

    def signed_curvature(self, t: Times) -> Float[Tensor, "*times"]:
        """Return (3r⁴ + 1 − c)/(2ar³), positive where the curve turns to the left.

        Args:
            t: times, shape (T...,).

        Returns:
            Shape (T...,).

        >>> lobe = CassiniLobe(1.5)
        >>> round(float(lobe.signed_curvature(0.5)) / lobe.tip_curvature, 12)
        1.0
        """
        r2 = self._radius_squared(self._times(t))
        return (3 * r2**2 + 1 - self.c) / (2 * math.sqrt(self.c) * r2**1.5)

    def _radius_squared(self, t: Tensor) -> Tensor:
        u = torch.cos(math.pi * (2 * t - 1))
        root = (self.c - 1 + u * u).sqrt()
        # the second form where u and the root would cancel
        return torch.where(u > 0, u + root, (self.c - 1) / torch.where(u > 0, root, root - u))

    def _position(self, t: Float[Tensor, "T"]) -> Plane:
        (inner,), (low,) = self._formula(t), self.start
        low = low.to(t)
        ends = torch.where((t == 0)[:, None], low, -low)
        return (torch.where(((t == 0) | (t == 1))[:, None], ends, inner),)

    def _velocity(self, t: Float[Tensor, "T"]) -> Plane:
        return rate(self._formula)(t)

    def _acceleration(self, t: Float[Tensor, "T"]) -> Plane:
        return rate(rate(self._formula))(t)

    def _formula(self, t: Float[Tensor, "T"]) -> Plane:
        angle = math.pi * (t - 0.5)
        direction = torch.stack([torch.cos(angle), torch.sin(angle)], -1)
        return (self._radius_squared(t).sqrt()[:, None] * direction,)
