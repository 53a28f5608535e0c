"""Which entry of a batch an error message is about."""

import torch
from jaxtyping import Bool
from torch import Tensor


def first_fault(fault: Bool[Tensor, "*batch"]) -> tuple[tuple[int, ...], str]:
    """Return the index of the first True of `fault`, and how a message says it.

    Args:
        fault: True where a batch entry is refused, at least once.

    Returns:
        The index, and " (batch entry ...)", which is empty when there is no batch.

    >>> first_fault(torch.tensor([[False, True], [True, True]]))
    ((0, 1), ' (batch entry (0, 1))')
    >>> first_fault(torch.tensor(True))
    ((), '')
    """
    if fault.ndim == 0:
        return (), ""
    where = tuple(int(i) for i in torch.nonzero(fault)[0])
    return where, f" (batch entry {where})"
