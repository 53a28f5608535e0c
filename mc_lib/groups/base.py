"""What every group here can do: the laws, and how it acts on an axis of a weight."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault, require_tensors
from mc_lib.errors import NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.groups.action import Action
from mc_lib.groups.path import GroupPath
from mc_lib.norms import holds

Element = Tensor
"""A batch of group elements; each group says how its elements are stored."""


@dataclass(frozen=True)
class Group(Action):
    """A matrix group that lives at a hidden layer of n neurons.

    Elements g, h and elements m of the Lie algebra are tensors of shape (..., *element_shape)
    with leading batch dimensions, which broadcast; `matrix` turns an element into the n × n
    matrix by which it acts. Groups are plain data: two with the same n are equal.

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
    @abstractmethod
    def dimension(self) -> int:
        """The dimension of the group as a manifold; 0 if it is discrete."""

    @property
    @abstractmethod
    def components(self) -> int:
        """The number of connected components."""

    # -- the laws ---------------------------------------------------------------
    @abstractmethod
    def identity(
        self,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Element:
        """Return the identity e, repeated over `batch`.

        Args:
            batch: leading shape.
            dtype: of the result, torch's default dtype if None; index vectors are int64 always.
            device: of the result.

        Returns:
            Shape (*batch, *element_shape).
        """

    @abstractmethod
    def compose(self, g: Element, h: Element) -> Element:
        """Return the product gh: first h acts, then g.

        Args:
            g: an element.
            h: an element.

        Returns:
            The product, batches broadcast.

        Raises:
            McLibError: g or h has a wrong shape or dtype, is not finite, or is an index vector
                that is not an element.
            OutOfDomain: a product of scaling factors leaves the range of the dtype.
        """

    @abstractmethod
    def inverse(self, g: Element) -> Element:
        """Return g⁻¹, in the shape of g.

        Raises:
            NotInGroup: g is not an element.
        """

    @abstractmethod
    def sample(
        self,
        generator: torch.Generator,
        batch: tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
    ) -> Element:
        """Return random elements: uniform if the group is compact, of condition number c if not.

        `condition` is c, of a group that is not compact; `component` is the sign of det, of a
        group of matrices: +1 or -1, or None to leave it to chance.

        Args:
            generator: the source of randomness; the result lives on its device.
            batch: leading shape.
            dtype: as for `identity`.

        Returns:
            Shape (*batch, *element_shape).

        Raises:
            OutOfDomain: c outside [1, 1/(n ε)), ε the unit round-off of the dtype, or
                `component` not in {+1, -1, None}.
        """

    @abstractmethod
    def contains(self, g: Any) -> Bool[Tensor, "*batch"]:
        """Return, for each batch entry, whether g is an element of the group.

        Args:
            g: a tensor of shape (..., *element_shape).

        Returns:
            Shape (...).

        Raises:
            DtypeMismatch: g is not a tensor of float32 or float64, of int64 for index vectors.
            ShapeMismatch: g is not of that shape.
            NotFinite: g holds NaN or infinity.
        """

    @abstractmethod
    def component(self, g: Element) -> Int[Tensor, "*batch"]:
        """Return a label of the connected component of g: equal labels, one component.

        Returns:
            Integers, shape (...).

        Raises:
            NotInGroup: g is not an element.
        """

    # -- the Lie algebra --------------------------------------------------------
    @abstractmethod
    def exp(self, m: Tensor) -> Element:
        """Return exp(M), the group element that the Lie algebra element M generates.

        Args:
            m: M, shape (..., *element_shape).

        Returns:
            The element, in the shape of m.

        Raises:
            McLibError: m has a wrong shape or dtype, or is not finite.
            OutOfDomain: m is not in the Lie algebra, or exp(M) leaves the range of the dtype.
        """

    @abstractmethod
    def log(self, g: Element) -> Tensor:
        """Return a real M with exp(M) = g, or refuse: not every element has one.

        Args:
            g: an element; one without a logarithm refuses the batch.

        Returns:
            M, in the shape of g.

        Raises:
            NotInGroup: g is not an element.
            NoRealLogarithm: an invertible g has none; the message names the eigenvalues.
            NotConnected: an orthogonal g has none, det g = −1.
            OutOfDomain: g is too badly conditioned to reproduce, or the group is discrete.
        """

    @abstractmethod
    def path(self, g: Element) -> GroupPath:
        """Return a smooth path from e to g inside the group, or refuse with the obstruction.

        Returns:
            A callable of t, with `velocity` and `acceleration`: t of shape (T,) gives
            (T, ..., *element_shape).

        Raises:
            NotInGroup: g is not an element.
            NotConnected: g is not in the component of e; the message names the batch entry.
        """

    # -- membership -------------------------------------------------------------
    @override
    def admit(self, g: Any) -> None:
        self.require(g)

    @override
    def require(self, g: Any) -> None:
        inside = self.contains(g)
        if holds((~inside).any()):
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
