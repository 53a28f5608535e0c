"""The complex scalings of a pair: what commutes with all rotations of a plane."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault
from mc_lib.errors import OutOfDomain
from mc_lib.groups.base import Group
from mc_lib.groups.nearest import Rows, best_factors
from mc_lib.groups.path import GroupPath, spread_times
from mc_lib.groups.ranges import invertible_numbers
from mc_lib.groups.sampling import require_condition, require_form, require_source
from mc_lib.norms import holds


def multiply(a: Float[Tensor, "*#batch 2"], b: Float[Tensor, "*#batch 2"]) -> Tensor:
    """Return the product of two complex numbers, each stored as (real, imaginary).

    Args:
        a: shape (..., 2).
        b: shape (..., 2).

    Returns:
        Shape (..., 2).

    >>> multiply(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0]))
    tensor([-3.,  2.])
    """
    real = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    return torch.stack([real, a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], -1)


@dataclass(frozen=True, eq=False)
class SpiralPath(GroupPath):
    """P(t) = exp(t(α + iβ)), a logarithmic spiral."""

    rate: Float[Tensor, "*batch 2"]

    @override
    def _derivative(self, t: Tensor, order: int) -> Tensor:
        found = _exponential(spread_times(t, self.rate) * self.rate)
        for _ in range(order):
            found = multiply(found, self.rate)
        return found


@dataclass(frozen=True)
class ComplexScaling(Group):
    """C*, the maps z ↦ cz of the plane: the numbers c = (a, b), stored with shape (..., 2).

    A rotary embedding turns each pair of query and key coordinates by angles that depend on
    the position; what commutes with all of them multiplies the pair by one complex number,
    and g⁻ᵀ is 1/c̄. The group is connected.

    >>> ComplexScaling().matrix(torch.tensor([3.0, 4.0]))
    tensor([[ 3., -4.],
            [ 4.,  3.]])
    """

    n: int = 2

    compact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n != 2:
            raise OutOfDomain(f"a complex scaling acts on a pair, n = 2, got {self.n}")

    @property
    @override
    def dimension(self) -> int:
        return 2

    @property
    @override
    def components(self) -> int:
        return 1

    @override
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "*batch 2"]:
        """Return the number 1, repeated over `batch`."""
        require_form(batch, dtype, device)
        return torch.eye(2, dtype=dtype, device=device)[0].expand(*batch, 2)

    @override
    def compose(
        self, g: Float[Tensor, "*#batch 2"], h: Float[Tensor, "*#batch 2"]
    ) -> Float[Tensor, "*batch 2"]:
        """Return the product of the two numbers."""
        self._require_array(g, 1)
        self._require_array(h, 1)
        self._require_factors(g, h)
        return self._closed(multiply(g, h))

    @override
    def inverse(self, g: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return 1/c."""
        self.require(g)
        return _reciprocal(g)

    @override
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        condition: float = 10.0,
        dtype: torch.dtype | None = None,
    ) -> Float[Tensor, "*batch 2"]:
        """Return numbers of uniform angle whose log |c| is uniform between ∓ log √condition.

        >>> g = ComplexScaling().sample(torch.Generator(), condition=1.0)
        >>> round(float(g.norm()), 5)
        1.0
        """
        require_source(generator, batch, dtype)
        dtype = dtype or torch.get_default_dtype()
        require_condition(condition, 2, dtype)
        u = torch.rand(*batch, 2, generator=generator, dtype=dtype, device=generator.device)
        ends = torch.tensor([0.5 * math.log(condition), math.pi], dtype=dtype, device=u.device)
        return _exponential((2 * u - 1) * ends)

    @override
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return whether c ≠ 0, so far from 0 and ∞ that 1/c is finite.

        >>> ComplexScaling().contains(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([ True, False])
        """
        self._require_array(g, 1)
        return invertible_numbers(g.detach().abs().amax(-1))

    @override
    def component(self, g: Float[Tensor, "*batch 2"]) -> Int[Tensor, "*batch"]:
        """Return +1 for every element: the group is connected."""
        self.require(g)
        return torch.ones(g.shape[:-1], dtype=torch.int64, device=g.device)

    @override
    def matrix(self, g: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2 2"]:
        """Return the matrix with rows (a, −b) and (b, a)."""
        self.require(g)
        return _matrix(g)

    @override
    def exp(self, m: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return exp(α + iβ), for any pair (α, β)."""
        self._require_array(m, 1, "a Lie algebra element")
        return self._closed(_exponential(m))

    @override
    def log(self, g: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return (log |c|, arg c), the argument in [−π, π]: it always exists."""
        self.require(g)
        largest = g.detach().abs().amax(-1, keepdim=True)
        a, b = (g / largest).unbind(-1)
        radius = 0.5 * torch.log(a.square() + b.square()) + largest[..., 0].log()
        return torch.stack([radius, torch.atan2(b, a)], -1)

    @override
    def path(self, g: Float[Tensor, "*batch 2"]) -> SpiralPath:
        """Return P(t) = cᵗ = exp(t log c), from 1 to c.

        >>> c = ComplexScaling().path(torch.tensor([-4.0, 0.0]))(torch.tensor(0.5))
        >>> bool((c - torch.tensor([0.0, 2.0])).abs().max() < 1e-6)
        True
        """
        return SpiralPath(self.log(g))

    @override
    def _left(self, g: Tensor, x: Tensor) -> Tensor:
        return _matrix(g) @ x

    @override
    def _right_inverse(self, x: Tensor, g: Tensor) -> Tensor:
        return x @ _matrix(_reciprocal(g))

    @override
    def _left_tangent(self, m: Tensor, x: Tensor) -> Tensor:
        return _matrix(m) @ x

    @override
    def _right_tangent(self, x: Tensor, m: Tensor) -> Tensor:
        return x @ _matrix(m)

    @override
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Float[Tensor, " 2"]:
        """Return the best angle for the size and the best size for the angle, in turn.

        With z = re^{iθ} both terms are as for a positive scaling, their inner products turned
        by θ; each turn is exact, so the sum of squares only falls: a local minimum.
        """
        (a, a_out), (b, b_out) = u, w
        alpha, gamma = (_product(y, x) for x, y in ((a, b), (a_out, b_out)))
        beta, delta = (x.square().sum()[None] for x in (b, b_out))
        r = torch.ones_like(beta)
        for _ in range(60):
            turned = unit(r * alpha + gamma / r)
            along = [(turned * x).sum()[None] for x in (alpha, gamma)]
            r = best_factors(along[0], beta, along[1], delta, 1)[0]
        return r * unit(r * alpha + gamma / r)

    def _closed(self, g: Tensor) -> Tensor:
        lost = ~invertible_numbers(g.detach().abs().amax(-1))
        if holds(lost.any()):
            raise OutOfDomain(f"the number c{first_fault(lost)[1]} leaves the range of {g.dtype}")
        return g

    @override
    def _why_not(self, g: Tensor) -> str:
        return f"the number {float(g[0]):.6g} + {float(g[1]):.6g}i has no finite inverse"


def _exponential(m: Tensor) -> Tensor:
    return m[..., :1].exp() * torch.stack([m[..., 1].cos(), m[..., 1].sin()], -1)


def _matrix(g: Tensor) -> Tensor:
    a, b = g.unbind(-1)
    return torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], -2)


def _reciprocal(g: Tensor) -> Tensor:
    """Return 1/c = c̄/|c|², scaled by the larger part: squares stay in range."""
    largest = g.detach().abs().amax(-1, keepdim=True)
    x = g / largest
    conjugate = torch.stack([x[..., 0], -x[..., 1]], -1)
    return conjugate / x.square().sum(-1, keepdim=True) / largest


def _product(x: Tensor, y: Tensor) -> Tensor:
    """Return Σ x̄y for rows of real and of imaginary parts, shape (2, r)."""
    return torch.stack([(x * y).sum(), (x[0] * y[1] - x[1] * y[0]).sum()])


def unit(z: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
    """Return z/|z|, and 1 for z = 0.

    >>> unit(torch.tensor([0.0, 2.0]))
    tensor([0., 1.])
    """
    size = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return torch.where(size > 0, z / torch.where(size > 0, size, 1), z.new_tensor([1.0, 0.0]))
