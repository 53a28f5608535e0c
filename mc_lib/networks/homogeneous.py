"""The network with an activation of degree k, of Section 5.2 and Figure 4."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import require_real
from mc_lib.errors import OutOfDomain
from mc_lib.groups.positive_scaling import PositiveScaling
from mc_lib.kinds import require_number
from mc_lib.layers import Layer
from mc_lib.networks.matrices import MatrixNetwork, Weights
from mc_lib.networks.sizes import layer_shapes, require_widths
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class HomogeneousNet(MatrixNetwork):
    """The network W_l σ(W_{l-1} ⋯ σ(W_1 X)) with σ(cz) = cᵏ σ(z) for every c > 0 (eq. 3).

    The activation is `leaky_power`: for degree 1 the leaky ReLU, with slope 0 the ReLU.

    Args:
        X: inputs as columns, shape (n, k).
        Y: targets as columns, shape (m, k).
        widths: the hidden widths (n_1, ..., n_{l-1}), one or more.
        degree: the degree k > 0 of σ.
        slope: what σ keeps of a negative value, σ(−1) = −slope.

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        OutOfDomain: no hidden width, one below 1, or an impossible degree or slope.

    >>> one = torch.eye(1)
    >>> net = HomogeneousNet(one, 9 * one, (1,), degree=2)
    >>> float(net.loss((3 * one, 2 * one)))  # (9 − 2·3²)²
    81.0
    """

    widths: tuple[int, ...]
    degree: float = 1.0
    slope: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_widths(self.widths)
        _require_activation(self.degree, self.slope)

    @property
    @override
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shapes of W_1, ..., W_l: W_i is n_i × n_{i-1}."""
        sizes = (self.X.shape[0], *self.widths, self.Y.shape[0])
        return layer_shapes(sizes)

    @property
    @override
    def symmetry(self) -> Symmetry:
        """Positive scalings of the hidden neurons, with ρ_out(g) = gᵏ."""
        return Symmetry.chain([Layer(PositiveScaling(h), self.degree) for h in self.widths])

    def hidden(
        self, w: Sequence[Tensor], X: Float[Tensor, "n b"] | None = None
    ) -> list[Float[Tensor, "*batch h b"]]:
        """Return what each hidden layer makes of the data: σ(W_1 X), σ(W_2 σ(W_1 X)), ...

        Args:
            w: the weights (W_1, ..., W_i) of the first layers, batched or not.
            X: as for `output`.

        Returns:
            One tensor a weight, shape (..., n_i, b).

        Raises:
            McLibError: as `output`.

        >>> one = torch.eye(1)
        >>> HomogeneousNet(one, one, (1, 1), slope=0.5).hidden((-4 * one, one))
        [tensor([[-2.]]), tensor([[-1.]])]
        """
        self._require_shapes(w, list(self.shapes[: len(w)]))
        return self._hidden(w, self._inputs(X))

    def _hidden(self, w: Sequence[Tensor], X: Tensor) -> list[Tensor]:
        found = [X]
        for x in w:
            found.append(leaky_power(x @ found[-1], self.degree, self.slope))
        return found[1:]

    @override
    def _forward(self, w: Weights, X: Float[Tensor, "n b"]) -> Float[Tensor, "*batch m b"]:
        return w[-1] @ self._hidden(w[:-1], X)[-1]


def leaky_power(
    z: Float[Tensor, "*shape"], degree: float = 1.0, slope: float = 0.01
) -> Float[Tensor, "*shape"]:
    """Return σ(z) = zᵏ for z ≥ 0 and −slope · |z|ᵏ for z < 0, entry by entry.

    It is homogeneous of degree k: σ(cz) = cᵏ σ(z) for every c > 0, not for c < 0. At z = 0
    its derivatives count as 0 where k ≠ 1, whether they exist or not.

    Args:
        z: any shape.
        degree: k > 0.
        slope: ≥ 0; 0 for the power of a ReLU.

    Returns:
        The shape of z.

    Raises:
        OutOfDomain: the degree is not positive and finite, or the slope not ≥ 0 and finite.

    >>> leaky_power(torch.tensor([-2.0, 0.0, 3.0]), degree=2, slope=0.5)
    tensor([-2.,  0.,  9.])
    """
    require_real([z], "z")
    _require_activation(degree, slope)
    if degree == 1:
        return torch.nn.functional.leaky_relu(z, slope)
    size = torch.where(z == 0, 1, z).abs().pow(degree)  # no power of 0 has an infinite slope
    return torch.where(z < 0, -slope * size, torch.where(z == 0, 0, size))


def _require_activation(degree: float, slope: float) -> None:
    require_number(degree, "the degree k of an activation")
    require_number(slope, "the slope")
    if not 0 < degree < math.inf or not 0 <= slope < math.inf:
        raise OutOfDomain(
            f"an activation has a degree k > 0 and a slope ≥ 0, got degree = {degree} and "
            f"slope = {slope}"
        )
