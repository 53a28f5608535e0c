"""Segments between points of one orbit: how far they leave it (Section 5.3, Prop 6.1)."""

import torch
from torch import Tensor

from mc_lib.bounds.formula import Arguments, Number, Result
from mc_lib.bounds.rescaling import peak, segment_loss
from mc_lib.errors import OutOfDomain


def orbit_interval(
    norm_in: Number, norm_out: Number, k: Number, c: Number
) -> tuple[Result, Result]:
    """Return the rescalings that keep both weights shorter than c (Proposition 5.6).

    ‖mW_{l-1}‖ < c and ‖m⁻ᵏW_l‖ < c exactly for (‖W_l‖/c)^{1/k} < m < c/‖W_{l-1}‖.

    Args:
        norm_in: ‖W_{l-1}‖ > 0.
        norm_out: ‖W_l‖ > 0.
        k: degree > 0 of the activation.
        c: the bound > 0 on the norms.

    Returns:
        The ends of the open interval of m, both > 0.

    Raises:
        OutOfDomain: an argument outside these ranges, an empty interval, or an end that
            under- or overflows.

    >>> orbit_interval(1, 2, 1, 4)
    (0.5, 4.0)
    """
    given = Arguments.of("orbit_interval", norm_in=norm_in, norm_out=norm_out, k=k, c=c)
    low, high = torch.broadcast_tensors(*_ends(given))
    return given.result(low), given.result(high)


def orbit_barrier_bound(
    norm_in: Number, norm_out: Number, k: Number, c: Number, Y_norm: Number
) -> Result:
    """Return the supremum of the loss on segments between W and its orbit in the ball of c.

    The supremum of (14) over α in [0, 1] and m in `orbit_interval` (Proposition 5.6). At
    every α the loss grows with |log m| on either side of m = 1, so the supremum is the
    larger of the two `rescaling_barrier`s at the ends of the interval.

    Args:
        norm_in: ‖W_{l-1}‖ > 0.
        norm_out: ‖W_l‖ > 0.
        k: degree > 0 of the activation.
        c: the bound > 0 on the norms of the rescaled weights.
        Y_norm: ‖Y‖ ≥ 0.

    Returns:
        A sum of squares; the loss stays below it, and comes as near as one likes.

    Raises:
        OutOfDomain: as `orbit_interval` and `rescaling_loss`.

    >>> round(orbit_barrier_bound(1, 1, 1, 2, 8), 12)  # m in (1/2, 2): the barrier at 2
    1.0
    """
    given = Arguments.of(
        "orbit_barrier_bound", norm_in=norm_in, norm_out=norm_out, k=k, c=c, Y_norm=Y_norm
    )
    low, high = _ends(given)
    k, y = given.values["k"], given.values["Y_norm"]
    given.require(y >= 0, "Y_norm ≥ 0")
    heights = [segment_loss(m, k, peak(m, k), y) for m in (low, high)]
    return given.result(torch.maximum(*heights))


def _ends(given: Arguments) -> tuple[Tensor, Tensor]:
    norm_in, norm_out, k, c = (given.values[a] for a in ("norm_in", "norm_out", "k", "c"))
    for name in ("norm_in", "norm_out", "k", "c"):
        given.require(given.values[name] > 0, f"{name} > 0")
    low, high = (norm_out / c) ** (1 / k), c / norm_in
    given.require(low > 0, "(norm_out/c)^(1/k) above the smallest positive number")
    given.require(high.isfinite(), "c/norm_in below the largest number")
    given.require(low < high, "(norm_out/c)^(1/k) < c/norm_in (else no m keeps both below c)")
    return low, high


def midpoint_scale(beta: Number) -> Result:
    """Return c = (β + 1/β)/2, the scale of the midpoint of two points of one orbit.

    The middle of (W_1 g⁻¹, g W_2) at g = βI and at g = I/β is (c W_1, c W_2)
    (Proposition 5.5).

    Args:
        beta: β > 0.

    Returns:
        c ≥ 1.

    Raises:
        OutOfDomain: β ≤ 0, or c overflows.

    >>> midpoint_scale(2)
    1.25
    """
    given = Arguments.of("midpoint_scale", beta=beta)
    (beta,) = given
    given.require(beta > 0, "beta > 0")
    return given.result((beta + 1 / beta) / 2)


def midpoint_distance_squared(c: Number, n: int) -> Result:
    """Return the squared distance from (cI, cI) to S = {(W_1, W_2) : W_1W_2 = I_n}.

    2n(c−1)² for 1 ≤ c ≤ 2 and n(c²−2) for c ≥ 2, which is unbounded (Proposition 5.5 at
    W_1 = W_2 = I; the closed form is ours). Let a_i be the singular values of W_1. Since
    tr W ≤ Σ a_i and tr W⁻¹ ≤ Σ 1/a_i, the squared distance to (W, W⁻¹) is at least
    Σ (c−a_i)² + (c−1/a_i)² = Σ (t_i−c)² + c² − 2 with t_i = a_i + 1/a_i ≥ 2, least at
    t_i = max(c, 2), and W = diag(a_i) attains it.

    Args:
        c: scale ≥ 1, from `midpoint_scale`.
        n: size ≥ 1 of the matrices.

    Returns:
        A squared length.

    Raises:
        OutOfDomain: c < 1, n not a positive integer, or the value overflows.

    >>> midpoint_distance_squared(3, 2), midpoint_distance_squared(2, 1)
    (14.0, 2.0)
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise OutOfDomain(f"midpoint_distance_squared needs an integer n ≥ 1, got n = {n!r}")
    given = Arguments.of("midpoint_distance_squared", c=c, n=n)
    c, size = given
    given.require(c >= 1, "c ≥ 1")
    return given.result(size * torch.where(c < 2, 2 * (c - 1) ** 2, c**2 - 2))
