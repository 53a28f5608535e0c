"""What every alignment returns, and what it reads off a symmetry: the rows of a layer."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mc_lib.errors import NotSymmetric, OutOfDomain, ShapeMismatch
from mc_lib.groups import Permutation
from mc_lib.kinds import require_kind
from mc_lib.layers import Axis, Fixed, Into, Layer, OutOf
from mc_lib.points import Point, leaves, norm, require_point, require_same_tree, to_vector
from mc_lib.symmetry import Symmetry
from mc_lib.trees import named

SQUARES = (1e-146, 1e153)
"""Norms whose squares, and those of differences, are in the range of float64 with all digits."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """A group element that brings one point near another, and what that cost.

    Args:
        g: the element, one entry a hidden layer; of permutation and rescaling together,
            the pair (p, c) of a permutation and a scaling of each layer.
        moved: g·w; for a pair c·(p·w).
        objectives: what was minimised, before and after each round over the layers: it
            never rises. It is ‖u − g·w‖² unless the function says otherwise.
    """

    g: tuple[Any, ...]
    moved: Point
    objectives: tuple[float, ...]

    @property
    def before(self) -> float:
        """The objective where g is the identity."""
        return self.objectives[0]

    @property
    def after(self) -> float:
        """The objective that was reached."""
        return self.objectives[-1]

    @property
    def rounds(self) -> int:
        """How often the layers were gone through, the last time in vain."""
        return len(self.objectives) - 1


def permutations_of(symmetry: Symmetry) -> Symmetry:
    """Return the same table with the permutations of the neurons at every layer.

    They commute with every pointwise σ, so they are a symmetry wherever the table is that
    of a network with one.

    Args:
        symmetry: any symmetry, such as the scalings of a ReLU network.

    Returns:
        The action of S_n on each layer of n neurons.

    >>> from mc_lib.groups import PositiveScaling
    >>> permutations_of(Symmetry.chain([Layer(PositiveScaling(3))])).group.factors
    (Permutation(n=3),)
    """
    require_kind(symmetry, Symmetry, "the symmetry")
    layers = {name: Layer(Permutation(x.group.n)) for name, x in symmetry.layers.items()}
    return replace(symmetry, layers=layers)


def squared_distance(u: Point, v: Point) -> float:
    """Return ‖u − v‖².

    Raises:
        McLibError: u and v are not of one space.

    >>> squared_distance((torch.tensor([3.0]),), (torch.tensor([1.0]),))
    4.0
    """
    require_same_tree(u, v)
    return float((to_vector(u).double() - to_vector(v).double()).square().sum())


def require_pair(symmetry: Symmetry, u: Point, w: Point) -> None:
    """Refuse points that are not two single points on which the symmetry acts.

    Raises:
        ShapeMismatch: batched, or not of one space.
        NotSymmetric: a layer lives over others, which alignment cannot treat.
        OutOfDomain: points whose squared distance leaves the range of float64.
        McLibError: as `Symmetry.act`.

    >>> require_pair(Symmetry.chain([]), (torch.eye(2),), (torch.eye(2),))
    """
    require_kind(symmetry, Symmetry, "the symmetry")
    for point in (u, w):
        require_point(point)
    for name, layer in symmetry.layers.items():
        if layer.over:
            raise NotSymmetric(f"alignment takes layers that live over no others, not {name!r}")
    require_same_tree(u, w)
    require_single(symmetry, w)
    size = max(float(norm(u)), float(norm(w)))
    if size > 0 and not SQUARES[0] < size < SQUARES[1]:
        raise OutOfDomain(
            f"the squared distance of points of norm {size:.3g} leaves the range of float64: "
            "divide both by one number"
        )


def require_single(symmetry: Symmetry, w: Point) -> None:
    """Refuse what is not one point on which the symmetry acts.

    Raises:
        ShapeMismatch: batched.
        McLibError: as `Symmetry.act`.

    >>> require_single(Symmetry.chain([]), (torch.eye(2),))
    """
    require_kind(symmetry, Symmetry, "the symmetry")
    require_point(w)
    symmetry.act(identity_like(symmetry, w), w)  # refuses what does not fit
    weights = named(w)
    for key, axes in symmetry.table.items():
        if weights[key].ndim != len(axes):
            raise ShapeMismatch(
                f"align one point at a time: weight {key!r} has {len(axes)} axes, "
                f"got shape {tuple(weights[key].shape)}"
            )


def identity_like(symmetry: Symmetry, w: Point) -> tuple[Tensor, ...]:
    """Return the identity of the group that acts on w, in its dtype and on its device.

    >>> identity_like(permutations_of(Symmetry.chain([])), (torch.eye(2),))
    ()
    """
    first = leaves(w)[0]
    return symmetry.group.identity(dtype=first.dtype, device=first.device)


def rows_at(
    symmetry: Symmetry, name: str, w: Point, known: Collection[str] | None = None
) -> tuple[Tensor, Tensor]:
    """Return what a point holds at each neuron of a layer: incoming and outgoing weights.

    Raises:
        NotSymmetric: a weight meets the layer on two axes: the distance is then not a sum
            over pairs of neurons, and none of the methods here apply.

    >>> chain = permutations_of(Symmetry.chain([Layer(Permutation(1))]))
    >>> rows_at(chain, "layer 1", (torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])))
    (tensor([[1., 2.]]), tensor([[3., 4.]]))
    """
    n = symmetry.layers[name].group.n
    found: dict[Axis, list[Tensor]] = {Into(name): [], OutOf(name): []}
    weights = named(w)
    for key, axes in symmetry.table.items():
        met = [i for i, axis in enumerate(axes) if axis in found]
        if len(met) > 1:
            raise NotSymmetric(
                f"weight {key!r} meets {name!r} on {len(met)} axes; alignment needs one at most"
            )
        others = {axis.layer for axis in axes if not isinstance(axis, Fixed)} - {name}
        for i in met if known is None or others <= set(known) else ():
            found[axes[i]].append(weights[key].movedim(i, 0).reshape(n, -1))
    empty = leaves(w)[0].new_zeros(n, 0)
    into, out_of = (torch.cat([empty, *rows], 1) for rows in found.values())
    return into, out_of
