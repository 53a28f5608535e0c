"""A product of groups, one factor for each hidden layer: everything entry by entry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mc_lib.errors import ShapeMismatch
from mc_lib.groups.base import Element, Group

Elements = tuple[Element, ...]


@dataclass(frozen=True)
class ProductGroup:
    """G_1 × ⋯ × G_{l-1}; an element is a tuple (g_1, ..., g_{l-1}).

    The methods are those of `Group`, entry by entry: they take and return one entry for each
    factor, and refuse what has too many or too few (ShapeMismatch).

    >>> from mc_lib.groups.general_linear import GeneralLinear
    >>> G = ProductGroup((GeneralLinear(1), GeneralLinear(1)))
    >>> G.compose((torch.tensor([[2.0]]),) * 2, (torch.tensor([[3.0]]),) * 2)
    (tensor([[6.]]), tensor([[6.]]))
    """

    factors: tuple[Group, ...]

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
        return tuple(group.identity(**options) for group in self.factors)

    def compose(self, g: Sequence[Element], h: Sequence[Element]) -> Elements:
        """Return gh = (g_1 h_1, ..., g_{l-1} h_{l-1})."""
        triples = zip(self.factors, self.entries(g), self.entries(h), strict=True)
        return tuple(group.compose(a, b) for group, a, b in triples)

    def inverse(self, g: Sequence[Element]) -> Elements:
        """Return g⁻¹ = (g_1⁻¹, ..., g_{l-1}⁻¹)."""
        pairs = zip(self.factors, self.entries(g), strict=True)
        return tuple(group.inverse(a) for group, a in pairs)

    def exp(self, m: Sequence[Tensor]) -> Elements:
        """Return exp(M) = (exp M_1, ..., exp M_{l-1})."""
        return tuple(group.exp(a) for group, a in zip(self.factors, self.entries(m), strict=True))

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
            group.sample(generator, batch, dtype=dtype, **options(group)) for group in self.factors
        )
