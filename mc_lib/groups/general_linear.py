"""GL_n(R), the invertible matrices: two components, told apart by the sign of det."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault
from mc_lib.errors import OutOfDomain
from mc_lib.groups.derivatives import without_derivative
from mc_lib.groups.logarithm import has_real_logarithm, real_logarithm
from mc_lib.groups.matrix_group import MatrixGroup, matrix_exponential
from mc_lib.groups.nearest import Rows, best_matrix
from mc_lib.groups.polar import PolarPath, is_invertible, polar_factors, polar_path
from mc_lib.groups.ranges import bounds, keeps_range
from mc_lib.groups.rotation import NO_DERIVATIVE
from mc_lib.groups.sampling import (
    flip_first_column,
    haar,
    require_condition,
    require_source,
    spread,
)
from mc_lib.norms import holds, vector_norm


@dataclass(frozen=True)
class GeneralLinear(MatrixGroup):
    """GL_n(R), elements stored as matrices of shape (..., n, n).

    It has exactly two connected components for every n ≥ 1, GL_n⁺ and GL_n⁻
    (Section 3 of the paper).

    >>> G = GeneralLinear(2)
    >>> swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> int(G.component(swap)), int(G.component(G.compose(swap, swap)))
    (-1, 1)
    """

    compact: ClassVar[bool] = False

    @property
    @override
    def dimension(self) -> int:
        return self.n**2

    @property
    @override
    def components(self) -> int:
        return 2

    @override
    def compose(
        self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch n n"]:
        product = super().compose(g, h)
        lost = ~keeps_range(product)
        if holds(lost.any()):
            raise OutOfDomain(f"gh leaves the range of {g.dtype}{first_fault(lost)[1]}")
        return product

    @override
    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        self.require(g)
        return torch.linalg.inv(g)

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        condition: float = 10.0,
        component: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """Return g = P diag(s) Qᵀ with P, Q uniform (Haar) orthogonal and exact condition number c.

        log s is uniform, moved and stretched so that max s = √c and min s = 1/√c. For n = 1,
        where every condition number is 1, |g| is log-uniform in that range.

        >>> g = GeneralLinear(3).sample(torch.Generator().manual_seed(0), condition=100.0)
        >>> round(float(torch.linalg.cond(g)), 2)
        100.0
        """
        require_source(generator, batch, dtype)
        dtype = dtype or torch.get_default_dtype()
        require_condition(condition, self.n, dtype)
        options: dict[str, Any] = {"dtype": dtype, "device": generator.device}
        p, q = (
            haar(torch.randn(*batch, self.n, self.n, generator=generator, **options))
            for _ in range(2)
        )
        u = torch.rand(*batch, self.n, generator=generator, **options)
        s = torch.exp(0.5 * math.log(condition) * spread(u))
        return flip_first_column(p, component, [p, q]) * s.unsqueeze(-2) @ q.mT

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether g is invertible: σ_min > n ε σ_max, ε the unit round-off of its dtype.

        g⁻¹ must be in the range of the dtype too: no singular value is below its smallest normal
        number, 2e-308 in float64 and 1e-38 in float32, or above the inverse of that.

        >>> GeneralLinear(2).contains(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
        tensor(False)
        """
        self._require_array(g, 2)
        return is_invertible(torch.linalg.svdvals(g))

    @override
    def component(self, g: Float[Tensor, "*batch n n"]) -> Int[Tensor, "*batch"]:
        """Return the sign of det g, +1 or -1."""
        self.require(g)
        return torch.linalg.slogdet(g).sign.to(torch.int64)

    @override
    def _right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x g⁻¹, by an LU solve; g is singular where a pivot vanishes."""
        lu, pivots, _ = torch.linalg.lu_factor_ex(g)
        size = lu.detach().diagonal(dim1=-2, dim2=-1).abs()
        low, high = torch.aminmax(size, dim=-1)
        least, most = bounds(g.dtype)
        enough = (self.n * torch.finfo(g.dtype).eps * high).clamp(min=least)
        if holds(((low <= enough) | (high > most)).any()):
            self.require(g)
        return torch.linalg.lu_solve(lu, pivots, x, left=False)

    @override
    def exp(self, m: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return the matrix exponential of M; every n × n matrix is in the Lie algebra."""
        self._require_array(m, 2, "a Lie algebra element")
        g = matrix_exponential(m)
        lost = ~keeps_range(g)
        if holds(lost.any()):
            where, at = first_fault(lost)
            size = float(vector_norm(m[where].detach().flatten()))
            verb = "underflows" if torch.trace(m[where].detach()) < 0 else "overflows"
            raise OutOfDomain(f"exp(M) {verb} {m.dtype}{at}: ‖M‖ = {size:.3g}")
        return g

    @override
    def log(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return a real M with exp(M) = g, the principal logarithm where there is one.

        It exists iff every Jordan block of a negative eigenvalue of g occurs an even number
        of times; det g > 0 is necessary and, for n ≥ 2, not sufficient (eq. 5 of the paper
        takes it for granted). What is returned is verified: ‖exp(M) − g‖ ≤ 1e-10 ‖g‖ in
        float64, 1e-4 ‖g‖ in float32.

        >>> GeneralLinear(2).log(-torch.eye(2))
        tensor([[ 0.0000, -3.1416],
                [ 3.1416,  0.0000]])
        """
        self.require(g)
        return real_logarithm(g)

    def has_real_log(self, g: Float[Tensor, "*batch n n"]) -> Bool[Tensor, "*batch"]:
        """Return whether `log` exists; eigenvalues alone decide for almost every g.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (...).

        Raises:
            NotInGroup: g is singular to working precision.

        >>> GeneralLinear(2).has_real_log(torch.diag(torch.tensor([-1.0, -2.0])))
        tensor(False)
        """
        self.require(g)
        return has_real_logarithm(g)

    def polar(
        self, g: Float[Tensor, "*batch n n"]
    ) -> tuple[Float[Tensor, "*batch n n"], Float[Tensor, "*batch n n"]]:
        """Return the polar factors (Q, S): g = QS, Q orthogonal, S symmetric positive definite.

        Both are unique. In float64 ‖QS − g‖ ≤ 1e-13 ‖g‖ whatever the condition number.

        Args:
            g: shape (..., n, n).

        Returns:
            Q and S, shape (..., n, n) each.

        Raises:
            NotInGroup: g is singular to working precision.

        >>> GeneralLinear(1).polar(torch.tensor([[-3.0]]))
        (tensor([[-1.]]), tensor([[3.]]))
        """
        self.require(g)
        return polar_factors(g)

    @override
    def path(self, g: Float[Tensor, "*batch n n"]) -> PolarPath:
        """Return P(t) = exp(t log Q) exp(t log S), g = QS: from I to g inside GL_n⁺.

        It exists for every g of positive determinant, with a real logarithm or without. In
        float64 ‖P(0) − I‖ ≤ 1e-12 √n and ‖P(1) − g‖ ≤ 1e-12 ‖g‖ up to condition number 1e8.

        >>> P = GeneralLinear(2).path(torch.diag(torch.tensor([4.0, 9.0])))
        >>> P(torch.tensor(0.5)).diagonal().round(decimals=4)
        tensor([2., 3.])
        """
        self._require_array(g, 2)
        u, s, wt = without_derivative(lambda x: tuple(torch.linalg.svd(x)), NO_DERIVATIVE, g)
        if not is_invertible(s).all():
            self.require(g)
        return polar_path(u, s, wt)

    @override
    def admit(self, g: Any) -> None:
        """Refuse a wrong shape or dtype; `right_inverse` finds a singular g by its pivots."""
        self._require_array(g, 2)

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Float[Tensor, "n n"]:
        """Return the invertible g that `best_matrix` finds by descent: a local minimum."""
        return best_matrix(u, w)

    @override
    def _why_not(self, g: Tensor) -> str:
        s = torch.linalg.svdvals(g.detach())
        sizes = f"smallest singular value {float(s[-1]):.3g} against the largest {float(s[0]):.3g}"
        if s[-1] <= self.n * torch.finfo(g.dtype).eps * s[0]:
            return f"singular to working precision, {sizes}"
        least, most = bounds(g.dtype)
        return f"its inverse leaves the range of {g.dtype}, {least:.3g} to {most:.3g}: {sizes}"
