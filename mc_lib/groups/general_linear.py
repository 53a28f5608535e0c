"""GL_n(R), the invertible matrices: two components, told apart by the sign of det."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mc_lib.errors import OutOfDomain
from mc_lib.groups.base import Group


@dataclass(frozen=True)
class GeneralLinear(Group):
    """GL_n(R), elements stored as matrices of shape (..., n, n).

    It has exactly two connected components for every n ≥ 1, GL_n⁺ and GL_n⁻
    (Section 3 of the paper).

    >>> G = GeneralLinear(2)
    >>> swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    >>> int(G.component(swap)), int(G.component(G.compose(swap, swap)))
    (-1, 1)
    """

    compact: ClassVar[bool] = False

    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """Return the identity matrix, repeated over `batch`.

        Args:
            batch: leading shape.
            dtype: of the result.
            device: of the result.

        Returns:
            Shape (*batch, n, n).

        >>> GeneralLinear(1).identity((2,)).shape
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

        >>> GeneralLinear(1).compose(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
        tensor([[6.]])
        """
        return g @ h

    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return g⁻¹.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        Raises:
            NotInGroup: g is singular to working precision.

        >>> GeneralLinear(1).inverse(torch.tensor([[4.0]]))
        tensor([[0.2500]])
        """
        self.require(g)
        return torch.linalg.inv(g)

    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        condition: float = 10.0,
        component: int | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Float[Tensor, "*batch n n"]:
        """Return random invertible matrices of a chosen condition number.

        g = P diag(s) Qᵀ with P, Q uniform (Haar) orthogonal and log s uniform, moved and
        stretched so that max s = √c and min s = 1/√c. Its condition number is c exactly
        (for n = 1, where every condition number is 1, |g| is log-uniform in that range).

        Args:
            generator: the source of randomness; the result lives on its device.
            batch: leading shape.
            condition: c ≥ 1.
            component: +1 or -1 for the sign of det g; None leaves it to chance.
            dtype: of the result.

        Returns:
            Shape (*batch, n, n).

        Raises:
            OutOfDomain: c outside [1, 1/(n ε)), ε the unit round-off of the dtype, or
                component not in {+1, -1, None}.

        >>> g = GeneralLinear(3).sample(torch.Generator().manual_seed(0), condition=100.0)
        >>> round(float(torch.linalg.cond(g)), 6)
        100.0
        """
        most = 1 / (self.n * torch.finfo(dtype).eps)
        if not 1 <= condition < most:
            raise OutOfDomain(
                f"the condition number must lie in [1, {most:.3g}) for n = {self.n} and "
                f"{dtype}, got {condition}"
            )
        if component not in (None, 1, -1):
            raise OutOfDomain(f"component is +1, -1 or None, got {component!r}")
        options: dict[str, Any] = {"dtype": dtype, "device": generator.device}
        p, q = (
            _haar(torch.randn(*batch, self.n, self.n, generator=generator, **options))
            for _ in range(2)
        )
        u = torch.rand(*batch, self.n, generator=generator, **options)
        s = torch.exp(0.5 * math.log(condition) * _spread(u))
        if component is not None:
            wrong = torch.linalg.det(p).sign() * torch.linalg.det(q).sign() != component
            p[..., 0] = torch.where(wrong.unsqueeze(-1), -p[..., 0], p[..., 0])
        return p * s.unsqueeze(-2) @ q.mT

    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether g is invertible: σ_min > n ε σ_max, ε the unit round-off of its dtype.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (...).

        Raises:
            ShapeMismatch: g is not n × n.
            NotFinite: g holds NaN or infinity.

        >>> GeneralLinear(2).contains(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
        tensor(False)
        """
        self._require_matrix(g)
        s = torch.linalg.svdvals(g)
        return s[..., -1] > self.n * torch.finfo(g.dtype).eps * s[..., 0]

    def component(self, g: Float[Tensor, "*batch n n"]) -> Int[Tensor, "*batch"]:
        """Return the sign of det g, which names the component of GL_n that holds g.

        Args:
            g: shape (..., n, n).

        Returns:
            +1 or -1, shape (...).

        Raises:
            NotInGroup: g is singular to working precision.

        >>> GeneralLinear(1).component(torch.tensor([[[2.0]], [[-2.0]]]))
        tensor([ 1, -1])
        """
        self.require(g)
        return torch.linalg.slogdet(g).sign.to(torch.int64)

    def matrix(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return g itself: GL_n acts by its matrices.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        >>> GeneralLinear(1).matrix(torch.tensor([[2.0]]))
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

        >>> GeneralLinear(1).left(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
        tensor([[6.]])
        """
        return g @ x

    def right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x g⁻¹, by an LU solve.

        Args:
            x: shape (..., r, n).
            g: shape (..., n, n).

        Returns:
            Shape (..., r, n), batches broadcast.

        Raises:
            NotInGroup: a pivot of g vanishes to working precision.

        >>> GeneralLinear(1).right_inverse(torch.tensor([[6.0]]), torch.tensor([[2.0]]))
        tensor([[3.]])
        """
        lu, pivots, _ = torch.linalg.lu_factor_ex(g)
        size = lu.diagonal(dim1=-2, dim2=-1).abs()
        if (size.amin(-1) <= self.n * torch.finfo(g.dtype).eps * size.amax(-1)).any():
            self.require(g)
        return torch.linalg.lu_solve(lu, pivots, x, left=False)

    def exp(self, m: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return the matrix exponential of M; every n × n matrix is in the Lie algebra.

        Args:
            m: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        >>> GeneralLinear(1).exp(torch.tensor([[0.0]]))
        tensor([[1.]])
        """
        return torch.linalg.matrix_exp(m)

    def left_tangent(
        self, m: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return M x.

        Args:
            m: shape (..., n, n).
            x: shape (..., n, r).

        Returns:
            Shape (..., n, r), batches broadcast.

        >>> GeneralLinear(1).left_tangent(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
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

        >>> GeneralLinear(1).right_tangent(torch.tensor([[3.0]]), torch.tensor([[2.0]]))
        tensor([[6.]])
        """
        return x @ m

    def admit(self, g: Any) -> None:
        """Refuse a wrong shape or dtype; `right_inverse` finds a singular g by its pivots.

        Args:
            g: the value.

        Raises:
            McLibError: g is not a finite real n × n matrix.

        >>> GeneralLinear(2).admit(torch.eye(2))
        """
        self._require_matrix(g)

    def _why_not(self, g: Tensor) -> str:
        s = torch.linalg.svdvals(g)
        return (
            f"singular to working precision, smallest singular value {float(s[-1]):.3g} "
            f"against the largest {float(s[0]):.3g}"
        )


def _haar(a: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Turn a standard normal matrix into a Haar orthogonal one (QR with diag R > 0)."""
    q, r = torch.linalg.qr(a)
    signs = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q)
    return q * signs.unsqueeze(-2)


def _spread(u: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """Map n numbers in [0, 1] to [-1, 1], touching both ends when n ≥ 2."""
    if u.shape[-1] == 1:
        return 2 * u - 1
    low, high = u.amin(-1, keepdim=True), u.amax(-1, keepdim=True)
    return 2 * (u - low) / (high - low) - 1
