"""How far points, and the segment between its ends, are from a curve."""

from dataclasses import dataclass
from typing import Any

import optree
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain
from mc_lib.kinds import require_count, require_number
from mc_lib.points import Point, leaves, require_point, require_same_tree, to_vector
from mc_lib.profile import profile_of
from mc_lib.sampling import (
    MAX_BYTES,
    climb,
    in_chunks,
    local_maxima,
    require_finite,
    start_of,
    time_grid,
)


@dataclass(frozen=True, eq=False)
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
    curve comes nearer between two neighbours of the grid: then it is too large, and more
    `samples` mend it.

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
    t, distance = _settled(curve, targets, t.gather(1, best[:, None])[:, 0], -value)
    return Nearest(distance.reshape(batch), t.reshape(batch))


def segment_distance(
    curve: Any, *, points: int = 101, samples: int = 201, max_bytes: int | float = MAX_BYTES
) -> SegmentDistance:
    """Return the largest distance from the segment between γ(0) and γ(1) to γ([0, 1]).

    This is what Theorem 6.2 bounds by (8), with the curve in place of the level set. The
    curve is known by polynomials between some of its times, more of them where these do
    not resolve it. By these, the distance is computed on a grid of the segment and refined
    between the neighbours of its farthest local maxima; the maximum is often a kink, where
    two points of the curve are equally near. The place s found is right to about √ε.

    The distance is that of this point of the segment from a point of the curve. It is too
    large where the curve comes nearer between the times of the first grid, for so short a
    while that nothing shows on it, and too small where another place of the segment is
    farther for as short a while: more `samples` and `points` find such detours, and nothing
    promises that there are none.

    Args:
        curve: the curve.
        points: how many equally spaced points the segment has at least.
        samples: at how many times the curve is computed at least.
        max_bytes: as in `distance_to_curve`.

    Returns:
        The distance, and where it is.

    Raises:
        OutOfDomain: fewer than 2 points or samples, or a curve so rough that polynomials on
            20 000 pieces of it do not resolve it.
        McLibError: as `distance_to_curve`.

    >>> from mc_lib.curves import PolygonalChain
    >>> roof = PolygonalChain([(torch.tensor(p),) for p in ([-1.0, 0.0], [0.0, 1.0], [1.0, 0.0])])
    >>> round(segment_distance(roof).distance, 3)  # from (0, 0) to the slopes
    0.707
    """
    require_count(points, "the number of points", None)
    require_count(samples, "the number of samples", None)
    require_number(max_bytes, "max_bytes")
    for what, count in (("a segment", points), ("a curve", samples)):
        if count < 2:
            raise OutOfDomain(f"{what} has 2 points or more, got {count}")
    ends = to_vector(curve(leaves(start_of(curve))[0].new_tensor([0.0, 1.0])), 1)
    profile = profile_of(curve, ends, samples, max_bytes)
    s = profile.farthest(points)
    t = profile.curve.times(profile.nearest(s[None])[0][0])
    target = ((1 - s) * ends[0] + s * ends[1]).expand(len(t), -1)
    t, distance = _settled(curve, target, t, (to_vector(curve(t), 1) - target).norm(dim=1))
    least = distance.argmin()
    return SegmentDistance(float(distance[least]), float(s), float(t[least]))


def _as_vectors(points: Point, start: Point) -> tuple[Float[Tensor, "P N"], torch.Size]:
    """Return the points as rows, and their batch shape."""
    require_point(points, "the points")
    first, like = leaves(points)[0], leaves(start)[0]
    batch = first.shape[: max(0, first.ndim - like.ndim)]
    every = optree.tree_map(lambda x: x.expand(*batch, *x.shape), start)
    require_same_tree(points, every)
    vectors = to_vector(points, len(batch))
    return vectors.reshape(batch.numel(), vectors.shape[-1]), batch


def _settled(
    curve: Any,
    targets: Float[Tensor, "P N"],
    t: Float[Tensor, "P"],
    distance: Float[Tensor, "P"],
) -> tuple[Float[Tensor, "P"], Float[Tensor, "P"]]:
    """Return the times after a Newton step where that is nearer, and the distances."""
    newton = _newton_step(curve, targets, t)
    closer = (to_vector(curve(newton), 1) - targets).norm(dim=1)
    # the better time shows only to second order, below the rounding of the distance
    slack = 8 * torch.finfo(t.dtype).eps * (targets.norm(dim=1) + distance)
    t = torch.where(closer <= slack + distance, newton, t)
    return t, torch.minimum(closer, distance)


def _newton_step(
    curve: Any, targets: Float[Tensor, "P N"], t: Float[Tensor, "P"]
) -> Float[Tensor, "P"]:
    """Return t − f/f' within [0, 1], f = ⟨γ(t) − p, γ'(t)⟩, where f' > 0; elsewhere t."""
    gap = to_vector(curve(t), 1) - targets
    velocity, bend = to_vector(curve.velocity(t), 1), to_vector(curve.acceleration(t), 1)
    slope = (velocity.square() + gap * bend).sum(1)
    step = (gap * velocity).sum(1) / torch.where(slope > 0, slope, torch.inf)
    return (t - step).clamp(0, 1)
