"""The curve of the approximate map (6) along a one-parameter group: exp(tM)·(U, V)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.approximate import ApproximateImage, approximate_act
from mc_lib.checks import require_tensors, tolerance
from mc_lib.curves.base import Curve
from mc_lib.curves.derivative import rate
from mc_lib.errors import RankDeficient, ShapeMismatch
from mc_lib.groups import GeneralLinear
from mc_lib.groups.matrix_group import matrix_exponential
from mc_lib.kinds import require_kind
from mc_lib.networks import TwoLayer, Weights
from mc_lib.points import times_like


@dataclass(frozen=True, eq=False)
class ApproximateOrbit(Curve):
    """The curve γ(t) = exp(tM)·(U, V) of (5) under the map (6), on a two-layer network.

    V_t = exp(tM)V and U_t = Uσ(VX)σ(V_tX)⁺, so that the output is Uσ(VX) times the
    projection onto the row space of σ(V_tX). At σ(V_tX) of full column rank (k ≤ h) the
    loss is that of w. γ(0) is w only where U(I − σ(VX)σ(VX)⁺) = 0, as for k ≥ h at full
    row rank. With `nearest`, U_t = U + (Uσ(VX) − Uσ(V_tX))σ(V_tX)⁺, which has the same
    output at every t and begins at w always (ours).

    Where the rank of σ(V_tX) changes, U_t jumps: `image` reports rank and smallest
    singular value. Derivatives differentiate the formula exactly; where σ has a kink,
    they are those of one side.

    Args:
        net: the network.
        M: the logarithm of the group element, shape (h, h).
        w: weights (V, U), unbatched.
        nearest: whether U_t is the choice nearest to U instead of the smallest one.

    Raises:
        ShapeMismatch: M is not h × h, or w is batched or not of the network.
        McLibError: as `approximate_act`.

    >>> one = torch.eye(1, dtype=torch.float64)
    >>> net = TwoLayer(one, one, hidden=1, activation=torch.square)
    >>> curve = ApproximateOrbit(net, 2 * one, (one, 3 * one))
    >>> v, u = curve(0.5)
    >>> round(float(v.log()), 12), round(float(u * v.square()), 12)  # e, and 3 / e²
    (1.0, 3.0)
    """

    net: TwoLayer
    M: Float[Tensor, "h h"]
    w: Weights
    nearest: bool = False

    def __post_init__(self) -> None:
        require_kind(self.net, TwoLayer, "the network")
        require_kind(self.nearest, bool, "nearest")
        self.net.require_weights(self.w)
        require_tensors([self.M, *self.w], "M and the weights")
        h = self.net.hidden
        if self.M.shape != (h, h) or any(x.ndim != 2 for x in self.w):
            raise ShapeMismatch(
                f"the curve takes M of shape ({h}, {h}) and one point w, got M "
                f"{tuple(self.M.shape)} and w {[tuple(x.shape) for x in self.w]}"
            )

    @classmethod
    def between(
        cls,
        net: TwoLayer,
        g: Float[Tensor, "h h"],
        w: Weights,
        *,
        nearest: bool = False,
    ) -> "ApproximateOrbit":
        """Return γ(t) = exp(t log g)·w, with γ(1) = g·w under the map (6).

        Args:
            net: the network.
            g: an element of GL_h.
            w: weights (V, U).
            nearest: as for the curve.

        Returns:
            The curve.

        Raises:
            NoRealLogarithm: g has none.
            McLibError: as `ApproximateOrbit`.

        >>> one = torch.eye(1, dtype=torch.float64)
        >>> net = TwoLayer(one, one, hidden=1, activation=torch.square)
        >>> curve = ApproximateOrbit.between(net, 4 * one, (one, one))
        >>> [round(float(x), 12) for x in curve(1.0)]
        [4.0, 0.0625]
        """
        require_kind(net, TwoLayer, "the network")
        return cls(net, GeneralLinear(net.hidden).log(g), w, nearest)

    @cached_property
    @override
    def start(self) -> Weights:
        """The image of w under the identity; w itself with `nearest`."""
        if self.nearest:
            return self.w
        found = self.image(self.M.new_zeros(1))
        return found.V[0], found.U[0]

    def image(self, t: Float[Tensor, "T"]) -> ApproximateImage:
        """Return γ(t) with the rank and the smallest singular value of σ(V_tX).

        Args:
            t: times, shape (T,).

        Returns:
            The images, batched over t.

        Raises:
            ShapeMismatch: t is not of shape (T,).
            McLibError: as `approximate_act`.

        >>> one = torch.eye(1)
        >>> net = TwoLayer(one, one, hidden=1, activation=torch.square)
        >>> curve = ApproximateOrbit(net, 0 * one, (one, one))
        >>> curve.image(torch.zeros(2)).rank
        tensor([1, 1])
        """
        t = times_like(t, self.M)
        if t.ndim != 1:
            raise ShapeMismatch(f"times of shape (T,), got {tuple(t.shape)}")
        v, u = self.w
        g = matrix_exponential(t[:, None, None] * self.M)
        return approximate_act(g, u, v, self.net.X, self.net.activation, nearest=self.nearest)

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Weights:
        found = self.image(t)
        begins = (t == 0)[:, None, None]
        u = torch.where(begins, self.w[1], found.U) if self.nearest else found.U
        return torch.where(begins, self.w[0], found.V), u

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Weights:
        self._require_constant_rank(t)
        return rate(self._formula)(t)

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Weights:
        self._require_constant_rank(t)
        return rate(rate(self._formula))(t)

    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        """Return γ(t) by operations that torch differentiates in forward mode."""
        v, u = self.w
        moved = torch.linalg.matrix_exp(t[:, None, None] * self.M) @ v
        before, after = (self.net.activation(x @ self.net.X) for x in (v, moved))
        inverse = torch.linalg.pinv(after, rtol=tolerance(t.dtype).rank)
        if self.nearest:
            return moved, u + (u @ before - u @ after) @ inverse
        return moved, u @ before @ inverse

    def _require_constant_rank(self, t: Float[Tensor, "T"]) -> None:
        """Refuse to differentiate where the pseudoinverse may jump."""
        found, full = self.image(t), min(self.net.hidden, self.net.X.shape[1])
        low = found.rank < full
        if low.any():
            raise RankDeficient(
                f"σ(V_tX) has rank {int(found.rank[low][0])}, not {full}, at t = "
                f"{float(t[low][0]):.6g}: the curve may jump there and has no derivative"
            )
