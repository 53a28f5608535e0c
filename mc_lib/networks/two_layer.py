"""The two-layer network with any pointwise activation, of eq. (6)."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.approximate import features
from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups.permutation import Permutation
from mc_lib.kinds import require_count
from mc_lib.layers import Layer
from mc_lib.networks.matrices import MatrixNetwork, Weights
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class TwoLayer(MatrixNetwork):
    """The network U σ(VX) with the loss ‖Y − U σ(VX)‖².

    Weights are (V, U), in the order of application as everywhere here, V of shape h × n
    and U of shape m × h; the paper writes the pair of eq. (6) as (U, V).

    Args:
        X: inputs as columns, shape (n, k).
        Y: targets as columns, shape (m, k).
        hidden: the number h ≥ 1 of hidden neurons.
        activation: σ, applied entry by entry.

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        OutOfDomain: hidden < 1.

    >>> import torch
    >>> one = torch.eye(1)
    >>> net = TwoLayer(2 * one, one, hidden=1, activation=torch.square)
    >>> float(net.loss((one, one)))  # (1 − 2²)²
    9.0
    """

    hidden: int
    activation: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count(self.hidden, "the hidden width", None)
        if self.hidden < 1:
            raise OutOfDomain(f"the hidden width is 1 or more, got {self.hidden}")

    @property
    @override
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shapes of V and U: h × n and m × h."""
        return ((self.hidden, self.X.shape[0]), (self.Y.shape[0], self.hidden))

    @property
    @override
    def symmetry(self) -> Symmetry:
        """S_h, the permutations of the hidden neurons: exact for every pointwise σ."""
        return Symmetry.chain([Layer(Permutation(self.hidden))])

    def features(self, v: Float[Tensor, "*batch h n"]) -> Float[Tensor, "*batch h k"]:
        """Return H = σ(VX), what the hidden neurons make of the data.

        Args:
            v: V, batched or not; any number of rows will do.

        Returns:
            Shape (..., h, k).

        Raises:
            ShapeMismatch: V does not fit X, or σ changes the shape.
            DtypeMismatch: σ changes the dtype or the device.
            NotFinite: a value of σ is NaN or infinite.

        >>> import torch
        >>> one = torch.eye(1)
        >>> TwoLayer(2 * one, one, hidden=1, activation=torch.square).features(3 * one)
        tensor([[36.]])
        """
        require_tensors([self.X, v], "X and V")
        if v.ndim < 2 or v.shape[-1] != self.X.shape[0]:
            raise ShapeMismatch(f"V has {self.X.shape[0]} columns, got shape {tuple(v.shape)}")
        return features(self.activation, v, self.X)

    @override
    def _forward(self, w: Weights, X: Float[Tensor, "n b"]) -> Float[Tensor, "*batch m b"]:
        return w[1] @ features(self.activation, w[0], X)
