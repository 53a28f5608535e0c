"""Derivatives of what is computed outside of torch, or by factors that have none of their own.

L(A, E) = d/ds log(A + sE) at s = 0 is the upper right block of log [[A, E], [0, A]]
(Higham, Functions of Matrices, 2008, Theorem 3.6), and its adjoint is that at Aᵀ. The
derivative of the derivative is the same formula for the block, so that all orders exist.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from typing_extensions import override

from mc_lib.errors import OutOfDomain
from mc_lib.norms import power_of_two

Compute = Callable[..., Any]


def tracks(*xs: Tensor) -> bool:
    """Return whether a derivative by one of the tensors may be asked for.

    >>> tracks(torch.zeros(1)), tracks(torch.zeros(1, requires_grad=True))
    (False, True)
    """
    if torch._C._are_functorch_transforms_active():
        return True
    return any(x.requires_grad or unpack_dual(x).tangent is not None for x in xs)


def differentiable_logarithm(
    g: Float[Tensor, "*batch n n"], value: Compute, principal: Compute
) -> Float[Tensor, "*batch n n"]:
    """Return value(g), a logarithm of g, with the derivatives of the principal logarithm.

    >>> from mc_lib.groups.logarithm import principal_logarithm as log
    >>> g = torch.tensor([[4.0]], requires_grad=True)
    >>> torch.autograd.grad(differentiable_logarithm(g, log, log).sum(), g)
    (tensor([[0.2500]]),)
    """
    if not tracks(g):
        return value(g)
    return _Logarithm.apply(g, value, principal)  # type: ignore[no-untyped-call]


class _Logarithm(torch.autograd.Function):
    @staticmethod
    @override
    def forward(g: Tensor, value: Compute, principal: Compute) -> Tensor:
        return value(g)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.principal = inputs[2]

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (g,) = ctx.saved_tensors
        return _log_derivative(g.mT, grads[0], ctx.principal), None, None

    @staticmethod
    @override
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        (g,) = ctx.saved_tensors
        return _log_derivative(g, tangents[0], ctx.principal)

    @staticmethod
    @override
    def vmap(
        info: Any, in_dims: tuple[Any, ...], g: Tensor, value: Compute, principal: Compute
    ) -> tuple[Tensor, int]:
        return differentiable_logarithm(g.movedim(in_dims[0], 0), value, principal), 0


def _log_derivative(a: Tensor, e: Tensor, principal: Compute) -> Tensor:
    """Return L(A, E), A and E scaled to one size."""
    n = a.shape[-1]
    size_a, size_e = (power_of_two(x.detach().abs().amax((-2, -1), keepdim=True)) for x in (a, e))
    upper = torch.cat((a / size_a, e / size_e), -1)
    lower = torch.cat((torch.zeros_like(upper[..., :n]), a / size_a), -1)
    block = torch.cat((upper, lower), -2)
    return differentiable_logarithm(block, principal, principal)[..., :n, n:] / size_a * size_e


def sylvester(
    s: Float[Tensor, "*batch n n"], b: Float[Tensor, "*batch n n"]
) -> Float[Tensor, "*batch n n"]:
    """Return the X with SX + XS = B, for a symmetric positive definite S.

    In the eigenbasis of S, X_ij = B_ij / (λ_i + λ_j), whatever eigenvalues are equal.

    >>> sylvester(torch.tensor([[2.0]]), torch.tensor([[12.0]]))
    tensor([[3.]])
    """
    return _Sylvester.apply(s, b)  # type: ignore[no-untyped-call]


class _Sylvester(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(s: Tensor, b: Tensor) -> Tensor:
        values, w = torch.linalg.eigh(s)
        sums = values.unsqueeze(-1) + values.unsqueeze(-2)
        return w @ (w.mT @ b @ w / sums) @ w.mT

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        s, x = ctx.saved_tensors
        y = sylvester(s, grads[0])
        return -y @ x.mT - x.mT @ y, y

    @staticmethod
    @override
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        s, x = ctx.saved_tensors
        ds, db = tangents
        return sylvester(s, db - ds @ x - x @ ds)


def differentiable_polar(
    g: Float[Tensor, "*batch n n"], value: Compute
) -> tuple[Float[Tensor, "*batch n n"], Float[Tensor, "*batch n n"]]:
    """Return value(g), the polar factors of an invertible g, with their derivatives.

    For g = QS, dQ = QΩ and dS = Qᵀdg − ΩS with the skew Ω that solves
    SΩ + ΩS = Qᵀdg − dgᵀQ: no eigenvalue is divided by the gap to another.

    >>> g = torch.tensor([[-3.0]], requires_grad=True)
    >>> q, s = differentiable_polar(g, lambda g: (g.sign(), g.abs()))
    >>> torch.autograd.grad(s.sum(), g)
    (tensor([[-1.]]),)
    """
    if not tracks(g):
        return value(g)
    return _Polar.apply(g, value)  # type: ignore[no-untyped-call]


class _Polar(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(g: Tensor, value: Compute) -> tuple[Tensor, Tensor]:
        return value(g)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        q, s = ctx.saved_tensors
        turned, stretched = grads[0], (grads[1] + grads[1].mT) / 2
        k = q.mT @ turned - stretched @ s
        return q @ (stretched + sylvester(s, k - k.mT)), None

    @staticmethod
    @override
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, Tensor]:
        q, s = ctx.saved_tensors
        moved = q.mT @ tangents[0]
        spin = sylvester(s, moved - moved.mT)
        stretched = moved - spin @ s
        return q @ spin, (stretched + stretched.mT) / 2


def without_derivative(compute: Compute, why: str, *inputs: Tensor) -> Any:
    """Return compute(*inputs), whose derivatives by the inputs are refused when asked for.

    >>> g = torch.ones(1, requires_grad=True)
    >>> (x,) = without_derivative(lambda g: (2 * g,), "a path has no derivative by its end", g)
    >>> x.sum().backward()
    Traceback (most recent call last):
    ...
    mc_lib.errors.OutOfDomain: a path has no derivative by its end
    """
    if not tracks(*inputs):
        return compute(*inputs)
    return _Opaque.apply(compute, why, *inputs)  # type: ignore[no-untyped-call]


class _Opaque(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(compute: Compute, why: str, *inputs: Tensor) -> Any:
        return compute(*inputs)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.why = inputs[1]

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> NoReturn:
        raise OutOfDomain(ctx.why)

    @staticmethod
    @override
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        raise OutOfDomain(ctx.why)
