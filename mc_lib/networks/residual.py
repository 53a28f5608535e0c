"""The linear network with a skip connection of Section 4.2."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.errors import OutOfDomain
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.kinds import require_count, require_number
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.networks.matrices import MatrixNetwork, Weights, require_computed
from mc_lib.networks.sizes import require_full_row_rank, require_ordinary
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class ResidualLinear(MatrixNetwork):
    """The network W_3 (W_2 W_1 X + εX) with the loss ‖Y − W_3 (W_2 W_1 X + εX)‖² (eq. 2).

    Weights are (W_1, W_2, W_3) of shapes h × n, n × h and m × n; the paper has all of
    them n × n.

    Args:
        X: inputs as columns, shape (n, k), of full row rank n.
        Y: targets as columns, shape (m, k).
        hidden: the width h ≥ 1 of the layer that the skip connection bypasses.
        epsilon: ε, the strength of the skip connection; 0 leaves a linear network.

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        RankDeficient: X does not have full row rank.
        OutOfDomain: hidden < 1, or ε is not finite, or neither 0 nor a size that the squares of
            the dtype can hold.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, 6 * one, hidden=1, epsilon=1.0)
    >>> float(net.loss((one, one, 2 * one)))  # (6 − 2 (1 + 1))²
    4.0
    """

    hidden: int
    epsilon: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count(self.hidden, "the hidden width", None)
        require_number(self.epsilon, "epsilon")
        if self.hidden < 1:
            raise OutOfDomain(f"the hidden width is 1 or more, got {self.hidden}")
        if not math.isfinite(self.epsilon):
            raise OutOfDomain(f"epsilon is a finite number, got {self.epsilon}")
        require_ordinary(abs(self.epsilon), self.X.dtype, "|epsilon|")
        require_full_row_rank(self.X)

    @property
    @override
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shapes of W_1, W_2, W_3: h × n, n × h and m × n."""
        n, m, h = self.X.shape[0], self.Y.shape[0], self.hidden
        return ((h, n), (n, h), (m, n))

    @property
    @override
    def symmetry(self) -> Symmetry:
        """GL_h at the bypassed layer: (g W_1, W_2 g⁻¹, W_3)."""
        name = "layer 1"
        weights = ((Into(name), Fixed()), (Fixed(), OutOf(name)), (Fixed(), Fixed()))
        return Symmetry(weights, {name: Layer(GeneralLinear(self.hidden))})

    def block(self, w: Weights) -> Float[Tensor, "*batch n n"]:
        """Return M = εI + W_2 W_1, what the residual block does to its input.

        Args:
            w: weights (W_1, W_2, ...); a third one is not used.

        Returns:
            Shape (..., n, n).

        Raises:
            McLibError: as `output`.

        >>> one = torch.eye(1)
        >>> ResidualLinear(one, one, hidden=1, epsilon=0.5).block((2 * one, 3 * one))
        tensor([[6.5000]])
        """
        self._require_shapes(w, list(self.shapes[: max(2, len(w))]))
        return require_computed(self._block(w), "εI + W_2 W_1")

    def _block(self, w: Weights) -> Tensor:
        eye = torch.eye(self.X.shape[0], dtype=self.X.dtype, device=self.X.device)
        return self.epsilon * eye + w[1] @ w[0]

    @override
    def _forward(self, w: Weights, X: Float[Tensor, "n b"]) -> Float[Tensor, "*batch m b"]:
        return w[2] @ self._block(w) @ X
