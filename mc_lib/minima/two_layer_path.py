"""Two points of a two-layer network: a path on which the output moves straight."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.curves.base import locate
from mc_lib.kinds import require_kind
from mc_lib.minima import verbs
from mc_lib.minima.basis_exchange import exchange_corners
from mc_lib.minima.curve import MinimumCurve, require_joined
from mc_lib.minima.zero_loss import require_ends, require_single
from mc_lib.networks import TwoLayer, Weights


@dataclass(frozen=True, eq=False)
class TwoLayerCurve(MinimumCurve):
    """A polygon of weights (V, U); on each side silent neurons move, or U alone.

    A neuron is silent while its column of U is 0. So the output does not depend on σ between
    the corners: it stays at that of w0, runs straight to that of w1 on one side, and stays
    there. Each side takes an equal time.

    Args:
        net: the network.
        w0: γ(0).
        w1: γ(1).
        corners: (V, U), stacked, w0 first and w1 last.
    """

    net: TwoLayer
    corners: Weights

    @classmethod
    def between(cls, net: TwoLayer, w0: Weights, w1: Weights) -> "TwoLayerCurve":
        """Return such a path between any two points, on the minimum or not.

        Any loss that is convex in the output is on it at most the larger of its values at the
        ends: it stays in their sublevel set. It exists for every function σ and every rank of
        the features where h ≥ s + 1, s = dim span{σ(vX) : v} (ours; proof in
        `basis_exchange`), so for h ≥ k + 1.

        Args:
            net: the network.
            w0: weights, unbatched.
            w1: weights, unbatched.

        Returns:
            The path.

        Raises:
            NotConnected: h ≤ s, and no neuron can be spared.
            RankDeficient: the features are so nearly dependent that rounding spoils the path.
            ShapeMismatch: an end is batched, or no weights of the network.

        >>> one = torch.eye(1)
        >>> net = TwoLayer(one, one, hidden=2, activation=torch.sign)
        >>> v = torch.ones(2, 1)
        >>> curve = TwoLayerCurve.between(net, (v, 2 * v.mT), (-v, v.mT))
        >>> [float(net.output(curve(t))) for t in (0.0, 0.3, 1.0)]
        [4.0, 4.0, -2.0]
        """
        require_kind(net, TwoLayer, "the network")
        require_single(net, w0, w1)
        return cls(net, w0, w1, exchange_corners(net, w0, w1))

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """The times of the inner corners."""
        sides = len(self.corners[0]) - 1
        return tuple(i / sides for i in range(1, sides))

    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        side, s = locate(t, len(self.corners[0]) - 1)
        return tuple(torch.lerp(x[side], x[side + 1], s[:, None, None]) for x in self.corners)


@verbs.connect.register(TwoLayer)
def connect(net: TwoLayer, w0: Weights, w1: Weights) -> TwoLayerCurve:
    """Return a path of zero loss from w0 to w1, whatever the rank of their features.

    Args:
        net: the network.
        w0: a point of L⁻¹(0), unbatched.
        w1: another one.

    Returns:
        The path `TwoLayerCurve.between` them; it exists for h ≥ s + 1, so for h ≥ k + 1.

    Raises:
        NotConnected: h ≤ s and no neuron can be spared; that does not mean that there is no
            path.
        NotAMinimum: an end has positive loss.
        RankDeficient: rounding spoils the path.
        ShapeMismatch: an end is batched, or no weights of the network.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=2, activation=torch.relu)
    >>> dead = torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0, 7.0]])
    >>> connect(net, dead, (torch.ones(2, 1), torch.ones(1, 2) / 2)).residual
    0.0
    """
    require_ends(net, w0, w1)
    return require_joined(TwoLayerCurve.between(net, w0, w1))
