"""A point of parameter space as one vector, whatever tree its tensors form.

A *point* w is a tree of tensors: a tuple (W_1, ..., W_l) of matrices, or a dict of
named tensors (any tree that `optree` knows). Parameter space is the Euclidean space
of all their entries, with the Frobenius inner product summed over the tensors.
Leading dimensions shared by all tensors are batch: T points of a curve are one tree
whose tensors have shape (T, ...).
"""

import math
from typing import Any, TypeAlias

import optree
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import ShapeMismatch

Point: TypeAlias = Any
"""A tree of real floating-point tensors of one dtype on one device."""


def leaves(w: Point) -> list[Tensor]:
    """Return the tensors of a point, in the order of its tree.

    Args:
        w: a tree of tensors.

    Returns:
        The list of its tensors.

    >>> [leaf.shape[0] for leaf in leaves({"b": torch.zeros(3), "a": torch.zeros(2)})]
    [2, 3]
    """
    return optree.tree_leaves(w)


def require_point(w: Point, what: str = "the point") -> None:
    """Refuse a tree that is not a point of parameter space.

    Args:
        w: the tree to check.
        what: how to call it in the message.

    Raises:
        McLibError: as `require_tensors`.

    >>> require_point((torch.eye(2), torch.tensor([[float("nan")]])))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotFinite: the point: 1 of the 1 entries of tensor 1 are NaN ...
    """
    require_tensors(leaves(w), what)


def require_same_tree(u: Point, v: Point) -> None:
    """Refuse two points that do not live in the same parameter space.

    Args:
        u: a point.
        v: a point.

    Raises:
        ShapeMismatch: the trees or the shapes of their tensors differ.

    >>> require_same_tree((torch.eye(2),), (torch.eye(3),))
    Traceback (most recent call last):
    ...
    mc_lib.errors.ShapeMismatch: the two points have shapes [(2, 2)] and [(3, 3)]
    """
    trees = [optree.tree_structure(w) for w in (u, v)]
    if trees[0] != trees[1]:
        raise ShapeMismatch(f"the two points have different trees: {trees[0]} and {trees[1]}")
    shapes = [[tuple(x.shape) for x in leaves(w)] for w in (u, v)]
    if shapes[0] != shapes[1]:
        raise ShapeMismatch(f"the two points have shapes {shapes[0]} and {shapes[1]}")


def to_vector(w: Point, batch_ndim: int = 0) -> Float[Tensor, "*batch N"]:
    """Return the entries of w as one vector.

    Args:
        w: a point whose tensors share their first `batch_ndim` dimensions.
        batch_ndim: how many leading dimensions are batch.

    Returns:
        The entries, tensor after tensor in the order of the tree, shape (*batch, N).

    Raises:
        ShapeMismatch: the batch dimensions of the tensors differ.

    >>> to_vector((torch.eye(2), torch.tensor([[5.0]])))
    tensor([1., 0., 0., 1., 5.])
    """
    xs = leaves(w)
    batches = {tuple(x.shape[:batch_ndim]) for x in xs}
    if len(batches) != 1 or any(x.ndim < batch_ndim for x in xs):
        raise ShapeMismatch(
            f"expected {batch_ndim} batch dimensions shared by all tensors, got shapes "
            f"{[tuple(x.shape) for x in xs]}"
        )
    return torch.cat([_flat(x, batch_ndim) for x in xs], dim=-1)


def _flat(x: Tensor, batch_ndim: int) -> Tensor:
    # reshape(-1) cannot infer a size beside an empty batch, so it is counted here
    return x.reshape(*x.shape[:batch_ndim], math.prod(x.shape[batch_ndim:]))


def from_vector(vector: Float[Tensor, "*batch N"], like: Point) -> Point:
    """Return the point whose entries are `vector`: the inverse of `to_vector`.

    Args:
        vector: entries, shape (*batch, N).
        like: an unbatched point that gives the tree and the shapes.

    Returns:
        A tree as `like`, its tensors of shape (*batch, ...).

    Raises:
        ShapeMismatch: N is not the number of entries of `like`.

    >>> from_vector(torch.arange(3.0), (torch.zeros(1, 2), torch.zeros(1, 1)))
    (tensor([[0., 1.]]), tensor([[2.]]))
    """
    sizes = [x.numel() for x in leaves(like)]
    if vector.shape[-1:] != (sum(sizes),):
        raise ShapeMismatch(
            f"a vector of shape {tuple(vector.shape)} does not hold the "
            f"{sum(sizes)} entries of the point"
        )
    parts = iter(torch.split(vector, sizes, dim=-1))
    return optree.tree_map(lambda x: next(parts).reshape(*vector.shape[:-1], *x.shape), like)


def inner(u: Point, v: Point, batch_ndim: int = 0) -> Float[Tensor, "*batch"]:
    """Return the inner product ⟨u, v⟩ = Σ_i tr(U_iᵀ V_i) of parameter space.

    Args:
        u: a point.
        v: a point of the same space.
        batch_ndim: how many leading dimensions are batch.

    Returns:
        One number for each batch entry, shape (*batch).

    Raises:
        ShapeMismatch: u and v are not of one space.

    >>> inner((torch.eye(2), torch.ones(1, 1)), (torch.eye(2), torch.ones(1, 1)))
    tensor(3.)
    """
    require_same_tree(u, v)
    return (to_vector(u, batch_ndim) * to_vector(v, batch_ndim)).sum(-1)


def norm(w: Point, batch_ndim: int = 0) -> Float[Tensor, "*batch"]:
    """Return the norm ‖w‖ = √⟨w, w⟩, the Frobenius norm over all tensors.

    Args:
        w: a point.
        batch_ndim: how many leading dimensions are batch.

    Returns:
        Shape (*batch).

    >>> norm((torch.tensor([[3.0]]), torch.tensor([[4.0]])))
    tensor(5.)
    """
    return torch.linalg.vector_norm(to_vector(w, batch_ndim), dim=-1)


def distance(u: Point, v: Point, batch_ndim: int = 0) -> Float[Tensor, "*batch"]:
    """Return ‖u − v‖.

    Args:
        u: a point.
        v: a point of the same space.
        batch_ndim: how many leading dimensions are batch.

    Returns:
        Shape (*batch).

    Raises:
        ShapeMismatch: u and v are not of one space.

    >>> distance((torch.tensor([[3.0]]),), (torch.tensor([[1.0]]),))
    tensor(2.)
    """
    require_same_tree(u, v)
    return norm(optree.tree_map(torch.sub, u, v), batch_ndim)


def lerp(u: Point, v: Point, t: Float[Tensor, "*times"]) -> Point:
    """Return (1 − t) u + t v, which is u at t = 0 and v at t = 1 to the last bit.

    Args:
        u: a point, unbatched.
        v: a point of the same space, unbatched.
        t: parameters of any shape; outside [0, 1] the line continues.

    Returns:
        A tree as u, its tensors of shape (*times, ...).

    Raises:
        ShapeMismatch: u and v are not of one space.

    >>> lerp((torch.zeros(1, 1),), (torch.ones(1, 1),), torch.tensor([0.0, 0.5]))
    (tensor([[[0.0000]],
    <BLANKLINE>
            [[0.5000]]]),)
    """
    require_same_tree(u, v)

    def between(a: Tensor, b: Tensor) -> Tensor:
        s = t.to(a).reshape(*t.shape, *[1] * a.ndim)
        return (1 - s) * a + s * b

    return optree.tree_map(between, u, v)
