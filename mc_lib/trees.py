"""Points of parameter space as trees of tensors: their types, names and orders.

A *point* w is a tree of tensors: a tuple (W_1, ..., W_l) of matrices, a dict of named
tensors, the `state_dict` of a module, or any other tree that `optree` knows. What is
computed from a point has its type: an OrderedDict stays one, with its keys in their order.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import optree
from torch import Tensor

from mc_lib.checks import require_real, require_tensors
from mc_lib.errors import ShapeMismatch

Point: TypeAlias = Any
"""A tree of real floating-point tensors of one dtype on one device."""


def leaves(w: Point) -> list[Tensor]:
    """Return the tensors of a point, in the order of its tree.

    >>> import torch
    >>> [leaf.shape[0] for leaf in leaves({"b": torch.zeros(3), "a": torch.zeros(2)})]
    [2, 3]
    """
    return optree.tree_leaves(w)


def require_point(w: Point, what: str = "the point") -> None:
    """Refuse a tree that is not a point of parameter space.

    Raises:
        McLibError: as `require_tensors`.

    >>> import torch
    >>> require_point({"W": torch.eye(2), "b": torch.tensor([[float("nan")]])})
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotFinite: the point: 1 of the 1 entries of tensor 'b' are NaN or infinite
    """
    require_tensors(leaves(w), what, partial(_name, w))


def _name(w: Point, i: int) -> str:
    """Say which tensor of the tree is number i: by its key, its number or the way to it."""
    path = optree.tree_paths(w)[i]
    return f"tensor {path[0] if len(path) == 1 else path!r}"


def _name_of_two(u: Point, v: Point, i: int) -> str:
    n = len(leaves(u))
    return f"{_name(u, i)} of the first" if i < n else f"{_name(v, i - n)} of the second"


def named(w: Point) -> dict[Any, Tensor]:
    """Return the tensors of a flat point by their names, in its order.

    Raises:
        ShapeMismatch: the tree has another form.

    >>> import torch
    >>> named((torch.zeros(1), torch.ones(1)))
    {0: tensor([0.]), 1: tensor([1.])}
    """
    xs, tree = optree.tree_flatten(w)
    if tree.num_nodes != len(xs) + 1 or tree.num_children != len(xs):
        raise ShapeMismatch(
            f"expected a flat point, a tuple or a mapping of tensors, got the tree {tree}"
        )
    return dict(zip(tree.entries(), xs, strict=True))


def renamed(w: Point, tensors: Mapping[Any, Tensor]) -> Point:
    """Return a flat point of the type of w, its keys in their order, with other tensors.

    >>> import torch
    >>> from collections import OrderedDict
    >>> dict(renamed(OrderedDict(W=torch.zeros(1)), {"W": torch.ones(1)}))
    {'W': tensor([1.])}
    """
    tree = optree.tree_structure(w)
    return optree.tree_unflatten(tree, [tensors[key] for key in tree.entries()])


def require_same_tree(u: Point, v: Point) -> None:
    """Refuse two points that do not live in the same parameter space.

    Raises:
        ShapeMismatch: the trees or the shapes of their tensors differ.
        DtypeMismatch: not tensors, or of mixed dtypes or devices, as `require_real`.

    >>> import torch
    >>> require_same_tree((torch.eye(2),), (torch.eye(3),))
    Traceback (most recent call last):
    ...
    mc_lib.errors.ShapeMismatch: the two points have shapes [(2, 2)] and [(3, 3)]
    """
    paired_leaves(u, v)


def paired_leaves(u: Point, v: Point) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tensors of two points, after refusing what is not of one space.

    Raises:
        ShapeMismatch: the trees or the shapes of their tensors differ.
        DtypeMismatch: as `require_same_tree`.

    >>> import torch
    >>> paired_leaves((torch.zeros(1),), (torch.ones(1),))
    ([tensor([0.])], [tensor([1.])])
    """
    (xs, tree), (ys, other) = optree.tree_flatten(u), optree.tree_flatten(v)
    if tree != other:
        raise ShapeMismatch(
            f"the two points have different trees: {tree} and {other}; give both as one type, "
            "with the same keys, those of an OrderedDict in the same order"
        )
    require_real([*xs, *ys], "the two points", partial(_name_of_two, u, v))
    shapes = [[tuple(x.shape) for x in both] for both in (xs, ys)]
    if shapes[0] != shapes[1]:
        raise ShapeMismatch(f"the two points have shapes {shapes[0]} and {shapes[1]}")
    return xs, ys
