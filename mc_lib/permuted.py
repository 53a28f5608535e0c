"""Minima joined up to permutations of neurons (Section 5.1)."""

import torch
from jaxtyping import Int
from torch import Tensor

from mc_lib.errors import NotConnected
from mc_lib.groups.permutation import Permutation
from mc_lib.layers import Layer
from mc_lib.minima.linear import component, signed_layers
from mc_lib.minima.zero_loss import require_ends
from mc_lib.networks import DeepLinear, Weights
from mc_lib.symmetry import Symmetry

Permutations = tuple[Int[Tensor, "*#batch _"], ...]
"""One permutation for each hidden layer, as index vectors (see `Permutation`)."""


def permute(p: Permutations, w: Weights) -> Weights:
    """Return (P_1 W_1, P_2 W_2 P_1⁻¹, ..., W_l P_{l-1}⁻¹): the neurons in another order.

    It leaves the output of every network with a pointwise activation as it was.

    Args:
        p: index vectors (p_1, ..., p_{l-1}); neuron j of layer i becomes the old p_i(j).
        w: weights (W_1, ..., W_l), batched or not.

    Returns:
        The weights, batches broadcast.

    Raises:
        McLibError: as `Symmetry.act`.

    >>> w = (torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]]))
    >>> permute((torch.tensor([1, 0]),), w)
    (tensor([[2.],
            [1.]]), tensor([[4., 3.]]))
    """
    return Symmetry.chain([Layer(Permutation(x.shape[-2])) for x in w[:-1]]).act(p, w)


def joining_permutations(net: DeepLinear, w0: Weights, w1: Weights) -> Permutations:
    """Return permutations that bring w0 into the component of w1 (Proposition 5.2).

    With P_i W_i P_{i-1}⁻¹ for W_i, the product W_i ⋯ W_1 becomes P_i W_i ⋯ W_1. So its
    determinant changes its sign exactly where P_i is odd: the first two neurons are
    exchanged at the layers where the signs of w0 and w1 differ, and nowhere else.

    Args:
        net: a linear network; only hidden layers as wide as the input have a sign.
        w0: a point of L⁻¹(0), unbatched.
        w1: a point of L⁻¹(0), unbatched.

    Returns:
        One index vector for each hidden layer, for `permute`.

    Raises:
        NotConnected: the signs differ at a layer of one neuron, which has no odd permutation.
        McLibError: as `component`.

    >>> one = torch.eye(2)
    >>> flip = torch.diag(torch.tensor([-1.0, 1.0]))
    >>> joining_permutations(DeepLinear(one, one, (2,)), (one, one), (flip, flip))
    (tensor([1, 0]),)
    """
    require_ends(net, w0, w1)
    differ = (component(net, w0) != component(net, w1)).tolist()
    layers = [i for i, d in zip(signed_layers(net), differ, strict=True) if d]
    if layers and net.X.shape[0] == 1:
        raise NotConnected(
            f"the sign of W_i ⋯ W_1 differs at the layers {layers}, and a layer of one "
            "neuron has no permutation but the identity: h ≥ 2 is needed"
        )
    found = [torch.arange(h, device=net.X.device) for h in net.widths]
    for i in layers:
        found[i - 1][:2] = found[i - 1][:2].flip(0)
    return tuple(found)
