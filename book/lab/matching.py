"""Chapter 5b: the permutation or rotation that brings one hidden layer near another."""

import functools
import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups.nearest import best_assignment, best_rotation
from mc_lib.groups.permutation import Permutation
from mc_lib.points import require_point, require_same_tree

LARGEST = 8
"""Permutations of a given sign are found by trying all of so many neurons."""


def affinity(
    w: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor]
) -> Float[Tensor, "*batch h h"]:
    """Return C with ⟨reference, g·w⟩ = tr(gᵀC) for every orthogonal g.

    C = R_1W_1ᵀ + R_2ᵀW_2, where g·w = (gW_1, W_2g⁻¹) and R is the reference. As g·w is as
    long as w, it is nearest to R where tr(gᵀC) is largest.

    Args:
        w: (W_1, W_2), shapes (..., h, n) and (..., m, h).
        reference: (R_1, R_2), of the same shapes.

    Returns:
        Shape (..., h, h).

    Raises:
        ShapeMismatch: not two pairs of matrices of the same shapes with one hidden layer.

    >>> affinity((torch.eye(1), 2 * torch.eye(1)), (torch.eye(1), 3 * torch.eye(1)))
    tensor([[7.]])
    """
    for point in (w, reference):
        require_point(point)
        if len(point) != 2 or any(x.ndim < 2 for x in point):
            raise ShapeMismatch(f"expected (W_1, W_2), got {[tuple(x.shape) for x in point]}")
    require_same_tree(w, reference)
    if w[0].shape[-2] != w[1].shape[-1]:
        shapes = [tuple(x.shape) for x in w]
        raise ShapeMismatch(f"W_1 (..., h, n) and W_2 (..., m, h) share h, got {shapes}")
    return reference[0] @ w[0].mT + reference[1].mT @ w[1]


def match_permutation(
    w: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor], *, sign: int | None = None
) -> Int[Tensor, " h"]:
    """Return the permutation of the hidden neurons that brings w nearest to the reference.

    The weight matching of Ainsworth et al. (2023), which for one hidden layer is one linear
    assignment problem: maximise Σ_i C_{i, p(i)}, C the `affinity`.

    Args:
        w: (W_1, W_2), unbatched.
        reference: of the same shapes.
        sign: 1 or -1 for the best even or odd permutation; None for the best of all.

    Returns:
        The index vector p, shape (h,).

    Raises:
        ShapeMismatch: as `affinity`, or a batch.
        OutOfDomain: a sign for more than `LARGEST` neurons, or no permutation of that sign.

    >>> w = (torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]]))
    >>> match_permutation(w, (w[0].flip(0), w[1].flip(1)))
    tensor([1, 0])
    """
    c = affinity(w, reference)
    if c.ndim != 2:
        raise ShapeMismatch(f"expected single points, got an affinity of shape {tuple(c.shape)}")
    if sign is None:
        return best_assignment(c)
    h = len(c)
    if sign not in (1, -1) or h > LARGEST or (sign == -1 and h == 1):
        raise OutOfDomain(
            f"sign is 1 or -1, for 2 to {LARGEST} neurons (one has only the identity), "
            f"got sign = {sign} and {h} neurons"
        )
    every = _signed(h, sign).to(c.device)
    gain = c[torch.arange(h, device=c.device), every].sum(-1)
    return every[gain.argmax()]


@functools.cache
def _signed(h: int, sign: int) -> Int[Tensor, "orders h"]:
    every = torch.tensor(list(itertools.permutations(range(h))))
    return every[Permutation(h).sign(every) == sign]


def match_rotation(
    w: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor], *, sign: int | None = None
) -> Float[Tensor, "*batch h h"]:
    """Return the orthogonal g that brings (gW_1, W_2gᵀ) nearest to the reference.

    Procrustes' problem: maximise tr(gᵀC), C the `affinity`. With C = AΣBᵀ it is g = ABᵀ; for
    a given sign of det g that disagrees, the last singular vector changes its sign.

    Args:
        w: (W_1, W_2), batched or not.
        reference: of the same shapes.
        sign: 1 or -1, the sign of det g; None for the best of both.

    Returns:
        Orthogonal matrices, shape (..., h, h).

    Raises:
        ShapeMismatch: as `affinity`.
        OutOfDomain: the sign is neither, or C is singular to rounding and no sign was given:
            then g is not unique.

    >>> w = (torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    >>> match_rotation(w, (-w[0], -w[1])), match_rotation(w, (-w[0], -w[1]), sign=1)
    (tensor([[-1.]]), tensor([[1.]]))
    """
    if sign not in (None, 1, -1):
        raise OutOfDomain(f"sign is 1, -1 or None, got {sign!r}")
    c = affinity(w, reference)
    if sign is None:
        sigma = torch.linalg.svdvals(c)
        if (sigma[..., -1] <= tolerance(c.dtype).rank * sigma[..., 0]).any():
            raise OutOfDomain("the affinity is singular: two rotations are equally near")
        return best_rotation(c)
    a, _, bt = torch.linalg.svd(c)
    wrong = torch.linalg.det(a @ bt).sign() != sign
    last = torch.where(wrong[..., None], -a[..., -1], a[..., -1])
    return torch.cat([a[..., :-1], last[..., None]], -1) @ bt
