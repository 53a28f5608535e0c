"""What counts as zero, and what is no tensor to compute with: asked at every door."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from mc_lib.errors import DtypeMismatch, NotFinite, ShapeMismatch

Name: TypeAlias = Callable[[int], str]
"""How a message calls the tensor of an index."""


@dataclass(frozen=True)
class Tolerance:
    """What counts as zero in one dtype, always relative to the size of the data."""

    equal: float  # two matrices agree: relative Frobenius distance
    zero_loss: float  # a point is a minimum: loss / ‖Y‖², a squared residual
    rank: float  # a singular value counts: relative to the largest


TOLERANCE = {
    torch.float64: Tolerance(equal=1e-10, zero_loss=1e-16, rank=1e-12),
    torch.float32: Tolerance(equal=1e-4, zero_loss=1e-7, rank=1e-5),
}


def tolerance(dtype: torch.dtype) -> Tolerance:
    """Return the tolerances of a dtype.

    Args:
        dtype: `torch.float32` or `torch.float64`.

    Returns:
        The row of the tolerance table.

    Raises:
        DtypeMismatch: for any other dtype; half precision cannot carry the inverses.

    >>> tolerance(torch.float64).rank
    1e-12
    """
    if dtype not in TOLERANCE:
        raise DtypeMismatch(
            f"dtype {dtype} is not supported: use torch.float64 or torch.float32 "
            "(convert with .to(torch.float64))"
        )
    return TOLERANCE[dtype]


def numerical_rank(x: Tensor) -> int:
    """Return the rank of one matrix, by the rank tolerance of its dtype.

    >>> numerical_rank(torch.ones(2, 2))
    1
    """
    return int(torch.linalg.matrix_rank(x, rtol=tolerance(x.dtype).rank))


def require_tensors(
    tensors: Sequence[Any], what: str = "the weights", name: Name = "tensor {}".format
) -> None:
    """Refuse anything but finite real tensors of one dtype on one device.

    Args:
        tensors: the values to check.
        what: how to call them in the message.
        name: how to call the one of an index.

    Raises:
        ShapeMismatch: there are none.
        DtypeMismatch: as `require_real`.
        NotFinite: an entry is NaN or infinite.

    >>> require_tensors([torch.tensor([1, 2])])
    Traceback (most recent call last):
    ...
    mc_lib.errors.DtypeMismatch: the weights: dtype torch.int64 is not supported: ...
    """
    require_real(tensors, what, name)
    for i, x in enumerate(tensors):
        if not all_finite(x):
            bad = int((~torch.isfinite(x)).sum())
            raise NotFinite(
                f"{what}: {bad} of the {x.numel()} entries of {name(i)} are NaN or infinite"
            )


def require_real(
    tensors: Sequence[Any], what: str = "the weights", name: Name = "tensor {}".format
) -> None:
    """Refuse anything but real dense tensors of one dtype on one device, whatever they hold.

    Args:
        tensors: the values to check.
        what: how to call them in the message.
        name: how to call the one of an index.

    Raises:
        ShapeMismatch: there are none.
        DtypeMismatch: not tensors, not float32/float64, sparse, nested or without entries
            (meta), or of mixed dtypes or devices.

    >>> require_real([torch.zeros(1), 1.0])
    Traceback (most recent call last):
    ...
    mc_lib.errors.DtypeMismatch: the weights: expected tensors, got a float (tensor 1)
    """
    if len(tensors) == 0:
        raise ShapeMismatch(f"{what}: expected at least one tensor, got none")
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor) or x.dtype not in TOLERANCE or not is_dense(x):
            where = f" ({name(i)})" if len(tensors) > 1 else ""
            raise DtypeMismatch(f"{what}: {_fault(x)}{where}")
    for kind in ("dtype", "device"):
        found = {getattr(x, kind) for x in tensors}
        if len(found) > 1:
            names = sorted(map(str, found))
            raise DtypeMismatch(f"{what}: mixed {kind}s {names}; convert them to one")
    if tensors[0].is_meta:
        raise DtypeMismatch(f"{what}: a tensor on the device meta holds no numbers")


def is_dense(x: Tensor) -> bool:
    """Return whether a tensor is neither sparse nor nested.

    Args:
        x: any tensor.

    Returns:
        True or False.

    >>> is_dense(torch.eye(2)), is_dense(torch.eye(2).to_sparse())
    (True, False)
    """
    return x.layout is torch.strided and not x.is_nested


def _fault(x: Any) -> str:
    """Say why x is no dense real tensor, and what would be right."""
    if not isinstance(x, Tensor):
        return f"expected tensors, got a {type(x).__name__}{_remedy(x)}"
    if not is_dense(x):
        return f"expected dense tensors, got layout {x.layout}: convert it with .to_dense()"
    counts = not (x.is_floating_point() or x.is_complex())
    rest = ", or leave out what counts or indexes" if counts else ""
    return f"dtype {x.dtype} is not supported: use torch.float64 or torch.float32{rest}"


def _remedy(x: Any) -> str:
    """Say how a tensor, or a tree of them, is made of x."""
    if hasattr(x, "__array__"):
        return "; torch.as_tensor makes a tensor of it"
    if hasattr(x, "named_parameters"):
        return "; dict(module.named_parameters()) is a point"
    if isinstance(x, Mapping):
        return "; dict(x) makes a tree of it"
    if is_dataclass(x):
        return "; register the class with optree.dataclasses, or give a dict"
    return ""


def all_finite(x: Tensor) -> bool:
    """Return whether no entry of x is NaN or infinite.

    A sum with such an entry is NaN or infinite itself, so one pass over x settles most cases;
    where finite entries add up to infinity, each is looked at.

    Args:
        x: any shape.

    Returns:
        True or False; True inside `torch.func.vmap`, where no number can be looked at.

    >>> large = torch.tensor([1e308, 1e308], dtype=torch.float64)
    >>> all_finite(large), all_finite(large * 10)
    (True, False)
    """
    try:
        return math.isfinite(x.detach().sum().item()) or bool(torch.isfinite(x).all())
    except RuntimeError:
        return True


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape to which arrays of these shapes broadcast.

    As `torch.broadcast_shapes`, whose first call imports a computer algebra system.

    Args:
        *shapes: the shapes.

    Returns:
        The shape.

    Raises:
        ValueError: they do not broadcast.

    >>> broadcast_shapes((3, 1), (2,), ())
    (3, 2)
    """
    return np.broadcast_shapes(*map(tuple, shapes))


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
