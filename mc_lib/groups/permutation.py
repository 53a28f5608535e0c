"""S_n, the permutations of n neurons: the symmetry of every pointwise activation."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.groups.discrete import DiscreteGroup, index_entries, index_rows, lexicographic_rank
from mc_lib.groups.nearest import Rows, best_assignment, inner_products
from mc_lib.groups.sampling import require_form, require_source


@dataclass(frozen=True)
class Permutation(DiscreteGroup):
    """S_n, elements stored as index vectors p of shape (..., n), int64: (Px)_i = x_{p(i)}.

    Finite, so every element is a component by itself. It acts by indexing.

    >>> G = Permutation(3)
    >>> p = torch.tensor([2, 0, 1])
    >>> G.left(p, torch.tensor([[10.0], [11.0], [12.0]])).flatten()
    tensor([12., 10., 11.])
    """

    @property
    @override
    def largest(self) -> int:
        """20: 20! < 2⁶³ < 21!."""
        return 20

    @property
    @override
    def components(self) -> int:
        return math.factorial(self.n)

    @override
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Int[Tensor, "*batch n"]:
        """Return (0, 1, ..., n − 1), repeated over `batch`."""
        require_form(batch, dtype, device)
        return torch.arange(self.n, device=device).expand(*batch, self.n)

    @override
    def compose(
        self, g: Int[Tensor, "*#batch n"], h: Int[Tensor, "*#batch n"]
    ) -> Int[Tensor, "*batch n"]:
        """Return gh = h[g]: (GHx)_i = (Hx)_{g(i)} = x_{h(g(i))}.

        >>> Permutation(3).compose(torch.tensor([1, 0, 2]), torch.tensor([2, 0, 1]))
        tensor([0, 2, 1])
        """
        self.require(g)
        self.require(h)
        self._require_factors(g, h)
        return index_entries(h, g)

    @override
    def inverse(self, g: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch n"]:
        """Return g⁻¹, the order that sorts g.

        >>> Permutation(3).inverse(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
        """
        self.require(g)
        return g.argsort(dim=-1)

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
    ) -> Int[Tensor, "*batch n"]:
        """Return uniform random permutations: the order of n random numbers."""
        require_source(generator, batch, dtype)
        shape = (*batch, self.n)
        keys = torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device)
        return keys.argsort(dim=-1)

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether each of 0, ..., n − 1 occurs once.

        >>> Permutation(2).contains(torch.tensor([[1, 0], [1, 1]]))
        tensor([ True, False])
        """
        self._require_indices(g)
        return (g.sort(dim=-1).values == torch.arange(self.n, device=g.device)).all(-1)

    def sign(self, g: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch"]:
        """Return det of the permutation matrix: −1 to the number of inversions.

        Args:
            g: shape (..., n).

        Returns:
            +1 or -1, shape (...).

        Raises:
            NotInGroup: g is not a permutation.

        >>> Permutation(3).sign(torch.tensor([[1, 0, 2], [1, 2, 0]]))
        tensor([-1,  1])
        """
        self.require(g)
        inversions = (g.unsqueeze(-2) < g.unsqueeze(-1)).triu(1).sum((-2, -1))
        return 1 - 2 * (inversions % 2)

    @override
    def matrix(
        self, g: Int[Tensor, "*batch n"], *, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "*batch n n"]:
        """Return P with P_{i, g(i)} = 1, zero elsewhere.

        >>> Permutation(2).matrix(torch.tensor([1, 0]))
        tensor([[0., 1.],
                [1., 0.]])
        """
        self.require(g)
        require_form((), dtype)
        return torch.eye(self.n, dtype=dtype, device=g.device)[g]

    @override
    def _left(
        self, g: Int[Tensor, "*#batch n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return Px: row i is row g(i) of x."""
        return index_rows(x, g)

    @override
    def _right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Int[Tensor, "*#batch n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return xP⁻¹ = xPᵀ: column i is column g(i) of x."""
        return index_rows(x.mT, g).mT

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Int[Tensor, " n"]:
        """Return the p that maximises Σ_i C_{i, p(i)}, C the `inner_products` of the rows."""
        return best_assignment(inner_products(u, w))

    @override
    def _rank(self, g: Tensor) -> Tensor:
        return lexicographic_rank(g)

    @override
    def _why_not(self, g: Tensor) -> str:
        seen = sorted(g.tolist())
        wrong = [i for i in seen if not 0 <= i < self.n or seen.count(i) > 1]
        return f"each of 0, ..., {self.n - 1} must occur once; at fault: {sorted(set(wrong))[:6]}"
