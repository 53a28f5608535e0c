"""Whether a tensor holds NaN or infinity, asked at every call: it has to be fast."""

import math

import torch
from torch import Tensor


def all_finite(x: Tensor) -> bool:
    """Return whether no entry of x is NaN or infinite.

    A sum with such an entry is NaN or infinite itself, so one pass over x settles most cases;
    where finite entries add up to infinity, each is looked at.

    Args:
        x: any shape.

    Returns:
        True or False.

    >>> large = torch.tensor([1e308, 1e308], dtype=torch.float64)
    >>> all_finite(large), all_finite(large * 10)
    (True, False)
    """
    return math.isfinite(x.detach().sum().item()) or bool(torch.isfinite(x).all())
