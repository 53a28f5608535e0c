"""Groups whose elements are stored as the matrices by which they act."""

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.groups.base import Group
from mc_lib.groups.sampling import require_form


def matrix_exponential(m: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return exp(M).

    torch 2.13 ends the series of a single matrix too early: where ‖M‖ lies between 3e-4
    and 0.05 it is off by up to 1e-10 in float64. A batch of two takes another, exact branch.

    >>> turn = torch.tensor([[0.0, -0.03125], [0.03125, 0.0]], dtype=torch.float64)
    >>> bool(abs(matrix_exponential(turn)[1, 0] - torch.sin(turn[1, 0])) < 1e-16)
    True
    """
    alone = m.numel() == m.shape[-1] * m.shape[-2]
    return torch.linalg.matrix_exp(torch.stack([m, m]))[0] if alone else torch.linalg.matrix_exp(m)


class MatrixGroup(Group):
    """A group of n × n matrices, elements of shape (..., n, n): product and action are @."""

    @property
    @override
    def element_shape(self) -> tuple[int, ...]:
        return (self.n, self.n)

    @override
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        require_form(batch, dtype, device)
        return torch.eye(self.n, dtype=dtype, device=device).expand(*batch, self.n, self.n)

    @override
    def compose(
        self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch n n"]:
        self._require_array(g, 2)
        self._require_array(h, 2)
        self._require_factors(g, h)
        return g @ h

    @override
    def matrix(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return g itself: an element is stored as its matrix."""
        self.admit(g)
        return g

    @override
    def _left(
        self, g: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        return g @ x

    @override
    def _left_tangent(
        self, m: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        return m @ x

    @override
    def _right_tangent(
        self, x: Float[Tensor, "*#batch r n"], m: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        return x @ m
