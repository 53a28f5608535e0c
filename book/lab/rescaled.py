"""Chapters 5, 5a and 5b: a minimum, its rescalings, and the segments between them (Section 5.2)."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.curves import Line, RescalingCurve
from mc_lib.errors import NotAMinimum, OutOfDomain, ShapeMismatch
from mc_lib.landscape import loss_along
from mc_lib.networks import DeepLinear, HomogeneousNet, Weights
from mc_lib.points import require_point


def fit_last(net: HomogeneousNet, w: Weights) -> Weights:
    """Return the zero-loss point (W_1, ..., W_{l-1}, W_l') nearest to w.

    W_l' = W_l + (Y − W_lH) H⁺ with H what the last hidden layer makes of the data: the
    shortest change of the last weight that fits all data. There is one if every row of Y
    is a combination of the rows of H, as when H has full column rank.

    Args:
        net: the network.
        w: weights, batched or not.

    Returns:
        The weights.

    Raises:
        NotAMinimum: no last weight reaches zero loss.
        McLibError: as `net.require_weights`.

    >>> net = HomogeneousNet(torch.eye(1), 6 * torch.eye(1), (1,))
    >>> fit_last(net, (2 * torch.eye(1), torch.eye(1)))[1]
    tensor([[3.]])
    """
    net.require_weights(w)
    tol = tolerance(net.X.dtype)
    h = net.hidden(w[:-1])[-1]
    last = w[-1]
    for _ in range(2):  # the second round removes the rounding of the first
        last = last + (net.Y - last @ h) @ torch.linalg.pinv(h, rtol=tol.rank)
    fitted = (*w[:-1], last)
    loss, zero = net.loss(fitted), float(tol.zero_loss * net.Y.square().sum())
    if (loss > zero).any():
        raise NotAMinimum(
            f"the best last weight leaves the loss {float(loss.max()):.3g}, above {zero:.3g} = "
            f"{tol.zero_loss:.3g} ‖Y‖²: the last hidden layer, {tuple(h.shape[-2:])}, cannot "
            "express Y"
        )
    return fitted


def planted_minimum(
    generator: torch.Generator,
    sizes: tuple[int, ...],
    columns: int,
    *,
    degree: float = 1.0,
    slope: float = 0.125,
) -> tuple[HomogeneousNet, Weights]:
    """Return a random network and a minimum of it: it fits what it computes.

    X and all weights are normal; Y is the output, with the last weight scaled such that
    ‖Y‖ = 1.

    Args:
        generator: the source of randomness.
        sizes: the widths of all layers, input and output too.
        columns: how many data points.
        degree: of the activation.
        slope: of the activation.

    Returns:
        The network and the minimum.

    Raises:
        OutOfDomain: fewer than three sizes.

    >>> net, w = planted_minimum(torch.Generator(), (4, 6, 2), 3)
    >>> float(net.loss(w)), round(float(net.Y.norm()), 12)
    (0.0, 1.0)
    """
    if len(sizes) < 3:
        raise OutOfDomain(f"sizes: input, one hidden layer or more, output; got {sizes}")
    x = torch.randn(sizes[0], columns, generator=generator, device=generator.device)
    net = HomogeneousNet(x, x.new_ones(sizes[-1], columns), sizes[1:-1], degree, slope)
    *inner, last = net.random(generator)
    w = (*inner, last / net.output((*inner, last)).norm())
    return replace(net, Y=net.output(w)), w


def largest_rescaling_barrier(
    net: HomogeneousNet, w: Weights, low: float, high: float, *, factors: int = 21
) -> float:
    """Return the largest loss found on segments from w to its rescalings (Proposition 5.6).

    A search that knows no formula: for factors m spread evenly over (log low, log high),
    the ends left out by a thousandth, the loss at 101 places of the segment.

    Args:
        net: the network, whose degree is that of the rescalings.
        w: a point, unbatched.
        low: m is above this, > 0.
        high: m is below this.
        factors: how many m.

    Returns:
        A loss, not above the largest barrier.

    Raises:
        OutOfDomain: not 0 < low < high, or factors < 2.
        McLibError: as `RescalingCurve` and `loss_along`.

    >>> net, w = planted_minimum(torch.Generator(), (4, 6, 2), 3)
    >>> largest_rescaling_barrier(net, w, 0.5, 2.0) < ((2 + 1 / 2 - 2) / 4) ** 2
    True
    """
    if not 0 < low < high or factors < 2:
        raise OutOfDomain(
            f"expected 0 < low < high and factors ≥ 2, got {low}, {high} and {factors}"
        )
    heights = []
    alpha = torch.linspace(0, 1, 101, dtype=w[0].dtype, device=w[0].device)
    for x in torch.linspace(0.001, 0.999, factors, dtype=torch.float64):
        m = float(low * (high / low) ** x)
        line = Line(w, RescalingCurve(w, m, net.degree)(1.0))
        heights.append(float(loss_along(line, net.loss, alpha).max()))
    return max(heights)


@dataclass(frozen=True)
class RescalingFamily:
    """A 1 × 1 minimum W_2 W_1 = a, and the segments to its rescalings: Figure 2.

    Args:
        m: the factors, shape (r,).
        alpha: places on the segments, shape (T,).
        hyperbola: points of the branch of w, (2, T), from end to end of the widest segment.
        start: (W_1, W_2), shape (2,).
        ends: (m W_1, W_2/m), shape (r, 2).
        segment: the loss along each segment, shape (r, T).
        curve: the loss along each `RescalingCurve`, shape (r, T).
    """

    m: Float[Tensor, " r"]
    alpha: Float[Tensor, " T"]
    hyperbola: Float[Tensor, "2 T"]
    start: Float[Tensor, "2"]
    ends: Float[Tensor, "r 2"]
    segment: Float[Tensor, "r T"]
    curve: Float[Tensor, "r T"]

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays by name, to record them.

        Returns:
            One entry for each field.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}


def rescaling_family(
    net: DeepLinear, w: Weights, m: Float[Tensor, " r"], *, points: int = 101
) -> RescalingFamily:
    """Return everything that Figure 2 shows, for each of several factors m.

    Args:
        net: a linear network of two 1 × 1 weights.
        w: a minimum (W_1, W_2), unbatched.
        m: factors > 0, other than 1 at least once.
        points: how many places on each segment, ≥ 2.

    Returns:
        The arrays; in the page, a slider chooses the row.

    Raises:
        ShapeMismatch: the network is not of that form, or w or m is not.
        OutOfDomain: a factor is not positive, all are 1, or points < 2.
        McLibError: as `net.require_weights`.

    >>> one = torch.eye(1)
    >>> family = rescaling_family(DeepLinear(one, one, (1,)), (one, one), torch.tensor([3.0]))
    >>> family.segment.max(), family.ends.tolist()  # ((3 + ⅓ − 2)/4)²
    (tensor(0.1111), [[3.0, 0.3333333333333333]])
    """
    net.require_weights(w)
    require_point((m,), "m")
    if net.shapes != ((1, 1), (1, 1)) or any(x.ndim != 2 for x in w) or m.ndim != 1:
        raise ShapeMismatch(
            f"expected two 1 × 1 weights and factors (r,), got {[tuple(x.shape) for x in w]} and "
            f"{tuple(m.shape)}"
        )
    if not (m > 0).all() or (m == 1).all() or points < 2:
        raise OutOfDomain(
            f"factors m > 0, not all 1, and points ≥ 2, got m = {m.tolist()} and points = {points}"
        )
    m = m.to(w[0])
    alpha = torch.linspace(0, 1, points, dtype=m.dtype, device=m.device)
    curves = [RescalingCurve(w, float(factor)) for factor in m]
    lines = [Line(w, curve(1.0)) for curve in curves]
    reach = torch.cat([m, m.new_ones(1)])
    powers = torch.lerp(reach.min().log(), reach.max().log(), alpha).exp()
    a, b = (x.reshape(()) for x in w)
    return RescalingFamily(
        m=m,
        alpha=alpha,
        hyperbola=torch.stack([a * powers, b / powers]),
        start=torch.stack([a, b]),
        ends=torch.stack([a * m, b / m], -1),
        segment=torch.stack([loss_along(line, net.loss, alpha) for line in lines]),
        curve=torch.stack([loss_along(curve, net.loss, alpha) for curve in curves]),
    )
