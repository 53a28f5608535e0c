"""Chapters 3, 3b and 4: connected components of a set given by its cells on a grid."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from mc_lib.errors import DtypeMismatch, OutOfDomain, ShapeMismatch


def label_grid(inside: Bool[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Return the number of the connected piece that each cell of a grid belongs to.

    Two cells inside are neighbours if they share a face: their indices differ by one
    along one axis. A piece is a largest set of cells joined by chains of neighbours. For
    cells that sample a set, pieces are the components of the set if no part of the set
    and no gap between its parts is thinner than a cell; otherwise they may be more or
    fewer.

    Args:
        inside: which cells of a grid of any dimension d ≥ 1 belong to the set. All
            dimensions are the grid's, none is batch.

    Returns:
        0 outside and 1, ..., k inside, in the order in which the pieces first occur
        (last axis fastest). Shape and device of `inside`.

    Raises:
        DtypeMismatch: `inside` is not a tensor of truth values.
        ShapeMismatch: it has no dimension.

    >>> label_grid(torch.tensor([[True, False], [False, True]]))
    tensor([[1, 0],
            [0, 2]])
    """
    if not isinstance(inside, Tensor) or inside.dtype != torch.bool:
        kind = inside.dtype if isinstance(inside, Tensor) else type(inside).__name__
        raise DtypeMismatch(f"the grid: expected a tensor of torch.bool, got {kind}")
    if inside.ndim == 0:
        raise ShapeMismatch("the grid: expected at least one dimension, got a single cell ()")
    if inside.numel() == 0:
        return torch.zeros(inside.shape, dtype=torch.int64, device=inside.device)
    labels, _ = ndimage.label(inside.numpy(force=True))
    return torch.from_numpy(labels).to(inside.device, torch.int64)


def count_grid_components(inside: Bool[Tensor, "..."]) -> int:
    """Return the number of connected pieces of the cells inside, as `label_grid` finds them.

    Args:
        inside: which cells of a grid of any dimension d ≥ 1 belong to the set.

    Returns:
        The number of pieces; 0 for the empty set.

    Raises:
        DtypeMismatch: `inside` is not a tensor of truth values.
        ShapeMismatch: it has no dimension.

    >>> count_grid_components(torch.tensor([True, True, False, True]))
    2
    """
    labels = label_grid(inside)
    return int(labels.max()) if labels.numel() else 0


def plane_cells(size: int, reach: float = 3.0) -> tuple[Float[Tensor, "p p"], Float[Tensor, "p p"]]:
    """Return the coordinates x, y of the centres of a square grid of cells around 0.

    Args:
        size: p, how many cells there are along each side.
        reach: the grid covers −reach ≤ x, y ≤ reach.

    Returns:
        x, which grows along the first axis, and y, which grows along the second, in torch's
        default dtype.

    Raises:
        OutOfDomain: size < 1 or reach is not positive.

    >>> x, y = plane_cells(2, reach=1.0)
    >>> x.tolist(), y.tolist()
    ([[-0.5, -0.5], [0.5, 0.5]], [[-0.5, 0.5], [-0.5, 0.5]])
    """
    if size < 1 or not 0 < reach < float("inf"):
        raise OutOfDomain(f"expected size ≥ 1 and a positive reach, got {size} and {reach}")
    x = reach * (2 * torch.arange(size) + 1 - size) / size
    first, second = torch.meshgrid(x, x, indexing="ij")
    return first, second


def ring_disc_square(
    x: Float[Tensor, "*grid"], y: Float[Tensor, "*grid"]
) -> Bool[Tensor, "3 *grid"]:
    """Return which points lie in a ring, in a disc and in a rounded square.

    Three sets of one component each, apart from each other: the ring ½ < |p − (0, 1)| < 1,
    the disc |p + (1.5, 1)| < 0.8 and the square (x − 1.4)⁴ + (y + 1.2)⁴ < 0.6⁴.

    Args:
        x: the first coordinate.
        y: the second.

    Returns:
        One layer for each set.

    >>> x, y = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.75])  # the hole, the ring
    >>> ring_disc_square(x, y).any(0).tolist()
    [False, True]
    """
    ring = (torch.hypot(x, y - 1) - 0.75).abs() < 0.25
    disc = torch.hypot(x + 1.5, y + 1) < 0.8
    square = (x - 1.4) ** 4 + (y + 1.2) ** 4 < 0.6**4
    return torch.stack((ring, disc, square))


def cells_near(
    points: Float[Tensor, "k 2"],
    cells: tuple[Float[Tensor, "*grid"], Float[Tensor, "*grid"]],
    radius: float,
) -> Bool[Tensor, "*grid"]:
    """Return which cells have their centre closer than `radius` to one of the points.

    So a set given by points that are dense in it becomes a set of cells: its pieces are
    those of the set if neighbouring points are closer than the radius and different pieces
    farther apart than twice the radius.

    Args:
        points: of the plane, shape (k, 2).
        cells: coordinates of the centres, as `plane_cells` returns them.
        radius: how thick the set is drawn.

    Returns:
        Shape of the coordinates.

    >>> cells_near(torch.tensor([[0.5, 0.5]]).double(), plane_cells(2, reach=1.0), 0.1).tolist()
    [[False, False], [False, True]]
    """
    centres = torch.stack(cells, -1)
    apart = torch.cdist(centres.flatten(0, -2), points.to(centres))
    return (apart.amin(1) < radius).reshape(centres.shape[:-1])


def random_cells(size: int, generator: torch.Generator) -> Bool[Tensor, "p p"]:
    """Return a random set of cells of a square grid with a wavy outline.

    The set where a bicubic interpolation of 9 × 9 independent normal numbers is above 0.3.
    The same generator gives the same shape on grids of different size, up to the cells.

    Args:
        size: p, how many cells there are along each side, 9 or more.
        generator: the source of randomness.

    Returns:
        Which cells belong to the set.

    Raises:
        OutOfDomain: size < 9.

    >>> random_cells(16, torch.Generator().manual_seed(0)).shape
    torch.Size([16, 16])
    """
    if size < 9:
        raise OutOfDomain(f"a wavy outline needs 9 cells or more along a side, got {size}")
    # drawn in float32: the same shape whatever the default dtype is
    like: Any = {"generator": generator, "device": generator.device, "dtype": torch.float32}
    coarse = torch.randn(1, 1, 9, 9, **like).double()
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    return smooth[0, 0] > 0.3


def random_intervals(generator: torch.Generator, size: int = 16) -> Bool[Tensor, "p"]:
    """Return a random set of cells of a line that consists of one to four intervals.

    Args:
        generator: the source of randomness.
        size: p, how many cells there are, 8 or more.

    Returns:
        Which cells belong to the set.

    Raises:
        OutOfDomain: size < 8.

    >>> 1 <= count_grid_components(random_intervals(torch.Generator().manual_seed(0))) <= 4
    True
    """
    if size < 8:
        raise OutOfDomain(f"four intervals need 8 cells or more, got {size}")
    like: Any = {"generator": generator, "device": generator.device}
    number = int(torch.randint(1, 5, (), **like))
    cuts = torch.randperm(size, **like)[: 2 * number].sort().values
    return torch.bucketize(torch.arange(size, device=cuts.device), cuts, right=True) % 2 == 1
