"""Chapter 3b: random matrices, paths through them, groups of the plane.

Normal numbers are drawn in float64 and then converted, so that the same seed gives the same
case in float64 and, rounded, in float32. (In float32 what torch draws from one seed depends
on the processor's instructions.)
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain


def positive_normal(generator: torch.Generator, count: int, n: int) -> Float[Tensor, "count n n"]:
    """Return normal matrices under the condition that their determinant is positive.

    The entries are standard normal; where det g < 0 the first column is reversed. That has
    the distribution of those with det g > 0, as a reversed normal column is a normal column.

    Args:
        generator: the source of randomness; the result lives on its device.
        count: how many matrices, 1 or more.
        n: their size, 1 or more.

    Returns:
        In the default dtype.

    Raises:
        OutOfDomain: count or n below 1.

    >>> g = positive_normal(torch.Generator().manual_seed(0), 100, 3)
    >>> bool((torch.linalg.det(g) > 0).all())
    True
    """
    if count < 1 or n < 1:
        raise OutOfDomain(f"expected at least one matrix of size 1, got {count} of size {n}")
    g = normal(generator, count, n, n)
    g[..., 0] *= torch.linalg.det(g).sign()[:, None]
    return g


def bent_path(
    g: Float[Tensor, "*batch n n"], h: Float[Tensor, "*batch n n"], generator: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """Return the path γ(t) = (1 − t)g + th + t(1 − t)B from g to h, B standard normal.

    Args:
        g: where it starts.
        h: where it ends.
        generator: the source of randomness, of B.

    Returns:
        γ, whose times broadcast with the entries: t of shape (T, 1, 1) for one matrix.

    >>> one = torch.eye(2)
    >>> gamma = bent_path(one, 3 * one, torch.Generator().manual_seed(0))
    >>> bool(gamma(torch.tensor(0.0)).equal(one)), bool(gamma(torch.tensor(1.0)).equal(3 * one))
    (True, True)
    """
    bend = normal(generator, *torch.broadcast_shapes(g.shape, h.shape)).to(g)
    return lambda t: (1 - t) * g + t * h + t * (1 - t) * bend


def where_det_vanishes(gamma: Callable[[Tensor], Tensor], halvings: int = 60) -> Tensor:
    """Return γ(t) at a time where the sign of det γ(t) changes, found by bisection.

    The interval of times is halved again and again, and the half is kept at whose left end
    the determinant is positive and at whose right end it is not.

    Args:
        gamma: k paths of matrices from det > 0 to det < 0: times of shape (k, 1, 1) or
            (1, 1, 1) give matrices of shape (k, n, n).
        halvings: how often the interval is halved.

    Returns:
        One matrix for each path, shape (k, n, n): singular up to rounding.

    Raises:
        OutOfDomain: a path does not go from positive to negative determinant.

    >>> g = where_det_vanishes(lambda t: (1 - 4 * t) * torch.ones(1, 1, 1))  # 0 at t = 1/4
    >>> float(g.abs().max()) < 1e-6
    True
    """
    start = gamma(torch.zeros(1, 1, 1))
    low = torch.zeros_like(start[:, :1, :1])
    high = torch.ones_like(low)
    first, last = torch.linalg.det(start), torch.linalg.det(gamma(high))
    if not ((first > 0) & (last < 0)).all():
        raise OutOfDomain(
            "expected paths from positive to negative determinant, got determinants "
            f"from {float(first.min()):.3g} up at t = 0 and to {float(last.max()):.3g} at t = 1"
        )
    for _ in range(halvings):
        middle = (low + high) / 2
        before = torch.linalg.det(gamma(middle))[:, None, None] > 0
        low, high = torch.where(before, middle, low), torch.where(before, high, middle)
    return gamma(high)


def plane_groups(size: int = 400) -> dict[str, tuple[int, Float[Tensor, "k 2 2"]]]:
    """Return five groups of 2 × 2 matrices: the number of components, and elements of it.

    Angles are spread evenly; numbers g are spread evenly on a logarithmic scale with
    0.4 ≤ |g| ≤ 2.5, a part of the group with as many components as the group.

    Args:
        size: how many elements of each component, 2 or more.

    Returns:
        By name: (|π₀(G)|, the elements), in the default dtype.

    Raises:
        OutOfDomain: size < 2.

    >>> {name: (pieces, len(g)) for name, (pieces, g) in plane_groups(8).items()}["rotations"]
    (1, 8)
    """
    if size < 2:
        raise OutOfDomain(f"expected two elements of each component or more, got {size}")
    exact: Any = {"dtype": torch.float64}
    one = torch.eye(2, **exact)
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], **exact)
    angle = torch.linspace(0, 2 * math.pi, size + 1, **exact)[:-1, None, None]
    turn = angle.cos() * one + angle.sin() * quarter
    positive = torch.linspace(math.log(0.4), math.log(2.5), size, **exact).exp()
    number = torch.cat((positive, -positive))
    groups = {
        "rotations": (1, turn),
        "rotations and reflections": (2, torch.cat((turn, turn @ one.new_tensor([1, -1]).diag()))),
        "positive numbers": (1, positive[:, None, None] * one),
        "numbers except 0": (2, number[:, None, None] * one),
        "(gx, y/g)": (2, torch.stack((number, 1 / number), -1).diag_embed()),
    }
    dtype = torch.get_default_dtype()
    return {name: (pieces, g.to(dtype)) for name, (pieces, g) in groups.items()}


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Return standard normal numbers, the same ones whatever the default dtype is.

    Args:
        generator: the source of randomness; the result lives on its device.
        *shape: of the result.

    Returns:
        In the default dtype.

    >>> normal(torch.Generator().manual_seed(0), 2).shape
    torch.Size([2])
    """
    drawn = torch.randn(*shape, generator=generator, device=generator.device, dtype=torch.float64)
    return drawn.to(torch.get_default_dtype())
