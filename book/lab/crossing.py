"""Chapter 4: the passage of Proposition 4.3 from W_1 > 0 to W_1 < 0, without its proof."""

import torch

from mc_lib.curves import Curve
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.networks import ResidualLinear, Weights

HALVINGS = 60  # of the interval of times: down to the rounding of t


def crossing(curve: Curve) -> Weights:
    """Return the point of a curve of 1 × 1 weights at which W_1 changes its sign.

    By bisection in t ∈ [0, 1]; if the sign changes more than once, one of the points.

    Args:
        curve: W_1 of shape 1 × 1, of opposite signs at t = 0 and t = 1.

    Returns:
        The weights there, unbatched.

    Raises:
        ShapeMismatch: W_1 is not 1 × 1.
        OutOfDomain: W_1 does not change its sign between the ends.

    >>> from mc_lib.curves import Line
    >>> one = torch.eye(1)
    >>> w1, w2 = crossing(Line((-one, one), (3 * one, 5 * one)))  # at t = 1/4
    >>> abs(float(w1)) < 1e-15, float(w2)
    (True, 2.0)
    """
    ends = [curve(t)[0] for t in (0.0, 1.0)]
    if ends[0].shape != (1, 1):
        raise ShapeMismatch(f"expected W_1 of shape (1, 1), got {tuple(ends[0].shape)}")
    first, last = (float(w) for w in ends)
    if first * last >= 0:
        raise OutOfDomain(f"W_1 does not change its sign: {first:.3g} and {last:.3g} at the ends")
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(curve(middle)[0]) * first > 0:
            low = middle
        else:
            high = middle
    return curve(high)


def forbidden_gap(net: ResidualLinear, points: int = 2001) -> float:
    """Return the distance of the two branches of W_2 W_1 = −ε, the ends of the passage.

    Between them, in the plane of (W_1, W_2), lies the component that holds W_1 = 0; on them
    the minimum has no points. Measured as the least distance of sampled points; the exact
    value is 2√(2|ε|).

    Args:
        net: a network with one hidden neuron and X of one row; ε ≠ 0.
        points: on each branch, logarithmically spaced about |W_1| = √|ε|, 3 or more.

    Returns:
        The distance.

    Raises:
        ShapeMismatch: the network is not of size 1 × 1.
        OutOfDomain: ε = 0, or too few points.

    >>> one = torch.eye(1)
    >>> round(forbidden_gap(ResidualLinear(one, one, hidden=1, epsilon=2.0)), 6)
    4.0
    """
    if net.hidden != 1 or net.X.shape[0] != 1:
        raise ShapeMismatch(
            f"expected weights of shape 1 × 1, got X of {net.X.shape[0]} rows and "
            f"{net.hidden} hidden neurons"
        )
    if net.epsilon == 0 or points < 3:
        raise OutOfDomain(
            f"expected ε ≠ 0 and 3 points or more, got {net.epsilon} and {points}: for ε = 0 "
            "the branches meet"
        )
    root = abs(net.epsilon) ** 0.5
    w1 = torch.logspace(-1, 1, points, dtype=net.X.dtype, device=net.X.device) * root
    branch = torch.stack([w1, -net.epsilon / w1], -1)
    return float(torch.cdist(branch, -branch).min())
