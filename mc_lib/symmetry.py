"""A parameter-space symmetry as data: which axis of which weight meets which layer.

A group lives at each hidden layer. A weight that writes into the layer is multiplied by
ρ_in(g) on that axis, a weight that reads from it by ρ_out(g)⁻¹, where σ(ρ_in(g) z) =
ρ_out(g) σ(z). Every exact symmetry of the paper is a table of this kind; nothing about
a particular network is written as code in the action. A layer may live over others, one
element at each of their indices; then fibres act before the permutations of their indices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mc_lib.checks import broadcast_shapes
from mc_lib.errors import DtypeMismatch, NotSymmetric, ShapeMismatch
from mc_lib.groups.along import along
from mc_lib.groups.base import Element
from mc_lib.groups.discrete import DiscreteGroup
from mc_lib.groups.product import ProductGroup
from mc_lib.groups.ranges import require_moved
from mc_lib.groups.trivial import Trivial
from mc_lib.kinds import require_kind
from mc_lib.layers import (
    Axes,
    Axis,
    Fixed,
    Into,
    Layer,
    OutOf,
    below,
    require_bases,
    require_fit,
    require_places,
)
from mc_lib.trees import Point, named, renamed, require_point


@dataclass(frozen=True)
class Symmetry:
    """A group action on parameter space, given by what each axis of each weight meets.

    Args:
        weights: the axes of each weight, in the form of the network's points: a tuple
            for points (W_1, ..., W_l), or a dict for named tensors.
        layers: the hidden layers by name, in the paper's order, which is the order of
            the entries of a group element (g_1, ..., g_{l-1}).

    Raises:
        NotSymmetric: an axis names an unknown layer, a layer meets no axis, or the layers
            over which it lives are no index sets of the weight.
        TypeError: a table is no table, or a layer no `Layer`.

    The action of Section 4.1 on one hidden layer, (g W_1, W_2 g⁻¹):

    >>> from mc_lib.groups import GeneralLinear
    >>> symmetry = Symmetry.chain([Layer(GeneralLinear(1))])
    >>> w = (torch.tensor([[3.0]]), torch.tensor([[5.0]]))
    >>> symmetry.act((torch.tensor([[2.0]]),), w)
    (tensor([[6.]]), tensor([[2.5000]]))
    """

    weights: tuple[Axes, ...] | Mapping[str, Axes] | Mapping[int, Axes]
    layers: Mapping[str, Layer]

    def __post_init__(self) -> None:
        require_kind(self.layers, Mapping, "the table of layers")
        if not isinstance(self.weights, Mapping):
            require_kind(self.weights, Sequence, "the table of weights, where it is no mapping,")
        for layer in self.layers.values():
            require_kind(layer, Layer, "a layer of a symmetry")
        met = set()
        for key, axes in self.table.items():
            for axis in axes:
                if not isinstance(axis, Axis):
                    raise NotSymmetric(
                        f"weight {key!r}: no layer claims the axis {axis!r}; an axis is "
                        "Into(layer), OutOf(layer) or Fixed()"
                    )
                if not isinstance(axis, Fixed):
                    met.add(axis.layer)
        if met != set(self.layers):
            raise NotSymmetric(
                f"the axes meet the layers {sorted(met, key=str)}, "
                f"but groups are given for {sorted(self.layers, key=str)}"
            )
        require_bases(self.layers)
        for key, axes in self.table.items():
            require_places(key, axes, self.layers)

    @classmethod
    def chain(cls, layers: Sequence[Layer], *, biases: bool = False) -> "Symmetry":
        """Return the symmetry of W_l σ(⋯ σ(W_1 X)) with a group at each hidden layer.

        W_i becomes ρ_in(g_i) W_i ρ_out(g_{i-1})⁻¹, where g_0 and g_l are absent.

        Args:
            layers: the l − 1 hidden layers, from the input on.
            biases: whether points are (W_1, ..., W_l, b_1, ..., b_l), where the bias
                b_i of shape (..., n_i) is added before the activation of layer i.

        Returns:
            The action on tuples of l weights (and l biases).

        >>> Symmetry.chain([]).weights
        ((Fixed(), Fixed()),)
        """
        require_kind(biases, bool, "biases")
        names = [f"layer {i}" for i in range(1, len(layers) + 1)]
        into: list[Axis] = [*map(Into, names), Fixed()]
        out_of: list[Axis] = [Fixed(), *map(OutOf, names)]
        shifts = [(axis,) for axis in into] if biases else []
        weights = (*zip(into, out_of, strict=True), *shifts)
        return cls(weights, dict(zip(names, layers, strict=True)))

    @property
    def table(self) -> dict[Any, Axes]:
        """The axes of each weight, by its name or its number."""
        return dict(self.weights if isinstance(self.weights, Mapping) else enumerate(self.weights))

    @property
    def group(self) -> ProductGroup:
        """The group that acts, one factor for each hidden layer."""
        names = list(self.layers)
        over = tuple(tuple(map(names.index, layer.over)) for layer in self.layers.values())
        groups = tuple(layer.group for layer in self.layers.values())
        return ProductGroup(groups, over if any(over) else ())

    # -- the action -------------------------------------------------------------
    def act(self, g: Sequence[Element], w: Point) -> Point:
        """Return g·w.

        Args:
            g: a group element, one entry for each hidden layer; entries may be batched. That
                of a layer over others has an element at each of their indices.
            w: a point; leading dimensions are batch and broadcast with those of g.

        Returns:
            A point in the same form, all its weights of one batch shape. It is a left
            action: (gh)·w = g·(h·w).

        Raises:
            NotInGroup: an entry of g is outside its group.
            ShapeMismatch: w or g does not fit the table.
            DtypeMismatch: mixed dtypes or devices, or integer weights.
            NotFinite: an entry is NaN or infinite, or g·w leaves the range of the dtype.

        >>> from mc_lib.groups import GeneralLinear
        >>> flip = torch.tensor([[-1.0]])
        >>> Symmetry.chain([Layer(GeneralLinear(1))]).act((flip,), (flip, flip))
        (tensor([[1.]]), tensor([[1.]]))
        """
        entries = dict(zip(self.layers, self.group.entries(g), strict=True))
        marks = [axis for axes in self.table.values() for axis in axes]
        read = {axis.layer for axis in marks if isinstance(axis, OutOf)}
        for name, layer in self.layers.items():  # right_inverse tells singular entries
            (layer.group.admit if name in read else layer.group.require)(entries[name])
        outs = {name: layer.out(entries[name]) for name, layer in self.layers.items()}

        def factor(axis: Into | OutOf, rows: Tensor) -> Tensor:
            group = self.layers[axis.layer].group
            if isinstance(axis, Into):
                return group._left(entries[axis.layer], rows.mT).mT
            return group._right_inverse(rows, outs[axis.layer])

        pairs = []

        def moved(axes: Axes, x: Tensor) -> Tensor:
            y = x
            for position, axis, at in self._marks(axes):
                y = along(y, len(axes), position, at, partial(factor, axis))
            pairs.append((x, y))
            return y

        result = self._map(moved, w, entries)
        for x, y in pairs:
            if y is not x:
                require_moved(x, y)
        return result

    def tangent(self, m: Sequence[Any], w: Point) -> Point:
        """Return the infinitesimal action d/ds exp(sM)·w at s = 0.

        On W_i of a chain it is M_i W_i − k W_i M_{i-1}: the product rule over the axes.

        Args:
            m: a Lie algebra element, one entry for each hidden layer; where layers live over
                others, None for a discrete one, whose Lie algebra is {0}.
            w: a point, batched as in `act`.

        Returns:
            The tangent vector, in the form of w; linear in m and in w.

        Raises:
            ShapeMismatch: m or w does not fit the table.
            McLibError: as `act`; also where a layer's group is discrete.

        >>> from mc_lib.groups import GeneralLinear
        >>> w = (torch.tensor([[3.0]]), torch.tensor([[5.0]]))
        >>> Symmetry.chain([Layer(GeneralLinear(1))]).tangent((torch.tensor([[2.0]]),), w)
        (tensor([[6.]]), tensor([[-10.]]))
        """
        entries = dict(zip(self.layers, self.group.entries(m), strict=True))
        fibred = any(layer.over for layer in self.layers.values())
        for group, x in zip(self.group.factors, entries.values(), strict=True):
            if not (x is None and fibred and isinstance(group, DiscreteGroup)):
                group._require_algebra(x, "the tangent of a symmetry")
        entries = {name: x for name, x in entries.items() if x is not None}

        def rate(axis: Into | OutOf, rows: Tensor) -> Tensor:
            layer = self.layers[axis.layer]
            if isinstance(axis, Into):
                return layer.group._left_tangent(entries[axis.layer], rows.mT).mT
            return -layer.degree * layer.group._right_tangent(rows, entries[axis.layer])

        def summed(axes: Axes, x: Tensor) -> Tensor:
            total = torch.zeros_like(x)
            for position, axis, at in self._marks(axes):
                if axis.layer in entries:
                    total = total + along(x, len(axes), position, at, partial(rate, axis))
            return total

        return self._map(summed, w, entries)

    def _marks(self, axes: Axes) -> list[tuple[int, Into | OutOf, tuple[int, ...]]]:
        """Return the axes that a group moves, each with its place and that of its base.

        Fibres come before the index sets over which they live.
        """
        found = []
        for position, axis in enumerate(axes):
            if isinstance(axis, Fixed) or isinstance(self.layers[axis.layer].group, Trivial):
                continue
            found.append((position, axis, below(axes, axis, self.layers[axis.layer].over)))
        return sorted(found, key=lambda x: -len(x[2]))

    # -- input checks -----------------------------------------------------------
    def _map(
        self, move: Callable[[Axes, Tensor], Tensor], w: Point, entries: Mapping[str, Any]
    ) -> Point:
        """Apply `move` to each weight with its axes, after checking that w fits them."""
        require_point(w)
        weights, tables = named(w), self.table
        if weights.keys() != tables.keys():
            raise ShapeMismatch(
                f"the symmetry acts on the weights {list(tables)}, the point has {list(weights)}"
                f"{_difference(tables, weights)}"
            )
        first = next(iter(weights.values()))
        batches = [tuple(x.shape[: x.ndim - len(tables[key])]) for key, x in weights.items()]
        for name, e in entries.items():
            batches.append(self._batch(name, e))
            if (e.is_floating_point() and e.dtype != first.dtype) or e.device != first.device:
                raise DtypeMismatch(
                    f"{name}: the group entry is {e.dtype} on {e.device}, the weights are "
                    f"{first.dtype} on {first.device}; convert one of them"
                )
        for key, axes in tables.items():
            require_fit(key, axes, weights[key], self.layers)
        try:
            batch = broadcast_shapes(*batches)
        except ValueError:
            raise ShapeMismatch(f"batches {sorted(set(batches))} do not broadcast") from None
        moved = {}
        for key, axes in tables.items():  # a weight that meets no layer takes the batch too
            y = move(axes, weights[key])
            moved[key] = y.expand(*batch, *y.shape[y.ndim - len(axes) :])
        return renamed(w, moved)

    def _batch(self, name: str, e: Tensor) -> tuple[int, ...]:
        """Return the batch of an entry, after checking that it has an element at each index."""
        layer = self.layers[name]
        sizes = tuple(self.layers[other].group.n for other in layer.over)
        shape = tuple(e.shape[: e.ndim - len(layer.group.element_shape)])
        batch = shape[: len(shape) - len(sizes)]
        if shape[len(batch) :] != sizes:
            raise ShapeMismatch(
                f"{name}: one element at each index of {layer.over}, of shape (..., "
                f"{', '.join(map(str, sizes + layer.group.element_shape))}), got {tuple(e.shape)}"
            )
        return batch


def _difference(tables: Mapping[Any, Axes], weights: Mapping[Any, Tensor]) -> str:
    """Say which weights to leave out of a point, and which are missing."""
    more, less = (list(a.keys() - b.keys()) for a, b in ((weights, tables), (tables, weights)))
    words = [(more, "leave out"), (less, "add")]
    return "".join(f"; {verb} {sorted(keys, key=str)}" for keys, verb in words if keys)
