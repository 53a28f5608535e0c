"""Polar factors g = QS: a rotation times a stretch, and the path that runs along both."""

from dataclasses import dataclass
from math import comb

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault
from mc_lib.errors import NotConnected
from mc_lib.groups.derivatives import differentiable_polar
from mc_lib.groups.path import GroupPath, spread_times
from mc_lib.groups.ranges import invertible_numbers
from mc_lib.groups.rotation import RotationFrame, rotation_frame


@dataclass(frozen=True, eq=False)
class PolarPath(GroupPath):
    """P(t) = exp(t log Q) exp(t log S) for g = QS: from I to g inside GL_n⁺.

    Stored as Q = V R(θ) Vᵀ and S = W diag(σ) Wᵀ, so that P(t) = V R(tθ) M diag(σᵗ) Wᵀ
    with M = VᵀW, and both factors are differentiated in closed form. It is a product of
    two one-parameter subgroups, not one: where log g is real, exp(t log g) is another path.
    """

    frame: RotationFrame  # V, θ
    middle: Float[Tensor, "*batch n n"]  # M = VᵀW
    log_stretch: Float[Tensor, "*batch n"]  # log σ
    axes: Float[Tensor, "*batch n n"]  # W

    @override
    def _derivative(self, t: Tensor, order: int) -> Tensor:
        times = spread_times(t, self.log_stretch)
        stretched = self.middle * torch.exp(times * self.log_stretch).unsqueeze(-2)
        rate = self.log_stretch.unsqueeze(-2)
        terms = [  # Leibniz: k derivatives fall on the stretch, the others on the rotation
            comb(order, k) * self.frame.turn(times, stretched * rate**k, order - k)
            for k in range(order + 1)
        ]
        return self.frame.basis @ sum(terms[1:], start=terms[0]) @ self.axes.mT


def polar_factors(
    g: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n n"], Float[Tensor, "*batch n n"]]:
    """Return (Q, S) with g = QS, Q orthogonal, S symmetric positive semidefinite.

    From the singular value decomposition g = U diag(σ) Wᵀ: Q = UWᵀ, S = W diag(σ) Wᵀ. In
    float64 QS = g to 1e-13 ‖g‖ and QᵀQ = I to 1e-13 √n, whatever the condition number. Where
    g is invertible both have derivatives of all orders, equal singular values included.

    >>> polar_factors(torch.tensor([[-3.0]]))
    (tensor([[-1.]]), tensor([[3.]]))
    """
    return differentiable_polar(g, _polar_factors)


def _polar_factors(g: Tensor) -> tuple[Tensor, Tensor]:
    u, s, wt = torch.linalg.svd(g)
    stretch = wt.mT * s.unsqueeze(-2) @ wt
    return u @ wt, stretch / 2 + stretch.mT / 2


def is_invertible(s: Float[Tensor, "*batch n"]) -> Bool[Tensor, "*batch"]:
    """Return whether singular values are those of an invertible matrix.

    σ_min > n ε σ_max, ε the unit round-off of the dtype, and both so far from 0 and ∞ that the
    inverse is in the range of the dtype.

    >>> is_invertible(torch.tensor([[1.0, 1e-3], [1.0, 1e-18]]))
    tensor([ True, False])
    """
    least, most = s[..., -1], s[..., 0]
    apart = least > s.shape[-1] * torch.finfo(s.dtype).eps * most
    return apart & invertible_numbers(least) & invertible_numbers(most)


def polar_path(
    u: Float[Tensor, "*batch n n"], s: Float[Tensor, "*batch n"], wt: Float[Tensor, "*batch n n"]
) -> PolarPath:
    """Return the path exp(t log Q) exp(t log S) from I to g = QS, from g = U diag(σ) Wᵀ.

    In float64 ‖P(0) − I‖ ≤ 1e-12 √n and ‖P(1) − g‖ ≤ 1e-12 ‖g‖ for condition numbers up to
    1e8 and n ≤ 512 (1e-4 in float32, up to condition number 1e4).

    Raises:
        NotConnected: det g < 0.

    >>> polar_path(*torch.linalg.svd(torch.tensor([[4.0]])))(torch.tensor(0.5)).round(decimals=4)
    tensor([[2.]])
    """
    q = u @ wt
    flips = torch.linalg.slogdet(q).sign < 0
    if flips.any():
        raise NotConnected(
            f"det g < 0{first_fault(flips)[1]}: GL_n has two components, told apart by the sign "
            "of det, and no path inside it joins the identity (det = 1) to g"
        )
    frame = rotation_frame(q)
    return PolarPath(frame, frame.basis.mT @ wt.mT, s.log(), wt.mT)
