"""Tied weights: one tensor under several names, which costs a stream its rotations."""

import copy

from torch import nn

from mc_lib.kinds import require_kind


def untied(model: nn.Module) -> nn.Module:
    """Return a copy of a module in which each name has a parameter of its own.

    It computes the same function and has more parameters, and more symmetries: an embedding
    that is also the last layer admits no rotation of the stream. What ties the weights when a
    checkpoint is loaded, as the configuration of a language model does, is not changed.

    Args:
        model: any module.

    Returns:
        A copy.

    Raises:
        TypeError: no module.

    >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    >>> net[1].weight = net[0].weight
    >>> len(list(net.parameters())), len(list(untied(net).parameters()))
    (1, 2)
    """
    require_kind(model, nn.Module, "the model")
    found = copy.deepcopy(model)
    seen = set()
    for module in found.modules():
        for name, x in module.named_parameters(recurse=False):
            if id(x) in seen:
                own = nn.Parameter(x.detach().clone(), requires_grad=x.requires_grad)
                setattr(module, name, own)
                x = own
            seen.add(id(x))
    return found
