"""The paper's networks: data X, Y, hidden widths, and a loss on parameter space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.params import require_tensors, tolerance
from mc_lib.symmetry import Layer, Symmetry

Weights = tuple[Tensor, ...]
"""A point (W_1, ..., W_l), W_i of shape (..., n_i, n_{i-1})."""


@dataclass(frozen=True, eq=False)
class DeepLinear:
    """The linear network W_l ⋯ W_1 X with the loss ‖Y − W_l ⋯ W_1 X‖² (eq. 1).

    Args:
        X: inputs as columns, shape (n, k), of full row rank n.
        Y: targets as columns, shape (m, k).
        widths: the hidden widths (n_1, ..., n_{l-1}), one or more.

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        RankDeficient: X does not have full row rank.
        OutOfDomain: a width below 1, or none given.

    >>> eye = torch.eye(2, dtype=torch.float64)
    >>> net = DeepLinear(eye, eye, widths=(2,))
    >>> float(net.loss((eye, 3 * eye)))  # ‖I − 3 I‖²
    8.0
    """

    X: Float[Tensor, "n k"]
    Y: Float[Tensor, "m k"]
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        require_tensors([self.X, self.Y], "X and Y")
        shapes = f"X {tuple(self.X.shape)} and Y {tuple(self.Y.shape)}"
        if self.X.ndim != 2 or self.Y.ndim != 2 or self.X.shape[1] != self.Y.shape[1]:
            raise ShapeMismatch(f"X (n, k) and Y (m, k) are matrices with equal k, got {shapes}")
        if len(self.widths) == 0 or min(self.widths) < 1:
            raise OutOfDomain(f"give one hidden width ≥ 1 or more, got {self.widths}")
        rank = int(torch.linalg.matrix_rank(self.X, rtol=tolerance(self.X.dtype).rank))
        if rank < self.X.shape[0]:
            raise RankDeficient(
                f"X of shape {tuple(self.X.shape)} has rank {rank}, not the full row rank "
                f"{self.X.shape[0]}: some inputs are never seen"
            )

    @classmethod
    def square(
        cls, depth: int, width: int, generator: torch.Generator, *, condition: float = 10.0
    ) -> "DeepLinear":
        """Return a network of Section 4.1: all matrices h × h, X and Y random invertible.

        Args:
            depth: the number l ≥ 2 of weight matrices.
            width: h ≥ 1.
            generator: the source of randomness.
            condition: condition number of X and of Y.

        Returns:
            A network in float64.

        Raises:
            OutOfDomain: depth < 2, width < 1, or an impossible condition number.

        >>> DeepLinear.square(3, 4, torch.Generator().manual_seed(0)).sizes
        (4, 4, 4, 4)
        """
        if depth < 2:
            raise OutOfDomain(f"a network with a hidden layer has depth ≥ 2, got {depth}")
        x, y = GeneralLinear(width).sample(generator, (2,), condition=condition)
        return cls(x, y, (width,) * (depth - 1))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of all layers, (n_0, n_1, ..., n_l): input, hidden, output."""
        return (self.X.shape[0], *self.widths, self.Y.shape[0])

    @property
    def depth(self) -> int:
        """The number l of weight matrices."""
        return len(self.widths) + 1

    @property
    def symmetry(self) -> Symmetry:
        """GL at each hidden layer: (g_1 W_1, g_2 W_2 g_1⁻¹, ..., W_l g_{l-1}⁻¹)."""
        return Symmetry.chain([Layer(GeneralLinear(h)) for h in self.widths])

    def require_weights(self, w: Any) -> None:
        """Refuse anything but weights (W_1, ..., W_l) of this network.

        Args:
            w: the value.

        Raises:
            ShapeMismatch: not a tuple of l matrices n_i × n_{i-1} with broadcastable batch.
            DtypeMismatch: not the dtype and device of X.
            NotFinite: an entry is NaN or infinite.

        >>> DeepLinear(torch.eye(1), torch.eye(1), (1,)).require_weights((torch.eye(1),) * 2)
        """
        want = [(out, into) for into, out in zip(self.sizes, self.sizes[1:], strict=False)]
        if not isinstance(w, tuple):
            raise ShapeMismatch(
                f"expected a tuple of weights of shapes {want}, got {type(w).__name__}"
            )
        require_tensors([self.X, *w], "X and the weights")
        got = [tuple(x.shape) for x in w]
        if [shape[-2:] for shape in got] != want:
            raise ShapeMismatch(f"expected a tuple of weights of shapes {want}, got {got}")
        try:
            torch.broadcast_shapes(*(shape[:-2] for shape in got))
        except RuntimeError:
            raise ShapeMismatch(f"the batch dimensions of {got} do not broadcast") from None

    def output(self, w: Weights) -> Float[Tensor, "*batch m k"]:
        """Return W_l ⋯ W_1 X.

        Args:
            w: weights, batched or not.

        Returns:
            Shape (..., m, k).

        Raises:
            McLibError: as `require_weights`.

        >>> net = DeepLinear(torch.eye(1), torch.eye(1), (1,))
        >>> net.output((torch.tensor([[2.0]]), torch.tensor([[3.0]])))
        tensor([[6.]])
        """
        self.require_weights(w)
        return partial_products(w)[-1] @ self.X

    def loss(self, w: Weights) -> Float[Tensor, "*batch"]:
        """Return ‖Y − W_l ⋯ W_1 X‖², a sum of squares, not a mean.

        Args:
            w: weights, batched or not.

        Returns:
            Shape (...).

        Raises:
            McLibError: as `require_weights`.

        >>> net = DeepLinear(torch.eye(1), torch.eye(1), (1,))
        >>> net.loss((torch.tensor([[2.0]]), torch.tensor([[3.0]])))
        tensor(25.)
        """
        return (self.Y - self.output(w)).square().sum((-2, -1))


def partial_products(w: Sequence[Tensor]) -> list[Tensor]:
    """Return P_1, ..., P_l with P_i = W_i ⋯ W_1.

    Args:
        w: weights (W_1, ..., W_l), batched or not.

    Returns:
        l matrices, P_i of shape (..., n_i, n_0).

    >>> [float(p) for p in partial_products((torch.tensor([[2.0]]), torch.tensor([[3.0]])))]
    [2.0, 6.0]
    """
    products = [w[0]]
    for x in w[1:]:
        products.append(x @ products[-1])
    return products
