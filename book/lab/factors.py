"""Chapter 5b: the pairs of factors of one matrix, S = {(W_1, W_2) : W_1W_2 = A} (5.3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor

from mc_lib.checks import numerical_rank, require_tensors, tolerance
from mc_lib.errors import OutOfDomain, RankDeficient, ShapeMismatch

SETTINGS = {"gtol": 1e-9, "maxiter": 400}
"""Of the search: the size of the derivative at which it stops, and its patience."""


@dataclass(frozen=True)
class NearestProduct:
    """The nearest point of S that was found.

    Args:
        distance: its distance, at least the distance to S.
        first: its W_1.
        second: its W_2 = W_1⁻¹A.
    """

    distance: float
    first: Float[Tensor, "n n"]
    second: Float[Tensor, "n n"]


def balanced_factors(
    A: Float[Tensor, "m n"], h: int
) -> tuple[Float[Tensor, "m h"], Float[Tensor, "h n"]]:
    """Return U, V with UV = A and UᵀU = VVᵀ, the shortest pair of factors.

    U = Q √Σ, V = √Σ Rᵀ for the singular value decomposition A = Q Σ Rᵀ, filled up with
    zeros. ‖U‖² = ‖V‖² = ‖A‖_*, the sum of the singular values.

    Args:
        A: shape (m, n).
        h: the inner width, at least the rank of A.

    Returns:
        U, shape (m, h), and V, shape (h, n).

    Raises:
        ShapeMismatch: A is not a matrix.
        RankDeficient: h is below the rank of A, judged by the tolerance of the dtype.

    >>> [float(x.abs()) for x in balanced_factors(torch.tensor([[9.0]]), 1)]
    [3.0, 3.0]
    """
    require_tensors([A], "A")
    if A.ndim != 2:
        raise ShapeMismatch(f"A is a matrix, got shape {tuple(A.shape)}")
    q, sigma, rt = torch.linalg.svd(A, full_matrices=False)
    rank = int((sigma > tolerance(A.dtype).rank * sigma.max()).sum())
    if h < rank:
        raise RankDeficient(f"A has rank {rank}: no factors of inner width {h}")
    root, size = sigma.sqrt(), min(h, len(sigma))
    u, v = A.new_zeros(A.shape[0], h), A.new_zeros(h, A.shape[1])
    u[:, :size], v[:size] = (q * root)[:, :size], (root[:, None] * rt)[:size]
    return u, v


def nearest_product(
    M1: Float[Tensor, "n n"],
    M2: Float[Tensor, "n n"],
    A: Float[Tensor, "n n"],
    generator: torch.Generator,
    *,
    starts: int = 8,
) -> NearestProduct:
    """Return the point of S = {W_1W_2 = A} nearest to (M_1, M_2) that a search finds.

    S is the graph of W_2 = W_1⁻¹A over the invertible W_1. From each start, the BFGS method
    minimises ‖W_1 − M_1‖² + ‖W_1⁻¹A − M_2‖², whose derivative by W_1 is
    2(W_1 − M_1) − 2 W_1⁻ᵀ (W_1⁻¹A − M_2) (W_1⁻¹A)ᵀ. The starts are M_1, AM_2⁻¹, the balanced
    factor of A, these with random changes of signs of the columns and with the opposite
    ones (so that both branches are tried for n = 1), and random matrices.

    Args:
        M1: shape (n, n).
        M2: shape (n, n).
        A: invertible, shape (n, n).
        generator: the source of the random starts.
        starts: how many random starts, ≥ 0, besides the nine others.

    Returns:
        The best point found: an upper bound on the distance.

    Raises:
        ShapeMismatch: not three square matrices of one size.
        RankDeficient: A is singular.
        OutOfDomain: starts < 0.

    >>> three, one = 3 * torch.eye(1), torch.eye(1)
    >>> found = nearest_product(three, three, one, torch.Generator())
    >>> round(found.distance**2, 4)  # 3² − 2
    7.0
    """
    require_tensors([M1, M2, A], "M_1, M_2, A")
    shapes = {tuple(x.shape) for x in (M1, M2, A)}
    if len(shapes) > 1 or A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ShapeMismatch(f"expected three n × n matrices, got {sorted(shapes)}")
    if starts < 0:
        raise OutOfDomain(f"starts ≥ 0 random starts, got {starts}")
    n = len(A)
    if numerical_rank(A) < n:
        raise RankDeficient("A is singular: S is not the graph over the invertible W_1")
    m1, m2, a = (x.double().numpy(force=True) for x in (M1, M2, A))
    first = balanced_factors(A, n)[0].double().numpy(force=True)
    options: dict[str, Any] = {"generator": generator, "device": generator.device}
    signs = (2 * torch.randint(2, (n,), **options) - 1).numpy(force=True)
    options["dtype"] = torch.float64
    known = [x for x in (m1, _divide(a, m2), first) if x is not None]
    trials = [*known, *(x * s for s in (signs, -signs) for x in known)]
    trials += [first @ torch.randn(n, n, **options).numpy(force=True) for _ in range(starts)]
    objective = _objective(m1, m2, a)
    best = min((_minimise(objective, x) for x in trials), key=lambda found: found[0])
    w1 = best[1].reshape(n, n)
    pair = (torch.from_numpy(x).to(A) for x in (w1, np.linalg.solve(w1, a)))
    return NearestProduct(math.sqrt(best[0]), *pair)


def _objective(m1: Any, m2: Any, a: Any) -> Callable[[Any], tuple[float, Any]]:
    def value_and_slope(x: Any) -> tuple[float, Any]:
        w1 = x.reshape(m1.shape)
        w2 = _divide(w1, a, left=True)
        if w2 is None:
            return math.inf, np.zeros_like(x)
        r1, r2 = w1 - m1, w2 - m2
        slope = 2 * r1 - 2 * np.linalg.solve(w1.T, r2 @ w2.T)
        return float((r1 * r1).sum() + (r2 * r2).sum()), slope.ravel()

    return value_and_slope


def _minimise(objective: Callable[[Any], tuple[float, Any]], start: Any) -> tuple[float, Any]:
    value = objective(start.ravel())[0]
    if not math.isfinite(value):
        return math.inf, start.ravel()
    found = minimize(objective, start.ravel(), jac=True, method="BFGS", options=SETTINGS)
    return float(found.fun), found.x


def _divide(a: Any, b: Any, left: bool = False) -> Any:
    """Return ab⁻¹, or a⁻¹b where `left`; None where that is singular."""
    try:
        return np.linalg.solve(a, b) if left else np.linalg.solve(b.T, a.T).T
    except np.linalg.LinAlgError:
        return None
