"""The linear network of Section 4.1, of any depth and hidden widths."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.kinds import require_count
from mc_lib.layers import Layer
from mc_lib.networks.matrices import MatrixNetwork, Weights, require_computed
from mc_lib.networks.sizes import layer_shapes, require_widths
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class DeepLinear(MatrixNetwork):
    """The linear network W_l ⋯ W_1 X with the loss ‖Y − W_l ⋯ W_1 X‖² (eq. 1).

    Args:
        X: inputs as columns, shape (n, k), of any rank.
        Y: targets as columns, shape (m, k).
        widths: the hidden widths (n_1, ..., n_{l-1}), one or more.

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        OutOfDomain: a width below 1, or none given.

    >>> eye = torch.eye(2)
    >>> net = DeepLinear(eye, eye, widths=(2,))
    >>> float(net.loss((eye, 3 * eye)))  # ‖I − 3 I‖²
    8.0
    """

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        require_widths(self.widths)

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
            A network in torch's default dtype.

        Raises:
            OutOfDomain: depth < 2, width < 1, or an impossible condition number.

        >>> DeepLinear.square(3, 4, torch.Generator().manual_seed(0)).sizes
        (4, 4, 4, 4)
        """
        require_count(depth, "the depth", None)
        if depth < 2:
            raise OutOfDomain(f"a network with a hidden layer has depth ≥ 2, got {depth}")
        x, y = GeneralLinear(width).sample(generator, (2,), condition=condition)
        return cls(x, y, (width,) * (depth - 1))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of all layers, (n_0, n_1, ..., n_l): input, hidden, output."""
        return (self.X.shape[0], *self.widths, self.Y.shape[0])

    @property
    @override
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shapes of W_1, ..., W_l: W_i is n_i × n_{i-1}."""
        return layer_shapes(self.sizes)

    @property
    def depth(self) -> int:
        """The number l of weight matrices."""
        return len(self.widths) + 1

    @property
    @override
    def symmetry(self) -> Symmetry:
        """GL at each hidden layer: (g_1 W_1, g_2 W_2 g_1⁻¹, ..., W_l g_{l-1}⁻¹)."""
        return Symmetry.chain([Layer(GeneralLinear(h)) for h in self.widths])

    @override
    def _forward(self, w: Weights, X: Float[Tensor, "n b"]) -> Float[Tensor, "*batch m b"]:
        return _partial_products(w)[-1] @ X


def partial_products(w: Sequence[Tensor]) -> list[Tensor]:
    """Return P_1, ..., P_l with P_i = W_i ⋯ W_1.

    Args:
        w: weights (W_1, ..., W_l), batched or not.

    Returns:
        l matrices, P_i of shape (..., n_i, n_0).

    Raises:
        ShapeMismatch: they do not multiply.
        McLibError: not finite tensors of one dtype, or a product leaves its range.

    >>> [float(p) for p in partial_products((torch.tensor([[2.0]]), torch.tensor([[3.0]])))]
    [2.0, 6.0]
    """
    require_tensors(w, "the weights")
    shapes = [tuple(x.shape) for x in w]
    if any(x.ndim < 2 for x in w) or any(b[-1] != a[-2] for a, b in pairwise(shapes)):
        raise ShapeMismatch(f"expected matrices W_1, ..., W_l that multiply, got {shapes}")
    return [require_computed(p, "a product of weights") for p in _partial_products(w)]


def _partial_products(w: Sequence[Tensor]) -> list[Tensor]:
    products = [w[0]]
    for x in w[1:]:
        products.append(x @ products[-1])
    return products
