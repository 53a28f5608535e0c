"""What every group here can do: the laws, and how it acts on an axis of a weight."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.groups.nearest import Rows
from mc_lib.groups.path import GroupPath
from mc_lib.groups.refusal import first_fault

Element = Tensor
"""A batch of group elements; each group says how its elements are stored."""


@dataclass(frozen=True)
class Group(ABC):
    """A matrix group that lives at a hidden layer of n neurons.

    Elements are tensors with leading batch dimensions; `matrix` turns an element into
    the n × n matrix by which it acts. Groups are plain data: two with the same n are
    equal.

    Args:
        n: the number of neurons of the layer, at least 1.

    Raises:
        OutOfDomain: n < 1.
    """

    n: int

    compact: ClassVar[bool]
    """Whether every element has condition number 1, so that `sample` takes none."""

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or self.n < 1:
            raise OutOfDomain(f"{type(self).__name__}: n must be an integer ≥ 1, got {self.n!r}")

    @property
    def element_shape(self) -> tuple[int, ...]:
        """The shape of one element, without its batch."""
        return (self.n,)

    # -- the laws ---------------------------------------------------------------
    @abstractmethod
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Element:
        """Return the identity e, repeated over `batch`."""

    @abstractmethod
    def compose(self, g: Element, h: Element) -> Element:
        """Return the product gh: first h acts, then g."""

    @abstractmethod
    def inverse(self, g: Element) -> Element:
        """Return g⁻¹."""

    @abstractmethod
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
    ) -> Element:
        """Return random elements; groups that are not compact also take `condition`."""

    @abstractmethod
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return, for each batch entry, whether g is an element of the group."""

    @abstractmethod
    def component(self, g: Element) -> Int[Tensor, "*batch"]:
        """Return a label of the connected component of g: equal labels, one component."""

    # -- the representation -----------------------------------------------------
    @abstractmethod
    def matrix(self, g: Element) -> Float[Tensor, "*batch n n"]:
        """Return the matrix by which g acts on the n neurons."""

    @abstractmethod
    def left(self, g: Element, x: Tensor) -> Float[Tensor, "*batch n r"]:
        """Return g x, for x of shape (..., n, r)."""

    @abstractmethod
    def right_inverse(self, x: Tensor, g: Element) -> Float[Tensor, "*batch r n"]:
        """Return x g⁻¹, for x of shape (..., r, n)."""

    @abstractmethod
    def nearest(self, u: Rows, w: Rows, degree: float | int = 1) -> Element:
        """Return a g that brings the rows w of a layer near the rows u (see `nearest`).

        It minimises ‖a − ρ(g) b‖² + ‖a_out − ρ(g)⁻ᵏᵀ b_out‖². This is the step of alignment.

        Args:
            u: the incoming weights a, shape (n, r), and the outgoing ones a_out, shape (n, s).
            w: b and b_out, of the same shapes.
            degree: the degree k of the activation; other than 1 for `PositiveScaling` alone.

        Returns:
            The element, unbatched: the exact minimum, for `GeneralLinear` a local one.
        """

    # -- the Lie algebra --------------------------------------------------------
    @abstractmethod
    def exp(self, m: Tensor) -> Element:
        """Return exp(M), the group element that the Lie algebra element M generates."""

    @abstractmethod
    def log(self, g: Element) -> Tensor:
        """Return a real M with exp(M) = g, or refuse: not every element has one."""

    @abstractmethod
    def path(self, g: Element) -> GroupPath:
        """Return a smooth path from e to g inside the group, or refuse with the obstruction."""

    @abstractmethod
    def left_tangent(self, m: Tensor, x: Tensor) -> Float[Tensor, "*batch n r"]:
        """Return M x = d/ds exp(sM) x at s = 0, for x of shape (..., n, r)."""

    @abstractmethod
    def right_tangent(self, x: Tensor, m: Tensor) -> Float[Tensor, "*batch r n"]:
        """Return x M = −d/ds x exp(sM)⁻¹ at s = 0, for x of shape (..., r, n)."""

    # -- membership -------------------------------------------------------------
    def admit(self, g: Any) -> None:
        """Refuse g before it acts; a group whose action checks itself does less here.

        Args:
            g: the value.

        Raises:
            McLibError: as `require`.
        """
        self.require(g)

    def require(self, g: Any) -> None:
        """Refuse a value that is not an element of the group.

        Args:
            g: the value.

        Raises:
            NotInGroup: naming the first batch entry at fault and why.
        """
        inside = self.contains(g)
        if not bool(inside.all()):
            where, at = first_fault(~inside)
            raise NotInGroup(f"not an element of {self}{at}: {self._why_not(g[where])}")

    @abstractmethod
    def _why_not(self, g: Element) -> str:
        """Say, with values, why one element g is outside the group."""

    def _require_array(self, g: Any, rank: int, what: str = "an element") -> None:
        """Refuse what is not a finite real tensor whose last `rank` dimensions are n."""
        require_tensors([g], f"{what} of {self}")
        self._require_shape(g, rank, what)

    def _require_shape(self, g: Tensor, rank: int, what: str = "an element") -> None:
        if g.shape[-rank:] != (self.n,) * rank:
            raise ShapeMismatch(
                f"{what} of {self} has shape (..., {', '.join([str(self.n)] * rank)}), "
                f"got {tuple(g.shape)}"
            )
