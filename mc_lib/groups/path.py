"""Smooth paths in a group from the identity: position, velocity, acceleration."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import all_finite, require_tensors
from mc_lib.errors import NotFinite


class GroupPath(ABC):
    """A smooth path t ↦ P(t) in a group with P(0) = e and P(1) = g.

    For t of shape (*times) and g of shape (*batch, ...) every method returns shape
    (*times, *batch, ...): all times at once. Outside [0, 1] the path goes on.
    """

    def __call__(self, t: Float[Tensor, "*times"]) -> Tensor:
        """Return the group elements P(t).

        Args:
            t: shape (*times).

        Returns:
            Shape (*times, *batch, ...).

        Raises:
            McLibError: t is not a tensor of finite floating-point numbers.
            NotFinite: far outside [0, 1], P(t) leaves the range of the dtype.
        """
        return self._at(t, 0)

    def velocity(self, t: Float[Tensor, "*times"]) -> Tensor:
        """Return P'(t) = dP/dt, shapes as for P(t)."""
        return self._at(t, 1)

    def acceleration(self, t: Float[Tensor, "*times"]) -> Tensor:
        """Return P''(t) = d²P/dt², shapes as for P(t)."""
        return self._at(t, 2)

    def _at(self, t: Tensor, order: int) -> Tensor:
        found = self._derivative(t, order)
        if not all_finite(found):
            raise NotFinite(
                f"P(t) or its derivative leaves the range of {found.dtype} for t between "
                f"{float(t.min()):.6g} and {float(t.max()):.6g}"
            )
        return found

    @abstractmethod
    def _derivative(self, t: Tensor, order: int) -> Tensor:
        """Return the derivative of P of order 0, 1 or 2 at the times t."""


def spread_times(t: Float[Tensor, "*times"], like: Tensor) -> Tensor:
    """Return the times in the dtype and on the device of `like`, ready to broadcast.

    Raises:
        McLibError: t is not a tensor of finite floating-point numbers.

    >>> import torch
    >>> spread_times(torch.zeros(5), torch.zeros(3, 2)).shape
    torch.Size([5, 1, 1])
    """
    require_tensors([t], "the times t")
    return t.to(like).reshape(t.shape + (1,) * like.ndim)
