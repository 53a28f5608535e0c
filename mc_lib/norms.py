"""Norms and inner products at any scale: squares and products that would leave the dtype.

The entries are scaled by powers of two, which loses nothing, and only where the plain result
over- or underflows: elsewhere it is torch's, to the last bit.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

HALF = 1000
"""The exponent of a product is at most about twice this, and 2^±1000 is a float64."""


def vector_norm(x: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
    """Return the Euclidean norm along the last dimension.

    It is infinite only where an entry is, or where the norm is too large for the dtype.

    >>> float(vector_norm(torch.tensor([3 * 2.0**-100, 4 * 2.0**-100])) * 2.0**100)
    5.0
    """
    plain = torch.linalg.vector_norm(x, dim=-1)
    info = torch.finfo(x.dtype)
    ordinary = in_range(plain, (info.tiny / info.eps) ** 0.5)
    if x.shape[-1] == 0 or holds(ordinary):
        return plain
    largest = torch.linalg.vector_norm(x.detach(), ord=torch.inf, dim=-1, keepdim=True)
    size = torch.where(ordinary.unsqueeze(-1), 1, power_of_two(largest))
    return torch.linalg.vector_norm(x / size, dim=-1) * size.squeeze(-1)


def dot(x: Float[Tensor, "*batch N"], y: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
    """Return the inner product along the last dimension.

    It is NaN where x and y are finite and the size of their inner product, not being 0, is
    outside the range of the normal numbers of the dtype.

    >>> x = torch.tensor([1e300, 1e300], dtype=torch.float64)
    >>> [float(dot(x, y)) for y in (x / x, torch.stack([x[0], -x[1]]), x)]
    [2e+300, 0.0, nan]
    """
    plain = (x * y).sum(-1)
    info = torch.finfo(x.dtype)
    ordinary = in_range(plain.abs(), info.tiny / info.eps)
    if x.shape[-1] == 0 or holds(ordinary):
        return plain
    scaled: Tensor = _ScaledDot.apply(x, y)  # type: ignore[no-untyped-call]
    return torch.where(ordinary, plain, scaled)


class _ScaledDot(torch.autograd.Function):
    """Σ x_i y_i as 2ᵏ Σ m_i n_i 2^(k_i − k), k the largest exponent k_i of a product."""

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(x: Tensor, y: Tensor) -> Tensor:
        (m, e), (n, f) = torch.frexp(x), torch.frexp(y)
        exponent = torch.where(m * n == 0, -4 * HALF, e + f)
        k = exponent.amax(-1)
        total = (m * n * torch.exp2((exponent - k.unsqueeze(-1)).to(x.dtype))).sum(-1)
        near = k.clamp(-HALF, HALF)
        value = total * torch.exp2(near.to(x.dtype)) * torch.exp2((k - near).to(x.dtype))
        lost = ~in_range(value.abs(), torch.finfo(x.dtype).tiny) & total.isfinite()
        return torch.where(total == 0, total, torch.where(lost, torch.nan, value))

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        return grads[0].unsqueeze(-1) * y, grads[0].unsqueeze(-1) * x

    @staticmethod
    @override
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        x, y = ctx.saved_tensors
        return dot(tangents[0], y) + dot(x, tangents[1])


def power_of_two(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the largest powers of two that are at most x, and 1 where x is not positive.

    >>> power_of_two(torch.tensor([0.0, 3.0, 0.5]))
    tensor([1.0000, 2.0000, 0.5000])
    """
    power = x / (2 * torch.frexp(x).mantissa)
    return torch.where(in_range(power, 0), power, 1)


def in_range(x: Float[Tensor, "*shape"], least: float) -> Bool[Tensor, "*shape"]:
    """Return where least < x < ∞.

    >>> in_range(torch.tensor([1.0, torch.inf, torch.nan]), 0)
    tensor([ True, False, False])
    """
    return (x > least) & (x < torch.inf)


def holds(condition: Bool[Tensor, "*shape"]) -> bool:
    """Return whether a condition holds everywhere; False inside `torch.func.vmap`.

    There no branch may depend on a value, and what is computed must serve both cases.

    >>> holds(torch.tensor([True, False]))
    False
    """
    try:
        return bool(condition.all())
    except RuntimeError:
        return False
