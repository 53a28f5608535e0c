"""Chapter 2: one spare neuron in each layer, an explicit path to the permuted copy.

A neuron whose outgoing weights are zero can take any incoming weights, and two neurons
with the same incoming weights can share their outgoing weights in any way. Neither changes
what the network computes, whatever the activation. So a neuron moves to a spare place in
two segments, and a cycle of neurons moves round through one spare place (Brea et al. 2019;
Şimşek et al. 2021).
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mc_lib.curves import PolygonalChain
from mc_lib.errors import NotConnected, NotInGroup, ShapeMismatch
from mc_lib.groups import Permutation
from mc_lib.layers import Axes, Fixed, Into, OutOf
from mc_lib.points import Point, require_point
from mc_lib.symmetry import Symmetry


def widen(symmetry: Symmetry, w: Point, *, spare: int = 1) -> Point:
    """Return w with spare neurons at the end of each layer, all of their weights zero.

    Args:
        symmetry: says which axes meet a hidden layer.
        w: a point, batched or not.
        spare: how many neurons each layer gains, ≥ 1.

    Returns:
        A point of the wider network that computes the same.

    Raises:
        ShapeMismatch: no spare neurons, or w does not fit the symmetry.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(Permutation(1))])
    >>> widen(chain, (torch.tensor([[2.0]]), torch.tensor([[3.0]])))
    (tensor([[2.],
            [0.]]), tensor([[3., 0.]]))
    """
    if spare < 1:
        raise ShapeMismatch(f"a wider network has one spare neuron or more, got {spare}")
    require_point(w)

    def wider(axes: Axes, x: Tensor) -> Tensor:
        if x.ndim < len(axes):
            raise ShapeMismatch(f"a weight needs {len(axes)} axes, got shape {tuple(x.shape)}")
        for position, axis in zip(range(-len(axes), 0), axes, strict=True):
            if not isinstance(axis, Fixed):
                pad = x.new_zeros(
                    [spare if i == x.ndim + position else n for i, n in enumerate(x.shape)]
                )
                x = torch.cat([x, pad], position)
        return x

    return _each(symmetry, wider, w)


def permutation_path(
    symmetry: Symmetry, p: Sequence[Int[Tensor, " _"]], w: Point
) -> PolygonalChain:
    """Return a path from w to its permuted copy, with a spare neuron in each layer.

    In each layer, each cycle of p passes through the spare place: one neuron moves there,
    the others move up one after the other, and it moves to the place left. A cycle of m
    neurons takes 2(m + 1) segments, on each of which the network computes the same, for
    every input and every activation.

    Args:
        symmetry: says which axes meet a hidden layer; its groups do not matter.
        p: a permutation of each hidden layer.
        w: a point of the network, unbatched.

    Returns:
        The chain from `widen(symmetry, w)` to `widen(symmetry, p·w)`.

    Raises:
        NotInGroup: an entry of p is no permutation of its layer.
        NotConnected: p is the identity: there is nothing to join.
        McLibError: w does not fit the symmetry.

    Two neurons change places in six segments:

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(Permutation(2))])
    >>> w = (torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]]))
    >>> path = permutation_path(chain, (torch.tensor([1, 0]),), w)
    >>> len(path.points), path(1.0)[1]
    (8, tensor([[4., 3., 0.]]))
    """
    corners = [widen(symmetry, w)]
    for (name, layer), order in zip(
        symmetry.layers.items(), _permutations(symmetry, p), strict=True
    ):
        spare = layer.group.n
        start = len(corners)
        for source, target in _moves(order.tolist(), spare):
            corners += _move(symmetry, name, source, target, corners[-1])
        if len(corners) > start:  # the spare neuron is silent; forget what it computes
            corners.append(_set(symmetry, Into(name), spare, 0.0, corners[-1]))
    if len(corners) == 1:
        raise NotConnected("p is the identity: the path from w to itself has no segment")
    return PolygonalChain(corners)


def _moves(p: list[int], spare: int) -> list[tuple[int, int]]:
    """Return the moves (from, to) that bring the neuron of place p[i] to place i."""
    found, done = [], {i for i, j in enumerate(p) if i == j}
    for first in range(len(p)):
        if first in done:
            continue
        found.append((first, spare))
        place = first
        while p[place] != first:
            found.append((p[place], place))
            done.add(place)
            place = p[place]
        found.append((spare, place))
        done.add(place)
    return found


def _move(symmetry: Symmetry, name: str, source: int, target: int, w: Point) -> list[Point]:
    """Return the corners of a move to a silent neuron: copy what enters, hand over what leaves."""

    def copy(x: Tensor, axis: int) -> Tensor:
        return x.index_copy(axis, _at(target, x), x.narrow(axis, source, 1))

    def hand_over(x: Tensor, axis: int) -> Tensor:
        y = copy(x, axis)
        return y.index_fill(axis, _at(source, x), 0.0)

    copied = _on(symmetry, Into(name), copy, w)
    return [copied, _on(symmetry, OutOf(name), hand_over, copied)]


def _set(symmetry: Symmetry, axis: Into | OutOf, neuron: int, value: float, w: Point) -> Point:
    return _on(symmetry, axis, lambda x, a: x.index_fill(a, _at(neuron, x), value), w)


def _at(i: int, x: Tensor) -> Tensor:
    return torch.tensor([i], device=x.device)


def _on(symmetry: Symmetry, met: Into | OutOf, change: Any, w: Point) -> Point:
    """Change every weight along the axes that meet a layer in one way."""

    def changed(axes: Axes, x: Tensor) -> Tensor:
        for position, axis in enumerate(axes):
            x = change(x, position) if axis == met else x
        return x

    return _each(symmetry, changed, w)


def _each(symmetry: Symmetry, change: Any, w: Point) -> Point:
    tables: Any = symmetry.weights
    if isinstance(tables, tuple):
        if len(w) != len(tables):
            raise ShapeMismatch(f"the symmetry has {len(tables)} weights, the point {len(w)}")
        return tuple(change(axes, x) for axes, x in zip(tables, w, strict=True))
    return {key: change(axes, w[key]) for key, axes in tables.items()}


def _permutations(symmetry: Symmetry, p: Sequence[Tensor]) -> Sequence[Tensor]:
    found = symmetry.group.entries(p)
    for layer, order in zip(symmetry.layers.values(), found, strict=True):
        Permutation(layer.group.n).require(order)
        if order.ndim != 1:
            raise NotInGroup(f"expected one permutation a layer, got shape {tuple(order.shape)}")
    return found
