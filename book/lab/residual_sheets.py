"""Chapter 4: Figure 1(b), the components of the 1 × 1 residual network's minimum."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mc_lib.errors import OutOfDomain
from mc_lib.minima.residual import component, is_scalar
from mc_lib.minima.zero_loss import attainable_map
from mc_lib.networks import ResidualLinear, Weights


def residual_sheets(
    net: ResidualLinear, extent: float, height: float, points: int
) -> tuple[Weights, Int[Tensor, "3 2"]]:
    """Return a grid on each of the three components of the minimum of Proposition 4.3.

    The minimum is the graph of W_3 = A/M over the plane of (W_1, W_2), M = ε + W_2 W_1,
    A = Y/X. With p, q = (W_1 ± W_2)/√2, say for ε > 0, M is ε + (p² − q²)/2: the component
    that S_0 joins lies between the two branches of the hyperbola M = 0, the other two
    behind them. A grid runs along p and across, up to where |W_3| reaches the height.

    Args:
        net: a network with X, Y of size 1 × 1, one hidden neuron and ε ≠ 0.
        extent: |p| and the distance behind the hyperbola run up to this, positive.
        height: the largest |W_3|, more than |A/ε|.
        points: number of values on each axis, at least 2.

    Returns:
        The weights, each of shape (3, p, p, 1, 1), and the component of each sheet.

    Raises:
        OutOfDomain: another network, or an argument out of its range.
        RankDeficient: Y = 0.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, one, hidden=1, epsilon=1.0)
    >>> w, signs = residual_sheets(net, extent=2.0, height=8.0, points=5)
    >>> w[0].shape, signs.tolist()
    (torch.Size([3, 5, 5, 1, 1]), [[1, 0], [-1, 1], [-1, -1]])
    """
    if not is_scalar(net) or net.epsilon == 0:
        raise OutOfDomain("expected 1 × 1 weights and ε ≠ 0: with ε = 0 draw `sheets` instead")
    size, a = abs(net.epsilon), float(attainable_map(net))
    if not (0 < extent < float("inf") and abs(a) / size < height < float("inf") and points >= 2):
        raise OutOfDomain(
            f"expected extent > 0, height > |A/ε| = {abs(a) / size:.3g} and points ≥ 2, "
            f"got {extent}, {height} and {points}"
        )
    least = abs(a) / height  # of |M|
    kind: Any = {"dtype": net.X.dtype, "device": net.X.device}
    p = torch.linspace(-extent, extent, points, **kind)[:, None]
    between = torch.linspace(-1, 1, points, **kind) * (2 * (size - least) + p**2).sqrt()
    behind = torch.linspace(0, extent, points, **kind).square()
    behind = (2 * (size + least) + p**2 + behind).sqrt()
    q = torch.stack([between, behind, -behind])
    sign = 1.0 if net.epsilon > 0 else -1.0
    w1, w2 = (p + q) / 2**0.5, sign * (p - q) / 2**0.5
    w = tuple(x[..., None, None] for x in (w1, w2, a / (net.epsilon + w2 * w1)))
    return w, component(net, w).flatten(1, 2)[:, 0]
