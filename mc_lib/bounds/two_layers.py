"""Pairs of factors of one matrix, {(W_1, W_2) : W_1W_2 = A}: barriers and distances."""

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.bounds.formula import Arguments, Number, Result
from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.norms import power_of_two

HALVINGS = 200
"""Of the interval in which the multiplier of `product_distance_bound` is sought."""


def product_barrier(
    first: Float[Tensor, "*#batch h n"],
    second: Float[Tensor, "*#batch m h"],
    X: Float[Tensor, "*#batch n k"],
) -> Float[Tensor, "*batch"]:
    """Return the largest loss on the segment between two minima of a two-layer linear network.

    With D_i = W_i' − W_i and W_2W_1 = W_2'W_1' = A, the product on the segment is
    A − α(1−α) D_2D_1: a quadratic polynomial in α that is A at both ends. So the loss is
    α²(1−α)² ‖D_2D_1X‖², largest at ½: ‖D_2D_1X‖²/16 (ours). As ‖D_2D_1X‖ ≤
    ‖D_2‖‖D_1‖‖X‖₂, it is at most ‖X‖₂² d⁴/64, d the distance of the minima.

    Args:
        first: D_1 = W_1' − W_1, shape (..., h, n).
        second: D_2 = W_2' − W_2, shape (..., m, h).
        X: inputs, shape (..., n, k).

    Returns:
        A sum of squares, shape (...).

    Raises:
        ShapeMismatch: the three do not multiply.
        OutOfDomain: the barrier overflows.

    From (1, 6) to (3, 2), the factors of 6; half way 2 · 4 = 8:

    >>> product_barrier(torch.tensor([[2.0]]), torch.tensor([[-4.0]]), torch.eye(1))
    tensor(4.)
    """
    require_tensors([first, second, X], "product_barrier: D_1, D_2, X")
    shapes = [tuple(x.shape) for x in (first, second, X)]
    try:
        barrier = (second @ first @ X).square().sum((-2, -1)) / 16
    except (RuntimeError, IndexError):  # they do not multiply, or some are vectors
        raise ShapeMismatch(
            "product_barrier: D_1 (..., h, n), D_2 (..., m, h) and X (..., n, k) multiply, got "
            "{}, {} and {}".format(*shapes)
        ) from None
    if not barrier.isfinite().all():
        raise OutOfDomain(f"product_barrier: the barrier overflows {barrier.dtype}")
    return barrier


