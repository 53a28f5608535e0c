"""Connected components of a set given by its cells on a grid."""

import torch
from jaxtyping import Bool, Int
from scipy import ndimage
from torch import Tensor

from mc_lib.errors import DtypeMismatch, ShapeMismatch


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
