"""Chapters 1, 2, 4b and 5: paths found by training, curves of low loss and a band in the valley."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lab.progress import progress
from lab.training import descent, parts
from mc_lib.checks import all_finite
from mc_lib.curves import Curve, PolygonalChain, QuadraticBezier
from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.networks import Network
from mc_lib.points import (
    Point,
    from_vector,
    leaves,
    lerp,
    require_point,
    require_same_tree,
    to_vector,
)


@dataclass(frozen=True)
class Descent:
    """How the control points of a path are trained.

    Args:
        steps: how many steps, ≥ 1.
        rate: the learning rate > 0.
        momentum: in [0, 1).
        batch: columns in a mini-batch; None takes all.

    Raises:
        OutOfDomain: a number outside its range.

    >>> Descent(steps=100, rate=0.1).momentum
    0.0
    """

    steps: int
    rate: float
    momentum: float = 0.0
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.rate < math.inf or not 0 <= self.momentum < 1:
            raise OutOfDomain(f"expected steps ≥ 1, rate > 0 and momentum in [0, 1), got {self}")
        if self.batch is not None and self.batch < 1:
            raise OutOfDomain(f"a mini-batch has one column or more, got {self.batch}")


@dataclass(frozen=True, eq=False)
class TrainedPath:
    """A path between two given points, and the loss while it was trained.

    Args:
        curve: the path; its ends are the given points to the last bit.
        losses: the mean loss over the points that were drawn in each step.
        gradients: how many gradients of the loss at one point were taken.
    """

    curve: Curve
    losses: Float[Tensor, " steps"]
    gradients: int


def train_bezier(
    net: Network, u: Point, v: Point, how: Descent, generator: torch.Generator
) -> TrainedPath:
    """Return a quadratic Bézier curve from u to v whose bend is trained to low loss.

    Stochastic descent on b ↦ E L(γ_b(t)), t uniform in [0, 1] and new in each step, from
    the midpoint of u and v (Garipov et al. 2018).

    Args:
        net: gives the loss.
        u: the start.
        v: the end.
        how: the settings.
        generator: the source of t and of the mini-batches.

    Returns:
        The curve, and the loss of each step.

    Raises:
        NotFinite: the training diverged.
        McLibError: u and v are not points of the network.

    >>> one = torch.eye(1)
    >>> from mc_lib.networks import DeepLinear
    >>> net, u, v = DeepLinear(one, one, (1,)), (one, one), (-one, -one)
    >>> train_bezier(net, u, v, Descent(3, 0.1), torch.Generator()).curve(1.0) == v
    True
    """
    _require_ends(net, u, v)
    middle = to_vector(lerp(u, v, torch.tensor(0.5)))[None]
    return _train(net, u, v, middle, lambda bends: QuadraticBezier(u, bends[0], v), how, generator)


def train_chain(
    net: Network,
    u: Point,
    v: Point,
    how: Descent,
    generator: torch.Generator,
    *,
    bends: int = 1,
) -> TrainedPath:
    """Return a chain of segments from u to v whose corners are trained to low loss.

    As `train_bezier`; the corners start at equal distances on the segment. One corner is
    the polygonal chain of Garipov et al. (2018).

    Args:
        net: gives the loss.
        u: the start.
        v: the end.
        how: the settings.
        generator: the source of t and of the mini-batches.
        bends: the number of corners, ≥ 1.

    Returns:
        The curve, and the loss of each step.

    Raises:
        OutOfDomain: no corner.
        NotFinite: the training diverged.
        McLibError: u and v are not points of the network.

    >>> one = torch.eye(1)
    >>> from mc_lib.networks import DeepLinear
    >>> net, u, v = DeepLinear(one, one, (1,)), (one, one), (-one, -one)
    >>> train_chain(net, u, v, Descent(3, 0.1), torch.Generator(), bends=3).curve.breakpoints
    (0.25, 0.5, 0.75)
    """
    if bends < 1:
        raise OutOfDomain(f"a chain to train has one corner or more, got {bends}")
    _require_ends(net, u, v)
    return _train(
        net,
        u,
        v,
        _between(u, v, bends),
        lambda corners: PolygonalChain([u, *corners, v]),
        how,
        generator,
    )


def elastic_band(
    net: Network,
    u: Point,
    v: Point,
    how: Descent,
    generator: torch.Generator,
    *,
    pivots: int = 9,
) -> TrainedPath:
    """Return a chain from u to v that was pulled sideways into the valley.

    Each pivot p moves against the part of ∇L(p) that is orthogonal to the band, so that it
    does not slide towards the ends; then all pivots are spread again at equal distances
    along the band, as by very stiff springs. The direction of the band at p is that of its
    neighbour of higher loss. This is the nudged elastic band of Draxler et al. (2018), with
    a fixed number of pivots.

    Args:
        net: gives the loss.
        u: the start.
        v: the end.
        how: the settings.
        generator: the source of the mini-batches.
        pivots: how many points lie between the ends, ≥ 1.

    Returns:
        The chain through the pivots, and the mean loss of the pivots at each step.

    Raises:
        OutOfDomain: no pivot.
        NotFinite: the training diverged.
        McLibError: u and v are not points of the network.

    >>> one = torch.eye(1)
    >>> from mc_lib.networks import DeepLinear
    >>> net, u, v = DeepLinear(one, one, (1,)), (one, 0 * one), (0 * one, one)
    >>> band = elastic_band(net, u, v, Descent(200, 0.1), torch.Generator(), pivots=1)
    >>> [round(float(x), 1) for x in band.curve(0.5)]
    [1.0, 1.0]
    """
    if pivots < 1:
        raise OutOfDomain(f"a band has one pivot or more, got {pivots}")
    _require_ends(net, u, v)
    band = torch.cat([to_vector(u)[None], _between(u, v, pivots), to_vector(v)[None]])
    speed = torch.zeros_like(band[1:-1])
    losses: list[Tensor] = []
    for part in _parts(net, how, generator, "the elastic band"):
        heights, slope = _slope(part, band, u)
        slope = slope[1:-1] - _along(band, heights, slope[1:-1])
        speed = how.momentum * speed + slope
        losses.append(_finite(heights[1:-1].mean(), len(losses), how.rate))
        moved = torch.cat([band[:1], band[1:-1] - how.rate * speed, band[-1:]])
        band = _spread(moved)
    corners = [from_vector(p, u) for p in band[1:-1]]
    return TrainedPath(PolygonalChain([u, *corners, v]), torch.stack(losses), how.steps * pivots)


def _train(
    net: Network,
    u: Point,
    v: Point,
    start: Tensor,
    build: Callable[[list[Point]], Curve],
    how: Descent,
    generator: torch.Generator,
) -> TrainedPath:
    bends = start.clone().requires_grad_()
    descend = descent([bends], how.rate, how.momentum)
    losses: list[Tensor] = []
    for part in _parts(net, how, generator, "the curve"):
        t = torch.rand(1, generator=generator, dtype=bends.dtype, device=generator.device)
        curve = build([from_vector(b, u) for b in bends])
        loss = part.loss(curve(t)).mean()
        losses.append(_finite(loss.detach(), len(losses), how.rate))
        descend(loss)
    found = build([from_vector(b, u) for b in bends.detach()])
    return TrainedPath(found, torch.stack(losses), how.steps)


def _require_ends(net: Network, u: Point, v: Point) -> None:
    for point in (u, v):
        require_point(point)
        net.loss(point)  # refuses what is no point of the network
    require_same_tree(u, v)


def _between(u: Point, v: Point, n: int) -> Tensor:
    """Return n points at equal distances inside the segment, as rows."""
    like = leaves(u)[0]
    t = torch.linspace(0, 1, n + 2, dtype=like.dtype, device=like.device)
    return to_vector(lerp(u, v, t[1:-1]), 1)


def _parts(net: Network, how: Descent, generator: torch.Generator, what: str) -> Iterator[Network]:
    yield from progress(parts(net, how.steps, how.batch, generator), what, how.steps)


def _slope(net: Network, band: Tensor, like: Point) -> tuple[Tensor, Tensor]:
    """Return the losses of the rows of a band, and their gradients."""
    points = band.clone().requires_grad_()
    heights = net.loss(from_vector(points, like))
    (slope,) = torch.autograd.grad(heights.sum(), points)
    return heights.detach(), slope


def _along(band: Tensor, heights: Tensor, slope: Tensor) -> Tensor:
    """Return the part of each slope that points along the band."""
    ahead, behind = band[2:] - band[1:-1], band[1:-1] - band[:-2]
    tangent = torch.where((heights[2:] > heights[:-2])[:, None], ahead, behind)
    return (slope * tangent).sum(1, keepdim=True) * tangent / tangent.square().sum(1, keepdim=True)


def _spread(band: Tensor) -> Tensor:
    """Return points at equal distances along the chain through the rows, ends kept."""
    lengths = torch.linalg.vector_norm(band.diff(dim=0), dim=1).cumsum(0)
    at = torch.cat([lengths.new_zeros(1), lengths])
    want = torch.linspace(0, 1, len(band), dtype=band.dtype, device=band.device)[1:-1] * at[-1]
    piece = (torch.searchsorted(at, want, right=True) - 1).clamp(max=len(band) - 2)
    share = ((want - at[piece]) / (at[piece + 1] - at[piece]))[:, None]
    inner = (1 - share) * band[piece] + share * band[piece + 1]
    return torch.cat([band[:1], inner, band[-1:]])


def _finite(loss: Tensor, step: int, rate: float) -> Tensor:
    if not all_finite(loss):
        raise NotFinite(f"the path diverged in {step} steps: the rate {rate} is too large")
    return loss
