"""Chapter 6b: random curves that turn by at most π in all, as polygons with corners on them."""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain

ARCS = 8
"""The pieces of a curve: circular arcs, and straight pieces where the curvature is 0."""


def turning_curves(
    count: int, dimension: int, generator: torch.Generator, steps: int = 40
) -> Float[Tensor, "count points dimension"]:
    """Return random curves with curvature at most 1 and total turning at most π.

    Each bends in a new random direction from arc to arc, and has a tangent everywhere.

    Args:
        count: how many.
        dimension: of the space, 2 or more.
        generator: of the random numbers.
        steps: into which each arc is divided.

    Returns:
        The points between the steps, the first of them 0.

    Raises:
        OutOfDomain: no curve, no step, or a line in place of a space.

    >>> turning_curves(2, 3, torch.Generator().manual_seed(0), steps=5).shape
    torch.Size([2, 41, 3])
    """
    if count < 1 or steps < 1 or dimension < 2:
        raise OutOfDomain(
            f"expected a curve and a step or more, in a plane or more, got {count} curves of "
            f"{steps} steps in dimension {dimension}"
        )
    tangent = torch.eye(dimension)[0].expand(count, dimension)
    points = [torch.zeros(count, dimension)]
    for k, h in zip(*_arcs(count, generator, steps), strict=True):
        normal = torch.randn(count, dimension, generator=generator)
        normal -= (normal * tangent).sum(1, keepdim=True) * tangent
        normal /= normal.norm(dim=1, keepdim=True)
        angle = k * h * torch.arange(steps + 1)  # along one arc
        for a, b in itertools.pairwise(angle.T[..., None]):
            ahead = ((a + b) / 2).cos() * tangent + ((a + b) / 2).sin() * normal
            size = h * torch.sinc((b - a) / 2 / math.pi)
            points.append(points[-1] + size * ahead)
        tangent = b.cos() * tangent + b.sin() * normal
    return torch.stack(points, 1)


def _arcs(count: int, generator: torch.Generator, steps: int) -> tuple[Tensor, Tensor]:
    """Return the curvatures of the arcs and the lengths of their steps, turning by at most π."""
    kappa, sizes, on = torch.rand(3, count, ARCS, generator=generator)
    kappa = kappa.sqrt() * (on < 0.6)
    sizes = 3 * sizes**3
    turning = (kappa * sizes).sum(1, keepdim=True)
    sizes = sizes * (math.pi / turning).clamp(max=1) / steps
    return kappa.T[..., None], sizes.T[..., None]
