"""Chapter 4b: the output of a network and its Jacobian J.

The output L W R depends on W through J = L ⊗ Rᵀ. The survey needs many thousand Jacobians of
small networks, and there the closed form takes a fraction of the time of a backward pass.
"""

from functools import singledispatch
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.networks import DeepLinear, MatrixNetwork, ResidualLinear, Weights, partial_products
from mc_lib.points import from_vector


def output_and_jacobian(
    net: MatrixNetwork, v: Float[Tensor, "S N"]
) -> tuple[Float[Tensor, "S R"], Float[Tensor, "S R N"]]:
    """Return the output and its Jacobian at points given as vectors, rows of the output first.

    >>> one = torch.ones(1, 1)
    >>> output_and_jacobian(DeepLinear(one, one, (1,)), torch.tensor([[5.0, 7.0]]))  # w_2 w_1
    (tensor([[35.]]), tensor([[[7., 5.]]]))
    """
    out, jac = _differentiate(net, v)
    return out.flatten(-2), jac


@singledispatch
def _differentiate(net: MatrixNetwork, v: Tensor) -> tuple[Tensor, Tensor]:
    """Any network: one backward pass for as many copies of v as the output has entries."""
    like = tuple(net.X.new_zeros(shape) for shape in net.shapes)
    with torch.enable_grad():
        u = v.detach().expand(net.Y.numel(), *v.shape).clone().requires_grad_()
        out = net.output(from_vector(u, like))
        rows = out.flatten(-2).diagonal(dim1=0, dim2=-1)
        (jac,) = torch.autograd.grad(rows.sum(), u)
    return out[0].detach(), jac.transpose(0, 1)


@_differentiate.register
def _(net: DeepLinear, v: Tensor) -> tuple[Tensor, Tensor]:
    w = _matrices(net, v)
    after = list(accumulate(w[:0:-1], torch.matmul))[::-1]  # W_l ⋯ W_{i+1}
    before = [net.X, *(p @ net.X for p in partial_products(w))]  # W_{i-1} ⋯ W_1 X
    eye = torch.eye(len(net.Y)).to(net.Y)
    factors = zip([*after, eye], before[:-1], strict=True)
    return before[-1], torch.cat([_kronecker(a, b) for a, b in factors], -1)


@_differentiate.register
def _(net: ResidualLinear, v: Tensor) -> tuple[Tensor, Tensor]:
    first, second, third = w = _matrices(net, v)
    inner, eye = net.block(w) @ net.X, torch.eye(len(net.Y)).to(net.Y)
    factors = ((third @ second, net.X), (third, first @ net.X), (eye, inner))
    return third @ inner, torch.cat([_kronecker(a, b) for a, b in factors], -1)


def _matrices(net: MatrixNetwork, v: Tensor) -> Weights:
    parts = v.split([a * b for a, b in net.shapes], dim=-1)
    return tuple(x.unflatten(-1, shape) for x, shape in zip(parts, net.shapes, strict=True))


def _kronecker(left: Tensor, right: Tensor) -> Tensor:
    """L ⊗ Rᵀ: how the entries of L W R depend on those of W, both row by row."""
    product = left[..., :, None, :, None] * right.mT[..., None, :, None, :]
    return product.flatten(-4, -3).flatten(-2)
