"""What the paper's networks are: weights in a tuple, data X and Y as columns, a sum of squares."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import all_finite, broadcast_shapes, require_tensors
from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.groups.ranges import largest
from mc_lib.groups.sampling import require_source
from mc_lib.kinds import require_number
from mc_lib.networks.sizes import require_columns, require_ordinary
from mc_lib.symmetry import Symmetry

Kind = TypeVar("Kind", bound="MatrixNetwork")
Weights = tuple[Tensor, ...]
"""A point (W_1, ..., W_l) in the order of application; leading dimensions are batch."""


@dataclass(frozen=True, eq=False)
class MatrixNetwork(ABC):
    """A network with the loss ‖Y − output(w)‖² on tuples w = (W_1, ..., W_l).

    The architecture is `shapes`, `symmetry` and the forward pass; the data are X and Y, which
    `on` and `subset` exchange and `output` takes others in place of.

    Args:
        X: inputs as columns, shape (n, k).
        Y: targets as columns, shape (m, k).

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        DtypeMismatch: mixed dtypes or devices, or not floating-point numbers.
        NotFinite: an entry is NaN or infinite.
        OutOfDomain: X or Y is so large or small that its square leaves the range of the dtype.
    """

    X: Float[Tensor, "n k"]
    Y: Float[Tensor, "m k"]

    def __post_init__(self) -> None:
        require_tensors([self.X, self.Y], "X and Y")
        shapes = f"X {tuple(self.X.shape)} and Y {tuple(self.Y.shape)}"
        if self.X.ndim != 2 or self.Y.ndim != 2 or self.X.shape[1] != self.Y.shape[1]:
            raise ShapeMismatch(f"X (n, k) and Y (m, k) are matrices with equal k, got {shapes}")
        if 0 in self.X.shape or 0 in self.Y.shape:
            raise ShapeMismatch(f"X and Y have a row and a column or more, got {shapes}")
        for name, x in (("X", self.X), ("Y", self.Y)):
            require_ordinary(largest(x), x.dtype, f"the largest entry of {name}")

    @property
    @abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of W_1, ..., W_l, and of the biases after them if there are any."""

    @property
    @abstractmethod
    def symmetry(self) -> Symmetry:
        """The exact action on the weights that leaves the output unchanged."""

    @abstractmethod
    def _forward(self, w: Weights, X: Float[Tensor, "n b"]) -> Float[Tensor, "*batch m b"]:
        """Return what the network makes of the inputs X; w and X have been checked."""

    def output(
        self, w: Weights, X: Float[Tensor, "n b"] | None = None
    ) -> Float[Tensor, "*batch m b"]:
        """Return what the network makes of its own inputs, or of others.

        Args:
            w: weights, batched or not.
            X: inputs as columns, shape (n, b); those of the network if None.

        Returns:
            Shape (..., m, b).

        Raises:
            ShapeMismatch: X is not a matrix with a row for each input of the network.
            NotFinite: an output leaves the range of the dtype.
            McLibError: as `require_weights`.

        >>> from mc_lib.networks import DeepLinear
        >>> one = torch.eye(1)
        >>> net = DeepLinear(one, one, (1,))
        >>> net.output((2 * one, 3 * one)), net.output((2 * one, 3 * one), 10 * one)
        (tensor([[6.]]), tensor([[60.]]))
        """
        self.require_weights(w)
        return require_computed(self._forward(w, self._inputs(X)), "an output")

    def _inputs(self, X: Float[Tensor, "n b"] | None) -> Float[Tensor, "n b"]:
        """Return inputs that fit the network, its own where none are given."""
        if X is None:
            return self.X
        require_tensors([self.X, X], "the network's X and the inputs")
        if X.ndim != 2 or X.shape[0] != self.X.shape[0]:
            raise ShapeMismatch(f"inputs are columns, ({self.X.shape[0]}, b), got {tuple(X.shape)}")
        return X

    def loss(self, w: Weights) -> Float[Tensor, "*batch"]:
        """Return ‖Y − output(w)‖², a sum of squares, not a mean.

        Args:
            w: weights, batched or not.

        Returns:
            Shape (...).

        Raises:
            NotFinite: the loss leaves the range of the dtype.
            McLibError: as `require_weights`.

        >>> from mc_lib.networks import DeepLinear
        >>> net = DeepLinear(torch.eye(1), torch.eye(1), (1,))
        >>> net.loss((torch.tensor([[2.0]]), torch.tensor([[3.0]])))
        tensor(25.)
        """
        self.require_weights(w)
        gap = self.Y - self._forward(w, self.X)
        return require_computed(gap.square().sum((-2, -1)), "the loss")

    def random(
        self, generator: torch.Generator, batch: tuple[int, ...] = (), *, gain: float = 1.0
    ) -> Weights:
        """Return random weights to start training from: normal, variance gain² / columns.

        Biases are zero.

        Args:
            generator: the source of randomness.
            batch: how many, as a shape.
            gain: scales all weights; √2 keeps the size of a signal through ReLU layers.

        Returns:
            Weights of shapes (*batch, *shapes[i]), on the device of X.

        Raises:
            OutOfDomain: the gain is not positive and finite.
            McLibError: as `Group.sample` for the generator and the batch.

        >>> from mc_lib.networks import DeepLinear
        >>> net = DeepLinear(torch.eye(3), torch.eye(3), (2,))
        >>> [tuple(x.shape) for x in net.random(torch.Generator(), (5,))]
        [(5, 2, 3), (5, 3, 2)]
        """
        require_source(generator, batch, self.X.dtype)
        require_number(gain, "the gain")
        if not 0 < gain < math.inf:
            raise OutOfDomain(f"the gain is positive and finite, got {gain}")

        def draw(shape: tuple[int, ...]) -> Tensor:
            if len(shape) == 1:
                return self.X.new_zeros(*batch, *shape)
            size, device = (*batch, *shape), generator.device
            noise = torch.randn(size, generator=generator, dtype=self.X.dtype, device=device)
            return gain / math.sqrt(shape[1]) * noise.to(self.X.device)

        return tuple(draw(shape) for shape in self.shapes)

    @property
    def columns(self) -> int:
        """The number k of columns of data."""
        return self.X.shape[1]

    def subset(self: Kind, columns: Int[Tensor, " b"]) -> Kind:
        """Return the same network on some of the columns of X and Y: a mini-batch.

        Args:
            columns: which, as indices.

        Returns:
            The network.

        Raises:
            ShapeMismatch: no columns are given.
            McLibError: as `require_columns`.

        >>> from mc_lib.networks import TwoLayer
        >>> net = TwoLayer(torch.eye(3), torch.eye(3), 2, torch.tanh)
        >>> net.subset(torch.tensor([0, 2])).X.shape
        torch.Size([3, 2])
        """
        require_columns(columns, self.columns)
        chosen = columns.to(self.X.device)
        return self.on(self.X[:, chosen], self.Y[:, chosen])

    def on(self: Kind, X: Float[Tensor, "n b"], Y: Float[Tensor, "m b"]) -> Kind:
        """Return the same network on other data, such as those held out.

        Args:
            X: inputs as columns, shape (n, b).
            Y: targets as columns, shape (m, b).

        Returns:
            The network.

        Raises:
            ShapeMismatch: the data do not fit the weights of this network.
            McLibError: as the class.

        >>> from mc_lib.networks import TwoLayer
        >>> net = TwoLayer(torch.eye(2), torch.eye(2), 2, torch.tanh)
        >>> net.on(torch.ones(2, 1), torch.ones(2, 1)).Y.shape
        torch.Size([2, 1])
        """
        other = replace(self, X=X, Y=Y)
        if other.shapes != self.shapes:
            raise ShapeMismatch(
                f"the data have {X.shape[0]} inputs and {Y.shape[0]} targets, the network "
                f"{self.X.shape[0]} and {self.Y.shape[0]}"
            )
        return other

    def require_weights(self, w: Any) -> None:
        """Refuse anything but weights (W_1, ..., W_l) of this network.

        Args:
            w: the value.

        Raises:
            ShapeMismatch: not a tuple of tensors of the shapes `shapes` whose batch
                dimensions broadcast.
            DtypeMismatch: not the dtype and device of X.
            NotFinite: an entry is NaN or infinite.

        >>> from mc_lib.networks import DeepLinear
        >>> DeepLinear(torch.eye(1), torch.eye(1), (1,)).require_weights((torch.eye(1),) * 2)
        """
        self._require_shapes(w, list(self.shapes))

    def _require_shapes(self, w: Any, want: list[tuple[int, ...]]) -> None:
        if not isinstance(w, tuple):
            raise ShapeMismatch(
                f"expected a tuple of weights of shapes {want}, got {type(w).__name__}"
            )
        require_tensors([self.X, *w], "X and the weights")
        got = [tuple(x.shape) for x in w]
        ranks = [len(shape) for shape in want]
        if len(got) != len(want) or any(
            shape[max(len(shape) - rank, 0) :] != form
            for shape, rank, form in zip(got, ranks, want, strict=True)
        ):
            raise ShapeMismatch(f"expected a tuple of weights of shapes {want}, got {got}")
        try:
            broadcast_shapes(*(s[: len(s) - r] for s, r in zip(got, ranks, strict=True)))
        except ValueError:
            raise ShapeMismatch(f"the batch dimensions of {got} do not broadcast") from None


def require_computed(x: Float[Tensor, "..."], what: str) -> Float[Tensor, "..."]:
    """Return what was computed from finite numbers, unless it left the range of the dtype.

    Raises:
        NotFinite: an entry is NaN or infinite.

    >>> require_computed(torch.tensor(torch.inf), "the loss")
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotFinite: the loss leaves the range of ...: the weights are too large
    """
    if not all_finite(x):
        raise NotFinite(f"{what} leaves the range of {x.dtype}: the weights are too large")
    return x
