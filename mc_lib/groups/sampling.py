"""Random ingredients that the groups share: Haar orthogonal matrices, spread numbers."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.errors import DtypeMismatch, OutOfDomain
from mc_lib.kinds import require_batch, require_kind, require_number


def require_form(batch: Any, dtype: Any, device: Any = None) -> None:
    """Refuse what no element can be made in: a wrong batch, dtype or device.

    Raises:
        DtypeMismatch: a dtype other than float32 and float64, or no device.
        McLibError: as `require_batch`.

    >>> require_form((), torch.float16)
    Traceback (most recent call last):
    ...
    mc_lib.errors.DtypeMismatch: dtype torch.float16 is not supported: ...
    """
    require_batch(batch)
    tolerance(torch.get_default_dtype() if dtype is None else dtype)
    try:
        if device is not None:
            torch.device(device)
    except (RuntimeError, ValueError) as error:
        raise DtypeMismatch(f"{device!r} is no device here: {error}") from None


def require_source(generator: Any, batch: Any, dtype: Any) -> None:
    """Refuse to sample without a source of randomness, or in a form that cannot be made.

    Raises:
        TypeError: the source is no `torch.Generator`.
        McLibError: as `require_form`.

    >>> require_source(0, (), None)
    Traceback (most recent call last):
    ...
    TypeError: the generator is a Generator, got an int
    """
    require_kind(generator, torch.Generator, "the generator")
    require_form(batch, dtype)


def haar(a: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return a Haar orthogonal matrix from a standard normal one (QR with diag R > 0).

    >>> haar(torch.tensor([[-0.3]]))
    tensor([[-1.]])
    """
    q, r = torch.linalg.qr(a)
    signs = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q)
    return q * signs.unsqueeze(-2)


def flip_first_column(
    q: Float[Tensor, "*batch n n"],
    component: int | None,
    factors: Sequence[Float[Tensor, "*batch m m"]],
) -> Float[Tensor, "*batch n n"]:
    """Return q with its first column negated where Π det(factors) has not the sign wanted.

    Returns:
        Shape (..., n, n); q itself where no component is wanted.

    Raises:
        OutOfDomain: component not in {+1, -1, None}.

    >>> flip_first_column(torch.tensor([[5.0]]), -1, [torch.tensor([[3.0]])])
    tensor([[-5.]])
    """
    if component is not None:
        require_number(component, "the component")
    if component not in (None, 1, -1):
        raise OutOfDomain(f"component is +1, -1 or None, got {component!r}")
    if component is None:
        return q
    sign = math.prod(torch.linalg.slogdet(x).sign for x in factors)
    keep = torch.where(sign == component, 1.0, -1.0).to(q)[..., None, None]
    return torch.cat((keep * q[..., :1], q[..., 1:]), dim=-1)


def spread(u: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """Return n numbers in [0, 1] moved to [-1, 1], touching both ends when n ≥ 2.

    >>> spread(torch.tensor([0.25, 0.5, 0.75]))
    tensor([-1.,  0.,  1.])
    """
    if u.shape[-1] == 1:
        return 2 * u - 1
    low, high = u.amin(-1, keepdim=True), u.amax(-1, keepdim=True)
    even = torch.linspace(-1, 1, u.shape[-1], dtype=u.dtype, device=u.device)
    return torch.where(high > low, 2 * (u - low) / (high - low) - 1, even)


def require_condition(condition: float, n: int, dtype: torch.dtype) -> None:
    """Refuse a condition number that the dtype cannot carry.

    Raises:
        OutOfDomain: c outside [1, 1/(n ε)).

    >>> require_condition(0.5, 2, torch.float32)
    Traceback (most recent call last):
    ...
    mc_lib.errors.OutOfDomain: the condition number must lie in [1, 4.19e+06) for ...
    """
    require_number(condition, "the condition number")
    most = 1 / (n * torch.finfo(dtype).eps)
    if not 1 <= condition < most:
        raise OutOfDomain(
            f"the condition number must lie in [1, {most:.3g}) for n = {n} and "
            f"{dtype}, got {condition}"
        )
