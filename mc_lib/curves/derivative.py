"""The derivative of a curve's own formula, in forward mode: exact up to rounding."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp

Formula = Callable[[Tensor], Any]
"""Maps T times to tensors of shape (T, ...), each from its own time."""


def rate(formula: Formula) -> Formula:
    """Return the derivative of a function of independent times, by forward mode.

    >>> rate(lambda t: (t**3,))(torch.tensor([1.0, 2.0]))
    (tensor([ 3., 12.]),)
    """

    def derivative(t: Tensor) -> Any:
        with warnings.catch_warnings():  # torch loads forward mode with a call it deprecates
            warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
            return jvp(formula, (t,), (torch.ones_like(t),))[1]

    return derivative
