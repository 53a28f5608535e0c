"""Chapter 2: variance repair, which gives the neurons of an average their parents' spread."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import leaky_relu

from mc_lib.curves import Line
from mc_lib.curves.base import Times
from mc_lib.networks import Weights
from mc_lib.networks.classifier import Classifier


@dataclass(frozen=True, eq=False)
class RepairedLine:
    """The points (1 − t) u + t v of a segment, each repaired (REPAIR, Jordan et al. 2023).

    The response z of a hidden neuron of an average varies less over the data than it does
    in u and in v. From the first hidden layer to the last, each row of weights and its bias
    are changed by z ↦ m(t) + (z − E z) s(t) / sd z, so that the mean and the standard
    deviation over the data become those halfway: m(t) = (1 − t) E z_u + t E z_v, and s(t)
    in the same way of sd z_u and sd z_v. No training is needed. At the ends nothing changes.

    Args:
        net: the network, on the data whose statistics are meant.
        u: the start.
        v: the end, aligned with u.

    Raises:
        McLibError: u and v are not points of the network.

    >>> x = torch.tensor([[1.0, -1.0]])
    >>> net = Classifier.of_labels(x, torch.tensor([0, 1]), 2, (1,))
    >>> one = torch.ones(2, 1)
    >>> u, v = ((s * one[:1], one, 0 * one[0], 0 * one[:, 0]) for s in (3.0, -1.0))
    >>> RepairedLine(net, u, v)(0.5)[0]  # on the segment it is 1, in u and v of size 3 and 1
    tensor([[2.]])
    """

    net: Classifier
    u: Weights
    v: Weights
    breakpoints: ClassVar[tuple[float, ...]] = ()

    def __post_init__(self) -> None:
        for w in (self.u, self.v):
            self.net.require_weights(w)
        Line(self.u, self.v)

    @property
    def start(self) -> Weights:
        """The point u."""
        return self.u

    def __call__(self, t: Times) -> Weights:
        """Return the repaired points.

        Args:
            t: times in [0, 1], shape (T...,).

        Returns:
            Points whose tensors have shape (T..., ...).

        Raises:
            McLibError: as for a curve.
        """
        w = list(Line(self.u, self.v)(t))
        s = torch.as_tensor(t, dtype=self.u[0].dtype, device=self.u[0].device)[..., None]
        depth, a = self.net.depth, self.net.X
        for i, (of_u, of_v) in enumerate(self._ends):
            z = w[i] @ a + w[depth + i][..., None]
            mean, sd = _statistics(z)
            wanted, wanted_sd = ((1 - s) * x + s * y for x, y in zip(of_u, of_v, strict=True))
            factor = torch.where(sd > 0, wanted_sd / sd, 1)
            w[i] = factor[..., None] * w[i]
            w[depth + i] = wanted + factor * (w[depth + i] - mean)
            z = wanted[..., None] + factor[..., None] * (z - mean[..., None])
            a = leaky_relu(z, self.net.slope)
        return tuple(w)

    @cached_property
    def _ends(self) -> list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """The statistics of each hidden layer in u and in v."""
        sides = (
            [_statistics(z) for z in self.net.preactivations(w)[:-1]] for w in (self.u, self.v)
        )
        return list(zip(*sides, strict=True))


def _statistics(z: Float[Tensor, "*batch h k"]) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each neuron over the data."""
    return z.mean(-1), z.std(-1, correction=0)