def component_distance(A: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch"]:
    """Return the distance between the two components of {(W_1, W_2) : W_2W_1 = A}.

    √(8 σ), σ the smallest singular value of A (ours). On the segment between two points
    the product is A − α(1−α) D_2D_1. If their components differ, it is singular somewhere,
    so σ ≤ ¼ ‖D_2D_1‖₂ ≤ ⅛ (‖D_1‖² + ‖D_2‖²). Changing the sign of the last neuron of the
    balanced factors of A attains it.

    Args:
        A: invertible matrices, shape (..., n, n).

    Returns:
        Lengths, shape (...).

    Raises:
        ShapeMismatch: A is not square.
        OutOfDomain: some A is singular: then there are not two components.

    The branches of W_2W_1 = 2 are nearest at (√2, √2) and (−√2, −√2):

    >>> component_distance(torch.tensor([[2.0]]))
    tensor(4.)
    """
    require_tensors([A], "component_distance: A")
    if A.ndim < 2 or A.shape[-1] != A.shape[-2] or A.shape[-1] == 0:
        raise ShapeMismatch(f"component_distance: A is square, got {tuple(A.shape)}")
    smallest = torch.linalg.svdvals(A)[..., -1]
    if not (smallest > 0).all():
        raise OutOfDomain("component_distance: A is invertible, got a singular value 0")
    return (8 * smallest).sqrt()


def balanced_distance_squared(nuclear: Number, c: Number) -> Result:
    """Return the squared distance from c·(U, V) to S = {W_1W_2 = A}, for balanced U, V.

    Balanced means UV = A and UᵀU = VVᵀ. It is ‖A‖_* · (c² − 2) for c ≥ 2 and
    ‖A‖_* · 2(c − 1)² for 1 ≤ c ≤ 2 (Proposition 5.5; the closed form is ours, for every A
    of any shape and rank; `midpoint_distance_squared` is the case U = V = I_n).

    Args:
        nuclear: ‖A‖_* ≥ 0, the sum of the singular values of A.
        c: scale ≥ 1, from `midpoint_scale`.

    Returns:
        A squared length.

    Raises:
        OutOfDomain: an argument outside these ranges, or the value overflows.

    >>> balanced_distance_squared(5, 3)
    35.0
    """
    given = Arguments.of("balanced_distance_squared", nuclear=nuclear, c=c)
    nuclear, c = given
    given.require(nuclear >= 0, "nuclear ≥ 0")
    given.require(c >= 1, "c ≥ 1")
    return given.result(nuclear * torch.where(c < 2, 2 * (c - 1) ** 2, c**2 - 2))


def product_distance_bound(
    M1: Float[Tensor, "m h"], M2: Float[Tensor, "h n"], A: Float[Tensor, "m n"]
) -> Float[Tensor, ""]:
    """Return a number that the distance from (M_1, M_2) to {W_1W_2 = A} does not go below.

    Let A = Σ σ_i a_i b_iᵀ. For a point of the set, r_i = W_1ᵀa_i and s_i = W_2b_i have
    r_i · s_i = σ_i, and the a_i and b_i are orthonormal, so the squared distance is at
    least the sum over i of that from (M_1ᵀa_i, M_2b_i) to {r · s = σ_i}. With P, Q = the sum
    and the difference of the two, over √2, that is at least the maximum over λ in [−1, 1]
    of λ‖P‖²/(1+λ) − λ‖Q‖²/(1−λ) − 2λσ_i, by Lagrange duality (ours). It is exact at the
    points of `balanced_distance_squared`.

    Args:
        M1: shape (m, h).
        M2: shape (h, n).
        A: shape (m, n).

    Returns:
        A length ≥ 0, a tensor of one entry.

    Raises:
        ShapeMismatch: the shapes do not fit.
        OutOfDomain: the bound overflows.

    >>> three = 3 * torch.eye(2)
    >>> round(float(product_distance_bound(three, three, torch.eye(2)).square()), 4)  # 2 (3² − 2)
    14.0
    """
    require_tensors([M1, M2, A], "product_distance_bound: M_1, M_2, A")
    shapes = [tuple(x.shape) for x in (M1, M2, A)]
    if any(len(s) != 2 for s in shapes) or shapes != [
        (A.shape[0], M1.shape[1]),
        (M1.shape[1], A.shape[1]),
        shapes[2],
    ]:
        raise ShapeMismatch(
            f"product_distance_bound: M_1 (m, h), M_2 (h, n) and A (m, n), got {shapes}"
        )
    M1, M2, A, unit = _in_units(M1, M2, A)
    a, sigma, bt = torch.linalg.svd(A, full_matrices=False)
    r, s = M1.mT @ a, M2 @ bt.mT
    plus, minus = (x.square().sum(0) / 2 for x in (r + s, r - s))
    low, high = -torch.ones_like(sigma), torch.ones_like(sigma)
    for _ in range(HALVINGS):
        lam = (low + high) / 2
        rising = plus / (1 + lam) ** 2 - minus / (1 - lam) ** 2 > 2 * sigma
        low, high = torch.where(rising, lam, low), torch.where(rising, high, lam)
    values = torch.stack([_dual(x, plus, minus, sigma) for x in (low, high)])
    bound = values.amax(0).clamp(min=0).sum().sqrt() * unit
    if not bound.isfinite():
        raise OutOfDomain(f"product_distance_bound: the bound overflows {bound.dtype}")
    return bound


def _in_units(M1: Tensor, M2: Tensor, A: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | int]:
    """Return M_1/u, M_2/u, A/u² and u, a power of two; 1 where no square leaves the dtype."""
    sizes = [x.detach().abs().amax() if x.numel() else x.new_zeros(()) for x in (M1, M2, A)]
    size = torch.stack([*sizes[:2], sizes[2].sqrt()]).amax()
    limit = torch.finfo(A.dtype).max ** 0.25
    if size == 0 or 1 / limit < size < limit:
        return M1, M2, A, 1
    unit = power_of_two(size)
    return M1 / unit, M2 / unit, A / unit / unit, unit


def _dual(lam: Tensor, plus: Tensor, minus: Tensor, sigma: Tensor) -> Tensor:
    """Return the dual function, −∞ at λ = ±1 unless the term there is absent."""
    first = torch.where(plus > 0, lam * plus / (1 + lam), 0)
    second = torch.where(minus > 0, lam * minus / (1 - lam), 0)
    return first - second - 2 * lam * sigma
