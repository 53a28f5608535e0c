"""O(n) fixing the vector of ones: the symmetry of a stream from which LayerNorm takes its mean."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault, tolerance
from mc_lib.errors import OutOfDomain
from mc_lib.groups.nearest import Rows, best_rotation, inner_products
from mc_lib.groups.orthogonal import Orthogonal
from mc_lib.norms import holds


@dataclass(frozen=True)
class CentredOrthogonal(Orthogonal):
    """The orthogonal matrices with Q1 = 1, a copy of O(n − 1), stored as (..., n, n).

    LayerNorm subtracts the mean, so that only rotations of the complement of 1 pass it. The
    Lie algebra is the skew-symmetric matrices with M1 = 0.

    >>> CentredOrthogonal(2).contains(torch.stack([torch.eye(2), -torch.eye(2)]))
    tensor([ True, False])
    """

    @property
    @override
    def dimension(self) -> int:
        return (self.n - 1) * (self.n - 2) // 2

    @property
    @override
    def components(self) -> int:
        return 2 if self.n > 1 else 1

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        component: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """Return uniform (Haar) random elements of the copy of O(n − 1)."""
        if self.n == 1:
            if component == -1:
                raise OutOfDomain("component is +1: the only element for n = 1 is 1")
            return self.identity(batch, dtype=dtype, device=generator.device)
        small = Orthogonal(self.n - 1)
        q = small.sample(generator, batch, component=component, dtype=dtype)
        basis = self._complement(q)
        return basis @ q @ basis.mT + 1 / self.n

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether g is orthogonal and its rows sum to 1, to the tolerance of `Orthogonal`.

        >>> CentredOrthogonal(2).contains(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        tensor(True)
        """
        inside = super().contains(g)
        off = (g.detach().sum(-1) - 1).abs().amax(-1)
        return inside & (off <= tolerance(g.dtype).equal * self.n)

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Float[Tensor, "n n"]:
        """Return the best rotation of the complement of 1: Procrustes in a basis of it."""
        return best_centred_rotation(inner_products(u, w))

    @override
    def _why_not(self, g: Tensor) -> str:
        if super().contains(g):
            return f"g1 = 1 is off by {float((g.sum(-1) - 1).abs().max()):.3g}"
        return super()._why_not(g)

    @override
    def _require_skew(self, m: Any) -> None:
        super()._require_skew(m)
        off = m.detach().sum(-1).abs().amax(-1)
        bent = off > tolerance(m.dtype).equal * self.n * m.detach().abs().amax((-2, -1))
        if holds(bent.any()):
            where, at = first_fault(bent)
            raise OutOfDomain(f"M1 = 0 fails{at}: a row of M sums to {float(off[where]):.6g}")

    def _complement(self, like: Tensor) -> Tensor:
        """Return an orthonormal basis of the complement of 1, shape (n, n − 1)."""
        return contrasts(self.n).to(like)


def best_centred_rotation(product: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return the orthogonal g with g1 = 1 that maximises tr(gᵀC).

    Args:
        product: C, shape (..., n, n).

    Returns:
        Shape (..., n, n).

    >>> best_centred_rotation(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).round() + 0.0
    tensor([[0., 1.],
            [1., 0.]])
    """
    n = product.shape[-1]
    if n == 1:
        return torch.ones_like(product)
    basis = contrasts(n).to(product)
    return basis @ best_rotation(basis.mT @ product @ basis) @ basis.mT + 1 / n


def contrasts(n: int) -> Float[Tensor, "n m"]:
    """Return the orthonormal columns (1, ..., 1, −k, 0, ..., 0)/√(k(k + 1)), all of sum 0.

    Args:
        n: their length, 2 or more.

    Returns:
        Shape (n, n − 1), float64.

    >>> (contrasts(2) * 2**0.5).flatten().tolist()
    [1.0, -1.0]
    """
    k = torch.arange(1, n, dtype=torch.float64)
    x = torch.ones(n, n - 1, dtype=torch.float64).triu()
    x[torch.arange(1, n), torch.arange(n - 1)] = -k
    return x / (k * (k + 1)).sqrt()
