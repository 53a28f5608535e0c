"""Alignment by weights where layers live over others: exact steps in the order of their anchors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mc_lib.alignment.balance import balance, part
from mc_lib.alignment.base import Alignment, squared_distance
from mc_lib.alignment.grams import Block, Term, blocks, choices, moves, terms
from mc_lib.alignment.solving import Solver, element_of
from mc_lib.groups.base import Element
from mc_lib.points import Point, require_same_tree
from mc_lib.symmetry import Symmetry
from mc_lib.trees import named, renamed

GAIN = 1e-4  # of the squared distance: a sweep that gains less is the last one
SWEEPS = 100


@dataclass(eq=False)
class Anchored:
    """A point on its way towards another, both balanced, and the element that took it there.

    Args:
        symmetry: with layers that may live over others.
        u: the goal.
        w: the point to move.
    """

    symmetry: Symmetry
    u: dict[Any, Tensor]
    w: dict[Any, Tensor]

    def __post_init__(self) -> None:
        self.blocks = blocks(self.symmetry)
        self.parts = {block: part(self.symmetry, set(block.layers)) for block in self.blocks}
        first = next(iter(self.w.values()))
        self.like: dict[str, Any] = {"dtype": first.dtype, "device": first.device}
        self.g: tuple[Element, ...] = self.symmetry.group.identity(**self.like)

    def terms(self, block: Block, known: set[str] | None = None) -> list[Term]:
        """Return what the layers of a block see of the two points; `known` as in `terms`."""
        return terms(self.symmetry, block, self.u, self.w, known)

    @property
    def distance(self) -> float:
        """‖u − w‖²."""
        return squared_distance(self.u, self.w)

    def move(self, block: Block, found: Mapping[Any, Tensor], *, if_better: bool = False) -> None:
        """Let the matrices of a block act; only if that brings the points nearer, if asked for."""
        part_ = self.parts[block]
        here = {key: self.w[key] for key in part_.table}
        elements = {name: element_of(self.symmetry, block, name, found) for name in found}
        elements = {
            k: x.to(**self.like) if x.is_floating_point() else x for k, x in elements.items()
        }
        g = tuple(
            elements.get(name, e)
            for name, e in zip(part_.layers, part_.group.identity(**self.like), strict=True)
        )
        moved = dict(named(part_.act(g, here)))
        if if_better and self._inner(moved) < self._inner(here):
            return
        self.w.update(moved)
        all_ = zip(self.symmetry.layers, self.symmetry.group.identity(**self.like), strict=True)
        step = tuple(elements.get(name, e) for name, e in all_)
        self.g = self.symmetry.group.compose(step, self.g)

    def _inner(self, w: Mapping[Any, Tensor]) -> float:
        return sum(float((self.u[key].double() * x.double()).sum()) for key, x in w.items())

    def anchor(self) -> None:
        """Start each block from weights whose other layers are right already.

        First those that most of such weights meet, a number a neuron.
        """
        known = {n for n, layer in self.symmetry.layers.items() if not moves(layer.group)}
        left = list(self.blocks)
        while left:
            block = max(left, key=lambda x: self._anchors(x, known))
            if found := self.terms(block, known):
                self.move(block, Solver(self.symmetry, block).solve(found))
            known |= set(block.layers)
            left.remove(block)

    def _anchors(self, block: Block, known: set[str]) -> float:
        """Return how many numbers a neuron of a block its known weights hold."""
        total = sum(
            self.w[key].numel()
            for key, axes in self.symmetry.table.items()
            if choices(self.symmetry, block, axes, known)
        )
        return total / self.symmetry.layers[block.layers[0]].group.n

    def sweep(self) -> None:
        """Go through the blocks, each by its exact step."""
        for block in self.blocks:
            found = self.terms(block)
            self.move(block, Solver(self.symmetry, block).solve(found), if_better=True)


def align_anchored(symmetry: Symmetry, u: Point, w: Point) -> Alignment:
    """Return the g for which g·w comes near u, for layers that may live over others.

    Both points are made as short as their orbits allow (`balance`), after which the compact part
    of the group is left: neurons and heads are assigned, what lives at each of them is turned by
    Procrustes' formula, and each step is exact. The order makes the difference, not restarts:
    every layer starts from weights whose other axes are settled (inputs, classes, vocabulary,
    biases), then the layers are gone through until a sweep gains less than 1e-4. A moved copy
    is found again exactly, where sweeps from the identity can end elsewhere.

    Args:
        symmetry: any.
        u: the goal, unbatched.
        w: the point to move, of the same space.

    Returns:
        g and g·w near u. The objective is ‖b·u − k·c·w‖² with the shortest points b·u and c·w,
        where g = b⁻¹ k c: before, and after the start and each sweep. From the start on it
        never rises.

    Raises:
        ShapeMismatch: points of two spaces, or batched.
        McLibError: as `Symmetry.act`.

    A hidden neuron with a sign, in another place and other units:

    >>> from mc_lib.groups import GeneralLinear, Permutation
    >>> from mc_lib.layers import Fixed, Into, Layer, OutOf
    >>> layers = {"p": Layer(Permutation(2)), "c": Layer(GeneralLinear(1), over=("p",))}
    >>> table = {"a": (Into("p"), Into("c"), Fixed()), "b": (OutOf("p"), OutOf("c"))}
    >>> symmetry = Symmetry(table, layers)
    >>> u = {"a": torch.tensor([[[1.0, 2.0]], [[3.0, 0.5]]]), "b": torch.tensor([[4.0], [1.0]])}
    >>> g = (torch.tensor([1, 0]), torch.tensor([[[-2.0]], [[0.5]]]))
    >>> found = align_anchored(symmetry, u, symmetry.act(g, u))
    >>> round(found.after, 5), found.g[0].tolist()
    (0.0, [1, 0])
    """
    require_same_tree(u, w)
    base, short = balance(symmetry, u)
    first, start = balance(symmetry, w)
    state = Anchored(symmetry, dict(named(short)), dict(named(start)))
    objectives = descend(state)
    g = back(symmetry, base, state.g, first)
    return Alignment(g, renamed(w, dict(named(symmetry.act(g, w)))), tuple(objectives))


def descend(state: Anchored) -> list[float]:
    """Anchor and sweep until nothing is gained; return the squared distances.

    Where the anchors lead further away than the point was, it starts where it was.

    Args:
        state: the two points; it is changed.

    Returns:
        ‖u − w‖² before, after the start, and after each sweep.

    >>> from mc_lib.layers import Layer
    >>> from mc_lib.groups import Orthogonal
    >>> chain, one = Symmetry.chain([Layer(Orthogonal(1))]), torch.eye(1)
    >>> descend(Anchored(chain, {0: one, 1: one}, {0: -one, 1: -one}))[:2]
    [8.0, 0.0]
    """
    w, g = dict(state.w), state.g
    objectives = [state.distance]
    state.anchor()
    if (there := state.distance) > objectives[0]:
        state.w, state.g, there = w, g, objectives[0]
    scale = sum(float(x.double().square().sum()) for x in state.u.values())
    rounding = scale * (100 * torch.finfo(next(iter(w.values())).dtype).eps) ** 2
    objectives.append(there)
    for _ in range(SWEEPS):
        state.sweep()
        objectives.append(state.distance)
        if objectives[-2] - objectives[-1] <= GAIN * objectives[-2] + rounding:
            break
    return objectives


def back(
    symmetry: Symmetry, base: Sequence[Element], g: Sequence[Element], first: Sequence[Element]
) -> tuple[Element, ...]:
    """Return b⁻¹ g c, for b that made u short and c that made w short.

    Args:
        symmetry: any.
        base: b.
        g: between the shortest points.
        first: c.

    Returns:
        An element that takes w near u.

    >>> from mc_lib.layers import Layer
    >>> from mc_lib.groups import GeneralLinear
    >>> b, g, c = (tuple([x * torch.eye(1)]) for x in (2.0, -1.0, 6.0))
    >>> back(Symmetry.chain([Layer(GeneralLinear(1))]), b, g, c)
    (tensor([[-3.]]),)
    """
    group = symmetry.group
    return group.compose(group.inverse(base), group.compose(g, first))
