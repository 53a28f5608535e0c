"""A point of parameter space as one vector, whatever tree its tensors form.

A *point* w is a tree of tensors: a tuple (W_1, ..., W_l) of matrices, or a dict of
named tensors (any tree that `optree` knows). Parameter space is the Euclidean space
of all their entries, with the Frobenius inner product summed over the tensors.
Leading dimensions shared by all tensors are batch: T points of a curve are one tree
whose tensors have shape (T, ...).
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import optree
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import is_dense, require_real
from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.norms import dot, holds, vector_norm
from mc_lib.trees import Point as Point
from mc_lib.trees import leaves as leaves
from mc_lib.trees import paired_leaves
from mc_lib.trees import require_point as require_point
from mc_lib.trees import require_same_tree as require_same_tree

Times: TypeAlias = float | int | Float[Tensor, "*times"]
"""A number, or a floating-point tensor of any shape."""


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
    require_real(xs, "the point")
    return _joined(xs, batch_ndim)


def _joined(xs: Sequence[Tensor], batch_ndim: int) -> Tensor:
    batches = {tuple(x.shape[:batch_ndim]) for x in xs}
    if len(batches) != 1 or not all(0 <= batch_ndim <= x.ndim for x in xs):
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
    require_real([vector], "the vector")
    require_real(leaves(like), "the point")
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
        DtypeMismatch: not tensors of one real dtype.
        OutOfDomain: an inner product other than 0 is too large or too small for the dtype.

    >>> inner((torch.eye(2), torch.ones(1, 1)), (torch.eye(2), torch.ones(1, 1)))
    tensor(3.)
    """
    xs, ys = paired_leaves(u, v)
    value = dot(_joined(xs, batch_ndim), _joined(ys, batch_ndim))
    return _measured("⟨u, v⟩", value, batch_ndim, xs, ys)


def norm(w: Point, batch_ndim: int = 0) -> Float[Tensor, "*batch"]:
    """Return the norm ‖w‖ = √⟨w, w⟩, the Frobenius norm over all tensors.

    Args:
        w: a point.
        batch_ndim: how many leading dimensions are batch.

    Returns:
        Shape (*batch).

    Raises:
        DtypeMismatch: not tensors of one real dtype.
        OutOfDomain: the norm is too large for the dtype.

    >>> norm((torch.tensor([[3.0]]), torch.tensor([[4.0]])))
    tensor(5.)
    """
    return _measured("‖w‖", vector_norm(to_vector(w, batch_ndim)), batch_ndim, leaves(w))


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
        DtypeMismatch: not tensors of one real dtype.
        OutOfDomain: the distance is too large for the dtype.

    >>> distance((torch.tensor([[3.0]]),), (torch.tensor([[1.0]]),))
    tensor(2.)
    """
    xs, ys = paired_leaves(u, v)
    gap = _joined([x - y for x, y in zip(xs, ys, strict=True)], batch_ndim)
    return _measured("‖u − v‖", vector_norm(gap), batch_ndim, xs, ys)


def _measured(what: str, value: Tensor, batch_ndim: int, *given: Sequence[Tensor]) -> Tensor:
    """Refuse a value that is not finite where the points are."""
    if holds(torch.isfinite(value)):
        return value
    vectors = [_joined(xs, batch_ndim) for xs in given]
    lost = torch.stack([x.isfinite().all(-1) for x in vectors]).all(0) & ~torch.isfinite(value)
    if not holds(lost.any()):
        return value
    sizes = " and ".join(f"{float(x[lost].abs().max()):.3g}" for x in vectors)
    raise OutOfDomain(f"{what} is outside the range of {value.dtype}, with entries up to {sizes}")


def lerp(u: Point, v: Point, t: Times) -> Point:
    """Return (1 − t) u + t v, which is u at t = 0 and v at t = 1 to the last bit.

    Args:
        u: a point, unbatched.
        v: a point of the same space, unbatched.
        t: a number, or parameters of any shape; outside [0, 1] the line continues.

    Returns:
        A tree as u, its tensors of shape (*times, ...).

    Raises:
        ShapeMismatch: u and v are not of one space.
        DtypeMismatch: not tensors of one real dtype; t as `times_like`.
        NotFinite: outside [0, 1], a value that leaves the range of the dtype.

    >>> lerp((torch.zeros(1, 1),), (torch.ones(1, 1),), torch.tensor([0.0, 0.5]))
    (tensor([[[0.0000]],
    <BLANKLINE>
            [[0.5000]]]),)
    """
    times = times_like(t, paired_leaves(u, v)[0][0])

    def between(a: Tensor, b: Tensor) -> Tensor:
        s = times.reshape(*times.shape, *[1] * a.ndim)
        return (1 - s) * a + s * b

    line = optree.tree_map(between, u, v)
    inside = holds((times >= 0) & (times <= 1))  # between two numbers nothing overflows
    if not inside and any(holds((~torch.isfinite(x)).any()) for x in leaves(line)):
        raise NotFinite(f"(1 − t) u + t v leaves the range of {times.dtype} outside [0, 1]")
    return line


def times_like(t: Times, like: Tensor) -> Float[Tensor, "*times"]:
    """Return times as a tensor in the dtype and on the device of `like`.

    Args:
        t: a number, or a floating-point tensor of any shape.
        like: a tensor.

    Returns:
        The times, in the shape of t.

    Raises:
        DtypeMismatch: t is neither, or sparse or without entries (meta).
        NotFinite: t is an integer too large for a float.

    >>> times_like(1, torch.zeros(2))
    tensor(1.)
    """
    if isinstance(t, (float, int)) and not isinstance(t, bool):
        try:
            return torch.full((), float(t), dtype=like.dtype, device=like.device)
        except OverflowError:
            raise NotFinite("t is an integer too large for a float") from None
    if not isinstance(t, Tensor) or not t.is_floating_point():
        got = f"a tensor of {t.dtype}" if isinstance(t, Tensor) else f"a {type(t).__name__}"
        raise DtypeMismatch(f"t is a number or a floating-point tensor, got {got}")
    if not is_dense(t) or t.is_meta:
        raise DtypeMismatch(f"t is a dense tensor with entries, got {t.layout} on {t.device}")
    return t.to(like)
