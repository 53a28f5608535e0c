"""The weights that a layer may have once its input and its output are known.

For H of full column rank, {W : W H = Y} is an affine space: W = Y H⁺ + Z (I − H H⁺) with
a free Z. Every minimum here is a bundle of such fibres over a space of matrices H.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.ranges import largest
from mc_lib.points import lerp

ORDINARY = 10
"""Exponents of two up to which the size of the data leaves the size of what is drawn alone."""


def nearest_in_fibre(
    z: Float[Tensor, "*#batch b a"],
    h: Float[Tensor, "*#batch a n"],
    y: Float[Tensor, "*#batch b n"],
) -> Float[Tensor, "*batch b a"]:
    """Return W = Z + (Y − Z H) H⁺, the solution of W H = Y nearest to Z.

    W − Z has its rows in the row space of Hᵀ, the orthogonal complement of the directions
    of the affine space {W : W H = Y}, so no solution is nearer. By a QR factorisation:
    ‖W H − Y‖ is of the order of ε ‖W‖ ‖H‖.

    >>> z, h, y = torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0], [0.0]]), torch.tensor([[6.0]])
    >>> nearest_in_fibre(z, h, y)
    tensor([[3., 5.]])
    """
    q, r = torch.linalg.qr(h)
    return z + torch.linalg.solve_triangular(r, y - z @ h, upper=True, left=False) @ q.mT


def random_in_fibre(
    h: Float[Tensor, "*batch a n"], y: Float[Tensor, "*batch b n"], generator: torch.Generator
) -> Float[Tensor, "*batch b a"]:
    """Return a random W with W H = Y: Z + (Y − Z H) H⁺ with Z standard normal / √a.

    Where the sizes of Y and H are more than a factor 1000 apart, Z has the size of their
    quotient, since rounding in Z H would drown a small Y.

    >>> random_in_fibre(torch.tensor([[2.0]]), torch.tensor([[6.0]]), torch.Generator())
    tensor([[3.]])
    """
    shape, n = (*y.shape[:-1], h.shape[-2]), h.shape[-1]
    if shape[-1] == n:
        return GeneralLinear(n).right_inverse(y, h)
    z = torch.randn(shape, generator=generator, dtype=y.dtype, device=y.device)
    return nearest_in_fibre(z / shape[-1] ** 0.5 * size_ratio(h, y), h, y)


def free_part(
    z0: Float[Tensor, "b a"],
    z1: Float[Tensor, "b a"],
    h0: Float[Tensor, "a n"],
    h1: Float[Tensor, "a n"],
    t: Float[Tensor, "T"],
) -> Float[Tensor, "T b a"]:
    """Return the Z(t) between two weights from which the solutions of W H = Y are measured.

    It is (1 − t) Z₀ + t Z₁ where H and Z H keep their sizes, up to a factor 1000. Where those of
    H grow by h and those of Z H by y, it is (y/h)ᵗ ((1 − t) Z₀ + t (h/y) Z₁), so that rounding in
    Z(t) H(t) does not drown Y(t) on geodesics H and Y.

    >>> one = torch.eye(1)
    >>> free_part(one, 3 * one, one, one, torch.tensor([0.5])).flatten()
    tensor([2.])
    """
    ratio = size_ratio(z0 @ h0, z1 @ h1) / size_ratio(h0, h1)
    if ratio == 1:
        return lerp(z0, z1, t)
    return lerp(z0, z1 / ratio, t) * torch.exp2(math.log2(ratio) * t)[:, None, None]


def size_ratio(a: Float[Tensor, "..."], b: Float[Tensor, "..."]) -> float:
    """Return the quotient of the sizes of b and a, as a power of two far from 1, or 1.

    >>> size_ratio(torch.eye(2), 4096 * torch.eye(3)), size_ratio(torch.eye(2), 3 * torch.eye(2))
    (4096.0, 1.0)
    """
    if a.numel() == 0 or b.numel() == 0:
        return 1.0
    size_a, size_b = largest(a), largest(b)
    return natural_unit(size_b / size_a) if size_a * size_b > 0 else 1.0


def natural_unit(size: float) -> float:
    """Return a power of two near a size, and 1 for sizes from 1/1000 to 1000.

    >>> natural_unit(7.0), natural_unit(2.0**-30)
    (1.0, 9.313225746154785e-10)
    """
    exponent = math.frexp(size)[1] - 1
    return 1.0 if abs(exponent) <= ORDINARY else 2.0**exponent


def in_random_position(
    square: Float[Tensor, "*batch n n"], height: int, generator: torch.Generator
) -> Float[Tensor, "*batch h n"]:
    """Return an h × n matrix with the singular values of `square`, in a random position.

    >>> tall = in_random_position(torch.tensor([[3.0]]), 4, torch.Generator())
    >>> tall.shape, round(float(tall.norm()), 5)
    (torch.Size([4, 1]), 3.0)
    """
    *batch, n, _ = square.shape
    if height == n:
        return square
    normal = torch.randn(
        *batch, height, n, generator=generator, dtype=square.dtype, device=square.device
    )
    return torch.linalg.qr(normal).Q @ square
