"""A product of groups, one factor for each hidden layer, some with an element at each index.

A factor that lives *over* others has one element at each of their indices: GL(d) over the
heads is GL(d)ʰ, and the permutations of the heads permute its elements. With the elements
of the fibre acting first and the permutations after them, innermost first, the group is an
iterated semidirect product (a wreath product):

    (σ, g)(τ, h) = (στ, τ⁻¹(g) h),

where τ⁻¹ reorders the elements of g as it reorders the axes of a weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mc_lib.errors import ShapeMismatch
from mc_lib.groups.along import along
from mc_lib.groups.base import Element, Group
from mc_lib.groups.discrete import DiscreteGroup, index_rows
from mc_lib.groups.trivial import Trivial

Elements = tuple[Element, ...]


@dataclass(frozen=True)
class ProductGroup:
    """G_1 × ⋯ × G_{l-1}, or their semidirect product; an element is a tuple (g_1, ..., g_{l-1}).

    The methods are those of `Group`, entry by entry: they take and return one entry for each
    factor, and refuse what has too many or too few (ShapeMismatch). The entry of a factor over
    others has shape (*batch, *their numbers of neurons, *element_shape). A discrete factor has
    the Lie algebra {0}: its entry in `exp` may be None.

    Args:
        factors: the groups G_i, in the order of the hidden layers.
        over: for each factor the numbers of the factors over which it lives, groups of
            permutations; with a factor also those over which that one lives.

    >>> from mc_lib.groups.general_linear import GeneralLinear
    >>> G = ProductGroup((GeneralLinear(1), GeneralLinear(1)))
    >>> G.compose((torch.tensor([[2.0]]),) * 2, (torch.tensor([[3.0]]),) * 2)
    (tensor([[6.]]), tensor([[6.]]))
    """

    factors: tuple[Group, ...]
    over: tuple[tuple[int, ...], ...] = ()

    def base(self, i: int) -> tuple[int, ...]:
        """Return the numbers of the factors over which factor i lives."""
        return self.over[i] if self.over else ()

    def sizes(self, i: int) -> tuple[int, ...]:
        """Return how many elements the entry of factor i has along each index set."""
        return tuple(self.factors[j].n for j in self.base(i))

    @property
    def dimension(self) -> int:
        """The dimension: that of each factor, times its number of elements."""
        pairs = enumerate(self.factors)
        return sum(math.prod(self.sizes(i)) * group.dimension for i, group in pairs)

    @property
    def components(self) -> int:
        """The number of connected components: |π₀(G ≀ S_n)| = |π₀(G)|ⁿ n!."""
        pairs = enumerate(self.factors)
        return math.prod(group.components ** math.prod(self.sizes(i)) for i, group in pairs)

    def entries(self, g: Any) -> tuple[Any, ...]:
        """Return g as a tuple, after checking that it has one entry for each factor.

        Raises:
            ShapeMismatch: g is one tensor, or has too many or too few entries.

        >>> ProductGroup(()).entries([])
        ()
        """
        if isinstance(g, Tensor):
            got = f"one tensor of shape {tuple(g.shape)}"
        elif not isinstance(g, Sequence) or isinstance(g, str | bytes):
            got = f"a {type(g).__name__}"
        elif len(g) != len(self.factors):
            got = f"{len(g)} entries"
        else:
            return tuple(g)
        raise ShapeMismatch(
            f"expected a tuple of {len(self.factors)} entries, one for each hidden layer, got {got}"
        )

    def identity(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Elements:
        """Return the identity (e, ..., e)."""
        options: dict[str, Any] = {"dtype": dtype, "device": device}
        pairs = enumerate(self.factors)
        return tuple(group.identity(self.sizes(i), **options) for i, group in pairs)

    def compose(self, g: Sequence[Element], h: Sequence[Element]) -> Elements:
        """Return gh = (g_1 h_1, ..., g_{l-1} h_{l-1}), where h reorders a g_i over others."""
        a, b = self.entries(g), self.entries(h)
        if any(self.over):
            back = self.inverse(b)
            a = tuple(self._reordered(x, i, back) for i, x in enumerate(a))
        return tuple(group.compose(x, y) for group, x, y in zip(self.factors, a, b, strict=True))

    def inverse(self, g: Sequence[Element]) -> Elements:
        """Return g⁻¹ = (g_1⁻¹, ..., g_{l-1}⁻¹), where g reorders a g_i⁻¹ over others."""
        entries = self.entries(g)
        pairs = zip(self.factors, entries, strict=True)
        inverses = enumerate(group.inverse(a) for group, a in pairs)
        return tuple(self._reordered(x, i, entries) for i, x in inverses)

    def exp(self, m: Sequence[Any]) -> Elements:
        """Return exp(M) = (exp M_1, ..., exp M_{l-1})."""
        triples = zip(range(len(self.factors)), self.factors, self.entries(m), strict=True)
        return tuple(
            group.identity(self.sizes(i)) if a is None and group.dimension == 0 else group.exp(a)
            for i, group, a in triples
        )

    def log(self, g: Sequence[Element]) -> tuple[Any, ...]:
        """Return a logarithm of each entry; None for the identity of a factor over others.

        Such a product has discrete factors beside continuous ones; a discrete one that is not
        the identity is refused (NotConnected).
        """
        pairs = zip(self.factors, self.entries(g), strict=True)
        return tuple(self._log(group, a) for group, a in pairs)

    def _log(self, group: Group, g: Element) -> Any:
        if any(self.over) and isinstance(group, DiscreteGroup):
            group.path(g)
            return None
        return group.log(g)

    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        condition: float = 10.0,
        dtype: torch.dtype | None = None,
    ) -> Elements:
        """Return random elements; `condition` is for the entries whose group is not compact."""

        def options(group: Group) -> dict[str, Any]:
            return {} if group.compact else {"condition": condition}

        return tuple(
            group.sample(generator, (*batch, *self.sizes(i)), dtype=dtype, **options(group))
            for i, group in enumerate(self.factors)
        )

    def _reordered(self, x: Tensor, i: int, g: Sequence[Element]) -> Tensor:
        """Let the permutations in g act on the elements x of factor i, innermost first."""
        base = self.base(i)
        rank = len(base) + len(self.factors[i].element_shape)
        for j in sorted(base, key=lambda j: -len(self.base(j))):
            if not isinstance(self.factors[j], Trivial):
                where = [base.index(k) for k in self.base(j)]
                x = along(x, rank, base.index(j), where, partial(_permuted, g[j]))
        return x


def _permuted(p: Tensor, rows: Tensor) -> Tensor:
    return index_rows(rows.mT, p).mT
