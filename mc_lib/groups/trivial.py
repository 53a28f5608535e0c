"""The trivial group of n neurons: an index set that nothing permutes, over which others live."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.groups.nearest import Rows
from mc_lib.groups.permutation import Permutation
from mc_lib.groups.sampling import require_source


@dataclass(frozen=True)
class Trivial(Permutation):
    """The group with one element, the index vector (0, 1, ..., n − 1).

    It names an index set, so that a layer may live `over` it: one number for each frequency
    of a rotary embedding, or for each gain of a norm.

    >>> Trivial(3).sample(torch.Generator())
    tensor([0, 1, 2])
    """

    @property
    @override
    def largest(self) -> int:
        """Any n: there is one element, of number 0."""
        return self.n

    @property
    @override
    def components(self) -> int:
        return 1

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
    ) -> Int[Tensor, "*batch n"]:
        require_source(generator, batch, dtype)
        return self.identity(batch, device=generator.device)

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether g is (0, 1, ..., n − 1).

        >>> Trivial(2).contains(torch.tensor([[0, 1], [1, 0]]))
        tensor([ True, False])
        """
        self._require_indices(g)
        return (g == torch.arange(self.n, device=g.device)).all(-1)

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Int[Tensor, " n"]:
        return self.identity(device=u[0].device)

    @override
    def _rank(self, g: Tensor) -> Tensor:
        return torch.zeros_like(g[..., 0])

    @override
    def _why_not(self, g: Tensor) -> str:
        return f"the only element is (0, ..., {self.n - 1}), entry 0 is {int(g[0])}"
