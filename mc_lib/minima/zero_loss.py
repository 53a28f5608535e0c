"""Membership of the zero-loss set L⁻¹(0), and the linear map that attains it."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import all_finite, numerical_rank, tolerance
from mc_lib.errors import NotAMinimum, NotFinite, RankDeficient, ShapeMismatch
from mc_lib.kinds import require_kind, require_number
from mc_lib.networks import MatrixNetwork, Weights
from mc_lib.norms import power_of_two


def require_minimum(net: MatrixNetwork, w: Weights, rtol: float | None = None) -> None:
    """Refuse a point that is not on the minimum L⁻¹(0).

    Args:
        net: the network.
        w: weights, batched or not.
        rtol: the largest loss / ‖Y‖² that counts as zero; by default that of the dtype.

    Raises:
        NotAMinimum: with the relative loss and the tolerance.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> require_minimum(DeepLinear(one, one, (1,)), (one, 2 * one))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotAMinimum: loss 1 is above ... ‖Y‖²: not on the minimum
    """
    require_kind(net, MatrixNetwork, "the network")
    require_number(0.0 if rtol is None else rtol, "rtol")
    rtol = tolerance(net.X.dtype).zero_loss if rtol is None else rtol
    loss, size, unit = measured_loss(net, w)
    zero = float(rtol * size)
    if not (loss <= zero).all():
        raise NotAMinimum(
            f"loss {float(loss.max()) * unit**2:.3g} is above {zero * unit**2:.3g} = "
            f"{rtol:.3g} ‖Y‖²: not on the minimum"
        )


def measured_loss(
    net: MatrixNetwork, w: Weights
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, ""], float]:
    """Return the loss and ‖Y‖², without a gradient, in a unit in which they keep their digits.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> loss, size, unit = measured_loss(DeepLinear(one, 2.0**-480 * one, (1,)), (0 * one, one))
    >>> float(loss), float(size), unit == 2.0**-480
    (1.0, 1.0, True)
    """
    size, info = net.Y.detach().square().sum(), torch.finfo(net.Y.dtype)
    if size * info.eps**2 >= info.tiny:
        return net.loss(w).detach(), size, 1.0
    gap = (net.Y - net.output(w)).detach()
    y = net.Y.detach()
    unit = power_of_two((y if y.any() else gap).abs().max())
    return (gap / unit).square().sum((-2, -1)), (y / unit).square().sum(), float(unit)


def relative_loss(net: MatrixNetwork, w: Weights) -> float:
    """Return the largest loss / ‖Y‖² of the points w.

    Args:
        net: a network with Y ≠ 0.
        w: weights, batched or not.

    Returns:
        max L(w) / ‖Y‖², a number; 0 on the minimum up to the square of the rounding.

    Raises:
        RankDeficient: Y = 0, which gives no scale.
        NotFinite: the number leaves the range of the dtype.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> relative_loss(DeepLinear(one, 2 * one, (1,)), (one, torch.stack([2 * one, one])))
    0.25
    """
    require_kind(net, MatrixNetwork, "the network")
    if not net.Y.any():
        raise RankDeficient("Y = 0: a loss relative to ‖Y‖² needs a target other than 0")
    loss, size, _ = measured_loss(net, w)
    relative = float(loss.max()) / float(size)
    if not math.isfinite(relative):
        raise NotFinite(f"the loss / ‖Y‖² is {relative}: the weights are too large")
    return relative


def require_drawn(net: MatrixNetwork, w: Weights, **options: Any) -> Weights:
    """Return points that were drawn from the minimum, or say why rounding took them off it.

    Raises:
        RankDeficient: w has positive loss.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> require_drawn(DeepLinear(one, one, (1,)), (one, one))
    (tensor([[1.]]), tensor([[1.]]))
    """
    try:
        require_minimum(net, w)
    except NotAMinimum as error:
        raise RankDeficient(
            f"a factor of the sample is so close to a smaller rank that rounding leaves a {error}; "
            f"ask for a smaller condition number or another scale than {options}, or draw again"
        ) from None
    return w


def require_ends(net: MatrixNetwork, w0: Weights, w1: Weights) -> None:
    """Refuse what is not a pair of single points of L⁻¹(0), the ends of a path.

    Raises:
        ShapeMismatch: not weights of the network, or batched.
        NotAMinimum: a point has positive loss.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> require_ends(DeepLinear(one, one, (1,)), (one, one), (one, one))
    """
    require_single(net, w0, w1)
    for w in (w0, w1):
        require_minimum(net, w)


def require_single(net: MatrixNetwork, w0: Weights, w1: Weights) -> None:
    """Refuse what is not a pair of single points of parameter space.

    Raises:
        ShapeMismatch: not weights of the network, or batched.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> require_single(DeepLinear(one, one, (1,)), (one, one), (one, one[None]))
    Traceback (most recent call last):
    ...
    mc_lib.errors.ShapeMismatch: a path joins two single points; w1 has shapes [(1, 1), (1, 1, 1)]
    """
    for name, w in (("w0", w0), ("w1", w1)):
        net.require_weights(w)
        if any(x.ndim != 2 for x in w):
            raise ShapeMismatch(
                f"a path joins two single points; {name} has shapes {[tuple(x.shape) for x in w]}"
            )


def attainable_map(net: MatrixNetwork) -> Float[Tensor, "m n"]:
    """Return A = Y X⁺, the only linear map with A X = Y, for X of full row rank n.

    Raises:
        RankDeficient: A X ≠ Y (zero loss is out of reach), or rank A < n.
        NotFinite: A leaves the range of the dtype.

    >>> from mc_lib.networks import DeepLinear
    >>> attainable_map(DeepLinear(2 * torch.eye(1), torch.eye(1), widths=(1,)))
    tensor([[0.5000]])
    """
    target, n = smallest_map(net), net.X.shape[0]
    rank = numerical_rank(target)
    if rank < n:
        shape = f"{len(target)} × {n}"
        raise RankDeficient(f"the target map A = Y X⁺ ({shape}) has rank {rank}, not {n}")
    return target


def smallest_map(net: MatrixNetwork) -> Float[Tensor, "m n"]:
    """Return A = Y X⁺, the smallest linear map with A X = Y, for X of any rank.

    Raises:
        RankDeficient: A X ≠ Y: zero loss is out of reach.
        NotFinite: A leaves the range of the dtype.

    >>> from mc_lib.networks import DeepLinear
    >>> both = torch.ones(2, 1)
    >>> smallest_map(DeepLinear(both, both, widths=(1,)))
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    tol = tolerance(net.X.dtype)
    if numerical_rank(net.X) == len(net.X):
        target = torch.linalg.lstsq(net.X.mT, net.Y.mT).solution.mT
    else:
        target = net.Y @ torch.linalg.pinv(net.X, rtol=tol.rank)
    if not all_finite(target):
        shape = f"{len(target)} × {len(net.X)}"
        raise NotFinite(f"the target map A = Y X⁺ ({shape}) leaves the range of {target.dtype}")
    unit = float(power_of_two(net.Y.abs().max()))
    loss = float(((net.Y - target @ net.X) / unit).square().sum())
    size = float((net.Y / unit).square().sum())
    if not loss <= tol.zero_loss * size:
        raise RankDeficient(
            f"zero loss is out of reach: the best linear map leaves {loss * unit**2:.3g} of "
            f"‖Y‖² = {size * unit**2:.3g}"
        )
    return target
