"""Inner products of two points as functions of a group element, summed over what stays at rest.

For orthogonal g the part of ⟨u, g·w⟩ that some layers see is multilinear in their elements:
Σ G[a, b] g[a, b] with G the inner products of all slices, a of u and b of w. A `Term` is such a G
with a pair of axes for each layer that moves, and one axis for each index set that does not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

import torch
from torch import Tensor

from mc_lib.groups import (
    ComplexScaling,
    GeneralLinear,
    Group,
    Orthogonal,
    Permutation,
    SignedPermutation,
)
from mc_lib.layers import Axes, Fixed, marks
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class Term:
    """Inner products of slices: batch axes first, then `still` ones, then a pair for each layer."""

    still: tuple[str, ...]
    moving: tuple[str, ...]
    values: Tensor


@dataclass(frozen=True)
class Block:
    """Layers that are solved for at once: a permutation with what lives over it, or one layer."""

    root: str | None
    inner: tuple[str, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """All of them, the root first."""
        return self.inner if self.root is None else (self.root, *self.inner)


def moves(group: Group) -> bool:
    """Return whether the maximal compact subgroup of a group is more than the identity.

    >>> moves(GeneralLinear(1)), moves(Permutation(1))
    (True, False)
    """
    if isinstance(group, Permutation):
        return group.components > 1
    return isinstance(group, GeneralLinear | Orthogonal | ComplexScaling | SignedPermutation)


def blocks(symmetry: Symmetry) -> list[Block]:
    """Return the layers in blocks, each with all that lives over its permutations.

    >>> from mc_lib.layers import Layer
    >>> blocks(Symmetry.chain([Layer(Permutation(2)), Layer(Orthogonal(2))]))
    [Block(root='layer 1', inner=()), Block(root=None, inner=('layer 2',))]
    """
    moving = [name for name, layer in symmetry.layers.items() if moves(layer.group)]
    roots = {name: _roots(symmetry, name, set(moving)) for name in moving}
    return [
        Block(name, tuple(x for x in moving if roots[x][:1] == [name]))
        if isinstance(symmetry.layers[name].group, Permutation)
        else Block(None, (name,))
        for name in moving
        if not roots[name]
    ]


def _roots(symmetry: Symmetry, name: str, moving: set[str]) -> list[str]:
    """Return the layers of permutations below a layer that live over no other."""
    below = [x for x in symmetry.layers[name].over if x in moving]
    return [x for x in below if not any(y in moving for y in symmetry.layers[x].over)]


# -- building ------------------------------------------------------------------------------
def terms(
    symmetry: Symmetry,
    block: Block,
    u: Mapping[Any, Tensor],
    w: Mapping[Any, Tensor],
    known: Collection[str] | None = None,
) -> list[Term]:
    """Return the inner products of two points that the layers of a block see.

    Args:
        symmetry: any.
        block: of its layers.
        u: the goal, by the names of the weights.
        w: what is to be moved.
        known: the layers that are right already; weights that meet others are left out. None
            for all.

    Returns:
        One term for each set of layers that weights meet; a weight that meets a layer on
        several axes stands once for each, with the others at rest.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(Orthogonal(1))])
    >>> w = {0: torch.tensor([[2.0]]), 1: torch.tensor([[3.0]])}
    >>> [float(x.values) for x in terms(chain, Block(None, ("layer 1",)), w, w)]
    [13.0]
    """
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], Tensor] = {}
    inside = set(block.layers)
    for key, axes in symmetry.table.items():
        for choice in choices(symmetry, block, axes, known):
            still = _still(symmetry, axes, choice, inside)
            label, gram = _gram(block, axes, choice, still, u[key], w[key])
            found[label] = found[label] + gram if label in found else gram
    return [Term(still, moving, values) for (still, moving), values in found.items()]


def choices(
    symmetry: Symmetry, block: Block, axes: Axes, known: Collection[str] | None = None
) -> list[list[int]]:
    """Return the axes of a weight on which a block moves, with what else moves it settled.

    Args:
        symmetry: any.
        block: of its layers.
        axes: of the weight.
        known: the layers that are right already, None for all.

    Returns:
        One list of axes for each way to take one for each layer; none where the block does not
        meet the weight, or layers do that are not known.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(Orthogonal(1))] * 2)
    >>> [choices(chain, Block(None, ("layer 2",)), x, ()) for x in chain.weights]
    [[], [], [[1]]]
    """
    ways = _choices(symmetry, axes, set(block.layers))
    if known is None:
        return ways
    free = {
        i
        for i, axis in enumerate(axes)
        if not isinstance(axis, Fixed)
        and axis.layer not in known
        and moves(symmetry.layers[axis.layer].group)
    }
    return [way for way in ways if free <= set(way)]


def _choices(symmetry: Symmetry, axes: Axes, inside: set[str]) -> list[list[int]]:
    """Return the axes that move, one for each layer; several ways where a layer is on several.

    A sign on the same axis twice cancels.
    """
    places: dict[str, list[int]] = {}
    for name in symmetry.layers:
        if name not in inside:
            continue
        found = marks(axes, name, symmetry.layers[name].over)
        if isinstance(symmetry.layers[name].group, GeneralLinear | SignedPermutation) and (
            symmetry.layers[name].group.n == 1
        ):
            by_base: dict[tuple[int, ...], list[int]] = {}
            for p, at in found:
                by_base.setdefault(at, []).append(p)
            places[name] = [ps[0] for ps in by_base.values() if len(ps) % 2]
        else:
            places[name] = [p for p, _ in found]
    places = {name: ps for name, ps in places.items() if ps}
    many = max(map(len, places.values()), default=0)
    return [[ps[min(i, len(ps) - 1)] for ps in places.values()] for i in range(many)]


def _still(
    symmetry: Symmetry, axes: Axes, choice: Sequence[int], inside: set[str]
) -> dict[str, int]:
    """Return the index sets at rest over which a moving layer lives, with their axes."""
    found: dict[str, int] = {}
    for p in choice:
        name = axes[p].layer  # type: ignore[union-attr]
        at = dict(marks(axes, name, symmetry.layers[name].over))[p]
        for base, where in zip(symmetry.layers[name].over, at, strict=True):
            if base not in inside:
                found[base] = where
    return found


def _gram(
    block: Block,
    axes: Axes,
    choice: Sequence[int],
    still: Mapping[str, int],
    u: Tensor,
    w: Tensor,
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], Tensor]:
    by_layer = {axes[p].layer: p for p in choice}  # type: ignore[union-attr]
    order = tuple(name for name in block.layers if name in by_layer)
    index = list(ascii_letters[: len(axes)])
    other = list(index)
    fresh = iter(ascii_letters[len(axes) :])
    for name in order:
        other[by_layer[name]] = next(fresh)
    out = [index[p] for p in still.values()]
    for name in order:
        out += [index[by_layer[name]], other[by_layer[name]]]
    x = torch.einsum(f"{''.join(index)},{''.join(other)}->{''.join(out)}", u, w)
    return (tuple(still), order), x
