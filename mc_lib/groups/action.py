"""How the elements of a group act on an axis of n neurons: the checks, then the formulas."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import all_finite, broadcast_shapes, require_tensors
from mc_lib.errors import DtypeMismatch, OutOfDomain, ShapeMismatch
from mc_lib.groups.nearest import Rows, in_units, require_rows
from mc_lib.kinds import require_number


class Action(ABC):
    """What an element does to rows of n neurons, from the left and, inverted, from the right.

    The public methods refuse what is not in the group or does not fit. A group gives the
    formulas `_left`, `_right_inverse`, `_left_tangent`, `_right_tangent` and `_nearest`, which
    take what has been checked; `Symmetry` calls them.
    """

    n: int

    @property
    def element_shape(self) -> tuple[int, ...]:
        """The shape of one element, without its batch: (n,) for vectors, (n, n) for matrices."""
        return (self.n,)

    @abstractmethod
    def matrix(self, g: Tensor) -> Float[Tensor, "*batch n n"]:
        """Return the matrix ρ(g) by which g acts on the n neurons, shape (..., n, n).

        That of an index vector has the `dtype` asked for, torch's default dtype if None.
        """

    def left(self, g: Tensor, x: Tensor) -> Float[Tensor, "*batch n r"]:
        """Return g x.

        Raises:
            NotInGroup: g is not an element.
            McLibError: x does not fit, or g x leaves the range of the dtype.
        """
        self.require(g)
        self._require_rows(x, -2, g)
        return self._in_range(self._left(g, x), "g x")

    def right_inverse(self, x: Tensor, g: Tensor) -> Float[Tensor, "*batch r n"]:
        """Return x g⁻¹.

        Raises:
            NotInGroup: g is not an element, as a matrix singular to working precision.
            McLibError: x does not fit, or x g⁻¹ leaves the range of the dtype.
        """
        self.admit(g)
        self._require_rows(x, -1, g)
        return self._in_range(self._right_inverse(x, g), "x g⁻¹")

    def left_tangent(self, m: Tensor, x: Tensor) -> Float[Tensor, "*batch n r"]:
        """Return M x = d/ds exp(sM) x at s = 0, shapes as for `left`.

        Raises:
            OutOfDomain: m is to be skew-symmetric and is not, or the group is discrete.
            McLibError: m or x does not fit, or M x leaves the range of the dtype.
        """
        self._require_algebra(m, "left_tangent")
        self._require_rows(x, -2, m)
        return self._in_range(self._left_tangent(m, x), "M x")

    def right_tangent(self, x: Tensor, m: Tensor) -> Float[Tensor, "*batch r n"]:
        """Return x M = −d/ds x exp(sM)⁻¹ at s = 0, shapes as for `right_inverse`.

        Raises:
            OutOfDomain: as `left_tangent`.
            McLibError: as `left_tangent`.
        """
        self._require_algebra(m, "right_tangent")
        self._require_rows(x, -1, m)
        return self._in_range(self._right_tangent(x, m), "x M")

    def nearest(self, u: Rows, w: Rows, degree: float | int = 1) -> Tensor:
        """Return a g that brings the rows w of a layer near the rows u (see `nearest`).

        It minimises ‖a − ρ(g) b‖² + ‖a_out − ρ(g)⁻ᵏᵀ b_out‖². This is the step of alignment.

        Raises:
            ShapeMismatch: not two pairs of matrices of n rows, of the same shapes.
            OutOfDomain: the degree of a positive scaling is not an integer ≥ 1.
        """
        require_rows(self.n, u, w)
        require_number(degree, "the degree k of an activation")
        return self._nearest(*in_units(u, w), degree)

    # -- the formulas, for what has been checked ----------------------------------
    @abstractmethod
    def _left(self, g: Tensor, x: Tensor) -> Tensor: ...

    @abstractmethod
    def _right_inverse(self, x: Tensor, g: Tensor) -> Tensor: ...

    @abstractmethod
    def _left_tangent(self, m: Tensor, x: Tensor) -> Tensor: ...

    @abstractmethod
    def _right_tangent(self, x: Tensor, m: Tensor) -> Tensor: ...

    @abstractmethod
    def _nearest(self, u: Rows, w: Rows, degree: float | int) -> Tensor: ...

    # -- the checks -----------------------------------------------------------------
    @abstractmethod
    def admit(self, g: Any) -> None:
        """Refuse g, as `require`, before it acts; a group whose action checks itself does less."""

    @abstractmethod
    def require(self, g: Any) -> None:
        """Refuse a value that is not an element of the group.

        Raises:
            NotInGroup: naming the first batch entry at fault and why.
        """

    def _require_algebra(self, m: Any, verb: str) -> None:
        """Refuse what has not the form of an element of the Lie algebra."""
        what, shape = f"an element of the Lie algebra of {self}", self.element_shape
        require_tensors([m], what)
        if m.shape[-len(shape) :] != shape:
            raise ShapeMismatch(f"{what}: its last dims are {shape}, got {tuple(m.shape)}")

    def _require_rows(self, x: Any, axis: int, g: Tensor) -> None:
        """Refuse rows without n neurons on the axis, or of another dtype or batch than g."""
        require_tensors([x, g] if g.is_floating_point() else [x], "the rows and the element")
        if x.ndim < 2 or x.shape[axis] != self.n:
            raise ShapeMismatch(
                f"{self} acts on axis {axis} of matrices with {self.n} neurons there, got "
                f"{tuple(x.shape)}"
            )
        _require_batches(g.shape[: g.ndim - len(self.element_shape)], x.shape[:-2])

    def _require_factors(self, g: Tensor, h: Tensor) -> None:
        """Refuse elements of two dtypes or devices, or batches that do not broadcast."""
        if g.dtype != h.dtype or g.device != h.device:
            raise DtypeMismatch(
                f"the factors of a product are {g.dtype} on {g.device} and {h.dtype} on "
                f"{h.device}; convert one of them"
            )
        rank = len(self.element_shape)
        _require_batches(g.shape[: g.ndim - rank], h.shape[: h.ndim - rank])

    def _in_range(self, x: Tensor, what: str) -> Tensor:
        if not all_finite(x):
            raise OutOfDomain(f"{what} leaves the range of {x.dtype}")
        return x


def _require_batches(a: Sequence[int], b: Sequence[int]) -> None:
    try:
        broadcast_shapes(a, b)
    except ValueError:
        raise ShapeMismatch(f"batches {tuple(a)} and {tuple(b)} do not broadcast") from None
