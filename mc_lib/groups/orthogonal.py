"""O(n), the orthogonal matrices: rotations (det = 1) and reflections (det = −1)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault, tolerance
from mc_lib.errors import OutOfDomain
from mc_lib.groups.matrix_group import MatrixGroup, matrix_exponential
from mc_lib.groups.nearest import Rows, best_rotation, inner_products
from mc_lib.groups.rotation import (
    RotationPath,
    log_rotation,
    orthogonality_defect,
    require_rotation,
    rotation_frame,
    straighten,
)
from mc_lib.groups.sampling import flip_first_column, haar, require_source
from mc_lib.norms import holds


@dataclass(frozen=True)
class Orthogonal(MatrixGroup):
    """O(n), elements stored as matrices of shape (..., n, n) with QᵀQ = I.

    Two components, told apart by det Q = ±1. It is the symmetry of a layer behind an
    RMS-norm; its Lie algebra is the skew-symmetric matrices.

    >>> G = Orthogonal(2)
    >>> G.contains(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))
    tensor(True)
    """

    compact: ClassVar[bool] = True

    @property
    @override
    def dimension(self) -> int:
        return self.n * (self.n - 1) // 2

    @property
    @override
    def components(self) -> int:
        return 2

    @override
    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return g⁻¹ = gᵀ."""
        self.require(g)
        return g.mT

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        component: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """Return uniform (Haar) random orthogonal matrices.

        >>> Orthogonal(1).sample(torch.Generator(), component=-1)
        tensor([[-1.]])
        """
        require_source(generator, batch, dtype)
        shape = (*batch, self.n, self.n)
        q = haar(torch.randn(*shape, generator=generator, dtype=dtype, device=generator.device))
        return flip_first_column(q, component, [q])

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether ‖gᵀg − I‖ ≤ tol ‖I‖, tol = 1e-10 (float64) or 1e-4 (float32).

        >>> Orthogonal(1).contains(torch.tensor([[2.0]]))
        tensor(False)
        """
        self._require_array(g, 2)
        return orthogonality_defect(g) <= tolerance(g.dtype).equal

    @override
    def component(self, g: Float[Tensor, "*batch n n"]) -> Int[Tensor, "*batch"]:
        """Return det g = ±1."""
        self.require(g)
        return torch.linalg.slogdet(g).sign.to(torch.int64)

    @override
    def _right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x g⁻¹ = x gᵀ."""
        return x @ g.mT

    @override
    def exp(self, m: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return the rotation exp(M), for skew-symmetric M; a refusal names the worst entry."""
        self._require_skew(m)
        q = matrix_exponential((m - m.mT) / 2)
        lost = ~(orthogonality_defect(q.detach()) <= tolerance(q.dtype).equal)
        if holds(lost.any()):
            where, at = first_fault(lost)
            raise OutOfDomain(
                f"exp(M){at} is not orthogonal to {tolerance(q.dtype).equal:.3g}: ‖M‖ has the "
                f"size {float(m[where].detach().abs().max()):.3g}, and rounding grows with it"
            )
        return q

    @override
    def log(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return a real skew-symmetric M with exp(M) = g: every rotation has one.

        Its angles lie in [−π, π]; accuracy as `log_rotation`.
        """
        self._require_array(g, 2)
        return log_rotation(g)

    @override
    def path(self, g: Float[Tensor, "*batch n n"]) -> RotationPath:
        """Return P(t) = exp(t log g), from I to g inside SO(n).

        In float64 ‖P(0) − I‖ and ‖P(1) − g‖ are at most 1e-12 √n for g orthogonal to
        round-off (1e-4 √n in float32).

        >>> Orthogonal(2).path(-torch.eye(2))(torch.tensor(0.5)).round(decimals=4).abs()
        tensor([[0., 1.],
                [1., 0.]])
        """
        self._require_array(g, 2)
        require_rotation(g)
        return RotationPath(rotation_frame(straighten(g)))

    @override
    def _left_tangent(
        self, m: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        self._require_skew(m)
        return m @ x

    @override
    def _right_tangent(
        self, x: Float[Tensor, "*#batch r n"], m: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        self._require_skew(m)
        return x @ m

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Float[Tensor, "n n"]:
        """Return the g that maximises tr(gᵀC), C the `inner_products` of the rows: Procrustes."""
        return best_rotation(inner_products(u, w))

    @override
    def _why_not(self, g: Tensor) -> str:
        return (
            f"‖gᵀg − I‖/‖I‖ = {float(orthogonality_defect(g)):.3g}, at most "
            f"{tolerance(g.dtype).equal:.3g} counts as zero in {g.dtype}"
        )

    def _require_skew(self, m: Any) -> None:
        self._require_array(m, 2, "a Lie algebra element")
        gap = (m + m.mT).detach().abs()
        bent = gap.amax((-2, -1)) > tolerance(m.dtype).equal * m.detach().abs().amax((-2, -1))
        if holds(bent.any()):
            where, at = first_fault(bent)
            i, j = divmod(int(gap[where].argmax()), self.n)
            raise OutOfDomain(
                f"not skew-symmetric{at}: M[{i}, {j}] + M[{j}, {i}] = "
                f"{float((m + m.mT)[where][i, j]):.6g}, not 0"
            )
