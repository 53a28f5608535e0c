"""Two minima of a network with a skip connection: a path of zero loss, or the obstruction.

A is the tall one of W_1 and W_2 (W_1 for h ≥ n), r × s, and B the other, s × r. By
det(εI_n + W_2W_1) = εⁿ⁻ˢ det(εI_s + BA) the domain D is {(A, B) : det M ≠ 0} with the
s × s matrix M = εI + BA. A path is made of three moves.

1. *Lift.* A = U diag(σ) Vᵀ is moved along a line to U diag(max(σ, c)) Vᵀ, of full column
   rank, with c ≤ σ_min(M) / (2‖B‖): M changes by at most c‖B‖ ≤ σ_min(M)/2.
2. *Bundle.* Over the A of full column rank, (A, M) determines B up to a free affine part,
   B A = M − εI. A and M move along `frame_path`, where r > s always, and where r = s if
   the sign of det A agrees; the sign of det M agrees by assumption.
3. *Crossing.* For r = s and signs of det A that differ, A = diag(τ, 1, ..., 1) and
   B = diag(0, μ, 0, ..., 0) with τ from one sign to the other: (BA)_11 = 0, so M is
   constant, μ = 0 for det(M/ε) > 0 and μ = −2ε for det(M/ε) < 0, which needs s ≥ 2.

So D has one piece for each sign of det M, but for r = s = 1 and M/ε < 0, where
A B = M − ε ≠ 0 keeps A from vanishing: two pieces there, by the sign of A.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.curves import Concatenation, Curve, Line
from mc_lib.curves.derivative import rate
from mc_lib.errors import NotConnected
from mc_lib.groups.derivatives import without_derivative
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.rotation import NO_DERIVATIVE
from mc_lib.minima import linear_path, verbs
from mc_lib.minima.curve import MinimumCurve, require_joined
from mc_lib.minima.fibre import free_part, nearest_in_fibre
from mc_lib.minima.frame_path import FramePath, frame_path, shown_determinant
from mc_lib.minima.residual import component, placed, without_skip
from mc_lib.minima.zero_loss import require_ends
from mc_lib.networks import ResidualLinear, Weights
from mc_lib.points import lerp

WELL = 1e-3
"""A singular value is small below this fraction of the size that it could be lifted to."""

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class BundleMove(Curve):
    """The second move, between pairs (A, B) with A of full column rank and M invertible."""

    net: ResidualLinear
    begin: Pair
    end: Pair

    continues: ClassVar[bool] = False

    @property
    def start(self) -> Pair:
        """The point (W_1, W_2) that it begins at."""
        return placed(self.net, *self.begin)

    @cached_property
    def paths(self) -> tuple[FramePath, FramePath]:
        """The paths of A and of M."""
        (a0, b0), (a1, b1) = self.begin, self.end
        m0, m1 = core(self.net, a0, b0), core(self.net, a1, b1)
        return frame_path(a0, a1), frame_path(m0, m1)

    def _position(self, t: Float[Tensor, "T"]) -> Pair:
        a, m = (path(t) for path in self.paths)
        (a0, b0), (a1, b1) = self.begin, self.end
        z = free_part(b0, b1, a0, a1, t)
        eye = torch.eye(m.shape[-1], dtype=m.dtype, device=m.device)
        return placed(self.net, a, nearest_in_fibre(z, a, m - self.net.epsilon * eye))

    def _velocity(self, t: Float[Tensor, "T"]) -> Weights:
        return rate(self._position)(t)

    def _acceleration(self, t: Float[Tensor, "T"]) -> Weights:
        return rate(rate(self._position))(t)


@dataclass(frozen=True, eq=False)
class ResidualCurve(MinimumCurve):
    """A path of zero loss over a path of (W_1, W_2) in D: W_3 = A M⁻¹ is read off.

    To be continuous at ends that rounding leaves a little off the minimum, A is taken on
    the segment between the two values of W_3 M at the ends.
    """

    net: ResidualLinear
    base: Concatenation

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Where one move follows another."""
        return self.base.breakpoints

    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        start, end = (w[2] @ self.net.block(w) for w in (self.w0, self.w1))
        first_two = self.base(t)
        group = GeneralLinear(start.shape[-1])  # by LU: solve has no correct second derivative
        return (*first_two, group.right_inverse(lerp(start, end, t), self.net.block(first_two)))


