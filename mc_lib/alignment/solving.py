"""The best elements of the layers of a block, as matrices, for given inner products."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

import torch
from torch import Tensor

from mc_lib.alignment.grams import Block, Term
from mc_lib.groups import (
    CentredOrthogonal,
    ComplexScaling,
    Group,
    Permutation,
    SignedPermutation,
)
from mc_lib.groups.centred_orthogonal import best_centred_rotation
from mc_lib.groups.complex_scaling import unit
from mc_lib.groups.nearest import best_assignment, best_rotation
from mc_lib.symmetry import Symmetry

ROUNDS = 4  # over layers that share a weight, inside one block


@dataclass(frozen=True, eq=False)
class Solver:
    """The best elements of the layers of a block, as matrices, for given inner products."""

    symmetry: Symmetry
    block: Block

    def solve(
        self,
        found: Sequence[Term],
        given: Mapping[Any, Tensor] | None = None,
    ) -> dict[Any, Tensor]:
        """Return the element of each layer, of shape (*its index sets, n, n).

        The root's assignment is exact where no two of the inner layers share a weight: for each
        pair of indices the best of the inner elements are found first. Index sets are those of
        u. An inner layer that no term sees stays at the identity.

        Args:
            found: the terms.
            given: matrices of layers that stay as they are; the root's among them is one.
        """
        root, given = self.block.root, dict(given or {})
        if root is None:
            return self._inner(found, (), given)
        rest = [self._pairs(term, root) for term in found]
        if not self.block.inner:
            total = sum(term.values for term in rest)
            return {root: given.get(root, self._best(self._group(root), total))}  # type: ignore[arg-type]
        p = given.pop(root, None)
        if p is not None:  # only the pairs of that permutation
            at = (torch.arange(len(p)), p.argmax(-1).cpu())
            chosen = [Term(x.still, x.moving, x.values[at]) for x in rest]
            return {root: p, **self._inner(chosen, (root,), given)}
        inner = self._inner(rest, (root, root), given)
        value = self._value(rest, inner, 2)
        p = self._best(self._group(root), value)
        at = (torch.arange(len(p)), p.argmax(-1).cpu())
        return {root: p, **{k: x[at] if k not in given else x for k, x in inner.items()}}

    def _group(self, name: str) -> Group:
        return self.symmetry.layers[name].group

    @staticmethod
    def _pairs(term: Term, root: str) -> Term:
        """Return a term with the pair of the root in front, as batch."""
        if root not in term.moving:
            raise AssertionError(f"a weight meets a layer over {root!r} and not {root!r}")
        d = len(term.still) + 2 * term.moving.index(root)
        values = term.values.movedim([d, d + 1], [0, 1])
        return Term(term.still, tuple(x for x in term.moving if x != root), values)

    def _inner(
        self, found: Sequence[Term], batch: tuple[str, ...], given: Mapping[Any, Tensor]
    ) -> dict[Any, Tensor]:
        """Return the elements of the inner layers for each entry of the batch axes."""
        rank = len(batch)
        elements = dict(given)
        wanted = [name for name in self.block.inner if name not in given]
        shared = any(len(set(term.moving) & set(wanted)) > 1 for term in found)
        while wanted:  # first those that weights see alone, with what is known
            alone = [
                name
                for name in wanted
                if any(name in x.moving and set(x.moving) <= {name, *elements} for x in found)
            ]
            name = (alone or wanted)[0]
            usable = [x for x in found if set(x.moving) <= {name, *elements}] if alone else []
            elements[name] = self._step(name, usable, elements, rank, found)
            wanted.remove(name)
        for _ in range(ROUNDS if shared else 0):
            for name in self.block.inner:
                if name not in given:
                    elements[name] = self._step(name, found, elements, rank, found)
        return elements

    def _step(
        self,
        name: str,
        usable: Sequence[Term],
        elements: Mapping[Any, Tensor],
        rank: int,
        found: Sequence[Term],
    ) -> Tensor:
        """Return the best element of one inner layer with the others at rest."""
        sizes = self._sizes(name, found, rank)
        n = self._group(name).n
        like = found[0].values
        total = like.new_zeros(*sizes, n, n)
        for term in usable:
            if name in term.moving:
                total = total + self._contracted(term, elements, rank, name)
        seen = any(name in term.moving for term in usable)
        return self._best(self._group(name), total) if seen else torch.eye(n).to(total) + 0 * total

    def _sizes(self, name: str, found: Sequence[Term], rank: int) -> tuple[int, ...]:
        batch = tuple(found[0].values.shape[:rank])
        over = [x for x in self.symmetry.layers[name].over if x != self.block.root]
        return batch + tuple(self._group(x).n for x in over)

    def _contracted(
        self, term: Term, elements: Mapping[Any, Tensor], rank: int, free: str | None
    ) -> Tensor:
        """Return Σ G ∏ g over all layers but one: an array (*batch, *its index sets, n, n)."""
        fresh = iter(ascii_letters)
        batch = [next(fresh) for _ in range(rank)]
        index = {name: (next(fresh),) for name in term.still}
        pairs = {name: (next(fresh), next(fresh)) for name in term.moving}

        def letters(name: str) -> list[str]:
            """Those of the index sets of a layer, as u has them, and of its matrix."""
            over = [x for x in self.symmetry.layers[name].over if x != self.block.root]
            return [*((index.get(x) or pairs[x])[0] for x in over), *pairs[name]]

        whole = [*batch, *(x[0] for x in index.values()), *(y for x in pairs.values() for y in x)]
        operands, inputs = [term.values], ["".join(whole)]
        for name in term.moving:
            if name != free:
                operands.append(elements[name].to(term.values))
                inputs.append("".join([*batch[: self._lead(name, elements, rank)], *letters(name)]))
        if free is None:
            out = "".join(batch)
        else:
            out = "".join([*batch, *letters(free)])
        return torch.einsum(f"{','.join(inputs)}->{out}", *operands)

    def _lead(self, name: str, elements: Mapping[Any, Tensor], rank: int) -> int:
        """Return how many batch axes an element has: none where it was given as one matrix."""
        over = [x for x in self.symmetry.layers[name].over if x != self.block.root]
        return elements[name].ndim - len(over) - 2

    def _value(self, found: Sequence[Term], elements: Mapping[Any, Tensor], rank: int) -> Tensor:
        total = found[0].values.new_zeros(found[0].values.shape[:rank])
        for term in found:
            total = total + self._contracted(term, elements, rank, None)
        return total

    def _best(self, group: Group, profit: Tensor) -> Tensor:
        """Return the matrix g of the compact part of a group that maximises Σ g·profit."""
        n = profit.shape[-1]
        if isinstance(group, Permutation):
            flat = profit.reshape(-1, n, n)
            p = torch.stack([best_assignment(x) for x in flat])
            return torch.nn.functional.one_hot(p, n).to(profit).reshape(profit.shape)
        if isinstance(group, SignedPermutation) and n > 1:
            flat = profit.reshape(-1, n, n)
            p = torch.stack([best_assignment(x.abs()) for x in flat])
            hot = torch.nn.functional.one_hot(p, n).to(profit).reshape(profit.shape)
            return hot * torch.where(profit < 0, -1.0, 1.0)
        if n == 1:
            return torch.where(profit < 0, -1.0, 1.0).to(profit)
        if isinstance(group, ComplexScaling):
            a = profit[..., 0, 0] + profit[..., 1, 1]
            b = profit[..., 1, 0] - profit[..., 0, 1]
            return group.matrix(unit(torch.stack([a, b], -1)))
        if isinstance(group, CentredOrthogonal):
            return best_centred_rotation(profit)
        return best_rotation(profit)


def element_of(symmetry: Symmetry, block: Block, name: str, found: Mapping[Any, Tensor]) -> Tensor:
    """Return a layer's matrices as an element of its group, at the index sets of w.

    Elements over permutations act before these do: that at index i of u, which comes from
    p(i) of w, is the entry p(i).

    Args:
        symmetry: any.
        block: of the layer.
        name: of the layer.
        found: the matrices of all layers of the block, at the index sets of u.

    Returns:
        The entry of a group element.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(Permutation(2))])
    >>> element_of(chain, Block("layer 1", ()), "layer 1", {"layer 1": torch.eye(2).flip(0)})
    tensor([1, 0])
    """
    group, x = symmetry.layers[name].group, found[name]
    over = list(symmetry.layers[name].over)
    if block.root in over:  # stands in front
        x = x.movedim(0, over.index(block.root))
    inside = sorted((y for y in over if y in found), key=lambda y: -len(symmetry.layers[y].over))
    for base in inside:  # back from the indices of u to those of w, innermost first
        p = found[base]  # (*its own index sets, n, n): rows of u, columns of w
        own = [over.index(y) for y in symmetry.layers[base].over]
        d = over.index(base)
        y = x.movedim([*own, d], [*range(len(own) + 1)])
        z = p.to(y).mT @ y.flatten(len(own) + 1)
        x = z.reshape(y.shape).movedim([*range(len(own) + 1)], [*own, d])
    return _stored(group, x)


def _stored(group: Group, x: Tensor) -> Tensor:
    if isinstance(group, Permutation):
        return x.argmax(-1)
    if isinstance(group, SignedPermutation):
        p = x.abs().argmax(-1)
        sign = x.gather(-1, p[..., None])[..., 0].sign().long()
        return sign * (p + 1)
    return x[..., 0] if isinstance(group, ComplexScaling) else x
