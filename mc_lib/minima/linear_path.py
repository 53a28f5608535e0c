"""Two minima of a linear network: a path of zero loss, or the layers that forbid it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.minima import verbs
from mc_lib.minima.curve import MinimumCurve, require_joined
from mc_lib.minima.fibre import free_part, nearest_in_fibre
from mc_lib.minima.frame_path import FramePath, frame_path
from mc_lib.minima.linear import (
    component,
    data_projection,
    signed_layers,
    target_and_basis,
)
from mc_lib.minima.zero_loss import require_ends
from mc_lib.networks import DeepLinear, Weights, partial_products
from mc_lib.points import lerp


@dataclass(frozen=True, eq=False)
class LinearCurve(MinimumCurve):
    """A path of zero loss of a linear network, through given partial products.

    P_i = W_i ⋯ W_1 E moves along P_i(t) of `frame_path`, i = 1, ..., l − 1; P_l on the segment
    between its two values, both of which are A E, A = Y X⁺; E is I where A has full column rank.
    W_1(t) = P_1(t) Eᵀ + F(t), F linear in t, and

        W_i(t) = Z_i + (P_i(t) − Z_i P_{i-1}(t)) P_{i-1}(t)⁺,  Z_i = (1 − t) W_i⁰ + t W_i¹

    (`free_part` where a P_i changes its size) is the weight nearest to Z_i that maps P_{i-1}(t)
    to P_i(t), so that W_l(t) ⋯ W_1(t) E = P_l(t). It is W_i⁰ at t = 0 and W_i¹ at t = 1, since
    P_i = W_iP_{i-1} there. No condition number of a P_i exceeds those of the ends (see
    `FramePath`). Where X has a larger rank than Y, this takes the second third of the time: in
    the first and last third the part Q = W_1 (X X⁺ − E Eᵀ) is scaled to 0, and from 0.
    """

    net: DeepLinear

    @cached_property
    def _split(self) -> tuple[Tensor, Tensor]:
        """E and X X⁺ − E Eᵀ."""
        _, basis = target_and_basis(self.net)
        return basis, data_projection(self.net, basis) - basis @ basis.mT

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """1/3 and 2/3 where the rank of X is larger than that of Y."""
        return (1 / 3, 2 / 3) if self._split[1].any() else ()

    @cached_property
    def products(self) -> tuple[FramePath, ...]:
        """The paths of P_1, ..., P_{l-1}; none where Y = 0."""
        paths = []
        if self._split[0].shape[1] == 0:
            return ()
        ends = zip(*(self._products(w[:-1]) for w in (self.w0, self.w1)), strict=True)
        for i, (p0, p1) in enumerate(ends, start=1):
            try:
                paths.append(frame_path(p0, p1))
            except RankDeficient as error:
                raise RankDeficient(f"W_{i} ⋯ W_1: {error}") from error
        return tuple(paths)

    def _products(self, w: Weights) -> list[Tensor]:
        return partial_products((w[0] @ self._split[0], *w[1:]))

    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        basis, unseen = self._split
        ends = self.w0[0], self.w1[0]
        keep: tuple[Tensor, ...] = ()
        if self.breakpoints:
            zero, s = torch.zeros_like(t), 3 * t
            keep = torch.where(s < 1, 1 - s, zero), torch.where(s >= 2, s - 2, zero)
            t = torch.where(s < 1, zero, torch.where(s >= 2, zero + 1, s - 1))
        first, last = (x - x @ (basis @ basis.mT + unseen) for x in ends)
        rest = lerp(first, last, t)
        for k, x in zip(keep, ends, strict=False):
            rest = rest + k[:, None, None] * (x @ unseen)
        start, end = self._products(self.w0), self._products(self.w1)
        pairs = zip(self.w0[1:], self.w1[1:], start, end, strict=False)
        z = [free_part(*ends, t) for ends in pairs]
        if not self.products:
            return (rest, *z)
        weights = [self.products[0](t) @ basis.mT + rest]
        before = self.products[0](t)
        for zi, path in zip(z, self.products[1:], strict=False):
            weights.append(nearest_in_fibre(zi, before, path(t)))
            before = weights[-1] @ before  # as the network multiplies, rounding included
        return (*weights, nearest_in_fibre(z[-1], before, lerp(start[-1], end[-1], t)))


@verbs.connect.register(DeepLinear)
def connect(net: DeepLinear, w0: Weights, w1: Weights) -> LinearCurve:
    """Return a path of zero loss from w0 to w1, or refuse with the layers that forbid it.

    There is one if and only if `component` agrees (proved in the book's appendix): the
    minimum contracts to a vector bundle over the product of the spaces of n_i × r matrices of
    full column rank, each connected for n_i > r and cut in two by the sign of det for n_i = r.
    The `residual` of the path is at most that of the ends or, where it is larger, 1e-20: in
    float64, for widths up to 64, depth up to 8 and condition numbers up to 1e4.

    Raises:
        NotConnected: naming exactly the layers where the signs of det P_i differ.
        NotAMinimum: an end has positive loss.
        ShapeMismatch: an end is batched, or no weights of the network.
        RankDeficient: as `count_components`; also where rounding leaves some P_i singular.

    >>> import torch
    >>> one = torch.eye(1)
    >>> net = DeepLinear(one, one, (1, 1))
    >>> connect(net, (one, one, one), (4 * one, one, one / 4))(0.5)[0]
    tensor([[2.]])
    >>> connect(net, (one, one, one), (-one, one, -one))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotConnected: the sign of det(W_i ⋯ W_1) differs at the layers [1, 2], ...
    """
    require_ends(net, w0, w1)
    differ = component(net, w0) != component(net, w1)
    layers = [i for i, d in zip(signed_layers(net), differ.tolist(), strict=True) if d]
    if layers:
        raise NotConnected(
            f"the sign of det(W_i ⋯ W_1) differs at the layers {layers}, as wide as the rank of "
            f"Y ({net.widths[layers[0] - 1]}): it cannot change along a path of zero loss"
        )
    curve = LinearCurve(net, w0, w1)
    _ = curve.products  # refuses a product that is singular to working precision
    return require_joined(curve)
