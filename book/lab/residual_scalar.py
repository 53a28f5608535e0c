"""Chapter 4: the chart of Proposition 4.3, the residual network with 1 × 1 weights.

The chart starts from the point (W_1, W_2, W_3)₀ = (1, α − ε, α⁻¹ Y X⁻¹), where
W_2 W_1 + ε = α. Its image S_1 is the part of the minimum with W_1 ≠ 0, four pieces
C_1, ..., C_4; what is left, S_0, is the line W_1 = 0, W_3 = Y (εX)⁻¹, empty for ε = 0.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes, require_tensors
from mc_lib.errors import NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.minima.zero_loss import attainable_map, require_minimum
from mc_lib.networks import ResidualLinear, Weights


def residual_from_group(
    net: ResidualLinear,
    g1: Float[Tensor, "*#batch 1 1"],
    g2: Float[Tensor, "*#batch 1 1"],
    alpha: float,
) -> Weights:
    """Return a(g_1, g_2) = (g_1 W_10, g_2 W_20 g_1⁻¹, W_30 αX f(g_2)⁻¹), eq. (11).

    a is a homeomorphism from {g_1 ≠ 0} × {g_2 : f(g_2) ≠ 0} to S_1; here αX stands for
    W_20 W_10 X + εX, and f is `shifted`.

    Args:
        net: a network with X, Y of size 1 × 1 and one hidden neuron.
        g1: g_1, shape (..., 1, 1).
        g2: g_2, shape (..., 1, 1); 0 is allowed for ε ≠ 0.
        alpha: α, neither 0 nor ε; it fixes the base point.

    Returns:
        A point of the minimum, W_1 ≠ 0.

    Raises:
        ShapeMismatch: the network or g is not of size 1 × 1.
        OutOfDomain: α is 0 or ε.
        NotInGroup: g_1 = 0 or f(g_2) = 0.
        RankDeficient: Y = 0.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, 6 * one, hidden=1, epsilon=1.0)
    >>> [float(x) for x in residual_from_group(net, 2 * one, one, alpha=3.0)]
    [2.0, 1.0, 2.0]
    """
    require_tensors([net.X, g1, g2], "X, g_1 and g_2")
    f = shifted(net, g2, alpha)
    if (g1 == 0).any() or (f == 0).any():
        raise NotInGroup("the chart needs g_1 ≠ 0 and f(g_2) ≠ 0; one of them vanishes")
    batch = broadcast_shapes(g1.shape, g2.shape)
    w = (g1, g2 * (alpha - net.epsilon) / g1, net.Y / f)
    return tuple(x.expand(batch) for x in w)


def residual_to_group(net: ResidualLinear, w: Weights, alpha: float) -> tuple[Tensor, Tensor]:
    """Return (g_1, g_2) = (W_1, W_2 W_1 (α − ε)⁻¹), the inverse of `residual_from_group`.

    Args:
        net: a network with X, Y of size 1 × 1 and one hidden neuron.
        w: a point of the minimum with W_1 ≠ 0, batched or not.
        alpha: α, neither 0 nor ε.

    Returns:
        g_1 and g_2, shape (..., 1, 1).

    Raises:
        ShapeMismatch: the network is not of size 1 × 1.
        OutOfDomain: α is 0 or ε, or W_1 = 0: the point lies on S_0, outside the chart.
        NotAMinimum: w has positive loss.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, 6 * one, hidden=1, epsilon=1.0)
    >>> [float(x) for x in residual_to_group(net, (2 * one, one, 2 * one), alpha=3.0)]
    [2.0, 1.0]
    """
    _require_chart(net, alpha)
    require_minimum(net, w)
    if (w[0] == 0).any():
        raise OutOfDomain("W_1 = 0: the point lies on the line S_0, outside the chart")
    return w[0], w[1] * w[0] / (alpha - net.epsilon)


def shifted(
    net: ResidualLinear, g2: Float[Tensor, "*batch 1 1"], alpha: float
) -> Float[Tensor, "*batch 1 1"]:
    """Return f(g_2) = g_2 W_20 W_10 X + εX = (g_2 (α − ε) + ε) X, eq. (12).

    Args:
        net: a network with X, Y of size 1 × 1 and one hidden neuron.
        g2: g_2, shape (..., 1, 1).
        alpha: α, neither 0 nor ε.

    Returns:
        Shape (..., 1, 1).

    Raises:
        ShapeMismatch: the network or g_2 is not of size 1 × 1.
        OutOfDomain: α is 0 or ε.

    >>> one = torch.eye(1)
    >>> float(shifted(ResidualLinear(5 * one, one, hidden=1, epsilon=1.0), one, alpha=3.0))
    15.0
    """
    _require_chart(net, alpha)
    if g2.shape[-2:] != (1, 1):
        raise ShapeMismatch(f"group elements have shape (..., 1, 1), got {tuple(g2.shape)}")
    return (g2 * (alpha - net.epsilon) + net.epsilon) * net.X


def residual_piece(net: ResidualLinear, w: Weights) -> Int[Tensor, "*batch"]:
    """Return i for the points of C_i, i = 1, ..., 4, and 0 for those of the line S_0.

    C_1 and C_2 have f(g_2) of the sign of εX, and W_1 positive and negative; S_0 joins
    them. C_3 and C_4 have f(g_2) of the other sign, and are components by themselves. For
    ε = 0, where εX has no sign, that of X is taken, and all four are components.

    Args:
        net: a network with X, Y of size 1 × 1 and one hidden neuron.
        w: a point of the minimum, batched or not.

    Returns:
        Shape (...).

    Raises:
        ShapeMismatch: the network is not of size 1 × 1.
        NotAMinimum: w has positive loss.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, one, hidden=1, epsilon=1.0)
    >>> [int(residual_piece(net, (x * one, 0 * one, one))) for x in (2.0, -2.0, 0.0)]
    [1, 2, 0]
    """
    _require_scalar(net)
    require_minimum(net, w)
    first = w[0][..., 0, 0].sign()
    block = net.block(w)[..., 0, 0]  # f(g_2)/X
    same = block > 0 if net.epsilon >= 0 else block < 0
    piece = torch.where(same, 1, 3) + (first < 0).to(torch.int64)
    batch = broadcast_shapes(*(x.shape[:-2] for x in w))
    return torch.where(first == 0, 0, piece).expand(batch)


def _require_scalar(net: ResidualLinear) -> None:
    if (net.X.shape, net.Y.shape, net.hidden) != ((1, 1), (1, 1), 1):
        raise ShapeMismatch(
            f"Proposition 4.3 is about 1 × 1 matrices, got X {tuple(net.X.shape)}, "
            f"Y {tuple(net.Y.shape)} and {net.hidden} hidden neurons"
        )


def _require_chart(net: ResidualLinear, alpha: float) -> None:
    _require_scalar(net)
    attainable_map(net)
    if alpha in (0, net.epsilon):
        raise OutOfDomain(
            f"the base point needs α ∉ {{0, ε}} = {{0, {net.epsilon:g}}}, got α = {alpha:g}"
        )
