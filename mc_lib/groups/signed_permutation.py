"""Signed permutations (the hyperoctahedral group): the symmetry of an odd activation."""

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
class SignedPermutation(DiscreteGroup):
    """The 2ⁿ n! signed permutations: (Sx)_i = sign(s_i) x_{|s_i|}, neurons counted from 1.

    Elements are stored in window notation: vectors s of shape (..., n), int64, whose
    absolute values are a permutation of 1, ..., n. σ(−z) = −σ(z), as for tanh, lets a
    neuron change its sign. Finite, so every element is a component by itself.

    >>> G = SignedPermutation(2)
    >>> G.left(torch.tensor([-2, 1]), torch.tensor([[10.0], [11.0]])).flatten()
    tensor([-11.,  10.])
    """

    @property
    @override
    def largest(self) -> int:
        """16: 2¹⁶ 16! < 2⁶³ < 2¹⁷ 17!."""
        return 16

    @property
    @override
    def components(self) -> int:
        return 2**self.n * math.factorial(self.n)

    @override
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Int[Tensor, "*batch n"]:
        """Return (1, 2, ..., n), repeated over `batch`."""
        require_form(batch, dtype, device)
        return torch.arange(1, self.n + 1, device=device).expand(*batch, self.n)

    @override
    def compose(
        self, g: Int[Tensor, "*#batch n"], h: Int[Tensor, "*#batch n"]
    ) -> Int[Tensor, "*batch n"]:
        """Return gh: (GHx)_i = sign(g_i) (Hx)_{|g_i|}, so entry i is sign(g_i) h_{|g_i|}.

        >>> SignedPermutation(2).compose(torch.tensor([-2, 1]), torch.tensor([-2, 1]))
        tensor([-1, -2])
        """
        self.require(g)
        self.require(h)
        self._require_factors(g, h)
        return g.sign() * index_entries(h, g.abs() - 1)

    @override
    def inverse(self, g: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch n"]:
        """Return g⁻¹: where g_i = ±j, entry j is ±i.

        >>> SignedPermutation(2).inverse(torch.tensor([-2, 1]))
        tensor([ 2, -1])
        """
        self.require(g)
        order = g.abs().argsort(dim=-1)
        return g.sign().gather(-1, order) * (order + 1)

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
    ) -> Int[Tensor, "*batch n"]:
        require_source(generator, batch, dtype)
        keys, signs = (
            torch.rand(
                *batch, self.n, generator=generator, dtype=torch.float64, device=generator.device
            )
            for _ in range(2)
        )
        return (keys.argsort(dim=-1) + 1) * torch.where(signs < 0.5, -1, 1)

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether each of 1, ..., n occurs once, up to sign.

        >>> SignedPermutation(2).contains(torch.tensor([[-2, 1], [-1, 1]]))
        tensor([ True, False])
        """
        self._require_indices(g)
        sizes = g.abs().sort(dim=-1).values
        return (sizes == torch.arange(1, self.n + 1, device=g.device)).all(-1)

    @override
    def matrix(
        self, g: Int[Tensor, "*batch n"], *, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "*batch n n"]:
        """Return S with S_{i, |g_i|} = sign(g_i), zero elsewhere.

        >>> SignedPermutation(2).matrix(torch.tensor([-2, 1]))
        tensor([[ 0., -1.],
                [ 1.,  0.]])
        """
        self.require(g)
        require_form((), dtype)
        rows = torch.eye(self.n, dtype=dtype, device=g.device)[g.abs() - 1]
        return torch.where(g.unsqueeze(-1) < 0, 0 - rows, rows)

    @override
    def _left(
        self, g: Int[Tensor, "*#batch n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return Sx: row i is sign(g_i) times row |g_i| of x."""
        return index_rows(x, g.abs() - 1) * g.sign().unsqueeze(-1)

    @override
    def _right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Int[Tensor, "*#batch n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return xS⁻¹ = xSᵀ: column i is sign(g_i) times column |g_i| of x."""
        return self._left(g, x.mT).mT

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Int[Tensor, " n"]:
        """Return the s that maximises Σ_i sign(s_i) C_{i, |s_i|}, C as for `Permutation`.

        A pair of neurons gains |C_ij| with the better sign, whichever the other pairs are, so
        the assignment of largest total |C_ij| is the exact maximum.

        >>> one = torch.tensor([[1.0], [2.0]])
        >>> SignedPermutation(2).nearest((one, one), (-one.flip(0), -one.flip(0)))
        tensor([-2, -1])
        """
        gain = inner_products(u, w)
        p = best_assignment(gain.abs())
        kept = gain.gather(1, p[:, None])[:, 0] >= 0
        return torch.where(kept, p + 1, -p - 1)

    @override
    def _rank(self, g: Tensor) -> Tensor:
        bits = 2 ** torch.arange(self.n, device=g.device)
        return lexicographic_rank(g.abs()) * 2**self.n + ((g < 0) * bits).sum(-1)

    @override
    def _why_not(self, g: Tensor) -> str:
        seen = sorted(g.abs().tolist())
        wrong = [i for i in seen if not 1 <= i <= self.n or seen.count(i) > 1]
        return (
            f"each of 1, ..., {self.n} must occur once, up to sign; at fault: "
            f"{sorted(set(wrong))[:6]}"
        )
