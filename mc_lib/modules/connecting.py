"""A path between two models: along their orbit where they are on one, else a trained curve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.alignment import Alignment
from mc_lib.curves import Concatenation, Curve, Line, OrbitCurve, QuadraticBezier
from mc_lib.errors import OutOfDomain
from mc_lib.groups import ComplexScaling, GeneralLinear, Orthogonal
from mc_lib.groups.discrete import DiscreteGroup
from mc_lib.groups.polar import polar_factors
from mc_lib.kinds import require_count, require_number
from mc_lib.minima import connect
from mc_lib.modules.aligning import align_models, point_of
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.losses import above_chord, loss_on, losses_of
from mc_lib.points import Point, distance, lerp, norm
from mc_lib.symmetry import Symmetry
from mc_lib.trees import named

POINTS = 9  # of the curve at which the loss is reported


@dataclass(frozen=True, eq=False)
class ModelPath:
    """A path from one model to another, which a group element has moved near it.

    Args:
        curve: in the points of the chart; `found.chart.module(curve(t))` is a model on it.
        g: takes the second model to the end of the curve, the same function.
        exact: whether the curve is one of the group, on which the function does not change.
        t: times.
        losses: there, on held-out data; empty without data.
    """

    curve: Curve
    g: tuple[Any, ...]
    exact: bool
    t: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def barrier(self) -> float:
        """The most by which a loss exceeds the line between those of the ends, 0 or more."""
        if not self.losses:
            raise OutOfDomain("a path without data has no losses: connect with data and criterion")
        t, losses = (torch.tensor(x, dtype=torch.float64) for x in (self.t, self.losses))
        return above_chord(t, losses)


@connect.register  # type: ignore[arg-type]
def connect_models(  # type: ignore[misc]
    net: FoundSymmetry,
    w0: nn.Module | Point,
    w1: nn.Module | Point,
    *,
    data: Sequence[tuple[Any, Any]] | None = None,
    criterion: Callable[[Any, Any], Tensor] | None = None,
    held_out: Sequence[tuple[Any, Any]] | None = None,
    steps: int = 400,
    rate: float = 2e-3,
    generator: torch.Generator | None = None,
) -> ModelPath:
    """Return a path of low loss between two models of one architecture.

    Where w1 = g·w0 up to rounding, permutations, signs and reflections are undone and the
    rest of g is followed to its end: two curves of one-parameter groups, first its positive
    part, then its rotation. Else w1 is aligned, by weights or by activations, whichever leaves
    the lower loss half-way, and a quadratic Bézier curve is trained from there (Garipov et al.
    2018): at each step one random time and one batch.

    Args:
        net: the symmetry of the architecture, from `find_symmetry`.
        w0: the model at which the path begins.
        w1: the other model; the path ends at the same function in another place.
        data: pairs of inputs and targets, for training; not needed on one orbit.
        criterion: of outputs and targets.
        held_out: pairs on which the losses are measured; None for `data`.
        steps: of Adam.
        rate: its first step size, which falls as a cosine.
        generator: of the times and the order of the batches; None for a fixed one.

    Returns:
        The path, with losses at 9 times where there are data.

    Raises:
        OutOfDomain: the two are on different orbits and there are no data or no criterion.
        McLibError: as `align_models`.

    >>> from mc_lib.modules import find_symmetry
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    >>> found = find_symmetry(model, (torch.ones(1, 2, dtype=torch.float64),))
    >>> g = found.symmetry.group.sample(torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> u = found.chart.point(model)
    >>> path = connect(found, u, found.symmetry.act(g, u))
    >>> y = found.chart.module(path.curve(0.5))(torch.ones(1, 2, dtype=torch.float64))
    >>> path.exact, torch.allclose(y, model(torch.ones(1, 2, dtype=torch.float64)))
    (True, True)
    """
    require_count(steps, "the number of steps")
    require_number(rate, "the step size")
    a, b = point_of(net.chart, w0), point_of(net.chart, w1)
    by_weights = align_models(net, a, b)
    near = torch.finfo(next(iter(named(a).values())).dtype).eps ** 0.5
    if float(distance(a, by_weights.moved)) <= near * float(norm(a)):
        curve, d = _orbit(net.symmetry, a, by_weights)
        return _path(net, curve, d, True, data if held_out is None else held_out, criterion)
    if data is None or criterion is None:
        raise OutOfDomain(
            "the two models are not on one orbit: to train a curve between them, connect needs "
            "data (pairs of inputs and targets) and a criterion"
        )
    losses = losses_of(net.chart, data, criterion)
    ways = [by_weights, align_models(net, a, b, by="activations", data=data)]
    with torch.no_grad():
        halves = [float(losses[0](lerp(a, x.moved, 0.5))) for x in ways]
    chosen = ways[halves.index(min(halves))]
    order = torch.Generator() if generator is None else generator
    curve = _trained(a, chosen.moved, losses, steps, rate, order)
    return _path(net, curve, chosen.g, False, data if held_out is None else held_out, criterion)


def _path(
    net: FoundSymmetry, curve: Curve, g: tuple[Any, ...], exact: bool, data: Any, criterion: Any
) -> ModelPath:
    if data is None or criterion is None:
        return ModelPath(curve, g, exact, (), ())
    loss, times = loss_on(net.chart, data, criterion), torch.linspace(0, 1, POINTS)
    with torch.no_grad():
        found = [float(loss(curve(float(t)))) for t in times]
    return ModelPath(curve, g, exact, tuple(times.tolist()), tuple(found))


def _trained(
    a: Point,
    b: Point,
    losses: Sequence[Callable[[Point], Tensor]],
    steps: int,
    rate: float,
    order: torch.Generator,
) -> Curve:
    """Return the Bézier curve whose bend has been trained at random times."""
    bend = {k: x.clone().requires_grad_() for k, x in named(lerp(a, b, 0.5)).items()}
    adam = torch.optim.Adam(bend.values(), lr=rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    ends = (dict(named(a)), dict(named(b)))
    for _ in range(steps):
        t = float(torch.rand((), generator=order))
        which = int(torch.randint(len(losses), (), generator=order))
        adam.zero_grad()
        losses[which](QuadraticBezier(ends[0], bend, ends[1])(t)).backward()
        adam.step()
        falling.step()
    return QuadraticBezier(ends[0], {k: x.detach() for k, x in bend.items()}, ends[1])


def _orbit(symmetry: Symmetry, a: Point, found: Alignment) -> tuple[Curve, tuple[Any, ...]]:
    """Return the curve from a to d·w1 on its orbit, and d, for g·w1 = a.

    With y = g⁻¹, so that w1 = y·a, and d the inverse of the permutations in y, together with
    reflections where a determinant is negative, d·y is in the identity component.
    """
    group = symmetry.group
    like = next(iter(named(a).values()))
    e = group.identity(dtype=like.dtype, device=like.device)
    if group.dimension == 0:
        return Line(a, a), found.g
    y = group.inverse(found.g)
    discrete = [isinstance(x, DiscreteGroup) for x in group.factors]
    turned = tuple(x if here else z for x, z, here in zip(y, e, discrete, strict=True))
    d = group.inverse(turned)
    c = group.compose(d, y)
    signs = tuple(
        x if here else _reflection(factor, z)
        for factor, x, z, here in zip(group.factors, e, c, discrete, strict=True)
    )
    d, c = group.compose(signs, d), group.compose(signs, c)
    parts = [_polar(factor, x) for factor, x in zip(group.factors, c, strict=True)]
    positive, rotation = (tuple(x[i] for x in parts) for i in (1, 0))
    first = OrbitCurve.between(symmetry, positive, a)
    second = OrbitCurve.between(symmetry, rotation, symmetry.act(positive, a))
    return Concatenation([first, second]), d


def _reflection(factor: Any, g: Tensor) -> Tensor:
    """Return the identity where an element is in its component, else a reflection."""
    e = factor.identity(tuple(g.shape[: g.ndim - len(factor.element_shape)]), dtype=g.dtype)
    e = e.to(g.device)
    if not isinstance(factor, GeneralLinear | Orthogonal):
        return e
    v = torch.zeros(factor.n, dtype=g.dtype, device=g.device)
    v[0] = 1.0
    if factor.n > 1 and not bool(
        factor.contains(torch.eye(factor.n).to(g) - 2 * torch.outer(v, v))
    ):
        v[0], v[1] = 0.5**0.5, -(0.5**0.5)  # keeps the vector 1
    flip = torch.eye(factor.n).to(g) - 2 * torch.outer(v, v)
    negative = torch.linalg.det(g) < 0
    return torch.where(negative[..., None, None], flip, e)


def _polar(factor: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """Return g = RP as R, orthogonal, and P, positive; discrete entries are the identity."""
    if isinstance(factor, GeneralLinear):
        rotation, positive = polar_factors(g)
        return rotation, positive
    batch = tuple(g.shape[: g.ndim - len(factor.element_shape)])
    e = g if isinstance(factor, DiscreteGroup) else factor.identity(batch, dtype=g.dtype).to(g)
    if isinstance(factor, Orthogonal):
        return g, e
    if isinstance(factor, ComplexScaling):
        size = g.norm(dim=-1, keepdim=True)
        return g / size, torch.cat([size, torch.zeros_like(size)], -1)
    return e, g
