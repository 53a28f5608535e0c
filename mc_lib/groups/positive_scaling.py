"""Positive scalings: one positive factor for each neuron; the symmetry of homogeneous σ."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault
from mc_lib.errors import OutOfDomain
from mc_lib.groups.base import Group
from mc_lib.groups.nearest import Rows, best_factors
from mc_lib.groups.path import GroupPath, spread_times
from mc_lib.groups.ranges import bounds, invertible_numbers
from mc_lib.groups.sampling import require_condition, require_form, require_source, spread
from mc_lib.kinds import require_number
from mc_lib.norms import holds


@dataclass(frozen=True, eq=False)
class ScalingPath(GroupPath):
    """P(t) = gᵗ = exp(t log g), entry by entry."""

    rate: Float[Tensor, "*batch n"]  # log g

    @override
    def _derivative(self, t: Tensor, order: int) -> Tensor:
        return self.rate**order * torch.exp(spread_times(t, self.rate) * self.rate)


@dataclass(frozen=True)
class PositiveScaling(Group):
    """The diagonal matrices with positive entries, stored as vectors of shape (..., n).

    σ(cz) = cᵏ σ(z) for c > 0 lets each neuron be scaled by its own c; the R_{>0} of
    Section 5.2 of the paper, which scales a whole layer, is the vectors (c, ..., c). The
    group is connected, and its Lie algebra is all vectors.

    >>> G = PositiveScaling(2)
    >>> G.matrix(torch.tensor([2.0, 3.0]))
    tensor([[2., 0.],
            [0., 3.]])
    """

    compact: ClassVar[bool] = False

    @property
    @override
    def dimension(self) -> int:
        return self.n

    @property
    @override
    def components(self) -> int:
        return 1

    @override
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "*batch n"]:
        """Return the vector of ones, repeated over `batch`."""
        require_form(batch, dtype, device)
        return torch.ones(*batch, self.n, dtype=dtype, device=device)

    @override
    def compose(
        self, g: Float[Tensor, "*#batch n"], h: Float[Tensor, "*#batch n"]
    ) -> Float[Tensor, "*batch n"]:
        """Return the entrywise product gh."""
        self._require_array(g, 1)
        self._require_array(h, 1)
        self._require_factors(g, h)
        return self._closed(g * h)

    @override
    def inverse(self, g: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return 1/g, entry by entry."""
        self.require(g)
        return 1 / g

    def power(self, g: Float[Tensor, "*batch n"], k: float | int) -> Float[Tensor, "*batch n"]:
        """Return gᵏ, entry by entry: ρ_out(g) for a σ of degree k.

        Args:
            g: shape (..., n).
            k: any real number.

        Returns:
            Shape (..., n).

        Raises:
            NotInGroup: an entry of g is not positive.
            OutOfDomain: an entry of gᵏ leaves the range of the dtype.

        >>> PositiveScaling(1).power(torch.tensor([3.0]), 2)
        tensor([9.])
        """
        self.require(g)
        require_number(k, "the exponent k")
        return self._closed(g**k)

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        condition: float = 10.0,
        dtype: torch.dtype | None = None,
    ) -> Float[Tensor, "*batch n"]:
        """Return random scalings whose largest and smallest factors are √c and 1/√c.

        log g is uniform, moved and stretched to touch both ends; for n = 1 it is uniform
        between them.

        >>> g = PositiveScaling(5).sample(torch.Generator().manual_seed(0), condition=100.0)
        >>> round(float(g.max()), 6), round(float(g.min()), 6)
        (10.0, 0.1)
        """
        require_source(generator, batch, dtype)
        dtype = dtype or torch.get_default_dtype()
        require_condition(condition, self.n, dtype)
        u = torch.rand(*batch, self.n, generator=generator, dtype=dtype, device=generator.device)
        return torch.exp(0.5 * math.log(condition) * spread(u))

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether every entry is positive, so far from 0 and ∞ that 1/g is finite.

        >>> PositiveScaling(2).contains(torch.tensor([[1.0, 2.0], [1.0, 0.0]]))
        tensor([ True, False])
        """
        self._require_array(g, 1)
        return invertible_numbers(g).all(-1)

    @override
    def component(self, g: Float[Tensor, "*batch n"]) -> Int[Tensor, "*batch"]:
        """Return +1 for every element: the group is connected."""
        self.require(g)
        return torch.ones(g.shape[:-1], dtype=torch.int64, device=g.device)

    @override
    def matrix(self, g: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n n"]:
        """Return diag(g)."""
        self.require(g)
        return torch.diag_embed(g)

    @override
    def _left(
        self, g: Float[Tensor, "*#batch n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return diag(g) x: row i of x is multiplied by g_i."""
        return g.unsqueeze(-1) * x

    @override
    def _right_inverse(
        self, x: Float[Tensor, "*#batch r n"], g: Float[Tensor, "*#batch n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x diag(g)⁻¹: column i of x is divided by g_i."""
        return x / g.unsqueeze(-2)

    @override
    def exp(self, m: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return exp(m), entry by entry, for any vector m."""
        self._require_array(m, 1, "a Lie algebra element")
        return self._closed(torch.exp(m))

    @override
    def log(self, g: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return log g, entry by entry: it always exists."""
        self.require(g)
        return g.log()

    @override
    def path(self, g: Float[Tensor, "*batch n"]) -> ScalingPath:
        """Return P(t) = gᵗ, from 1 to g; P(0) = 1 exactly, P(1) = g to 4 ε (1 + |log g|).

        >>> PositiveScaling(1).path(torch.tensor([9.0]))(torch.tensor(0.5)).round(decimals=4)
        tensor([3.])
        """
        return ScalingPath(self.log(g))

    @override
    def _left_tangent(
        self, m: Float[Tensor, "*#batch n"], x: Float[Tensor, "*#batch n r"]
    ) -> Float[Tensor, "*batch n r"]:
        """Return diag(m) x."""
        return m.unsqueeze(-1) * x

    @override
    def _right_tangent(
        self, x: Float[Tensor, "*#batch r n"], m: Float[Tensor, "*#batch n"]
    ) -> Float[Tensor, "*batch r n"]:
        """Return x diag(m)."""
        return x * m.unsqueeze(-2)

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Float[Tensor, " n"]:
        """Return the best factor of each neuron, in closed form (`best_factors`)."""
        (a, a_out), (b, b_out) = u, w
        alpha, beta = (a * b).sum(1), (b * b).sum(1)
        gamma, delta = (a_out * b_out).sum(1), (b_out * b_out).sum(1)
        return best_factors(alpha, beta, gamma, delta, degree)[0]

    def _closed(self, g: Tensor) -> Tensor:
        """Refuse a result that left the range of the dtype."""
        outside = ~invertible_numbers(g).all(-1)
        if holds(outside.any()):
            (where, at), (least, most) = first_fault(outside), bounds(g.dtype)
            low, high = torch.aminmax(g[where].detach())
            raise OutOfDomain(
                f"the factors{at} range from {float(low):.3g} to {float(high):.3g}: {g.dtype} "
                f"holds {least:.3g} to {most:.3g}"
            )
        return g

    @override
    def _why_not(self, g: Tensor) -> str:
        i = int((~invertible_numbers(g)).int().argmax())
        return f"factor {i} is {float(g[i]):.6g}, not positive (with a finite inverse)"
