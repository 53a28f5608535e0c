"""The orbit curve exp(tM)·w, evaluated at many times for the price of a few."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optree
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.curves.base import Curve, combine, require_in_range
from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.groups.base import Element
from mc_lib.kinds import require_kind
from mc_lib.layers import Axis, Fixed, Layer, OutOf
from mc_lib.points import Point, leaves, require_point, require_same_tree
from mc_lib.symmetry import Symmetry

STEP = 2.0
"""‖A‖τ of one step: a longer one takes fewer products, and rounds by up to exp(2‖A‖τ)."""

MOST_TERMS = 40
"""2⁴⁰/40! = 1e-36: the series of a step has ended long before."""

MOST_STEPS = 10_000
"""Of length STEP: each rounds once, and this many cost a relative error of about 1e-12."""

MEMORY = 2**27
"""How many bytes of Taylor coefficients a curve keeps between calls."""


@dataclass(frozen=True, eq=False)
class OrbitCurve(Curve):
    """The curve γ(t) = exp(tM)·w (eq. 4), of constant loss for a symmetry of the loss.

    With A w = `symmetry.tangent(M, w)`, linear in w, γ' = Aγ and γ'' = A²γ. The time axis
    is cut into steps of length 2/‖A‖ or less; each needs the Taylor coefficients Aᵏγ/k! at
    its beginning, once, and every t inside it is one linear combination of them. In
    float64 the relative error of a weight is about 1e-15, at worst 1e-14, for each step.

    Args:
        symmetry: the action.
        M: a Lie algebra element, one unbatched entry for each hidden layer, as in `tangent`.
        w: γ(0).

    Raises:
        ShapeMismatch: M or w does not fit the symmetry, or is batched.
        McLibError: as `Symmetry.tangent`.

    A shear, exp(tM) = I + tM:

    >>> from mc_lib.groups import GeneralLinear
    >>> symmetry = Symmetry.chain([Layer(GeneralLinear(2))])
    >>> M = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    >>> w = (torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0, 0.0]]))
    >>> OrbitCurve(symmetry, (M,), w)(3.0)
    (tensor([[3.], [1.]]), tensor([[ 1., -3.]]))
    """

    symmetry: Symmetry
    M: Sequence[Any]
    w: Point

    def __post_init__(self) -> None:
        require_kind(self.symmetry, Symmetry, "the symmetry")
        require_point(self.M, "M")
        require_same_tree(self.symmetry.tangent(self.M, self.w), self.w)

    @classmethod
    def between(cls, symmetry: Symmetry, g: Sequence[Element], w: Point) -> "OrbitCurve":
        """Return γ(t) = exp(t log g)·w from w to g·w (eq. 5).

        Args:
            symmetry: the action.
            g: a group element, one entry for each hidden layer.
            w: γ(0).

        Returns:
            The curve, with γ(1) = g·w up to the accuracy of log and exp.

        Raises:
            NoRealLogarithm: an entry of g has none; `PolarCurve` may join the points.

        >>> from mc_lib.groups import GeneralLinear
        >>> symmetry = Symmetry.chain([Layer(GeneralLinear(1))])
        >>> w = (torch.tensor([[3.0]]), torch.tensor([[5.0]]))
        >>> half = OrbitCurve.between(symmetry, (torch.tensor([[4.0]]),), w)(0.5)
        >>> [round(float(x), 5) for x in half]
        [6.0, 2.5]
        """
        require_kind(symmetry, Symmetry, "the symmetry")
        return cls(symmetry, symmetry.group.log(g), w)

    @property
    @override
    def start(self) -> Point:
        return self.w

    @cached_property
    def rate(self) -> float:
        """A bound of the operator norm of A: the largest, over the weights, sum over axes.

        An axis into a layer counts ‖M_i‖₂, an axis out of it k‖M_i‖₂.
        """
        layers = self.symmetry.layers
        norms = {
            name: _spectral_norm(layer, m)
            for (name, layer), m in zip(layers.items(), self.M, strict=True)
        }

        def size(axis: Axis) -> float:
            if isinstance(axis, Fixed):
                return 0.0
            degree = layers[axis.layer].degree if isinstance(axis, OutOf) else 1.0
            return degree * norms[axis.layer]

        return max(sum(map(size, axes)) for axes in self.symmetry.table.values())

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Point:
        parts = [*self._march(t, 1), *self._march(t, -1)]
        if len(parts) == 1:  # spares a copy of all points
            return parts[0][1]
        out = optree.tree_map(lambda x: x.new_empty(len(t), *x.shape), self.w)
        for here, points in parts:
            optree.tree_map(lambda x, y, i=here: x.index_copy_(0, i, y), out, points)
        return out

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        return self.symmetry.tangent(self.M, self._position(t))

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        return self.symmetry.tangent(self.M, self._velocity(t))

    def _march(self, t: Float[Tensor, "T"], sign: int) -> Iterator[tuple[Tensor, Point]]:
        """Yield, for each step on one side of 0, the indices of its times and their points."""
        per_unit = self._per_unit(t)
        side = torch.nonzero(t >= 0 if sign == 1 else t < 0).squeeze(1)
        step = ((t[side].abs() * per_unit).ceil() - 1).clamp(min=0)
        last = int(step.max()) if len(step) > 0 else -1
        w = self.w
        for i in range(last + 1):
            terms = self._remembered(sign * (i + 1), w, per_unit)
            power = torch.arange(len(terms), dtype=t.dtype, device=t.device)
            here = side[step == i]
            if len(here) > 0:
                yield here, combine((t[here] * per_unit - sign * i)[:, None] ** power, terms)
            if i < last:
                following = combine((sign**power)[None], terms)
                require_in_range(following, t.new_tensor([sign * (i + 1) / per_unit]))
                w = optree.tree_map(lambda x: x[0], following)

    def _per_unit(self, t: Float[Tensor, "T"]) -> float:
        """Return the number of steps in a unit of time: 1 or more; less for times far off.

        A slow curve takes steps of a power of 2, up to 2/‖A‖ and no longer than the way.

        Raises:
            OutOfDomain: the way is too long.
        """
        reach = float(t.detach().abs().max()) if len(t) > 0 else 0.0
        if self.rate * reach > MOST_STEPS * STEP:
            raise OutOfDomain(
                f"‖M‖|t| is about {self.rate * reach:.4g}, above "
                f"{MOST_STEPS * STEP:.4g}, where rounding takes over: use a smaller M or t"
            )
        if reach <= 1 or self.rate > STEP / 2:
            return max(1, math.ceil(self.rate / STEP))
        longest = STEP / self.rate if self.rate * reach > STEP else reach
        return 0.5 ** math.floor(math.log2(longest))

    @cached_property
    def _memory(self) -> dict[tuple[int, float], list[Point]]:
        return {}

    def _remembered(self, step: int, w: Point, per_unit: float) -> list[Point]:
        """Return the terms of a step, from the memory where a search has been there before."""
        if (step, per_unit) in self._memory:
            return self._memory[step, per_unit]
        terms = self._taylor(w, per_unit)
        entries = len(terms) * sum(x.numel() * x.element_size() for x in leaves(w))
        learns = any(x.requires_grad for x in leaves(terms[-1]))  # a graph is used once
        if not learns and entries * (len(self._memory) + 1) <= MEMORY:
            self._memory[step, per_unit] = terms
        return terms

    def _taylor(self, w: Point, per_unit: float) -> list[Point]:
        """Return the points (A/per_unit)ᵏ w / k!, up to the first that is zero beside w.

        What is left out is at most e² ‖last‖, since ‖A‖/per_unit ≤ 2, weight by weight.

        Raises:
            NotFinite: a term overflows.
        """
        scales = [x.detach().abs().amax() for x in leaves(w)]  # squares stay in range
        m, terms = tuple(None if x is None else x / per_unit for x in self.M), [w]
        least = torch.finfo(scales[0].dtype).eps / 8 * _sizes(w, scales)
        for k in range(1, MOST_TERMS):
            following = self.symmetry.tangent(m, terms[-1])
            terms.append(optree.tree_map(lambda x, k=k: x / k, following))
            sizes = _sizes(terms[-1], scales)
            if not torch.isfinite(sizes).all():
                raise NotFinite(f"exp(tM)·w leaves the range of {sizes.dtype}")
            if (sizes <= least).all():
                break
        return terms


def _sizes(w: Point, scales: Sequence[Tensor]) -> Tensor:
    """Return the norms of the weights over their scales; a weight of scale 0 stays 0."""
    pairs = zip(leaves(w), scales, strict=True)
    return torch.stack([torch.linalg.vector_norm(x.detach() / (s + (s == 0))) for x, s in pairs])


def _spectral_norm(layer: Layer, m: Tensor | None) -> float:
    """Return ‖M‖₂ of the matrix by which m acts, the largest over heads."""
    if m is None:
        return 0.0
    eye = torch.eye(layer.group.n, dtype=m.dtype, device=m.device)
    matrix = layer.group.left_tangent(m, eye)
    return float(torch.linalg.matrix_norm(matrix.detach(), ord=2).max())
