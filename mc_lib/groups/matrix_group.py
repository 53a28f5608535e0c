"""Groups whose elements are stored as the matrices by which they act."""

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.groups.base import Group


def matrix_exponential(m: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return exp(M).

    torch 2.13 ends the series of a single matrix too early: where ‖M‖ lies between 3e-4
    and 0.05 it is off by up to 1e-10 in float64. A batch of two takes another, exact branch.

    Args:
        m: shape (..., n, n).

    Returns:
        Shape (..., n, n).

    >>> turn = torch.tensor([[0.0, -0.03125], [0.03125, 0.0]])
    >>> bool(abs(matrix_exponential(turn)[1, 0] - torch.sin(turn[1, 0])) < 1e-16)
    True
    """
    alone = m.numel() == m.shape[-1] * m.shape[-2]
    return torch.linalg.matrix_exp(torch.stack([m, m]))[0] if alone else torch.linalg.matrix_exp(m)


class MatrixGroup(Group):
    """A group of n × n matrices, elements of shape (..., n, n): product and action are @."""

    @property
    def element_shape(self) -> tuple[int, ...]:
        """The shape (n, n) of one matrix."""
        return (self.n, self.n)

    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """Return the identity matrix, repeated over `batch`.

        Args:
            batch: leading shape.
            dtype: of the result; torch's default dtype if None.
            device: of the result.

        Returns:
            Shape (*batch, n, n).

        >>> from mc_lib import groups
        >>> groups.GeneralLinear(1).identity((2,)).shape
        torch.Size([2, 1, 1])
        """
        return torch.eye(self.n, dtype=dtype, device=device).expand(*batch, self.n, self.n)

    def compose(
        self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch n n"]:
        """Return the matrix product gh.

        Args:
            g: shape (..., n, n).
            h: shape (..., n, n).

        Returns:
            Shape (..., n, n), batches broadcast.

        Raises:
            McLibError: g or h is not a finite real n × n matrix.

        >>> from mc_lib import groups
        >>> groups.GeneralLinear(1).compose(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
        tensor([[6.]])
        """
        self._require_array(g, 2)
        self._require_array(h, 2)
        return g @ h

    def matrix(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return g itself: an element is stored as its matrix.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        >>> from mc_lib import groups
        >>> groups.GeneralLinear(1).matrix(torch.tensor([[2.0]]))
        tensor([[2.]])
        """
        return g

    def left(
        self, g: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return g x.

        Args:
            g: shape (..., n, n).
            x: shape (..., n, r).

        Returns:
            Shape (..., n, r), batches broadcast.

        >>> from mc_lib import groups
        >>> groups.GeneralLinear(1).left(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
        tensor([[6.]])
        """
        return g @ x

    def left_tangent(
        self, m: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return M x.

        Args:
            m: shape (..., n, n).
            x: shape (..., n, r).

        Returns:
            Shape (..., n, r), batches broadcast.

        >>> from mc_lib import groups
        >>> groups.GeneralLinear(1).left_tangent(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
        tensor([[6.]])
        """
        return m @ x

    def right_tangent(
        self, x: Float[Tensor, "*#batch r n"], m: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x M.

        Args:
            x: shape (..., r, n).
            m: shape (..., n, n).

        Returns:
            Shape (..., r, n), batches broadcast.

        >>> from mc_lib import groups
        >>> groups.GeneralLinear(1).right_tangent(torch.tensor([[3.0]]), torch.tensor([[2.0]]))
        tensor([[6.]])
        """
        return x @ m
