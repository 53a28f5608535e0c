"""Two minima of a linear network: a path of zero loss, or the layers that forbid it."""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.minima import verbs
from mc_lib.minima.curve import MinimumCurve, require_joined
from mc_lib.minima.fibre import free_part, nearest_in_fibre
from mc_lib.minima.frame_path import FramePath, frame_path
from mc_lib.minima.linear import component, signed_layers
from mc_lib.minima.zero_loss import require_ends
from mc_lib.networks import DeepLinear, Weights, partial_products
from mc_lib.points import lerp


@dataclass(frozen=True, eq=False)
class LinearCurve(MinimumCurve):
    """A path of zero loss of a linear network, through given partial products.

    P_i = W_i ⋯ W_1 moves along P_i(t) of `frame_path`, i = 1, ..., l − 1; P_0 = I; P_l on
    the segment between its two values, both of which are A = Y X⁺. Then

        W_i(t) = Z_i + (P_i(t) − Z_i P_{i-1}(t)) P_{i-1}(t)⁺,  Z_i = (1 − t) W_i⁰ + t W_i¹

    (`free_part` where a P_i changes its size) is the weight nearest to Z_i that maps P_{i-1}(t)
    to P_i(t), so that W_l(t) ⋯ W_1(t) = P_l(t). It is W_i⁰ at t = 0 and W_i¹ at t = 1, since
    P_i = W_iP_{i-1} there. No condition number of a
    P_i exceeds those of the ends (see `FramePath`).
    """

    net: DeepLinear

    @cached_property
    def products(self) -> tuple[FramePath, ...]:
        """The paths of P_1, ..., P_{l-1}."""
        paths = []
        ends = zip(partial_products(self.w0[:-1]), partial_products(self.w1[:-1]), strict=True)
        for i, (p0, p1) in enumerate(ends, start=1):
            try:
                paths.append(frame_path(p0, p1))
            except RankDeficient as error:
                raise RankDeficient(f"W_{i} ⋯ W_1: {error}") from error
        return tuple(paths)

    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        start, end = partial_products(self.w0), partial_products(self.w1)
        rest = zip(self.w0[1:], self.w1[1:], start, end, strict=False)
        z = [free_part(*ends, t) for ends in rest]
        weights = [self.products[0](t)]
        before = weights[0]
        for zi, path in zip(z, self.products[1:], strict=False):
            weights.append(nearest_in_fibre(zi, before, path(t)))
            before = weights[-1] @ before  # as the network multiplies, rounding included
        return (*weights, nearest_in_fibre(z[-1], before, lerp(start[-1], end[-1], t)))


@verbs.connect.register(DeepLinear)
def connect(net: DeepLinear, w0: Weights, w1: Weights) -> LinearCurve:
    """Return a path of zero loss from w0 to w1, or refuse with the layers that forbid it.

    There is one if and only if `component` agrees (proved in the book's appendix): the
    minimum is a vector bundle over the product of the spaces of n_i × n matrices of full
    column rank, each connected for n_i > n and cut in two by the sign of det for n_i = n.
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
            f"the sign of det(W_i ⋯ W_1) differs at the layers {layers}, as wide as the input "
            f"(n = {net.X.shape[0]}): it cannot change along a path of zero loss"
        )
    curve = LinearCurve(net, w0, w1)
    _ = curve.products  # refuses a product that is singular to working precision
    return require_joined(curve)
