"""A parameter-space symmetry as data: which axis of which weight meets which layer.

A group lives at each hidden layer. A weight that writes into the layer is multiplied by
ρ_in(g) on that axis, a weight that reads from it by ρ_out(g)⁻¹, where σ(ρ_in(g) z) =
ρ_out(g) σ(z). Every exact symmetry of the paper is a table of this kind; nothing about
a particular network is written as code in the action.
"""

from dataclasses import dataclass

from mc_lib.errors import OutOfDomain
from mc_lib.groups.base import Group


@dataclass(frozen=True)
class Layer:
    """A hidden layer: the group that lives there and how it passes the activation.

    Args:
        group: acts on the layer's neurons.
        degree: k > 0 with σ(cz) = cᵏ σ(z), so that ρ_out(g) = ρ_in(g)ᵏ; 1 where σ
            commutes with the group (identity, or permutations and any pointwise σ).
    """

    group: Group
    degree: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.degree < float("inf")):
            raise OutOfDomain(f"the degree k of an activation is positive, got {self.degree}")


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
