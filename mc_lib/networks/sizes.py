"""Shapes, widths, ranks and sizes that the paper's networks ask for."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import numerical_rank
from mc_lib.errors import DtypeMismatch, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.kinds import require_count, require_kind


def layer_shapes(sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the shapes n_i × n_{i-1} of W_1, ..., W_l.

    >>> layer_shapes((2, 3, 1))
    ((3, 2), (1, 3))
    """
    return tuple((out, into) for into, out in pairwise(sizes))


def require_widths(widths: tuple[int, ...]) -> None:
    """Refuse hidden widths other than one positive number or more.

    Raises:
        OutOfDomain: there are none, or one is below 1.

    >>> require_widths((3, 0))
    Traceback (most recent call last):
    ...
    mc_lib.errors.OutOfDomain: give one hidden width ≥ 1 or more, got (3, 0)
    """
    require_kind(widths, Sequence, "the tuple of widths")
    for width in widths:
        require_count(width, "a hidden width", None)
    if len(widths) == 0 or min(widths) < 1:
        raise OutOfDomain(f"give one hidden width ≥ 1 or more, got {widths}")


def require_columns(columns: Int[Tensor, " b"], k: int) -> None:
    """Refuse what are not indices of columns of the data.

    Raises:
        DtypeMismatch: no dense int64 tensor.
        ShapeMismatch: not of shape (b,).
        OutOfDomain: an index outside −k to k − 1.

    >>> require_columns(torch.tensor([0, 3]), 3)
    Traceback (most recent call last):
    ...
    mc_lib.errors.OutOfDomain: the columns are 0 to 2, got 3
    """
    require_kind(columns, Tensor, "the columns")
    if columns.dtype != torch.int64 or columns.layout is not torch.strided or columns.is_meta:
        raise DtypeMismatch(f"the columns are an int64 tensor of indices, got {columns.dtype}")
    if columns.ndim != 1:
        raise ShapeMismatch(f"the columns have shape (b,), got {tuple(columns.shape)}")
    outside = columns[(columns < -k) | (columns >= k)]
    if len(outside) > 0:
        raise OutOfDomain(f"the columns are 0 to {k - 1}, got {int(outside[0])}")


def require_full_row_rank(x: Float[Tensor, "n k"]) -> None:
    """Refuse inputs X of smaller rank than they have rows.

    Raises:
        RankDeficient: rank X < n, judged by the rank tolerance of the dtype.

    >>> require_full_row_rank(torch.ones(2, 3))
    Traceback (most recent call last):
    ...
    mc_lib.errors.RankDeficient: X of shape (2, 3) has rank 1, not the full row rank 2: ...
    """
    rank = numerical_rank(x)
    if rank < x.shape[0]:
        raise RankDeficient(
            f"X of shape {tuple(x.shape)} has rank {rank}, not the full row rank "
            f"{x.shape[0]}: some inputs are never seen"
        )


def require_ordinary(size: float, dtype: torch.dtype, what: str) -> None:
    """Refuse a size other than 0 whose square leaves the range of the dtype.

    Raises:
        OutOfDomain: outside 2e-151 to 5e150 for float64, 3e-19 to 3e18 for float32.

    >>> require_ordinary(1e20, torch.float32, "the largest entry of Y")
    Traceback (most recent call last):
    ...
    mc_lib.errors.OutOfDomain: the largest entry of Y is 1e+20, whose square leaves the range ...
    """
    least = torch.finfo(dtype).tiny ** 0.49
    if size != 0 and not least <= size <= 1 / least:
        raise OutOfDomain(
            f"{what} is {size:.3g}, whose square leaves the range of {dtype}: it must lie between "
            f"{least:.3g} and {1 / least:.3g}"
        )
