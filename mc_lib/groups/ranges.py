"""The range in which elements are computed with: neither g nor g⁻¹ leaves the dtype."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mc_lib.errors import NotFinite


def bounds(dtype: torch.dtype) -> tuple[float, float]:
    """Return the smallest normal number of a dtype and its inverse.

    >>> bounds(torch.float32) == (2.0**-126, 2.0**126)
    True
    """
    tiny = torch.finfo(dtype).tiny
    return tiny, 1 / tiny


def invertible_numbers(x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
    """Return where a positive number and its inverse are normal numbers of the dtype.

    >>> invertible_numbers(torch.tensor([1.0, 0.0, 3e38], dtype=torch.float32))
    tensor([ True, False, False])
    """
    least, most = bounds(x.dtype)
    return (x >= least) & (x <= most)


def keeps_range(g: Float[Tensor, "*batch n n"]) -> Bool[Tensor, "*batch"]:
    """Return whether the largest entry of a matrix is such a number, so that it is not lost.

    >>> keeps_range(torch.tensor([[[1.0]], [[0.0]], [[torch.inf]]]))
    tensor([ True, False, False])
    """
    return invertible_numbers(g.detach().abs().amax((-2, -1)))


def require_moved(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> None:
    """Refuse a weight that left the range of the dtype when a group element moved it.

    Raises:
        NotFinite: y overflows, or all of it underflows though x does not.

    >>> require_moved(torch.ones(1), torch.tensor([torch.inf]))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotFinite: g·w leaves the range of ...: a weight with entries up to 1 becomes ...
    """
    tiny = torch.finfo(y.dtype).tiny
    try:
        total = abs(y.detach().sum().item())
    except RuntimeError:  # inside torch.func.vmap no number can be looked at
        return
    if tiny <= total < math.inf or y.numel() == 0:  # settles most cases in one pass
        return
    after = largest(y)
    if tiny <= after < math.inf or after < tiny and not largest(x) >= tiny:
        return
    raise NotFinite(
        f"g·w leaves the range of {y.dtype}: a weight with entries up to {largest(x):.3g} "
        f"becomes one with entries up to {after:.3g}"
    )


def largest(x: Float[Tensor, "..."]) -> float:
    """Return the size of the largest entry.

    >>> largest(torch.tensor([1.0, -3.0]))
    3.0
    """
    low, high = torch.aminmax(x.detach())
    try:
        return max(-low.item(), high.item())
    except RuntimeError:
        return 0.0
