"""O(n), the orthogonal matrices: rotations (det = 1) and reflections (det = −1)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.errors import OutOfDomain
from mc_lib.groups.matrix_group import MatrixGroup, matrix_exponential
from mc_lib.groups.nearest import Rows, best_rotation, inner_products
from mc_lib.groups.refusal import first_fault
from mc_lib.groups.rotation import (
    RotationPath,
    log_rotation,
    orthogonality_defect,
    require_rotation,
    rotation_frame,
    straighten,
)
from mc_lib.groups.sampling import flip_first_column, haar


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

    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return g⁻¹ = gᵀ.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        Raises:
            NotInGroup: g is not orthogonal.

        >>> Orthogonal(2).inverse(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))
        tensor([[ 0.,  1.],
                [-1.,  0.]])
        """
        self.require(g)
        return g.mT

    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        component: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """Return uniform (Haar) random orthogonal matrices.

        Args:
            generator: the source of randomness; the result lives on its device.
            batch: leading shape.
            component: +1 or -1 for det; None leaves it to chance.
            dtype: of the result; torch's default dtype if None.

        Returns:
            Shape (*batch, n, n).

        Raises:
            OutOfDomain: component not in {+1, -1, None}.

        >>> Orthogonal(1).sample(torch.Generator(), component=-1)
        tensor([[-1.]])
        """
        shape = (*batch, self.n, self.n)
        q = haar(torch.randn(*shape, generator=generator, dtype=dtype, device=generator.device))
        return flip_first_column(q, component, [q])

    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether ‖gᵀg − I‖ ≤ tol ‖I‖, tol = 1e-10 (float64) or 1e-4 (float32).

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (...).

        Raises:
            ShapeMismatch: g is not n × n.
            NotFinite: g holds NaN or infinity.

        >>> Orthogonal(1).contains(torch.tensor([[2.0]]))
        tensor(False)
        """
        self._require_array(g, 2)
        return orthogonality_defect(g) <= tolerance(g.dtype).equal

    def component(self, g: Float[Tensor, "*batch n n"]) -> Int[Tensor, "*batch"]:
        """Return det g = ±1, which names the component of O(n) that holds g.

        Args:
            g: shape (..., n, n).

        Returns:
            +1 or -1, shape (...).

        Raises:
            NotInGroup: g is not orthogonal.

        >>> Orthogonal(1).component(torch.tensor([[[1.0]], [[-1.0]]]))
        tensor([ 1, -1])
        """
        self.require(g)
        return torch.linalg.slogdet(g).sign.to(torch.int64)

    def right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x g⁻¹ = x gᵀ.

        Args:
            x: shape (..., r, n).
            g: shape (..., n, n).

        Returns:
            Shape (..., r, n), batches broadcast.

        >>> Orthogonal(1).right_inverse(torch.tensor([[6.0]]), torch.tensor([[-1.0]]))
        tensor([[-6.]])
        """
        return x @ g.mT

    def exp(self, m: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return the rotation exp(M), for skew-symmetric M.

        Args:
            m: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        Raises:
            OutOfDomain: m is not skew-symmetric; the message names the worst entry.

        >>> Orthogonal(2).exp(torch.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
        """
        self._require_skew(m)
        return matrix_exponential((m - m.mT) / 2)

    def log(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Return a real skew-symmetric M with exp(M) = g: every rotation has one.

        Its angles lie in [−π, π]; accuracy as `log_rotation`.

        Args:
            g: shape (..., n, n).

        Returns:
            Shape (..., n, n).

        Raises:
            NotInGroup: g is not orthogonal.
            NotConnected: det g = −1.

        >>> Orthogonal(1).log(torch.tensor([[1.0]]))
        tensor([[0.]])
        """
        self._require_array(g, 2)
        return log_rotation(g)

    def path(self, g: Float[Tensor, "*batch n n"]) -> RotationPath:
        """Return P(t) = exp(t log g), from I to g inside SO(n).

        In float64 ‖P(0) − I‖ and ‖P(1) − g‖ are at most 1e-12 √n for g orthogonal to
        round-off (1e-4 √n in float32).

        Args:
            g: shape (..., n, n).

        Returns:
            A callable of t, with `velocity` and `acceleration`.

        Raises:
            NotInGroup: g is not orthogonal.
            NotConnected: det g = −1.

        >>> Orthogonal(2).path(-torch.eye(2))(torch.tensor(0.5)).round(decimals=4).abs()
        tensor([[0., 1.],
                [1., 0.]])
        """
        self._require_array(g, 2)
        require_rotation(g)
        return RotationPath(rotation_frame(straighten(g)))

    def left_tangent(
        self, m: Float[Tensor, "*#batch n n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return M x, for skew-symmetric M.

        Args:
            m: shape (..., n, n).
            x: shape (..., n, r).

        Returns:
            Shape (..., n, r), batches broadcast.

        Raises:
            OutOfDomain: m is not skew-symmetric.

        >>> Orthogonal(1).left_tangent(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
        tensor([[0.]])
        """
        self._require_skew(m)
        return m @ x

    def right_tangent(
        self, x: Float[Tensor, "*#batch r n"], m: Float[Tensor, "*#batch n n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x M, for skew-symmetric M.

        Args:
            x: shape (..., r, n).
            m: shape (..., n, n).

        Returns:
            Shape (..., r, n), batches broadcast.

        Raises:
            OutOfDomain: m is not skew-symmetric.

        >>> Orthogonal(1).right_tangent(torch.tensor([[3.0]]), torch.tensor([[0.0]]))
        tensor([[0.]])
        """
        self._require_skew(m)
        return x @ m

    def nearest(self, u: Rows, w: Rows, degree: float | int = 1) -> Float[Tensor, "n n"]:
        """Return the g that maximises tr(gᵀC), C the `inner_products` of the rows: Procrustes."""
        return best_rotation(inner_products(u, w))

    def _why_not(self, g: Tensor) -> str:
        return (
            f"‖gᵀg − I‖/‖I‖ = {float(orthogonality_defect(g)):.3g}, at most "
            f"{tolerance(g.dtype).equal:.3g} counts as zero in {g.dtype}"
        )

    def _require_skew(self, m: Any) -> None:
        self._require_array(m, 2, "a Lie algebra element")
        gap = (m + m.mT).abs()
        bent = gap.amax((-2, -1)) > tolerance(m.dtype).equal * m.abs().amax((-2, -1))
        if bent.any():
            where, at = first_fault(bent)
            i, j = divmod(int(gap[where].argmax()), self.n)
            raise OutOfDomain(
                f"not skew-symmetric{at}: M[{i}, {j}] + M[{j}, {i}] = "
                f"{float((m + m.mT)[where][i, j]):.6g}, not 0"
            )
