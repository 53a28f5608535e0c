"""Lipschitz constants on a convex set of weights, for the loss bound (9)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mc_lib.bounds.formula import Arguments, Number, Result
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.kinds import require_number
from mc_lib.points import require_point, require_same_tree


def tube_norms(w0: Sequence[Tensor], w1: Sequence[Tensor], radius: float) -> tuple[float, ...]:
    """Return b_i ≥ ‖W_i‖₂ for all weights within `radius` of the segment from w0 to w1.

    The tube is convex, and holds the segment and every point that is within the radius of
    one of its points. b_i = max(‖W_i(0)‖₂, ‖W_i(1)‖₂) + radius, since the spectral norm is
    convex and at most the Frobenius norm.

    Args:
        w0: unbatched weights.
        w1: weights of the same shapes.
        radius: ≥ 0.

    Returns:
        One number for each weight.

    Raises:
        ShapeMismatch: not weights of the same shapes, or batched.
        OutOfDomain: the radius is negative or not finite.
        TypeError: the radius is no number.

    >>> tube_norms((torch.eye(2),), (3 * torch.eye(2),), 0.5)
    (3.5,)
    """
    require_point([*w0, *w1])
    require_same_tree(tuple(w0), tuple(w1))
    if any(x.ndim != 2 for x in w0):
        raise ShapeMismatch(f"expected matrices, got {[tuple(x.shape) for x in w0]}")
    require_number(radius, "the radius")
    if not 0 <= radius < math.inf:
        raise OutOfDomain(f"the radius is a finite number ≥ 0, got {radius}")
    norms = ((torch.linalg.matrix_norm(x, 2) for x in pair) for pair in zip(w0, w1, strict=True))
    return tuple(max(map(float, pair)) + radius for pair in norms)


def output_lipschitz(norms: Sequence[Number], X_norm: Number, slope: Number = 1.0) -> Result:
    """Return C_f with ‖f(w) − f(w')‖ ≤ C_f ‖w − w'‖ for the network f = W_l σ(⋯ σ(W_1 X)).

    C_f = s^{l−1} ‖X‖ √(Σ_i Π_{j≠i} b_j²) on any convex set with ‖W_i‖₂ ≤ b_i, for an
    activation with σ(0) = 0 and |σ(x) − σ(y)| ≤ s|x − y| (ours, proved in the book's
    appendix): then ‖σ(W_{i−1} ⋯)‖ ≤ s^{i−1} b_{i−1} ⋯ b_1 ‖X‖, and a change of W_i passes
    through the layers above.

    Args:
        norms: b_1, ..., b_l, such as `tube_norms`.
        X_norm: ‖X‖ ≥ 0, Frobenius.
        slope: s > 0; 1 for the identity, the (leaky) ReLU, tanh.

    Returns:
        C_f ≥ 0.

    Raises:
        OutOfDomain: no norms, a negative argument, or the result overflows.

    >>> output_lipschitz((3.0, 4.0), 2.0)  # 2 √(4² + 3²)
    10.0
    """
    given = Arguments.of("output_lipschitz", X_norm=X_norm, slope=slope, **_named(norms))
    x, s, *b = given
    given.require(x >= 0, "X_norm ≥ 0")
    given.require(s > 0, "slope > 0")
    stack = torch.stack(torch.broadcast_tensors(*b))
    given.require((stack >= 0).all(0), "norms ≥ 0")
    others = [torch.cat([stack[:i], stack[i + 1 :]]).prod(0) for i in range(len(b))]
    size = torch.linalg.vector_norm(torch.stack(others), dim=0)
    return given.result(s ** (len(b) - 1) * x * size)


def loss_lipschitz(
    norms: Sequence[Number], X_norm: Number, Y_norm: Number, slope: Number = 1.0
) -> Result:
    """Return C_L = 2 (‖Y‖ + s^{l−1} Π b_i ‖X‖) C_f, a Lipschitz constant of ‖Y − f(w)‖².

    On any convex set with ‖W_i‖₂ ≤ b_i, with C_f of `output_lipschitz`: the residual is no
    longer there than the bracket, and |‖a‖² − ‖b‖²| ≤ (‖a‖ + ‖b‖)‖a − b‖.

    Args:
        norms: b_1, ..., b_l.
        X_norm: ‖X‖ ≥ 0.
        Y_norm: ‖Y‖ ≥ 0.
        slope: s > 0.

    Returns:
        C_L ≥ 0.

    Raises:
        OutOfDomain: as `output_lipschitz`.

    >>> loss_lipschitz((3.0, 4.0), 2.0, 1.0)  # 2 (1 + 24) 10
    500.0
    """
    given = Arguments.of(
        "loss_lipschitz", X_norm=X_norm, Y_norm=Y_norm, slope=slope, **_named(norms)
    )
    x, y, s, *b = given
    given.require(y >= 0, "Y_norm ≥ 0")
    largest = y + s ** (len(b) - 1) * torch.stack(torch.broadcast_tensors(*b)).prod(0) * x
    return given.result(2 * largest * output_lipschitz(b, x, s))


def root_loss_bound(level: Number, lipschitz: Number, deviation: Number) -> Result:
    """Return (√c + C_f δ)², which bounds the loss at distance δ from L⁻¹(c).

    √L = ‖Y − f(w)‖ is Lipschitz with the constant C_f of the output f. At c = 0 the bound
    is (C_f δ)², of second order in δ, where (9) is of first order (ours).

    Args:
        level: c ≥ 0.
        lipschitz: C_f ≥ 0, from `output_lipschitz`.
        deviation: δ ≥ 0.

    Returns:
        A loss.

    Raises:
        OutOfDomain: a negative argument, or the result overflows.

    >>> root_loss_bound(4.0, 3.0, 1.0)  # (2 + 3)²
    25.0
    """
    given = Arguments.of("root_loss_bound", level=level, lipschitz=lipschitz, deviation=deviation)
    for name, value in given.values.items():
        given.require(value >= 0, f"{name} ≥ 0")
    c, f, delta = given
    return given.result((c.sqrt() + f * delta).square())


def _named(norms: Sequence[Number]) -> dict[str, Number]:
    if len(norms) == 0:
        raise OutOfDomain("give the norm of one weight or more, got none")
    return {f"norm_{i}": b for i, b in enumerate(norms, 1)}