@verbs.connect.register(ResidualLinear)
def connect(
    net: ResidualLinear, w0: Weights, w1: Weights
) -> ResidualCurve | linear_path.LinearCurve:
    """Return a path of zero loss from w0 to w1, or refuse with the obstruction.

    There is one if and only if `component` agrees (proved in the head of this file and in
    the book's appendix).

    Raises:
        NotConnected: naming the sign that differs.
        NotAMinimum: an end has positive loss.
        ShapeMismatch: an end is batched, or no weights of the network.
        RankDeficient: as `component`.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, one, hidden=1, epsilon=1.0)
    >>> curve = connect(net, (one, 0 * one, one), (-one, 0 * one, one))  # through W_1 = 0
    >>> curve.residual < 1e-30
    True
    >>> connect(net, (one, -3 * one, -one / 2), (-one, 3 * one, -one / 2))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotConnected: W_1 is 1 at one end and -1 at the other: ...
    """
    if net.epsilon == 0:
        return linear_path.connect(without_skip(net), w0, w1)
    require_ends(net, w0, w1)
    (s0, z0), (s1, z1) = (component(net, w).tolist() for w in (w0, w1))
    if s0 != s1:
        dets = [shown_determinant(net.block(w)) for w in (w0, w1)]
        raise NotConnected(
            f"det(εI + W_2 W_1) is {dets[0]} at one end and {dets[1]} at the other: "
            "it cannot vanish on the minimum, where W_3 (εI + W_2 W_1) = A has full rank"
        )
    if z0 != z1:
        raise NotConnected(
            f"W_1 is {float(w0[0]):.3g} at one end and {float(w1[0]):.3g} at the other: with "
            "1 × 1 weights and (ε + W_2 W_1)/ε < 0 it cannot vanish, as W_2 W_1 ≠ 0"
        )
    ends = [placed(net, w[0], w[1]) for w in (w0, w1)]  # placed is its own inverse
    return require_joined(ResidualCurve(net, w0, w1, Concatenation(_moves(net, s0, *ends))))


def core(
    net: ResidualLinear, a: Float[Tensor, "*batch r s"], b: Float[Tensor, "*batch s r"]
) -> Float[Tensor, "*batch s s"]:
    """Return M = εI + BA, the smaller one of the two matrices of that determinant.

    >>> net = ResidualLinear(torch.eye(1), torch.eye(1), hidden=2, epsilon=0.5)
    >>> core(net, torch.ones(2, 1), torch.ones(1, 2))
    tensor([[2.5000]])
    """
    return net.epsilon * torch.eye(b.shape[-2], dtype=b.dtype, device=b.device) + b @ a


def lift(net: ResidualLinear, a: Float[Tensor, "r s"], b: Float[Tensor, "s r"]) -> Tensor:
    """Return A with its small singular values lifted; A itself where none is small.

    They are lifted to c = min(σ_min(M) / (2‖B‖), max(‖A‖, 1)), which keeps σ_min(M) above
    half of what it was on the whole segment.

    >>> net = ResidualLinear(torch.eye(1), torch.eye(1), hidden=1, epsilon=1.0)
    >>> lift(net, torch.zeros(1, 1), 5 * torch.ones(1, 1))
    tensor([[0.1000]])
    """

    def parts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        u, s, vt = torch.linalg.svd(a, full_matrices=False)
        least = torch.linalg.svdvals(core(net, a, b))[-1]
        room = least / (2 * torch.linalg.matrix_norm(b, ord=2))  # infinite for B = 0
        c = torch.minimum(room, s[0].clamp(min=1))
        return s[-1] >= WELL * c, a + u * (c - s).clamp(min=0) @ vt

    well, lifted = without_derivative(parts, NO_DERIVATIVE, a, b)
    return a if well else lifted


def _moves(net: ResidualLinear, sign: int, start: Pair, end: Pair) -> list[Curve]:
    stops = [(lift(net, *start), start[1]), (lift(net, *end), end[1])]
    signs = [float(torch.linalg.slogdet(a.detach()).sign) for a, _ in stops if len(a) == a.shape[1]]
    if len(set(signs)) > 1:
        stops[1:1] = [_crossing(net, sign, tau, start[0]) for tau in signs]
    moves: list[Curve] = [BundleMove(net, p, q) for p, q in pairwise(stops)]
    if len(stops) > 2:
        moves[1] = Line(placed(net, *stops[1]), placed(net, *stops[2]))
    if stops[0][0] is not start[0]:
        moves.insert(0, Line(placed(net, *start), placed(net, *stops[0])))
    if stops[-1][0] is not end[0]:
        moves.append(Line(placed(net, *stops[-1]), placed(net, *end)))
    return moves


def _crossing(net: ResidualLinear, sign: int, tau: float, like: Tensor) -> Pair:
    a, b = torch.eye(len(like), dtype=like.dtype, device=like.device), torch.zeros_like(like)
    a[0, 0] = tau
    if sign < 0:
        b[1, 1] = -2 * net.epsilon
    return a, b
