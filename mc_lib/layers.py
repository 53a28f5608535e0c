"""A hidden layer and the axes of weights that meet it: the words of a symmetry's table."""

import math
from dataclasses import dataclass

from mc_lib.errors import NotSymmetric, OutOfDomain
from mc_lib.groups.base import Element, Group
from mc_lib.kinds import require_kind, require_number


@dataclass(frozen=True)
class Layer:
    """A hidden layer: the group that lives there and how it passes the activation.

    Args:
        group: acts on the layer's neurons, ρ_in(g) = group.matrix(g).
        degree: k > 0 with σ(cz) = cᵏ σ(z) for c > 0, so that ρ_out(g) = ρ_in(g)ᵏ. It is
            1 where σ commutes with the group: GL and the identity, permutations and any
            pointwise σ, signed permutations and an odd σ, scalings and a (leaky) ReLU.

    Raises:
        OutOfDomain: the degree is not a positive number.
        TypeError: the group is no `Group`, or the degree no number.
        NotSymmetric: a degree other than 1 with a group that has no powers.
    """

    group: Group
    degree: float = 1.0

    def __post_init__(self) -> None:
        require_kind(self.group, Group, "the group of a layer")
        require_number(self.degree, "the degree k of an activation")
        if not 0 < self.degree < math.inf:
            raise OutOfDomain(f"the degree k of an activation is positive, got {self.degree}")
        if self.degree != 1 and not hasattr(self.group, "power"):
            raise NotSymmetric(
                f"only positive scalings pass an activation of degree {self.degree} ≠ 1, "
                f"not {self.group}"
            )

    def out(self, g: Element) -> Element:
        """Return the element that acts by ρ_out(g): g, or gᵏ for degree k ≠ 1.

        Args:
            g: an element of the layer's group.

        Returns:
            An element of the layer's group.

        >>> import torch
        >>> from mc_lib.groups import GeneralLinear
        >>> Layer(GeneralLinear(1)).out(torch.tensor([[3.0]]))
        tensor([[3.]])
        """
        return g if self.degree == 1 else self.group.power(g, self.degree)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Into:
    """An axis of a weight that writes into a layer: multiplied by ρ_in(g)."""

    layer: str


@dataclass(frozen=True)
class OutOf:
    """An axis of a weight that reads from a layer: multiplied by ρ_out(g)⁻¹."""

    layer: str


@dataclass(frozen=True)
class Fixed:
    """An axis that no group touches: the network's input or output."""


Axis = Into | OutOf | Fixed
Axes = tuple[Axis, ...]
