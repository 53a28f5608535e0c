"""Minima joined up to permutations of neurons (Section 5.1)."""

import torch
from jaxtyping import Int
from torch import Tensor

from mc_lib.errors import NotConnected
from mc_lib.kinds import require_kind
from mc_lib.minima.linear import component, signed_layers
from mc_lib.minima.zero_loss import require_ends
from mc_lib.networks import DeepLinear, Weights

Permutations = tuple[Int[Tensor, "*#batch _"], ...]
"""One permutation for each hidden layer, as index vectors (see `Permutation`)."""


def joining_permutations(net: DeepLinear, w0: Weights, w1: Weights) -> Permutations:
    """Return permutations that bring w0 into the component of w1 (Proposition 5.2).

    With P_i W_i P_{i-1}⁻¹ for W_i, the product W_i ⋯ W_1 becomes P_i W_i ⋯ W_1. So its
    determinant changes its sign exactly where P_i is odd: the first two neurons are
    exchanged at the layers where the signs of w0 and w1 differ, and nowhere else.

    Args:
        net: a linear network; only hidden layers as wide as the rank of Y have a sign.
        w0: a point of L⁻¹(0), unbatched.
        w1: a point of L⁻¹(0), unbatched.

    Returns:
        One index vector for each hidden layer, for `permutations_of(net.symmetry).act`.

    Raises:
        NotConnected: the signs differ at a layer of one neuron, which has no odd permutation.
        McLibError: as `component`.

    >>> one = torch.eye(2)
    >>> flip = torch.diag(torch.tensor([-1.0, 1.0]))
    >>> joining_permutations(DeepLinear(one, one, (2,)), (one, one), (flip, flip))
    (tensor([1, 0]),)
    """
    require_kind(net, DeepLinear, "the network")
    require_ends(net, w0, w1)
    differ = (component(net, w0) != component(net, w1)).tolist()
    layers = [i for i, d in zip(signed_layers(net), differ, strict=True) if d]
    if any(net.widths[i - 1] == 1 for i in layers):
        raise NotConnected(
            f"the sign of W_i ⋯ W_1 differs at the layers {layers}, and a layer of one "
            "neuron has no permutation but the identity: h ≥ 2 is needed"
        )
    found = [torch.arange(h, device=net.X.device) for h in net.widths]
    for i in layers:
        found[i - 1][:2] = found[i - 1][:2].flip(0)
    return tuple(found)
