"""How far points, and the segment between its ends, are from a curve."""

import math
from dataclasses import dataclass
from typing import Any

import optree
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.curves import Line
from mc_lib.curves.base import locate
from mc_lib.points import Point, leaves, require_point, require_same_tree, to_vector
from mc_lib.sampling import (
    MAX_BYTES,
    climb,
    in_chunks,
    local_maxima,
    require_finite,
    start_of,
    time_grid,
)

DEGREE = 5
"""Of the polynomials between two times of the grid of `segment_distance`."""


@dataclass(frozen=True)
class Nearest:
    """The points of a curve that are nearest to given points.

    Args:
        distance: the distances, in the batch shape of the points.
        t: the times of the nearest points of the curve, in that shape.
    """

    distance: Float[Tensor, "*batch"]
    t: Float[Tensor, "*batch"]


@dataclass(frozen=True)
class SegmentDistance:
    """The largest distance from a segment to a curve.

    Args:
        distance: max over s of min over t of ‖(1 − s) γ(0) + s γ(1) − γ(t)‖.
        s: where on the segment.
        t: the time of the nearest point of the curve.
    """

    distance: float
    s: float
    t: float


def distance_to_curve(
    points: Point, curve: Any, *, samples: int = 201, max_bytes: int | float = MAX_BYTES
) -> Nearest:
    """Return the distances from points to the curve γ([0, 1]).

    A grid of times with the breakpoints in it, a section search between the neighbours
    of its two nearest local minima, and a Newton step for the root of ⟨γ − p, γ'⟩. The
    distance found is that of a point of the curve, and so never too small; it is right
    to about ε relative to the size of the points (ε the unit round-off), unless the
    curve comes nearer between two neighbours of the grid.

    Args:
        points: a point, or a batch of them.
        curve: the curve.
        samples: how many equally spaced times the grid has.
        max_bytes: the bound on the memory of the points of γ held at a time.

    Returns:
        Distances and times.

    Raises:
        ShapeMismatch: the points are not of the space of the curve.
        NotFinite: a point of the curve is NaN or infinite.
        McLibError: as `curve`; also OutOfDomain for fewer than 2 samples.

    >>> from mc_lib.curves import Line
    >>> line = Line((torch.tensor([0.0, 0.0]),), (torch.tensor([4.0, 0.0]),))
    >>> distance_to_curve((torch.tensor([1.0, 2.0]),), line)
    Nearest(distance=tensor(2.), t=tensor(0.2500))
    """
    start = start_of(curve)
    targets, batch = _as_vectors(points, start)
    grid = time_grid(curve, samples)
    exact = "donot_use_mm_for_euclid_dist"  # differences first: squares would cancel

    def to_all(t: Tensor) -> Tensor:
        return torch.cdist(to_vector(curve(t), 1), targets, compute_mode=exact)

    def to_own(t: Tensor) -> Tensor:
        """Return the distances from γ(t[p, ...]) to the point p."""
        flat, each = t.reshape(-1), t[0].numel()

        def part(k: Tensor) -> Tensor:
            return (to_vector(curve(flat[k]), 1) - targets[k // each]).norm(dim=1)

        every = torch.arange(len(flat), device=t.device)
        return in_chunks(part, every, start, max_bytes).reshape(t.shape)

    distances = in_chunks(to_all, grid, start, max_bytes).mT
    require_finite(distances.sum(0), grid, "the distance")
    near = local_maxima(-distances, most=2)
    t, value = climb(
        lambda s: -to_own(s), grid[near], -distances.gather(1, near), 1 / (samples - 1)
    )
    value, best = value.max(1)
    t = t.gather(1, best[:, None])[:, 0]
    newton = _newton_step(curve, targets, t)
    closer = to_own(newton)
    # the better time shows only to second order, below the rounding of the distance
    slack = 8 * torch.finfo(t.dtype).eps * (targets.norm(dim=1) - value)
    t = torch.where(closer <= slack - value, newton, t)
    return Nearest(torch.minimum(closer, -value).reshape(batch), t.reshape(batch))


def segment_distance(
    curve: Any, *, points: int = 101, samples: int = 201, max_bytes: int | float = MAX_BYTES
) -> SegmentDistance:
    """Return the largest distance from the segment between γ(0) and γ(1) to γ([0, 1]).

    This is what Theorem 6.2 bounds by (8), with the curve in place of the level set.
    Computed on a grid of the segment and refined between the neighbours of its two
    farthest local maxima; the maximum is often a kink, where two points of the curve are
    equally near. The place s found is right to about √ε, for a curve that polynomials of
    degree 5 resolve between two times of the grid. The distance is that of this point of
    the segment, and so never above the maximum.

    Args:
        curve: the curve.
        points: how many equally spaced points the segment has.
        samples: as in `distance_to_curve`.
        max_bytes: as in `distance_to_curve`.

    Returns:
        The distance, and where it is.

    Raises:
        McLibError: as `distance_to_curve`; also OutOfDomain for fewer than 2 points.

    >>> from mc_lib.curves import PolygonalChain
    >>> roof = PolygonalChain([(torch.tensor(p),) for p in ([-1.0, 0.0], [0.0, 1.0], [1.0, 0.0])])
    >>> round(segment_distance(roof).distance, 3)  # from (0, 0) to the slopes
    0.707
    """
    segment = Line(curve(0.0), curve(1.0))
    profile = _profile(curve, samples, max_bytes)
    grid = time_grid(segment, points)
    values = profile.nearest(grid)
    best = local_maxima(values, most=2)
    s, value = climb(profile.nearest, grid[best], values[best], 1 / (points - 1))
    top = s[value.argmax()]
    found = distance_to_curve(segment(top), curve, samples=samples, max_bytes=max_bytes)
    return SegmentDistance(float(found.distance), float(top), float(found.t))


@dataclass(frozen=True)
class _Profile:
    """The curve as its segment sees it: how far along, and how far off, at each time.

    Let u be the direction of the segment and d its length. With α = ⟨γ − γ(0), u⟩ and ρ
    the norm of the rest, ‖γ(0) + sdu − γ(t)‖² = (α(t) − sd)² + ρ(t)². So each point of γ
    is computed once, and not again for every s. Between the times of a grid, α and ρ² are
    polynomials of degree 5; q = (panel + place in it)/panels stands for the time.
    """

    along: Float[Tensor, "P K"]  # coefficients of α in each panel, the constant first
    off: Float[Tensor, "P K"]  # coefficients of ρ²
    chord: Float[Tensor, ""]

    def nearest(self, s: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the distances from points of the segment to the curve."""
        flat = s.reshape(-1, 1)
        panels = len(self.along)
        grid = torch.linspace(0, 1, 2 * panels + 1, dtype=s.dtype, device=s.device)
        values = self._closeness(flat, grid.expand(len(flat), -1))
        near = local_maxima(values, most=2)
        _, best = climb(
            lambda q: self._closeness(flat[..., None], q),
            grid[near],
            values.gather(1, near),
            1 / (2 * panels),
        )
        return (-best.amax(1)).clamp(min=0).sqrt().reshape(s.shape)

    def _closeness(self, s: Tensor, q: Tensor) -> Tensor:
        """Return minus the squared distance from s to the point at q."""
        panel, x = (y.reshape(q.shape) for y in locate(q.reshape(-1), len(self.along)))
        along, off = (_horner(c[panel], x) for c in (self.along, self.off))
        return -((along - s * self.chord).square() + off.clamp(min=0))


def _profile(curve: Any, samples: int, max_bytes: int | float) -> _Profile:
    """Return α and ρ² of a curve from about `samples` of its points, 5 to a panel."""
    ends = time_grid(curve, max(2, math.ceil((samples - 1) / DEGREE) + 1))
    nodes = (1 - torch.linspace(0, math.pi, DEGREE + 1, dtype=torch.float64).cos()) / 2
    inside = nodes[:-1].to(ends)
    t = torch.cat([(ends[:-1, None] + ends.diff()[:, None] * inside).reshape(-1), ends[-1:]])
    start = to_vector(curve(0.0))
    chord = to_vector(curve(1.0)) - start
    size = chord.norm()
    unit = chord / torch.where(size > 0, size, 1)

    def split(times: Tensor) -> Tensor:
        gap = to_vector(curve(times), 1).sub_(start)  # in place: these may be a gigabyte
        along = gap @ unit
        return torch.stack([along, gap.addr_(along, unit, alpha=-1).norm(dim=1).square()], 1)

    values = in_chunks(split, t, start_of(curve), max_bytes)
    require_finite(values.sum(1), t, "the position")
    panels = values.unfold(0, DEGREE + 1, DEGREE)  # (P, 2, K): neighbours share an end
    powers = nodes[:, None] ** torch.arange(DEGREE + 1, dtype=torch.float64)
    coefficients = (panels.double() @ torch.linalg.inv(powers).mT.to(panels.device)).to(values)
    return _Profile(coefficients[:, 0], coefficients[:, 1], size)


def _horner(coefficients: Float[Tensor, "*batch K"], x: Float[Tensor, "*batch"]) -> Tensor:
    """Return Σ_k coefficients[..., k] xᵏ."""
    result = coefficients[..., -1]
    for k in range(coefficients.shape[-1] - 2, -1, -1):
        result = result * x + coefficients[..., k]
    return result


def _as_vectors(points: Point, start: Point) -> tuple[Float[Tensor, "P N"], torch.Size]:
    """Return the points as rows, and their batch shape."""
    require_point(points, "the points")
    first, like = leaves(points)[0], leaves(start)[0]
    batch = first.shape[: max(0, first.ndim - like.ndim)]
    every = optree.tree_map(lambda x: x.expand(*batch, *x.shape), start)
    require_same_tree(points, every)
    vectors = to_vector(points, len(batch))
    return vectors.reshape(batch.numel(), vectors.shape[-1]), batch


def _newton_step(
    curve: Any, targets: Float[Tensor, "P N"], t: Float[Tensor, "P"]
) -> Float[Tensor, "P"]:
    """Return t − f/f' within [0, 1], f = ⟨γ(t) − p, γ'(t)⟩, where f' > 0; elsewhere t."""
    gap = to_vector(curve(t), 1) - targets
    velocity, bend = to_vector(curve.velocity(t), 1), to_vector(curve.acceleration(t), 1)
    slope = (velocity.square() + gap * bend).sum(1)
    step = (gap * velocity).sum(1) / torch.where(slope > 0, slope, torch.inf)
    return (t - step).clamp(0, 1)
