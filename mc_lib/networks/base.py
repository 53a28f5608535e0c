"""What the library asks of a network; a user's own needs no more."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from mc_lib.points import Point
from mc_lib.symmetry import Symmetry


@runtime_checkable
class Network(Protocol):
    """A symmetry, an output and a loss on points w of parameter space.

    Whatever has these three serves, without inheriting from anything; what data the loss is
    taken on is its own affair. The paper's networks are `MatrixNetwork`s.

    A network with one weight of two entries, whose output is their product:

    >>> import torch
    >>> from mc_lib.groups import PositiveScaling
    >>> from mc_lib.layers import Into, Layer, OutOf
    >>> class Hyperbola:
    ...     symmetry = Symmetry(((Into("h"),), (OutOf("h"),)), {"h": Layer(PositiveScaling(1))})
    ...     def output(self, w):
    ...         return w[0] * w[1]
    ...     def loss(self, w):
    ...         return (1 - self.output(w)).square().sum(-1)
    >>> net, w = Hyperbola(), (torch.tensor([2.0]), torch.tensor([0.5]))
    >>> isinstance(net, Network), net.loss(net.symmetry.act((torch.tensor([3.0]),), w))
    (True, tensor(0.))
    """

    @property
    def symmetry(self) -> Symmetry:
        """The exact action on the points that leaves the output unchanged."""

    def output(self, w: Point) -> Tensor:
        """Return what the network makes of its data."""

    def loss(self, w: Point) -> Tensor:
        """Return the loss, one number for each point of a batch."""
