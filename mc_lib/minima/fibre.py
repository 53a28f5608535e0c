"""The weights that a layer may have once its input and its output are known.

For H of full column rank, {W : W H = Y} is an affine space: W = Y H⁺ + Z (I − H H⁺) with
a free Z. Every minimum here is a bundle of such fibres over a space of matrices H.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.groups.general_linear import GeneralLinear


def nearest_in_fibre(
    z: Float[Tensor, "*#batch b a"],
    h: Float[Tensor, "*#batch a n"],
    y: Float[Tensor, "*#batch b n"],
) -> Float[Tensor, "*batch b a"]:
    """Return W = Z + (Y − Z H) H⁺, the solution of W H = Y nearest to Z.

    W − Z has its rows in the row space of Hᵀ, the orthogonal complement of the directions
    of the affine space {W : W H = Y}, so no solution is nearer. By a QR factorisation:
    ‖W H − Y‖ is of the order of ε ‖W‖ ‖H‖.

    Args:
        z: Z, shape (..., b, a).
        h: H of full column rank n ≤ a (not checked here), shape (..., a, n).
        y: Y, shape (..., b, n).

    Returns:
        W, shape (..., b, a).

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

    Args:
        h: H of full column rank, shape (..., a, n).
        y: Y, shape (..., b, n).
        generator: the source of randomness; not used where a = n leaves nothing free.

    Returns:
        W, shape (..., b, a).

    >>> random_in_fibre(torch.tensor([[2.0]]), torch.tensor([[6.0]]), torch.Generator())
    tensor([[3.]])
    """
    shape, n = (*y.shape[:-1], h.shape[-2]), h.shape[-1]
    if shape[-1] == n:
        return GeneralLinear(n).right_inverse(y, h)
    z = torch.randn(shape, generator=generator, dtype=y.dtype, device=y.device)
    return nearest_in_fibre(z / shape[-1] ** 0.5, h, y)


def in_random_position(
    square: Float[Tensor, "*batch n n"], height: int, generator: torch.Generator
) -> Float[Tensor, "*batch h n"]:
    """Return an h × n matrix with the singular values of `square`, in a random position.

    Args:
        square: shape (..., n, n).
        height: h ≥ n; for h = n the result is `square` itself.
        generator: the source of randomness.

    Returns:
        E @ square with E uniform among the h × n matrices of orthonormal columns.

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
