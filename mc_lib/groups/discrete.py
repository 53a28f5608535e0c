"""Groups of isolated elements, stored as index vectors: no Lie algebra, no paths but rest."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import broadcast_shapes, first_fault, is_dense
from mc_lib.errors import DtypeMismatch, NotConnected, OutOfDomain
from mc_lib.groups.base import Group
from mc_lib.groups.path import GroupPath, spread_times


@dataclass(frozen=True, eq=False)
class RestingPath(GroupPath):
    """P(t) = e for all t; velocity and acceleration are zero n × n matrices in t's dtype."""

    rest: Int[Tensor, "*batch n"]

    @override
    def _derivative(self, t: Tensor, order: int) -> Tensor:
        spread_times(t, t)  # refuses what is not a time
        if order == 0:
            return self.rest.expand(*t.shape, *self.rest.shape)
        return t.new_zeros(*t.shape, *self.rest.shape, self.rest.shape[-1])


class DiscreteGroup(Group):
    """A finite group of signed or plain index vectors, shape (..., n), int64.

    Every element is a connected component by itself and the Lie algebra is {0}, so that
    `exp`, `log` and the tangents have nothing to work on and refuse.
    """

    compact: ClassVar[bool] = True

    @property
    @abstractmethod
    def largest(self) -> int:
        """The largest n whose elements can be numbered in int64."""

    @abstractmethod
    def _rank(self, g: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch"]:
        """Number the elements, one to one."""

    @property
    @override
    def dimension(self) -> int:
        return 0

    @override
    def component(self, g: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch"]:
        """Return a number that names the element, a component by itself; the identity has 0.

        Raises:
            OutOfDomain: the group has more elements than int64 can number.

        >>> from mc_lib.groups import Permutation
        >>> Permutation(3).component(torch.tensor([[0, 1, 2], [0, 2, 1], [2, 1, 0]]))
        tensor([0, 1, 5])
        """
        self.require(g)
        if self.n > self.largest:
            raise OutOfDomain(
                f"{self} has more elements than int64 can number: component needs n ≤ "
                f"{self.largest}; compare the elements themselves"
            )
        return self._rank(g)

    @override
    def exp(self, m: Tensor) -> NoReturn:
        """Refuse: the Lie algebra is {0}.

        >>> from mc_lib.groups import Permutation
        >>> Permutation(2).exp(torch.zeros(2))
        Traceback (most recent call last):
        ...
        mc_lib.errors.OutOfDomain: Permutation(n=2) is discrete, its Lie algebra is {0}: ...
        """
        raise self._no_tangents("exp")

    @override
    def log(self, g: Int[Tensor, "*batch n"]) -> NoReturn:
        raise self._no_tangents("log")

    @override
    def _require_algebra(self, m: Any, verb: str) -> NoReturn:
        raise self._no_tangents(verb)

    @override
    def _left_tangent(self, m: Tensor, x: Tensor) -> NoReturn:
        raise self._no_tangents("left_tangent")

    @override
    def _right_tangent(self, x: Tensor, m: Tensor) -> NoReturn:
        raise self._no_tangents("right_tangent")

    @override
    def path(self, g: Int[Tensor, "*batch n"]) -> RestingPath:
        """Return the constant path, when g is the identity: there is no other path.

        Raises:
            NotConnected: g is not the identity; the message names the first entry moved.

        >>> from mc_lib.groups import Permutation
        >>> Permutation(2).path(torch.tensor([0, 1]))(torch.tensor(0.5))
        tensor([0, 1])
        """
        self.require(g)
        e = self.identity(device=g.device)
        moved = (g != e).any(-1)
        if moved.any():
            where, at = first_fault(moved)
            i = int((g[where] != e).int().argmax())
            raise NotConnected(
                f"g{at} is not the identity: entry {i} is {int(g[where][i])}, not {int(e[i])}, and "
                f"{self} is discrete, so that no path joins two of its elements"
            )
        return RestingPath(g)

    def _no_tangents(self, what: str) -> OutOfDomain:
        return OutOfDomain(f"{self} is discrete, its Lie algebra is {{0}}: {what} is not defined")

    def _require_indices(self, g: Any) -> None:
        if not isinstance(g, Tensor) or g.dtype != torch.int64:
            got = g.dtype if isinstance(g, Tensor) else f"a {type(g).__name__}"
            raise DtypeMismatch(f"an element of {self} is an int64 tensor, got {got}")
        if not is_dense(g) or g.is_meta:
            raise DtypeMismatch(f"an element of {self} is a dense tensor with entries")
        self._require_shape(g, 1)


def index_entries(h: Int[Tensor, "*#batch n"], p: Int[Tensor, "*#batch n"]) -> Tensor:
    """Return the entries h_{p(1)}, ..., h_{p(n)}, batches broadcast.

    >>> index_entries(torch.tensor([7, 8]), torch.tensor([[1, 0], [0, 0]]))
    tensor([[8, 7],
            [7, 7]])
    """
    h, p = torch.broadcast_tensors(h, p)
    return h.gather(-1, p)


def index_rows(x: Shaped[Tensor, "*#batch n r"], p: Int[Tensor, "*#batch n"]) -> Tensor:
    """Return the rows x_{p(1)}, ..., x_{p(n)}, batches broadcast.

    >>> index_rows(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 0])).flatten()
    tensor([2., 1.])
    """
    if p.ndim == 1:
        return x.index_select(-2, p)
    batch = broadcast_shapes(x.shape[:-2], p.shape[:-1])
    rows = p.unsqueeze(-1).expand(*batch, *x.shape[-2:])
    return x.expand(*batch, *x.shape[-2:]).gather(-2, rows)


def lexicographic_rank(p: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch"]:
    """Return the position of a permutation in the dictionary order, from 0 to n! − 1.

    Σ_i (n − 1 − i)! · #{j > i : p(j) < p(i)}, the Lehmer code read in factorial base;
    exact in int64 for n ≤ 20.

    >>> lexicographic_rank(torch.tensor([2, 1, 0]))
    tensor(5)
    """
    smaller = (p.unsqueeze(-2) < p.unsqueeze(-1)).triu(1).sum(-1)
    rank = torch.zeros_like(p[..., 0])
    for i in range(p.shape[-1]):  # Horner in the factorial base
        rank = rank * (p.shape[-1] - i) + smaller[..., i]
    return rank
