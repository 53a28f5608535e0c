"""Paths of h × n matrices of full column rank: a rotation times a geodesic of stretches."""

import math
from dataclasses import dataclass
from math import comb

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.groups.derivatives import without_derivative
from mc_lib.groups.path import GroupPath, spread_times
from mc_lib.groups.polar import is_invertible
from mc_lib.groups.rotation import NO_DERIVATIVE, RotationFrame, rotation_frame, straighten
from mc_lib.minima.fibre import size_ratio


@dataclass(frozen=True, eq=False)
class FramePath(GroupPath):
    """P(t) = exp(t log R) Q₀ S(t): from P₀ to P₁ through matrices of full column rank.

    P₀ = Q₀S₀ and P₁ = (R Q₀)S₁ are polar decompositions, R a rotation of Rʰ, and
    S(t) = F diag(μᵗ) Fᵀ, where F Fᵀ = S₀ and F diag(μ) Fᵀ = S₁: the geodesic of positive
    definite matrices, S₀ exp(t log S₀⁻¹S₁).

    The condition number of P(t) is at most c₀¹⁻ᵗ c₁ᵗ, hence at most the larger one of the
    ends (ours). Proof: P(t) has the singular values of S(t). For a fixed x,
    xᵀS(t)x = Σ_j (Fᵀx)_j² μ_jᵗ is a sum of exponentials in t, so its logarithm is convex;
    so is the maximum over unit x, log λ_max(S(t)). S(t)⁻¹ has the same form, so
    log λ_max(S(t)⁻¹) = −log λ_min(S(t)) is convex as well, and log cond is their sum.
    """

    frame: RotationFrame  # R = V R(θ) Vᵀ
    middle: Float[Tensor, "h n"]  # Vᵀ Q₀ F
    log_stretch: Float[Tensor, "n"]  # log μ
    axes: Float[Tensor, "n n"]  # F
    missed: tuple[Tensor, Tensor]  # what rounding leaves of P₀, and of P₁ over exp(ρ)
    growth: float  # ρ, the logarithm of the ratio of the sizes where that is far from 1, or 0

    def _derivative(self, t: Tensor, order: int) -> Tensor:
        times = spread_times(t, self.log_stretch)
        stretched = self.middle * torch.exp(times * self.log_stretch).unsqueeze(-2)
        rate = self.log_stretch.unsqueeze(-2)
        terms = [  # Leibniz: k derivatives fall on the stretch, the others on the rotation
            comb(order, k) * self.frame.turn(times, stretched * rate**k, order - k)
            for k in range(order + 1)
        ]
        moved = self.frame.basis @ sum(terms[1:], start=terms[0]) @ self.axes.mT
        (first, last), s, rho = self.missed, times.unsqueeze(-1), self.growth
        rest, slope = (1 - s) * first + s * last, last - first
        back = (rest, slope + rho * rest, 2 * rho * slope + rho**2 * rest)[order]
        return moved + torch.exp(rho * s) * back


def frame_path(p0: Float[Tensor, "h n"], p1: Float[Tensor, "h n"]) -> FramePath:
    """Return a smooth path from P₀ to P₁ through h × n matrices of full column rank n.

    It exists whenever h > n; for h = n where det P₀ and det P₁ have one sign. The rotation
    from Q₀ to Q₁ is that of orthonormal bases of Rʰ which begin with their columns: for
    h > n there is a column to spare, whose sign makes both bases right-handed.

    Raises:
        RankDeficient: an end does not have full column rank, to working precision.
        NotConnected: h = n and the determinants have opposite signs.

    The path has no derivative by its ends: it is refused with `OutOfDomain` when asked for.

    >>> path = frame_path(torch.tensor([[2.0], [0.0]]), torch.tensor([[8.0], [0.0]]))
    >>> path(torch.tensor(0.5)).round(decimals=4)  # √(2 · 8)
    tensor([[4.],
            [0.]])
    """
    ratio = size_ratio(p0, p1)
    basis, angles, middle, log_stretch, axes, first, last = without_derivative(
        _parts, NO_DERIVATIVE, p0, p1
    )
    frame, missed = RotationFrame(basis, angles), (first, last / ratio)
    return FramePath(frame, middle, log_stretch, axes, missed, math.log(ratio))


def _parts(p0: Tensor, p1: Tensor) -> tuple[Tensor, ...]:
    (u0, s0, wt0), (u1, s1, wt1) = _factors(p0, "start"), _factors(p1, "end")
    q0, q1 = u0 @ wt0, u1 @ wt1
    e0, e1 = _right_handed(q0), _right_handed(q1)
    if (torch.linalg.slogdet(e0).sign != torch.linalg.slogdet(e1).sign).any():
        raise NotConnected(
            f"det is {shown_determinant(p0)} at one end and {shown_determinant(p1)} at the "
            "other: a path of invertible matrices keeps its sign"
        )
    frame = rotation_frame(straighten(e1 @ e0.mT))
    # G = √S₁ √S₀⁻¹ in the eigenbases, = U diag(√μ) Yᵀ, so that F = √S₀ Y has F diag(μ) Fᵀ = S₁
    g = s1.sqrt().unsqueeze(-1) * (wt1 @ wt0.mT) / s0.sqrt()
    _, root, yt = torch.linalg.svd(g)
    axes = wt0.mT @ (s0.sqrt().unsqueeze(-1) * yt.mT)
    none = torch.zeros_like(p0)
    path = FramePath(frame, frame.basis.mT @ q0 @ axes, 2 * root.log(), axes, (none, none), 0.0)
    start, end = path(root.new_tensor([0.0, 1.0]))
    parts = (frame.basis, frame.angles, path.middle, path.log_stretch, path.axes)
    return (*parts, p0 - start, p1 - end)


def shown_determinant(p: Float[Tensor, "n n"]) -> str:
    """Return det P as a message shows it, a power of ten where it leaves the range.

    >>> shown_determinant(-torch.eye(1)), shown_determinant(1e-200 * torch.eye(2).double())
    ('-1', '1e-400')
    """
    sign, size = (float(x) for x in torch.linalg.slogdet(p.detach().double()))
    if abs(size) < 700 or sign == 0:
        return f"{sign * math.exp(size):.3g}"
    return f"{'-' * (sign < 0)}1e{size / math.log(10):.0f}"


def _factors(p: Tensor, end: str) -> tuple[Tensor, Tensor, Tensor]:
    u, s, wt = torch.linalg.svd(p, full_matrices=False)
    if not is_invertible(s):
        raise RankDeficient(
            f"the matrix {tuple(p.shape)} at the {end} has not full column rank: smallest "
            f"singular value {float(s[-1]):.3g} against the largest {float(s[0]):.3g}"
        )
    return u, s, wt


def _right_handed(q: Float[Tensor, "h n"]) -> Float[Tensor, "h h"]:
    """Complete orthonormal columns to a basis; where one is added, det = +1."""
    h, n = q.shape
    if h == n:
        return q
    basis = torch.cat([q, torch.linalg.qr(q, mode="complete").Q[:, n:]], dim=1)
    sign = torch.linalg.slogdet(basis).sign
    return torch.cat([basis[:, :-1], sign * basis[:, -1:]], dim=1)
