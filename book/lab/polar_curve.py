"""Chapter 6: the polar curve, from w to g·w wherever the group has a path from e to g."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import optree
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.curves.base import Curve
from mc_lib.errors import NotConnected
from mc_lib.groups.base import Element, Group
from mc_lib.groups.orthogonal import Orthogonal
from mc_lib.groups.path import GroupPath
from mc_lib.points import Point, require_point, require_same_tree
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class PolarCurve(Curve):
    """The curve γ(t) = P(t)·w with P(t) = exp(t log Q) exp(t log S) at each layer.

    g = QS is the polar decomposition, and both logarithms are real whenever g lies in
    the component of the identity, also where g itself has no real logarithm and (5) no
    meaning (ours, proved in the book's appendix). With A = P'P⁻¹, γ' = Aγ and
    γ'' = (A' + A²)γ.

    Args:
        symmetry: the action.
        g: a group element, one unbatched entry for each hidden layer.
        w: γ(0).

    Raises:
        NotConnected: g is outside the component of the identity, naming the layer.
        McLibError: as `Symmetry.act`.

    >>> from mc_lib.groups import GeneralLinear
    >>> from mc_lib.layers import Layer
    >>> symmetry = Symmetry.chain([Layer(GeneralLinear(1))])
    >>> w = (torch.tensor([[3.0]]), torch.tensor([[5.0]]))
    >>> PolarCurve(symmetry, (torch.tensor([[4.0]]),), w)(0.5)
    (tensor([[6.]]), tensor([[2.5000]]))
    """

    symmetry: Symmetry
    g: Sequence[Element]
    w: Point

    def __post_init__(self) -> None:
        require_point(self.w, "w")
        require_same_tree(self.symmetry.act(self.g, self.w), self.w)
        _ = self._paths  # refuses a g that no path reaches

    @property
    def start(self) -> Point:
        """The point w."""
        return self.w

    @cached_property
    def _paths(self) -> tuple[GroupPath, ...]:
        paths = []
        for (name, layer), g in zip(self.symmetry.layers.items(), self.g, strict=True):
            try:
                paths.append(layer.group.path(g))
            except NotConnected as error:
                raise NotConnected(f"{name}: {error}") from error
        return tuple(paths)

    def _position(self, t: Float[Tensor, "T"]) -> Point:
        every = optree.tree_map(lambda x: x.expand(len(t), *x.shape), self.w)
        moved = self.symmetry.act(tuple(path(t) for path in self._paths), every)
        begins = t == 0  # where P(t) is the identity up to rounding only

        def exact(x: Tensor, y: Tensor) -> Tensor:
            return torch.where(begins.reshape(-1, *[1] * x.ndim), x, y)

        return optree.tree_map(exact, self.w, moved)

    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        return self.symmetry.tangent(self._body(_rate, t), self._position(t))

    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        tangent = self.symmetry.tangent
        turn = tangent(self._body(_rate_of_rate, t), self._position(t))
        return optree.tree_map(torch.add, turn, tangent(self._body(_rate, t), self._velocity(t)))

    def _body(
        self, formula: Callable[[Group, GroupPath, Tensor], Tensor], t: Float[Tensor, "T"]
    ) -> tuple[Tensor, ...]:
        groups = self.symmetry.group.factors
        return tuple(
            formula(group, path, t) for group, path in zip(groups, self._paths, strict=True)
        )


def _rate(group: Group, path: GroupPath, t: Tensor) -> Tensor:
    """Return A = P'P⁻¹, stored as the elements of the group are: a matrix or a diagonal."""
    return _over(group, path.velocity(t), path(t))


def _rate_of_rate(group: Group, path: GroupPath, t: Tensor) -> Tensor:
    """Return A' = (P'' − AP')P⁻¹."""
    rate, velocity = _rate(group, path, t), path.velocity(t)
    product = rate @ velocity if _stores_matrices(group) else rate * velocity
    return _over(group, path.acceleration(t) - product, path(t))


def _over(group: Group, x: Tensor, p: Element) -> Tensor:
    rate = group.right_inverse(x, p) if _stores_matrices(group) else x / p
    # skew up to rounding, which is all there is of A' where a rotation is steady
    return (rate - rate.mT) / 2 if isinstance(group, Orthogonal) else rate


def _stores_matrices(group: Group) -> bool:
    return group.identity().ndim == 2
