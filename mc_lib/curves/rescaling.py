"""The rescaling curve: two consecutive weights traded against one another by a factor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.curves.base import Curve
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.kinds import require_number
from mc_lib.trees import Point, named, renamed, require_point


@dataclass(frozen=True, eq=False)
class RescalingCurve(Curve):
    """The curve t ↦ (..., W_{l-2}, mᵗ W_{l-1}, m^(−kt) W_l), which keeps W_l σ(W_{l-1} ·).

    It joins the two minima of Proposition 5.3, for σ(cz) = cᵏ σ(z), c > 0. The curve
    printed in the proof is their segment, whose loss the same proof shows to be
    unbounded; this one is ours, and is proved in the book's appendix.

    Args:
        w: γ(0), a tuple of weights or a dict of named weights.
        m: the factor m > 0 by which γ(1) differs from γ(0).
        k: the degree of σ, positive; 1 for the (leaky) ReLU and for the identity.
        inner: the index or the name of W_{l-1}.
        outer: the index or the name of W_l.

    Raises:
        OutOfDomain: m or k is not a positive number.
        ShapeMismatch: w has no such weights, or they are one and the same.
        McLibError: as `require_point`.

    >>> w = (torch.tensor([[3.0]]), torch.tensor([[5.0]]))
    >>> RescalingCurve(w, m=4.0)(0.5)
    (tensor([[6.]]), tensor([[2.5000]]))
    """

    w: Point
    m: float
    k: float = 1.0
    inner: Any = -2
    outer: Any = -1

    def __post_init__(self) -> None:
        require_point(self.w)
        for name, value in (("m", self.m), ("k", self.k)):
            require_number(value, name)
            if not 0 < value < math.inf:
                raise OutOfDomain(f"{name} is a positive number, got {value}")
        if self._key(self.inner) == self._key(self.outer):
            raise ShapeMismatch(f"inner and outer are one weight, {self._key(self.inner)!r}")

    @property
    @override
    def start(self) -> Point:
        return self.w

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Point:
        return self._derivative(t, 0)

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        return self._derivative(t, 1)

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        return self._derivative(t, 2)

    def _derivative(self, t: Float[Tensor, "T"], order: int) -> Point:
        """Return γ, γ' or γ'': each weight x moves as m^(pt) x, for a power p of its own."""
        powers = {self._key(self.inner): 1.0, self._key(self.outer): -float(self.k)}
        moved = {}
        for key, x in named(self.w).items():
            p = powers.get(key, 0.0)
            factor = (p * math.log(self.m)) ** order * torch.pow(self.m, p * t)
            moved[key] = factor.reshape(-1, *[1] * x.ndim) * x
        return renamed(self.w, moved)

    def _key(self, name: Any) -> Any:
        weights = named(self.w)
        numbered = isinstance(name, int) and not isinstance(self.w, Mapping)
        key = name + len(weights) if numbered and name < 0 else name
        if key not in weights:
            raise ShapeMismatch(f"the point has the weights {list(weights)}, and no {name!r}")
        return key
