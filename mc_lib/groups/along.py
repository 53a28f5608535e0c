"""One axis of a tensor as rows for a group, one element at each index of other axes."""

import math
from collections.abc import Callable, Sequence

from torch import Tensor


def along(
    x: Tensor, rank: int, position: int, over: Sequence[int], factor: Callable[[Tensor], Tensor]
) -> Tensor:
    """Apply `factor` to x as rows (*batch, *over, r, n), n the axis at `position`.

    Args:
        x: its last `rank` dimensions are axes, those before them are batch.
        rank: the number of axes.
        position: the axis of n neurons, counted from the first of the axes.
        over: the axes at each of whose indices another element acts.
        factor: maps rows (*batch, *over, r, n) to rows of the same n; the batch may grow.

    Returns:
        The result, its axes in the order of x.

    >>> import torch
    >>> along(torch.eye(2), 2, 0, [1], lambda rows: rows * torch.tensor([[[5.0]], [[7.0]]]))
    tensor([[5., 0.],
            [0., 7.]])
    """
    lead = len(over)
    source = [*(p - rank for p in over), position - rank]
    target = [*range(-rank, lead - rank), -1]
    y = x.movedim(source, target)
    batch, sizes = y.shape[: y.ndim - rank], y.shape[y.ndim - rank :]
    rest = sizes[lead:-1]
    z = factor(y.reshape(*batch, *sizes[:lead], math.prod(rest), sizes[-1]))
    return z.reshape(*z.shape[:-2], *rest, sizes[-1]).movedim(target, source)
