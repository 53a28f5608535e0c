"""Arguments that are no tensors: numbers, counts, batches and objects of a class."""

from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from mc_lib.errors import OutOfDomain


def require_number(x: Any, what: str) -> None:
    """Refuse what is not one real number, so that it can be compared with bounds.

    Raises:
        TypeError: x is no number.
        OutOfDomain: x is an integer too large for a float.

    >>> require_number("two", "the degree")
    Traceback (most recent call last):
    ...
    TypeError: the degree is a number, got a str
    """
    if not (_is_single(x) or isinstance(x, Real)) or isinstance(x, bool):
        raise TypeError(f"{what} is a number, got a {type(x).__name__}")
    try:
        float(x)
    except OverflowError:
        raise OutOfDomain(f"{what} is an integer too large for a float") from None


def _is_single(x: Any) -> bool:
    if not isinstance(x, Tensor) or x.numel() != 1 or x.is_complex() or x.dtype == torch.bool:
        return False
    return x.layout is torch.strided and not x.is_meta


def require_kind(x: Any, kind: type, what: str) -> None:
    """Refuse a value of another class.

    Raises:
        TypeError: x is not of it.

    >>> require_kind(3, torch.Generator, "the generator")
    Traceback (most recent call last):
    ...
    TypeError: the generator is a Generator, got an int
    """
    if not isinstance(x, kind):
        raise TypeError(f"{what} is {_a(kind)}, got {_a(type(x))}")


def require_count(x: Any, what: str, least: int | None = 1) -> None:
    """Refuse what is not an integer, or below some size, unless the caller looks at that.

    Raises:
        TypeError: x is no integer.
        OutOfDomain: x is smaller.

    >>> require_count(0, "the number of rounds")
    Traceback (most recent call last):
    ...
    mc_lib.errors.OutOfDomain: the number of rounds is 1 or more, got 0
    """
    if isinstance(x, bool) or not isinstance(x, Integral):
        raise TypeError(f"{what} is an integer, got {_a(type(x))}")
    if least is not None and x < least:
        raise OutOfDomain(f"{what} is {least} or more, got {x}")


def require_batch(batch: Any) -> None:
    """Refuse what is not the leading shape of a batch.

    Raises:
        TypeError: no tuple of integers.
        OutOfDomain: a negative size.

    >>> require_batch((3, 0))
    """
    require_kind(batch, tuple, "the batch")
    for size in batch:
        require_count(size, "a size of the batch", 0)


def _a(kind: type) -> str:
    name = kind.__name__
    return f"an {name}" if name[0] in "AEIOaeio" else f"a {name}"
